//! A model in a process of its own (feature `remote`): the device goes on when its driver dies.
//!
//! Registers are messages on a SOCK_SEQPACKET socket: each is asked and answered whole, so a client
//! that is killed leaves no half message. Memory is a memfd that both sides map, and the server
//! keeps it: whatever becomes of a driver, the device never writes to memory of somebody else.
//! Interrupts are event descriptors. One client at a time owns the device; others may look.
//!
//! It knows who may ask what, and neither registers nor descriptors.

mod client;
mod message;
mod region;
mod server;
mod session;

pub use client::{Client, Connection, Left, RemoteBus, RemoteError, Role};
pub use region::{RemoteRegion, Shared};
pub use server::Server;
