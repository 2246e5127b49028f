//! Queues dressed for network stacks, one file and one feature each. They add no rule of their own
//! to the queues'.

#[cfg(feature = "smoltcp")]
pub mod smoltcp;
