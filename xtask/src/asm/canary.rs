//! Whether the disassembler would show what we look for: it is given code that must be found.

use anyhow::{Context, Result, bail};

use super::disassembly::Disassembly;
use crate::session::Session;

/// What an e500v2 cannot execute, and one instruction that it can.
const CODE: &str = "sync 1\nfadd 1,2,3\nlfd 1,0(3)\nisel 3,4,5,6\n";

/// How many of those instructions are forbidden.
const FORBIDDEN: usize = 3;

/// Makes sure that forbidden instructions are recognised.
///
/// # Errors
/// Where they are not, or the assembler cannot be started.
pub fn sings(session: &Session) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let (source, object) = (folder.path().join("canary.s"), folder.path().join("canary.o"));
    std::fs::write(&source, CODE).context("cannot write the canary")?;
    let mut assembler = session.program("powerpc-linux-gnu-as");
    assembler.arg("-many").arg("-o").arg(&object).arg(&source);
    let said = assembler.output().context("cannot start powerpc-linux-gnu-as")?;
    if !said.status.success() {
        bail!("the canary was not assembled: {}", String::from_utf8_lossy(&said.stderr).trim());
    }
    let found = Disassembly::of(session, &object)?.forbidden.len();
    if found != FORBIDDEN {
        bail!("the disassembler showed {found} of {FORBIDDEN} forbidden instructions");
    }
    Ok(())
}
