//! Network interfaces: switched on, asked, joined by a bridge.

use std::fs;
use std::mem::zeroed;
use std::os::fd::AsRawFd;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use libc::{Ioctl, c_int, c_short, ifreq};

use crate::socket::check;

/// The bridge's name.
const BRIDGE: &str = "br0";
/// Orders that the libc crate does not know: a new bridge, an interface for a bridge.
const SIOCBRADDBR: Ioctl = 0x89A0;
const SIOCBRADDIF: Ioctl = 0x89A2;

/// Switches an interface on.
pub fn up(name: &str) -> Result<()> {
    let mut request = request(name)?;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as c_short;
    order(libc::SIOCSIFFLAGS as Ioctl, &mut request).with_context(|| format!("{name} stays off"))
}

/// The kernel's number of an interface.
pub fn index(name: &str) -> Result<c_int> {
    let path = format!("/sys/class/net/{name}/ifindex");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    text.trim().parse().with_context(|| format!("{path} says {text:?}"))
}

/// The address of an interface.
pub fn address(name: &str) -> Result<[u8; 6]> {
    let path = format!("/sys/class/net/{name}/address");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let bytes = text.trim().split(':').map(|byte| u8::from_str_radix(byte, 16));
    let bytes: Vec<u8> = bytes.collect::<Result<_, _>>().with_context(|| format!("{text:?}"))?;
    bytes.try_into().ok().with_context(|| format!("{path} says {text:?}"))
}

/// Joins two interfaces, unless there is a bridge already, and switches all on. Frames pass at
/// once, and by address alone.
pub fn bridge(one: &str, other: &str) -> Result<()> {
    if Path::new("/sys/class/net").join(BRIDGE).exists() {
        return Ok(());
    }
    let name = format!("{BRIDGE}\0");
    let socket = socket()?;
    // SAFETY: the name ends with a zero byte and is valid during the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCBRADDBR, name.as_ptr()) })
        .context("no bridge can be made")?;
    for port in [one, other] {
        let mut request = request(BRIDGE)?;
        request.ifr_ifru.ifru_ifindex = index(port)?;
        order(SIOCBRADDIF, &mut request).with_context(|| format!("{port} is not taken"))?;
    }
    for (setting, value) in
        [("forward_delay", "0"), ("stp_state", "0"), ("multicast_snooping", "0")]
    {
        let path = format!("/sys/class/net/{BRIDGE}/bridge/{setting}");
        fs::write(&path, value).with_context(|| format!("cannot write {path}"))?;
    }
    [one, other, BRIDGE].into_iter().try_for_each(up)
}

/// A question about an interface.
fn request(name: &str) -> Result<ifreq> {
    // SAFETY: all zeros are a value of this plain structure.
    let mut request: ifreq = unsafe { zeroed() };
    ensure!(name.len() < request.ifr_name.len(), "{name} is too long for an interface's name");
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as _;
    }
    Ok(request)
}

fn order(order: Ioctl, request: &mut ifreq) -> Result<()> {
    let socket = socket()?;
    // SAFETY: the structure that all of these orders want, valid during the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), order, &raw mut *request) })?;
    Ok(())
}

/// Any socket will do for orders about interfaces.
fn socket() -> Result<std::net::UdpSocket> {
    std::net::UdpSocket::bind("0.0.0.0:0").context("no socket")
}
