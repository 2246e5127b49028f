//! The kernel's own driver for comparisons that are fair to it. QEMU sends a frame within the write
//! that announces it, and has no interrupt coalescing (HW 15.3): gianfar takes an interrupt for
//! every frame it sends, where silicon, as gianfar sets it up, gives one for sixteen. So beside the
//! driver as it is, one is built that asks for an interrupt with every sixteenth frame only.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Its name as a module.
pub const MODULE: &str = "gianfar_coalesced";
/// What it is made of, and where that is built.
const SOURCE: &str = "drivers/net/ethernet/freescale/gianfar.c";
const BUILT: &str = "drivers/net/ethernet/freescale/gianfar_driver.ko";
/// How often a frame's last descriptor is described, and how: last, and asking for an interrupt.
const TIMES: usize = 3;
const ALWAYS: &str = "TXBD_LAST | TXBD_INTERRUPT";
const SELDOM: &str = "TXBD_LAST | (tx_queue->skb_curtx % 16 ? 0 : TXBD_INTERRUPT)";

/// What it depends on beside the kernel.
pub fn words() -> String {
    format!("{MODULE}: {SOURCE}: {TIMES} {ALWAYS} -> {SELDOM}")
}

/// Changes the sources in `folder`.
///
/// # Errors
/// Where something else stands there than is known.
pub fn change(folder: &Path) -> Result<()> {
    let path = folder.join(SOURCE);
    let text = fs::read_to_string(&path);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    let found = text.matches(ALWAYS).count();
    ensure!(found == TIMES, "{SOURCE}: {ALWAYS:?} stands there {found} times, not {TIMES}");
    fs::write(&path, text.replace(ALWAYS, SELDOM))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The module that has been built in `folder`.
pub fn built(folder: &Path) -> PathBuf {
    folder.join(BUILT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_changed_or_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(SOURCE);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        let with = |text: String| {
            fs::write(&path, text).expect("written");
            change(folder.path())?;
            Ok::<_, anyhow::Error>(fs::read_to_string(&path)?)
        };
        let line = |what: &str| format!("x |= BD_LFLAG({what});\n");
        assert_eq!(with(line(ALWAYS).repeat(3)).expect("changed"), line(SELDOM).repeat(3));
        assert!(with(line(ALWAYS).repeat(2)).is_err());
    }
}
