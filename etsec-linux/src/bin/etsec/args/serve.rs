//! The options of `etsec serve`.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{AddressArg, Port};
use crate::units::{parse_count, parse_seconds};

const SELF_TEST: &str = "Self-test";

/// `etsec serve`.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    pub port: Port,
    /// Address and prefix length, such as 192.0.2.2/24, or `dhcp`.
    #[arg(short, long, value_name = "IP/LEN|dhcp")]
    pub address: AddressArg,
    /// Default gateway; DHCP supplies its own.
    #[arg(long, value_name = "IP")]
    pub gateway: Option<Ipv4Addr>,
    /// Directory whose files HTTP serves; without it, `/bytes/N` is N bytes of a fixed sequence.
    #[arg(long, value_name = "DIR")]
    pub http_dir: Option<PathBuf>,
    /// TCP port of HTTP; 0 for none.
    #[arg(long, value_name = "PORT", default_value_t = 80)]
    pub http_port: u16,
    /// TCP port of the echo service; 0 for none.
    #[arg(long, value_name = "PORT", default_value_t = 7)]
    pub echo_port: u16,
    /// End after so many seconds.
    #[arg(short = 't', long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub duration: Option<Duration>,
    #[command(flatten)]
    pub self_test: SelfTest,
}

/// The options of `etsec serve --self-test`.
#[derive(Debug, Clone, Copy, Args)]
pub struct SelfTest {
    /// Use the services from a second simulated device at the other end of a `sim,wire=cable:ID`,
    /// then end.
    #[arg(long, conflicts_with = "http_dir", help_heading = SELF_TEST)]
    pub self_test: bool,
    /// How many bytes to download (k, M and G are understood, and Ki, Mi, Gi).
    #[arg(long, value_name = "N", default_value = "16Mi", value_parser = parse_count,
          help_heading = SELF_TEST)]
    pub bytes: u64,
    /// How many pings to send.
    #[arg(long, value_name = "N", default_value_t = 20, help_heading = SELF_TEST)]
    pub pings: u16,
}
