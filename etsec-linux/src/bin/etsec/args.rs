//! The grammar of the command line: every command, option and unit. It knows what a word means, not
//! what it does.

mod reclaim;
mod serve;
mod settings;
mod supervise;
mod trace;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use etsec_core::MacAddr;
use etsec_linux::Spec;

pub use self::reclaim::Reclaim;
pub use self::serve::Serve;
pub use self::settings::{Config, Filter, FilterAction, Ptp, PtpAction, Tune, WakeKind, Wol};
pub use self::supervise::Supervise;
pub use self::trace::TraceAction;
pub use self::values::{AddressArg, DeviceName, LinkArg};
use crate::units::{parse_count, parse_mii, parse_seconds, parse_u16};

const EXAMPLES: &str = "\
Devices:
  uio:NAME            the controller whose UIO devices are called NAME (see `etsec probe`)
  sim,wire=tap:NAME   a simulated controller whose cable ends in the TAP interface NAME
  sim,wire=pcap:I,O   … that receives the frames of capture file I and records what it sends in O
  sim,wire=socket:PATH  … to which whoever connects to that Unix socket is connected
  sim,wire=cable:ID   … that shares a cable with the other device of this process naming ID
  sim,wire=null       … whose cable ends nowhere
  sim:SOCKET          the simulated controller of the `etsec-simd` that listens at SOCKET

Examples:
  etsec probe
  etsec bind eth1
  etsec serve --device sim,wire=tap:etsec0 --address 192.0.2.2/24 --http-dir .
  etsec forward sim,wire=pcap:in.pcap,back.pcap sim,wire=pcap:,out.pcap
  etsec send --device uio:eth1 --rate 100k --duration 10
  etsec capture --device uio:eth1 --write trace.pcapng --count 1000
  etsec completions bash > /etc/bash_completion.d/etsec

Exit status:
  0    done, also when ended by Ctrl-C or SIGTERM
  1    failed; the reason is on standard error
  2    the command line was wrong
  130  ended at once by a second Ctrl-C, 143 by a second SIGTERM: the port may
       not have been stopped";

const GENERAL: &str = "General options";
const SET_UP: &str = "Device set-up";

/// Drive eTSEC Ethernet controllers from user space.
///
/// The controllers are silicon, reached over UIO, or simulated inside this process.
#[derive(Debug, Parser)]
#[command(name = "etsec", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// Log more to standard error: warnings without it, -v progress, -vv details, -vvv everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = GENERAL)]
    pub verbose: u8,
    /// Print no rates while running.
    #[arg(short, long, global = true, help_heading = GENERAL)]
    pub quiet: bool,
    /// Print results on standard output as JSON, one object per line.
    #[arg(long, global = true, help_heading = GENERAL)]
    pub json: bool,
    /// Run on this processor only.
    #[arg(long, global = true, value_name = "N", help_heading = GENERAL)]
    pub cpu: Option<usize>,
    /// Record all accesses to the device's registers and descriptors in a new file (see `etsec
    /// trace`). A second device of the command is recorded in FILE.2.
    #[arg(long, global = true, value_name = "FILE", help_heading = GENERAL)]
    pub trace: Option<PathBuf>,
    /// First bytes of each frame buffer to record with it, 0 to 16384.
    #[arg(long, global = true, value_name = "N", default_value_t = 64, help_heading = GENERAL,
          value_parser = clap::value_parser!(u16).range(0..=16384))]
    pub trace_bytes: u16,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List UIO devices and say what keeps each from being used.
    Probe,
    /// Take a port from the kernel's driver, and make UIO devices of it.
    Bind(Handover),
    /// Give a port back to the kernel's driver.
    Unbind(Handover),
    /// Show memory that killed processes have left, and free it. Never disturbs a port in use.
    Reclaim(Reclaim),
    /// Print a controller's registers with their fields decoded. Never disturbs a running owner.
    Regs(Regs),
    /// Read and write PHY registers over the MDIO bus.
    Mdio(Mdio),
    /// Show the state of the link. Never disturbs a running owner.
    Link(Observe),
    /// Show the hardware's counters. Never disturbs a running owner.
    Stats(Stats),
    /// Send frames: a pattern, or the contents of a capture file.
    Send(Send),
    /// Count received frames and throw them away.
    Receive(Receive),
    /// Write received frames to a pcapng file.
    Capture(Capture),
    /// Send every received frame back to where it came from.
    Echo(Echo),
    /// Move frames between two devices without copying them.
    Forward(Forward),
    /// Answer pings, TCP echo and HTTP on a TCP/IP stack of our own.
    Serve(Serve),
    /// Check a configuration file, or show what is in it or in force.
    #[command(subcommand)]
    Config(Config),
    /// Show rings and buffers of a running port.
    Rings(Tune),
    /// Show or change which frames a running port receives.
    ///
    /// Keys: promiscuous on|off, all-multicast on|off, broadcast on|off, also ADDRESS,ADDRESS…, or
    /// also none.
    Address(Tune),
    /// Show what the MAC of a running port takes for a frame, which is set at the start.
    Frames(Tune),
    /// Show what a running port puts into the cache, which is set at the start.
    Stash(Tune),
    /// Show or change what a running port's controller does to frames.
    ///
    /// Keys: rx-checksum on|off; tx-checksum and rx-padding are set at the start.
    Offload(Tune),
    /// Show what becomes of VLAN tags at a running port, which is set at the start.
    Vlan(Tune),
    /// Show which rings of a running port interrupt through its second group, which is set at the
    /// start.
    Groups(Tune),
    /// Show or change flow control of a running port.
    ///
    /// Keys: autoneg on|off, rx on|off, tx on|off, time 0 to 65535 in units of 512 bit times.
    Pause(Tune),
    /// Show or change when frames of a running port interrupt.
    ///
    /// Keys: rx-frames and tx-frames 0 to 255, rx-usecs and tx-usecs 1 to 33553; a list with commas
    /// is for ring 0, 1, and so on.
    Coalesce(Tune),
    /// Show or change how the owner of a running port waits for frames, and show how that went.
    ///
    /// Keys: mode off|fixed|adaptive, usecs 0 to 10000; nap-msecs is set at the start.
    Wait(Tune),
    /// Show or change how the transmit rings of a running port share the wire.
    ///
    /// Keys: mode single|priority|round-robin, weights W0,W1,…,W7 of 0 to 255 each.
    Sched(Tune),
    /// Show or change the rules by which frames go to receive rings (see docs/guide/filter.md).
    Filter(Filter),
    /// Read, set and steer the IEEE 1588 clock, which is in the first controller's page.
    Ptp(Ptp),
    /// Read what `--trace` has recorded.
    #[command(subcommand)]
    Trace(TraceAction),
    /// Let a port sleep until a frame wakes it: a magic packet, or a kind of frame.
    Wol(Wol),
    /// Run a command that owns devices, and start it again when it dies.
    ///
    /// With --adopt the command goes on where the last one was killed. Devices are stopped at the
    /// end, whatever has become of it.
    Supervise(Supervise),
    /// Print a completion script for a shell.
    Completions {
        /// The shell to complete in.
        shell: Shell,
    },
}

/// Which device, without taking it over.
#[derive(Debug, Args)]
pub struct Observe {
    /// The device: `uio:NAME`, `sim,wire=…` or `sim:SOCKET` (see `etsec --help`).
    #[arg(short, long, value_name = "DEVICE")]
    pub device: DeviceName,
}

/// `etsec bind` and `etsec unbind`.
#[derive(Debug, Args)]
pub struct Handover {
    /// The port: NAME or `uio:NAME`, as the UIO nodes of the device tree are called.
    #[arg(value_name = "NAME", value_parser = parse_port)]
    pub name: String,
    /// Even if its network interface is up (bind), or no driver takes it or it does not answer
    /// (unbind).
    #[arg(short, long)]
    pub force: bool,
}

/// Which device, and what differs from its device tree node and the defaults.
#[derive(Debug, Args)]
pub struct Port {
    /// The device: `uio:NAME`, `sim,wire=…` or `sim:SOCKET` (see `etsec --help`).
    #[arg(short, long, value_name = "DEVICE")]
    pub device: DeviceName,
    /// Station address, such as 02:00:00:00:00:01 [default: the device tree's, else a random local
    /// one].
    #[arg(long, value_name = "MAC", help_heading = SET_UP)]
    pub mac: Option<MacAddr>,
    #[command(flatten)]
    pub tuning: Tuning,
}

/// How a device is set up.
#[derive(Debug, Clone, Args)]
pub struct Tuning {
    /// Settings of the port, as TOML (see docs/guide/settings.md); the options here go over them.
    #[arg(long, value_name = "FILE", help_heading = SET_UP)]
    pub config: Option<PathBuf>,
    /// Rules that say which ring a frame goes to, one a line (see docs/guide/filter.md).
    #[arg(long, value_name = "FILE", help_heading = SET_UP)]
    pub filter: Option<PathBuf>,
    /// Payload bytes of the longest frame, 46 to 9578 [default: 1500].
    #[arg(long, value_name = "BYTES", help_heading = SET_UP)]
    pub mtu: Option<usize>,
    /// Descriptors in each ring, 4 to 65536 [default: 256].
    #[arg(long, value_name = "N", help_heading = SET_UP)]
    pub ring: Option<usize>,
    /// Frame buffers in the pool, 2 (`serve`: 4) to 65535 [default: three rings' worth].
    #[arg(long, value_name = "N", help_heading = SET_UP)]
    pub buffers: Option<usize>,
    /// `auto` (ask the PHY), or a fixed link such as 1000, 100/half or 1000/full/rx+tx.
    #[arg(long, value_name = "LINK", help_heading = SET_UP)]
    pub link: Option<LinkArg>,
    /// Take the port over as it runs, if a process with the same settings has died and left it;
    /// else say why not, and reset it.
    #[arg(long, help_heading = SET_UP)]
    pub adopt: bool,
    /// MDIO address of the PHY, 0 to 31 [default: the device tree's].
    #[arg(long, value_name = "ADDRESS", value_parser = parse_mii, help_heading = SET_UP)]
    pub phy: Option<u8>,
}

/// When a command ends by itself.
#[derive(Debug, Clone, Copy, Args)]
pub struct Until {
    /// End after so many frames (k, M and G are understood).
    #[arg(short = 'n', long, value_name = "N", value_parser = parse_count)]
    pub count: Option<u64>,
    /// End after so many seconds.
    #[arg(short = 't', long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub duration: Option<Duration>,
}

/// `etsec regs`.
#[derive(Debug, Args)]
pub struct Regs {
    #[command(flatten)]
    pub target: Observe,
    /// Offsets and values only.
    #[arg(long)]
    pub raw: bool,
    /// Only registers whose name begins with one of these, in any case.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// `etsec mdio`.
#[derive(Debug, Args)]
pub struct Mdio {
    /// What to do on the bus.
    #[command(subcommand)]
    pub action: MdioAction,
}

/// The actions of `etsec mdio`. Numbers are decimal, or hexadecimal after 0x.
#[derive(Debug, Subcommand)]
pub enum MdioAction {
    /// Read a register. Where no PHY answers, every bit of it reads 1: 0xffff.
    Read {
        #[command(flatten)]
        target: Observe,
        /// PHY address, 0 to 31.
        #[arg(value_parser = parse_mii)]
        phy: u8,
        /// Register, 0 to 31; all of them when left out.
        #[arg(value_parser = parse_mii)]
        reg: Option<u8>,
    },
    /// Write a register.
    Write {
        #[command(flatten)]
        target: Observe,
        /// PHY address, 0 to 31.
        #[arg(value_parser = parse_mii)]
        phy: u8,
        /// Register, 0 to 31.
        #[arg(value_parser = parse_mii)]
        reg: u8,
        /// Value, 16 bits.
        #[arg(value_parser = parse_u16)]
        value: u16,
    },
    /// List the addresses that answer, and what answers.
    Scan {
        #[command(flatten)]
        target: Observe,
    },
}

/// `etsec stats`.
#[derive(Debug, Args)]
pub struct Stats {
    #[command(flatten)]
    pub target: Observe,
    /// Repeat every so many seconds, showing what was added [default when given without a value:
    /// 1].
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1",
          value_parser = parse_seconds)]
    pub watch: Option<Duration>,
    /// Show counters that are 0 as well.
    #[arg(short, long)]
    pub all: bool,
}

/// What a pattern frame is filled with after its sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pattern {
    /// 0, 1, 2, … 255, 0, …
    Counting,
    /// Bytes of a fixed pseudo-random sequence, the same in every run.
    Random,
    /// Zeros.
    Zeros,
    /// Ones.
    Ones,
}

/// `etsec send`.
#[derive(Debug, Args)]
pub struct Send {
    #[command(flatten)]
    pub port: Port,
    #[command(flatten)]
    pub until: Until,
    /// Frames per second (k and M are understood) [default: as fast as possible].
    #[arg(short, long, value_name = "PPS", value_parser = parse_count)]
    pub rate: Option<u64>,
    /// Transmit queue, 0 to 7.
    #[arg(long, value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u8).range(0..8))]
    pub queue: u8,
    /// Frames handed to the controller at a time.
    #[arg(long, value_name = "N", default_value_t = 32,
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub burst: u16,
    /// Send the frames of this pcap or pcapng file, once unless --count or --duration asks for
    /// more.
    #[arg(long, value_name = "FILE",
          conflicts_with_all = ["pattern", "size", "destination", "ethertype"])]
    pub pcap: Option<PathBuf>,
    /// What pattern frames contain.
    #[arg(long, value_enum, default_value = "counting")]
    pub pattern: Pattern,
    /// Bytes of a pattern frame from destination address to payload, without FCS, from 60.
    #[arg(short, long, value_name = "BYTES", default_value_t = 60)]
    pub size: usize,
    /// Destination of pattern frames.
    #[arg(long, value_name = "MAC", default_value = "ff:ff:ff:ff:ff:ff")]
    pub destination: MacAddr,
    /// EtherType of pattern frames; the default is set aside for experiments.
    #[arg(long, value_name = "TYPE", default_value = "0x88b5", value_parser = parse_u16)]
    pub ethertype: u16,
}

/// `etsec receive`.
#[derive(Debug, Args)]
pub struct Receive {
    #[command(flatten)]
    pub port: Port,
    #[command(flatten)]
    pub until: Until,
    /// Also frames addressed to others.
    #[arg(long)]
    pub promiscuous: bool,
}

/// `etsec capture`.
#[derive(Debug, Args)]
pub struct Capture {
    #[command(flatten)]
    pub port: Port,
    #[command(flatten)]
    pub until: Until,
    /// The pcapng file to write; `-` is standard output.
    #[arg(short, long, value_name = "FILE")]
    pub write: PathBuf,
    /// Keep at most so many bytes of a frame.
    #[arg(long, value_name = "BYTES", default_value_t = 65535,
          value_parser = clap::value_parser!(u32).range(1..=65535))]
    pub snaplen: u32,
    /// Only frames addressed to this station, and multicast.
    #[arg(long)]
    pub no_promiscuous: bool,
}

/// `etsec echo`.
#[derive(Debug, Args)]
pub struct Echo {
    #[command(flatten)]
    pub port: Port,
    #[command(flatten)]
    pub until: Until,
    /// Also frames addressed to others.
    #[arg(long)]
    pub promiscuous: bool,
}

/// `etsec forward`.
#[derive(Debug, Args)]
pub struct Forward {
    /// One device.
    pub a: DeviceName,
    /// The other device.
    pub b: DeviceName,
    /// Only from A to B.
    #[arg(long)]
    pub one_way: bool,
    /// End when nothing has arrived for so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub until_idle: Option<Duration>,
    #[command(flatten)]
    pub until: Until,
    #[command(flatten)]
    pub tuning: Tuning,
}

/// The name of a port, with or without the `uio:` that a device's name begins with.
fn parse_port(text: &str) -> Result<String, etsec_linux::Error> {
    let name = text.strip_prefix("uio:").unwrap_or(text);
    format!("uio:{name}").parse::<Spec>().map(|_| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_capture_file_and_a_pattern_exclude_each_other() {
        let line = ["etsec", "send", "-d", "sim,wire=null", "--pcap", "x", "--size", "64"];
        assert!(Cli::try_parse_from(line).is_err());
        let queue = ["etsec", "send", "-d", "sim,wire=null", "--queue", "8"];
        assert!(Cli::try_parse_from(queue).is_err());
    }
}
