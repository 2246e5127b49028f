//! The grammar of the commands that are about settings, of a file or of a running port, and about
//! sleep.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{DeviceName, Observe, Port};
use crate::units::parse_seconds;

/// Settings of a running port.
#[derive(Debug, Args)]
pub struct Tune {
    /// The device, as its owner was started with.
    #[arg(short, long, value_name = "DEVICE")]
    pub device: DeviceName,
    /// What to change; nothing: show what is in force.
    #[arg(value_name = "KEY VALUE")]
    pub words: Vec<String>,
}

/// `etsec filter`.
#[derive(Debug, Args)]
pub struct Filter {
    /// What to do with the rules.
    #[command(subcommand)]
    pub action: FilterAction,
}

/// The actions of `etsec filter`.
#[derive(Debug, Subcommand)]
pub enum FilterAction {
    /// Show the rules that the hardware has, in order.
    List {
        #[command(flatten)]
        target: Observe,
    },
    /// Add a rule, such as `tcp dst-port 80 queue 3`.
    Add {
        #[command(flatten)]
        target: Observe,
        /// Before the rule that is at this place now [default: behind all].
        #[arg(long, value_name = "PLACE")]
        at: Option<usize>,
        /// The rule: conditions, and then what becomes of frames that meet all of them.
        #[arg(required = true, value_name = "WORD")]
        rule: Vec<String>,
    },
    /// Delete the rule at a place.
    Del {
        #[command(flatten)]
        target: Observe,
        /// Its place, as `list` shows it.
        place: usize,
    },
    /// Delete all rules; the default stays.
    Flush {
        #[command(flatten)]
        target: Observe,
    },
    /// Change what is not a rule: default ACTION, single-queue on|off.
    Set {
        #[command(flatten)]
        target: Observe,
        /// What to change.
        #[arg(required = true, value_name = "KEY VALUE")]
        words: Vec<String>,
    },
    /// Set the rules of a file, one a line, in place of those there are.
    Load {
        #[command(flatten)]
        target: Observe,
        /// The file.
        file: PathBuf,
    },
}

/// `etsec ptp`.
#[derive(Debug, Args)]
pub struct Ptp {
    /// What to do with the clock.
    #[command(subcommand)]
    pub action: PtpAction,
}

/// Inputs that the clock can count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClockInput {
    /// The TSEC_1588_CLK pin.
    External,
    /// The controller's system clock.
    System,
    /// The transmit clock of the interface.
    Transmit,
    /// The RTC input.
    Rtc,
}

impl ClockInput {
    /// As the settings have it.
    pub fn as_str(self) -> &'static str {
        match self {
            ClockInput::External => "external",
            ClockInput::System => "system",
            ClockInput::Transmit => "transmit",
            ClockInput::Rtc => "rtc",
        }
    }
}

/// The actions of `etsec ptp`.
#[derive(Debug, Subcommand)]
pub enum PtpAction {
    /// Let the clock run, from the computer's time.
    Start {
        #[command(flatten)]
        target: Observe,
        /// What it counts.
        input: ClockInput,
        /// The input's frequency.
        hz: u32,
    },
    /// Stop the clock.
    Stop {
        #[command(flatten)]
        target: Observe,
    },
    /// Show time, adjustment and range.
    Show {
        #[command(flatten)]
        target: Observe,
    },
    /// Set the time.
    Set {
        #[command(flatten)]
        target: Observe,
        /// Nanoseconds, or `now` for the computer's time.
        time: String,
    },
    /// Add to the time.
    Step {
        #[command(flatten)]
        target: Observe,
        /// Nanoseconds; negative ones go back.
        #[arg(allow_negative_numbers = true)]
        ns: i64,
    },
    /// Show what the clock has done since it was last asked: alarms (ALM), pulses (PP), and stamped
    /// triggers (ETS) with their times.
    Events {
        #[command(flatten)]
        target: Observe,
    },
    /// Give pulses at a pin, on full seconds.
    Pulse {
        #[command(flatten)]
        target: Observe,
        /// The pin, 1 to 3.
        #[arg(value_parser = clap::value_parser!(u8).range(1..=3))]
        pin: u8,
        /// Nanoseconds from one to the next, or `off`.
        period: NumberOrOff,
    },
    /// Let an alarm expire once, at its pin.
    Alarm {
        #[command(flatten)]
        target: Observe,
        /// The alarm, 1 or 2; 1 is not to be had while there are pulses.
        #[arg(value_parser = clap::value_parser!(u8).range(1..=2))]
        alarm: u8,
        /// When, in nanoseconds of the clock, or `off`; at once, if that has passed.
        time: NumberOrOff,
    },
    /// Choose the edge at which an external trigger is stamped.
    Edge {
        #[command(flatten)]
        target: Observe,
        /// The trigger input, 1 or 2.
        #[arg(value_parser = clap::value_parser!(u8).range(1..=2))]
        trigger: u8,
        /// rising or falling.
        edge: String,
    },
    /// Stamp received frames, or no longer.
    Stamps {
        #[command(flatten)]
        target: Observe,
        /// on or off.
        #[arg(value_parser = parse_switch, action = clap::ArgAction::Set)]
        on: bool,
    },
    /// Make the clock faster or slower than its input says.
    Adjust {
        #[command(flatten)]
        target: Observe,
        /// Parts per billion: all of the adjustment, not a change of it.
        #[arg(allow_negative_numbers = true)]
        ppb: i32,
    },
}

/// A number, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberOrOff(pub i64);

impl std::str::FromStr for NumberOrOff {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("off", _) => Ok(NumberOrOff(0)),
            (_, Ok(number)) if number > 0 => Ok(NumberOrOff(number)),
            _ => Err(format!("'{text}' is neither nanoseconds nor `off`")),
        }
    }
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("'{text}' is neither `on` nor `off`")),
    }
}

/// `etsec config`.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Read a configuration file and say what is wrong with it, and where.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Print all settings with what was left out filled in: of a file, of a running port, or the
    /// usual ones.
    Show {
        /// The file.
        #[arg(conflicts_with = "device")]
        file: Option<PathBuf>,
        /// The device, as its owner was started with.
        #[arg(short, long, value_name = "DEVICE")]
        device: Option<DeviceName>,
    },
}

/// `etsec wol`.
#[derive(Debug, Args)]
pub struct Wol {
    #[command(flatten)]
    pub port: Port,
    /// What wakes the port: magic packets, or any of these kinds of frames.
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',', default_value = "magic")]
    pub on: Vec<WakeKind>,
    /// Give up after so many seconds.
    #[arg(short = 't', long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub duration: Option<Duration>,
}

/// A kind of frame that wakes a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WakeKind {
    /// Six bytes 0xFF and 16 times the station address.
    Magic,
    /// To the station address.
    Unicast,
    /// To a group, broadcast included.
    Multicast,
    /// To everybody.
    Broadcast,
    /// ARP, to whomever.
    Arp,
}
