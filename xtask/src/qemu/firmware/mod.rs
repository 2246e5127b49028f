//! `cargo xtask qemu firmware`: builds the images of `tests/firmware`, boots them on QEMU and puts
//! them through their paces from the other end of the wire. What is checked in each phase is in
//! `phases`; here they are put in order, and their outcome is shown.

mod frames;
mod guest;
mod phases;
mod summary;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::machine;
use crate::Common;
use crate::cross::{Kit, Target};
use crate::interrupt::Interrupted;
use crate::log::Log;
use crate::report::Verdict;
use crate::run;
use crate::session::Session;
use crate::tools::SETPRIV;
use guest::Guest;
use summary::Summary;

/// The images' own package.
pub const MANIFEST: &str = "tests/firmware/Cargo.toml";

/// Options of `qemu firmware`.
#[derive(Debug, Args)]
#[command(after_help = "\
The image and QEMU's console are described in tests/firmware/README.md. No privilege is needed:
frames pass as UDP datagrams on the loopback interface. Logs: target/xtask/qemu-*.log.")]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// Print the figures as one JSON object in the last line.
    #[arg(long)]
    json: bool,
}

/// Builds, boots and checks; true when all went well.
///
/// # Errors
/// Ctrl-C, a log that cannot be written.
pub fn run(options: &Options) -> Result<bool> {
    let mut session = Session::new(options.common)?;
    let mut log = session.log("qemu-build")?;
    let images = match images(&mut session, &mut log)? {
        Ok(images) => images,
        Err(missing) => {
            say!("not run: {missing}");
            return Ok(false);
        }
    };
    let summary = all(&mut session, &images)?;
    say!("{}", summary.text());
    if options.json {
        say!("{}", summary.json());
    }
    Ok(summary.good())
}

/// The same as a suite of `cargo xtask test`.
///
/// # Errors
/// Ctrl-C, a log that cannot be written.
pub fn suite(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let images = match images(session, log)? {
        Ok(images) => images,
        Err(why) => return Ok(Verdict::Skipped { why }),
    };
    let summary = all(session, &images)?;
    log.line(&summary.text())?;
    Ok(summary.verdict())
}

/// The built images.
#[derive(Debug)]
pub struct Images {
    /// With a TCP/IP stack, all rings, interrupts.
    pub firmware: PathBuf,
    /// One ring each way, polled: what `cargo xtask size` measures.
    pub minimal: PathBuf,
}

/// Builds the images with that kit; none where that fails.
///
/// # Errors
/// Ctrl-C, a log that cannot be written.
pub fn build(session: &mut Session, log: &mut Log, kit: &Kit) -> Result<Option<Images>> {
    let firmware = image(session, log, kit, ["firmware", "release", "stack"])?;
    let minimal = minimal(session, log, kit, "")?;
    Ok(firmware.zip(minimal).map(|(firmware, minimal)| Images { firmware, minimal }))
}

/// As [`build`], the smaller image alone, with these features of its package.
///
/// # Errors
/// As [`build`].
pub fn minimal(
    session: &mut Session,
    log: &mut Log,
    kit: &Kit,
    features: &str,
) -> Result<Option<PathBuf>> {
    image(session, log, kit, ["minimal", "size", features])
}

fn image(
    session: &mut Session,
    log: &mut Log,
    kit: &Kit,
    [bin, profile, features]: [&str; 3],
) -> Result<Option<PathBuf>> {
    let mut cargo = kit.cargo(session, "build");
    cargo.args(["--locked", "--manifest-path", MANIFEST, "--bin", bin, "--profile", profile]);
    cargo.args(["--features", features]);
    let built = run::logged(cargo, log, &mut session.progress)?.success();
    Ok(built.then(|| kit.out(session, profile).join(bin)))
}

/// The images, and a QEMU to run them; else what is missing, in one line.
fn images(session: &mut Session, log: &mut Log) -> Result<Result<Images, String>> {
    if let Err(missing) = machine::available(session)? {
        return Ok(Err(missing));
    }
    if let Err(missing) = SETPRIV.ensure(session)? {
        return Ok(Err(missing));
    }
    let kit = match Kit::find(Target::E500v2None, session, log)? {
        Ok(kit) => kit,
        Err(missing) => return Ok(Err(missing)),
    };
    log.line(&kit.describe())?;
    match build(session, log, &kit)? {
        Some(images) => Ok(Ok(images)),
        None => bail!("{MANIFEST} does not build, see {}", log.path().display()),
    }
}

/// What is done with a booted image.
type Drive = fn(&mut Guest, &mut Summary) -> Result<()>;

/// Boots the images one after the other. What goes wrong in one does not keep the next from being
/// tried.
fn all(session: &mut Session, images: &Images) -> Result<Summary> {
    let mut summary = Summary::default();
    let boots: [(&str, Drive); 3] =
        [("firmware", phases::firmware), ("fault", phases::fault), ("minimal", phases::minimal)];
    for (name, drive) in boots {
        session.progress.start(name);
        let image = if name == "minimal" { &images.minimal } else { &images.firmware };
        let done = Guest::boot(session, image, &format!("qemu-{name}"))
            .and_then(|mut guest| drive(&mut guest, &mut summary));
        session.progress.finish();
        match done {
            Ok(()) => {}
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => summary.fail(format!("{name}: {error:#}")),
        }
    }
    Ok(summary)
}
