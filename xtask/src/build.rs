//! `cargo xtask build`: the `etsec` command for other machines, and the core with its firmware for
//! one without an operating system; and the kernel module. It says which toolchain did it and where
//! the result is.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::cross::{Kit, Target, etsec};
use crate::guest::kernel::{self, Version};
use crate::guest::kmod;
use crate::log::Log;
use crate::qemu::firmware;
use crate::session::Session;
use crate::{Common, asm, run};

/// Options of `build`.
#[derive(Debug, Args)]
#[command(after_help = "\
Of the toolchains that can build for the target, the first is taken that is here: the one in use, if
rustup has given it the target; a nightly of rustup's with rust-src; Debian's packages.")]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// The machine to build for.
    #[arg(long, value_enum, required_unless_present = "kmod")]
    target: Option<Target>,
    /// Build the kernel module uio_etsec instead, for the kernels of the test guest.
    #[arg(long, conflicts_with = "target")]
    kmod: bool,
}

/// Builds in release mode; false where a tool is missing.
///
/// # Errors
/// Ctrl-C, code that does not build, or that the processor could not execute.
pub fn run(options: &Options) -> Result<bool> {
    let mut session = Session::new(options.common)?;
    let Some(target) = options.target else { return modules(&mut session) };
    let mut log = session.log(&format!("build-{}", target.triple()))?;
    session.progress.start("build");
    let built = programs(target, &mut session, &mut log)?;
    session.progress.finish();
    let (kit, programs) = match built {
        Ok(built) => built,
        Err(missing) => {
            say!("not built: {missing}");
            return Ok(false);
        }
    };
    say!("{}", kit.describe());
    for program in &programs {
        let size =
            program.metadata().with_context(|| format!("{} is not there", program.display()))?;
        say!("{}: {} bytes", program.display(), size.len());
    }
    if target.is_ours() {
        asm::clean(&session, &programs)?;
        say!("no instruction that an e500v2 has not got");
    }
    Ok(true)
}

/// Builds the kernel module for each kernel that it is tested on.
fn modules(session: &mut Session) -> Result<bool> {
    let mut log = session.log("build-kmod")?;
    for version in Version::ALL {
        session.progress.start(&format!("Linux {}", version.name()));
        let kernel = match kernel::supply(session, &mut log, version)? {
            Ok(kernel) => kernel,
            Err(missing) => {
                say!("not built: {missing}");
                return Ok(false);
            }
        };
        let module = kmod::build(session, &mut log, &kernel)?;
        let size = module.metadata().context("the module is not there")?.len();
        session.progress.say(&format!("{}: {size} bytes", module.display()));
    }
    session.progress.finish();
    Ok(true)
}

/// Builds what of the project makes sense on that machine.
fn programs(
    target: Target,
    session: &mut Session,
    log: &mut Log,
) -> Result<Result<(Kit, Vec<PathBuf>), String>> {
    let kit = match Kit::find(target, session, log)? {
        Ok(kit) => kit,
        Err(missing) => return Ok(Err(missing)),
    };
    if target != Target::E500v2None {
        return Ok(etsec(target, session, log)?.map(|program| (kit, vec![program])));
    }
    let mut core = kit.cargo(session, "build");
    core.args(["--release", "--package", "etsec-core"]);
    let built = run::logged(core, log, &mut session.progress)?.success();
    match firmware::build(session, log, &kit)? {
        Some(images) if built => Ok(Ok((kit, vec![images.firmware, images.minimal]))),
        _ => bail!("it does not build for {}, see {}", target.triple(), log.path().display()),
    }
}
