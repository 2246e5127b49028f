//! The `etsec` command: drive, watch and diagnose eTSEC ports from a shell.
//!
//! One file per subcommand; what they share is in files of its own. Exit status: 0 done, 1 failed,
//! 2 wrong command line, 130 and 143 ended by a second signal.

mod args;
mod bind;
mod capture;
mod config;
mod control;
mod counters;
mod echo;
mod files;
mod filter;
mod forward;
mod frames;
mod keeper;
mod link;
mod mdio;
mod meter;
mod naps;
mod net;
mod notify;
mod observe;
mod outgoing;
mod output;
mod pace;
mod pcapng;
mod probe;
mod receive;
mod reclaim;
mod regs;
mod run;
mod selftest;
mod send;
mod serve;
mod settings;
mod setup;
mod signals;
mod sockets;
mod station;
mod stats;
mod supervise;
mod trace;
mod tracer;
mod tune;
mod units;
mod wol;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use etsec_linux::words::in_words;
use output::Output;
use run::{Context, Usage};
use signals::Stop;
use tracer::Tracer;

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.verbose);
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(error) if output::is_reader_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(std::io::stderr(), "etsec: {}", in_words(error.as_ref()));
            if is_usage(&error) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Whether other words on the command line would have been the cure.
fn is_usage(error: &anyhow::Error) -> bool {
    use etsec_linux::Error::{BadName, OutOfRange};
    error.is::<Usage>() || matches!(error.downcast_ref(), Some(BadName { .. } | OutOfRange { .. }))
}

fn run(cli: &Cli) -> Result<()> {
    if let Command::Completions { shell } = &cli.command {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut Cli::command(), "etsec", &mut script);
        return Ok(output::Stdout(std::io::stdout()).write_all(&script)?);
    }
    let context = Context {
        out: Output::new(cli.json),
        quiet: cli.quiet,
        cpu: cli.cpu,
        stop: Stop::on_signals().context("cannot catch signals")?,
        tracer: tracer(cli)?,
    };
    let done = command(cli, &context);
    // A trace that could not be written to its end is a failure, but not the first one to tell.
    done.and(context.tracer.finish())
}

/// What records devices, as the options say.
fn tracer(cli: &Cli) -> Result<Tracer> {
    use Command::{Capture, Echo, Forward, Link, Mdio, Receive, Regs, Send, Serve, Stats, Wol};
    let looks = matches!(cli.command, Regs(_) | Mdio(_) | Link(_) | Stats(_));
    let owns = matches!(
        cli.command,
        Send(_) | Receive(_) | Capture(_) | Echo(_) | Forward(_) | Serve(_) | Wol(_)
    );
    let file = cli.trace.clone();
    let why = "--trace: this command opens no device; a running port is recorded from its start";
    ensure!(looks || owns || file.is_none(), Usage(why.into()));
    Ok(Tracer::new(file, cli.trace_bytes))
}

fn command(cli: &Cli, context: &Context) -> Result<()> {
    match &cli.command {
        Command::Probe => probe::run(context.out),
        Command::Bind(args) => bind::bind(args, context.out),
        Command::Unbind(args) => bind::unbind(args, context.out),
        Command::Regs(args) => regs::run(args, context),
        Command::Mdio(args) => mdio::run(args, context),
        Command::Link(args) => link::run(args, context),
        Command::Stats(args) => stats::run(args, context),
        Command::Send(args) => send::run(args, context),
        Command::Receive(args) => receive::run(args, context),
        Command::Capture(args) => capture::run(args, context),
        Command::Reclaim(args) => reclaim::run(args, context.out),
        Command::Echo(args) => echo::run(args, context),
        Command::Forward(args) => forward::run(args, context),
        Command::Serve(args) => serve::run(args, context),
        Command::Config(action) => config::run(action, context),
        Command::Rings(args) => tune::run("rings", args, context),
        Command::Address(args) => tune::run("address", args, context),
        Command::Frames(args) => tune::run("frames", args, context),
        Command::Stash(args) => tune::run("stash", args, context),
        Command::Offload(args) => tune::run("offload", args, context),
        Command::Vlan(args) => tune::run("vlan", args, context),
        Command::Groups(args) => tune::run("groups", args, context),
        Command::Pause(args) => tune::pause(args, context),
        Command::Wait(args) => tune::wait(args, context),
        Command::Coalesce(args) => tune::run("coalesce", args, context),
        Command::Sched(args) => tune::run("sched", args, context),
        Command::Filter(args) => filter::run(args, context),
        Command::Ptp(args) => tune::ptp(args, context),
        Command::Trace(action) => trace::run(action, context.out),
        Command::Wol(args) => wol::run(args, context),
        Command::Supervise(args) => supervise::run(args, context),
        Command::Completions { .. } => Ok(()),
    }
}

/// Log lines on standard error. RUST_LOG, if set, decides instead of -v.
fn start_log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let in_place = std::io::stderr().is_terminal();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level))
        .format(move |out, record| {
            // The line of rates may stand where this one goes.
            let clear = if in_place { "\r\x1b[K" } else { "" };
            let level = record.level().as_str().to_ascii_lowercase();
            writeln!(out, "{clear}{level}: {}", record.args())
        })
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow::anyhow!("no space").context("x: cannot write: no space").context("out");
        assert_eq!(in_words(error.as_ref()), "out: x: cannot write: no space");
    }

    #[test]
    fn wrong_words_are_told_from_failures() {
        assert!(is_usage(&anyhow::Error::new(Usage("--x".into())).context("more")));
        assert!(is_usage(&"nonsense".parse::<etsec_linux::Spec>().unwrap_err().into()));
        assert!(!is_usage(&anyhow::anyhow!("it broke")));
    }
}
