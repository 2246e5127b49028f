//! The `etsec` command.
mod args;
mod frames;
mod meter;
mod net;
mod output;
mod pace;
mod pcapng;
mod signals;
mod units;
fn main() {
    use clap::Parser;
    let cli = args::Cli::parse();
    println!("{cli:?}");
}
