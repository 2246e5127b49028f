//! The other side of the comparison: what a program can do with the kernel's own driver, at its
//! best. Frames go through a packet socket with mapped rings (TPACKET_V3) and past the queueing
//! discipline, or through the kernel's bridge. It knows neither the host that measures nor the
//! command it is compared with.
//!
//! `receive IFACE` counts frames and drops them, `echo IFACE` sends them back as they came, `send
//! IFACE SIZE COUNT` sends some; each says `ready` first. `bridge IFACE IFACE` sets a bridge up and
//! ends. `walk MIB COUNT` touches buffers at random, in huge pages of that many MiB or, for 0, in
//! ordinary ones.

mod area;
mod interface;
mod rings;
mod socket;
mod walk;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use rings::{Receiver, Transmitter};
use socket::Socket;

/// The EtherType of the frames, which is set aside for experiments.
const ETHERTYPE: u16 = 0x88B5;
/// Frames that are handed to the kernel at a time.
const BURST: u64 = 32;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("etsec-peer: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    match words {
        ["receive", name] => receive(name),
        ["echo", name] => echo(name),
        ["send", name, size, count] => send(name, size.parse()?, count.parse()?),
        ["bridge", one, other] => interface::bridge(one, other),
        ["walk", mib, count] => walk::walk(mib.parse()?, count.parse()?),
        _ => bail!("{words:?} is none of what the head of its main.rs lists"),
    }
}

/// Counts frames, for ever.
fn receive(name: &str) -> Result<()> {
    interface::up(name)?;
    let socket = Socket::open()?;
    let area = socket.rings(&[rings::RECEIVE_LATE])?;
    let mut receiver = Receiver::new(area);
    socket.bind(interface::index(name)?, Some(ETHERTYPE))?;
    println!("ready");
    let mut sum = 0u32;
    loop {
        // Somebody has to look at a frame.
        receiver.block(&socket, |frame| sum = sum.wrapping_add(frame[12].into()))?;
        std::hint::black_box(sum);
    }
}

/// Sends each frame back as it came, for ever.
fn echo(name: &str) -> Result<()> {
    interface::up(name)?;
    let socket = Socket::open()?;
    socket.bypass_queueing()?;
    // The rings of a socket are one mapping, that of received frames first.
    let (received, sent) =
        socket.rings(&[rings::RECEIVE, rings::TRANSMIT])?.split(rings::RECEIVE.len());
    let mut receiver = Receiver::new(received);
    let mut transmitter = Transmitter::new(sent);
    socket.bind(interface::index(name)?, Some(ETHERTYPE))?;
    println!("ready");
    loop {
        if receiver.block(&socket, |frame| transmitter.put(frame))? > 0 {
            socket.kick()?;
        }
    }
}

/// Sends `count` frames of `size` bytes.
fn send(name: &str, size: usize, count: u64) -> Result<()> {
    interface::up(name)?;
    let mut frame = vec![7; size];
    let header = frame.get_mut(..14).context("a frame is longer than that")?;
    header[..6].fill(0xFF);
    header[6..12].copy_from_slice(&interface::address(name)?);
    header[12..].copy_from_slice(&ETHERTYPE.to_be_bytes());
    let socket = Socket::open()?;
    socket.bypass_queueing()?;
    let mut transmitter = Transmitter::new(socket.rings(&[rings::TRANSMIT])?);
    socket.bind(interface::index(name)?, None)?;
    println!("ready");
    let mut left = count;
    while left > 0 {
        let burst = left.min(BURST);
        (0..burst).for_each(|_| transmitter.put(&frame));
        socket.kick()?;
        left -= burst;
    }
    Ok(())
}
