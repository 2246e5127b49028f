//! A simulated controller in a process of its own, for `--device sim:SOCKET`: it goes on when its
//! driver dies, and so does the memory the driver had.
//!
//! It only starts and ends one. The model, and what clients may ask of it, are etsec-sim's.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use etsec_linux::words::in_words;
use etsec_linux::{WireSpec, simulated};
use etsec_sim::remote::Server;
use signal_hook::consts::{SIGINT, SIGTERM};

const AFTER_HELP: &str = "\
Examples:
  etsec-simd /tmp/etsec0 --wire tap:etsec0 &
  etsec echo --device sim:/tmp/etsec0

Exit status: 0 ended by Ctrl-C or SIGTERM, 1 failed, or a driver did what the
device does not allow; 2 the command line was wrong.";

/// A simulated eTSEC in a process of its own, for drivers that name it `sim:SOCKET`.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
struct Cli {
    /// Where drivers connect.
    socket: PathBuf,
    /// Where the wire ends: tap:NAME, pcap:IN,OUT, socket:PATH or null.
    #[arg(long, value_name = "WIRE", default_value = "null")]
    wire: WireSpec,
}

/// How often it is looked whether something has gone wrong.
const LOOK: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&in_words(error.as_ref()));
            let is_usage = matches!(error.downcast_ref(), Some(etsec_linux::Error::BadWire { .. }));
            if is_usage { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Says it to people, if there are any.
fn say(words: &str) {
    // What concerns the whole program has its name in front already.
    let words = words.strip_prefix("etsec-simd: ").unwrap_or(words);
    let _ = writeln!(io::stderr(), "etsec-simd: {words}");
}

/// Serves until it is asked to end; whether nobody did anything wrong.
fn run(cli: &Cli) -> Result<bool> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // A second one ends it at once.
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let wire = simulated::open_wire(&cli.wire)?;
    let server = Server::bind(&cli.socket, simulated::powered(), wire)?;
    // Whoever does not read it does not want to know.
    let _ = writeln!(io::stdout(), "etsec-simd: drivers may name sim:{}", cli.socket.display());
    let mut violations = 0;
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.run(&stop));
        while !serving.is_finished() {
            violations += tell(&server);
            thread::sleep(LOOK);
        }
        serving.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
    .context("the listening socket has failed")?;
    stop.store(true, Ordering::Relaxed);
    violations += tell(&server);
    Ok(violations == 0)
}

/// Tells what has gone wrong since the last call; how often a driver did something wrong.
fn tell(server: &Server) -> usize {
    if let Some(error) = server.wire_error() {
        say(&format!("{error}; the device goes on without it"));
    }
    let violations = server.violations();
    for violation in &violations {
        say(&violation.to_string());
    }
    violations.len()
}
