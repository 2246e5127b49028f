//! The `etsec` command.
mod args;
mod net;
mod pace;
mod signals;
mod units;
fn main() {
    use clap::Parser;
    let cli = args::Cli::parse();
    println!("{cli:?}");
}
