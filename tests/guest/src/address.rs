//! The address of a network interface: one message to the kernel's routing socket, and its answer.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail, ensure};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send, socket};

// From Linux's rtnetlink(7) and netlink(7).
const NEW_ADDRESS: u16 = 20;
const ERROR: u16 = 2;
/// A request that is answered, and makes what it names.
const FLAGS: u16 = 0x1 | 0x4 | 0x400;
const INET: u8 = 2;
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
/// Bytes in the header of a message.
const HEADER: usize = 16;

/// Gives `interface` an address.
///
/// # Errors
/// What the kernel says.
pub fn set(interface: &str, address: Ipv4Addr, prefix: u8) -> Result<()> {
    let index = fs::read_to_string(format!("/sys/class/net/{interface}/ifindex"))
        .with_context(|| format!("no interface {interface}"))?;
    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, None).context("no netlink")?;
    let message = message(index.trim().parse()?, address, prefix);
    send(&socket, &message, SendFlags::empty()).context("cannot ask for an address")?;
    let mut answer = [0; 256];
    let (_, len) = recv(&socket, &mut answer, RecvFlags::empty()).context("no answer")?;
    let (kind, error) = judge(&answer[..len]).context("half an answer")?;
    ensure!(kind == ERROR, "answer of kind {kind}");
    if error != 0 {
        bail!("{interface} does not take {address}: {}", Errno::from_raw_os_error(-error));
    }
    Ok(())
}

/// The request, in the processor's byte order but for the address.
fn message(index: u32, address: Ipv4Addr, prefix: u8) -> Vec<u8> {
    let mut body = vec![INET, prefix, 0, 0];
    body.extend(index.to_ne_bytes());
    for kind in [ADDRESS, LOCAL] {
        body.extend(8u16.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(address.octets());
    }
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(((HEADER + body.len()) as u32).to_ne_bytes());
    message.extend(NEW_ADDRESS.to_ne_bytes());
    message.extend(FLAGS.to_ne_bytes());
    // Sequence and sender: there is but one.
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// The kind of an answer, and what it says: 0 or a negative error number.
fn judge(answer: &[u8]) -> Option<(u16, i32)> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let error = i32::from_ne_bytes(answer.get(HEADER..HEADER + 4)?.try_into().ok()?);
    Some((kind, error))
}
