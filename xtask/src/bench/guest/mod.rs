//! `cargo xtask bench --guest`: everything that a Linux guest executes for a packet, on QEMU's
//! eTSEC: with `etsec` over UIO, and with the kernel's own driver. Guests and what they need are
//! prepared here; what is measured is in `paths`, what is printed in `table`.

mod bed;
mod counter;
mod paths;
mod snapshot;
mod symbols;
mod table;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::cross::{Kit, Target};
use crate::guest::kernel::{self, Kernel, Version};
use crate::guest::{Programs, programs};
use crate::log::Log;
use crate::qemu::machine;
use crate::report::Verdict;
use crate::run;
use crate::session::Session;
use crate::tools::{DTC, POWERPC_BINUTILS, SETPRIV};
use bed::{Bed, Cost, Driver, GIANFAR, GIANFAR_COALESCED};
use paths::Path;
use symbols::Symbols;

/// Bytes of the frames: the shortest and the longest.
const SIZES: [u64; 2] = [60, 1514];
/// How many functions of a profile are shown.
const TOP: usize = 30;
/// What a packet of 60 bytes may cost etsec in bursts of 32: instructions of program and kernel.
/// That a frame outlives the process, and a wake-up is never lost, is in it: some 12 of each.
const LIMITS: [(Path, f64); 4] =
    [(Path::Tx, 110.0), (Path::Rx, 255.0), (Path::Echo, 312.0), (Path::Forward, 330.0)];
/// How often a way is measured whose limit is not kept. What is done by the clock, such as looking
/// after a port, falls into one measurement and not into another: the least is what packets cost.
const TRIES: u32 = 4;

/// What a packet costs, by way and size.
pub type Costs = BTreeMap<(Path, u64), Cost>;

/// Everything that is measured.
#[derive(Debug, Default)]
pub struct Figures {
    /// With etsec.
    pub etsec: Costs,
    /// With the kernel's driver, and interrupts as seldom as silicon gives them where that matters.
    pub gianfar: Costs,
    /// With the kernel's driver as it is.
    pub plain: Costs,
    /// Touching buffers in ordinary pages, and in huge ones.
    pub walks: [Cost; 2],
}

/// What guests need.
#[derive(Debug)]
pub struct Needed {
    /// What runs in them.
    pub programs: Programs,
    /// Our program for the kernel's driver.
    pub peer: PathBuf,
    /// What they boot.
    pub kernel: Kernel,
    /// What counts.
    pub plugin: PathBuf,
}

/// Measures and prints; false when something is missing.
///
/// # Errors
/// Ctrl-C, a build that fails, frames that are lost.
pub fn run(session: &mut Session, version: Version, profile: bool, json: bool) -> Result<bool> {
    let mut log = session.log("bench-guest")?;
    let needed = match prepare(session, &mut log, version)? {
        Ok(needed) => needed,
        Err(missing) => {
            say!("not run: {missing}");
            return Ok(false);
        }
    };
    say!("{}", needed.programs.toolchain);
    let mut figures = Figures::default();
    let profiles = etsec(session, &mut log, &needed, &mut figures)?;
    kernels_own(session, &mut log, &needed, &mut figures)?;
    session.progress.finish();
    if profile {
        for (title, text) in profiles {
            say!("\n{title}\n{text}");
        }
    }
    say!("\n{}", table::render(&figures, version.name()));
    if json {
        say!("{}", table::json(&figures));
    }
    Ok(true)
}

/// The limits as a suite of `cargo xtask test`: each way is a check.
///
/// # Errors
/// As [`run()`].
pub fn suite(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let needed = match prepare(session, log, Version::V6_1)? {
        Ok(needed) => needed,
        Err(why) => return Ok(Verdict::Skipped { why }),
    };
    session.progress.start("guest with etsec");
    let mut bed = Bed::boot(session, log, &needed, Driver::Etsec)?;
    let (mut passed, mut bad) = (0, Vec::new());
    for (path, limit) in LIMITS {
        session.progress.start(path.name());
        let (mut cost, _) = paths::measure(&mut bed, path, SIZES[0])?;
        for _ in 1..TRIES {
            if cost.all() > limit {
                let (again, _) = paths::measure(&mut bed, path, SIZES[0])?;
                cost = if again.all() < cost.all() { again } else { cost };
            }
        }
        let (name, all, misses) = (path.name(), cost.all(), cost.misses);
        log.line(&format!("{name}: {all:.1} instructions a packet, {misses:.4} TLB misses"))?;
        if all > limit {
            bad.push(format!("{name}: {all:.1} instructions a packet, limit {limit}"));
        } else if misses >= 0.005 {
            bad.push(format!("{name}: {misses:.3} data TLB misses a packet, with huge pages"));
        } else {
            passed += 1;
        }
    }
    bed.guest.power_off()?;
    if bad.is_empty() {
        return Ok(Verdict::Passed { passed, ignored: 0 });
    }
    Ok(Verdict::Failed { passed, failed: bad.len() as u64, why: bad.join("; ") })
}

/// Builds and installs; else what is missing, and the command that installs it.
fn prepare(
    session: &mut Session,
    log: &mut Log,
    version: Version,
) -> Result<Result<Needed, String>> {
    // The cheap questions first.
    if let Err(wrong) = machine::available(session)? {
        return Ok(Err(wrong));
    }
    for tool in [DTC, SETPRIV, POWERPC_BINUTILS] {
        if let Err(missing) = tool.ensure(session)? {
            return Ok(Err(missing));
        }
    }
    let plugin = match counter::plugin(session, log)? {
        Ok(plugin) => plugin,
        Err(missing) => return Ok(Err(missing)),
    };
    session.progress.start("programs for the guest");
    let programs = match programs::build(session, log)? {
        Ok(programs) => programs,
        Err(missing) => return Ok(Err(missing)),
    };
    let peer = peer(session, log)?;
    session.progress.start(&format!("Linux {}", version.name()));
    let kernel = match kernel::supply(session, log, version)? {
        Ok(kernel) => kernel,
        Err(missing) => return Ok(Err(missing)),
    };
    session.progress.finish();
    Ok(Ok(Needed { programs, peer, kernel, plugin }))
}

/// Builds our program for the kernel's driver, with what the other programs were built with.
fn peer(session: &mut Session, log: &mut Log) -> Result<PathBuf> {
    let kit = Kit::find(Target::E500v2, session, log)?.map_err(anyhow::Error::msg)?;
    let mut cargo = kit.cargo(session, "build");
    cargo.args(["--release", "--locked", "--manifest-path", "tests/guest/Cargo.toml"]);
    cargo.args(["--package", "etsec-peer"]);
    let built = run::logged(cargo, log, &mut session.progress)?.success();
    ensure!(built, "the peer does not build for the guest\n{}", log.tail());
    Ok(kit.out(session, "release").join("etsec-peer"))
}

/// Measures etsec, and the walks through memory; returns profiles of its ways.
fn etsec(
    session: &mut Session,
    log: &mut Log,
    needed: &Needed,
    figures: &mut Figures,
) -> Result<Vec<(String, String)>> {
    session.progress.start("guest with etsec");
    let mut bed = Bed::boot(session, log, needed, Driver::Etsec)?;
    let symbols = Symbols::of_kernel(&needed.kernel.system_map())?;
    let symbols = symbols.and_program(session, &needed.programs.etsec)?;
    let mut profiles = Vec::new();
    for path in Path::ALL {
        for size in SIZES {
            session.progress.start(&format!("etsec: {}, {size} bytes", path.name()));
            let (cost, counts) = paths::measure(&mut bed, path, size)?;
            figures.etsec.insert((path, size), cost);
            let title = format!("{} of {size} bytes, instructions and calls a packet", path.name());
            let profile = symbols.profile(&counts);
            profiles.push((title, table::profile(&profile[..TOP.min(profile.len())], path)));
        }
    }
    for (walk, mib) in figures.walks.iter_mut().zip([0, 4]) {
        session.progress.start("buffers in ordinary and in huge pages");
        *walk = paths::walk(&mut bed, mib)?;
    }
    bed.guest.power_off()?;
    Ok(profiles)
}

/// Measures the kernel's own driver.
fn kernels_own(
    session: &mut Session,
    log: &mut Log,
    needed: &Needed,
    figures: &mut Figures,
) -> Result<()> {
    for (driver, ways) in [
        (GIANFAR, &Path::ALL[..]),
        // Where frames are sent one by one, interrupts for each of them matter. A bridge has its
        // frames sent in one go anyway; and with byte queue limits it would wait for interrupts.
        (GIANFAR_COALESCED, &[Path::Tx, Path::Echo]),
    ] {
        session.progress.start("guest with gianfar");
        let mut bed = Bed::boot(session, log, needed, driver)?;
        for path in ways {
            for size in SIZES {
                session.progress.start(&format!("gianfar: {}, {size} bytes", path.name()));
                let (cost, _) = paths::measure(&mut bed, *path, size)?;
                if driver == GIANFAR {
                    figures.plain.insert((*path, size), cost);
                }
                figures.gianfar.insert((*path, size), cost);
            }
        }
        bed.guest.power_off()?;
    }
    Ok(())
}
