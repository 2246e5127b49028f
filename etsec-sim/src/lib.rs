//! A software model of the eTSEC.
