//! `cargo xtask build`: the `etsec` command for other machines, and the core for those without an
//! operating system. It says which toolchain did it and where the result is.

use anyhow::{Result, bail};
use clap::Args;

use crate::Common;
use crate::cross::{Kit, Target};
use crate::run;
use crate::session::Session;

/// Options of `build`.
#[derive(Debug, Args)]
#[command(after_help = "\
Of the toolchains that can build for the target, the first is taken that is here: the one in use, if
rustup has given it the target; a nightly of rustup's with rust-src; Debian's packages.")]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// The machine to build for.
    #[arg(long, value_enum)]
    target: Target,
}

/// Builds in release mode; false where a tool is missing.
///
/// # Errors
/// Ctrl-C, or code that does not build.
pub fn run(options: &Options) -> Result<bool> {
    let mut session = Session::new(options.common)?;
    let target = options.target;
    let mut log = session.log(&format!("build-{}", target.triple()))?;
    let kit = match Kit::find(target, &mut session, &mut log)? {
        Ok(kit) => kit,
        Err(missing) => {
            say!("not built: {missing}");
            return Ok(false);
        }
    };
    say!("{}", kit.describe());
    session.progress.start("build");
    let mut cargo = kit.cargo(&session, "build");
    cargo.arg("--release").args(what(target));
    let built = run::logged(cargo, &mut log, &mut session.progress)?.success();
    session.progress.finish();
    if !built {
        say!("{}", log.tail());
        bail!("it does not build for {}", target.triple());
    }
    let folder = kit.out(&session, "release");
    let program = folder.join("etsec");
    if program.exists() {
        let size = program.metadata()?.len();
        say!("{}: {size} bytes", program.display());
    } else {
        say!("{}", folder.display());
    }
    Ok(true)
}

/// What of the workspace makes sense on that machine.
fn what(target: Target) -> &'static [&'static str] {
    match target {
        Target::E500v2 | Target::Powerpc | Target::Armv7 => {
            &["--package", "etsec-linux", "--features", "cli"]
        }
        Target::E500v2None | Target::Thumbv6m => &["--package", "etsec-core"],
    }
}
