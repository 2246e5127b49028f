//! Device trees: compiled, dumped by QEMU, merged, changed, by the tools that are used for it on a
//! board. It knows how to call them, not what is in a tree.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the overlays are.
pub fn overlays() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dts")
}

/// The tests' own source of a board's tree.
pub fn board(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dts").join(format!("{name}.dts"));
    std::fs::read_to_string(path).unwrap()
}

/// A directory with compiled trees.
pub struct Trees {
    dir: tempfile::TempDir,
}

impl Trees {
    pub fn new() -> Self {
        Trees { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Compiles the text of a board's tree to NAME.dtb. What its ethernet nodes look like on these
    /// parts is what dtc warns of, and not ours to change.
    pub fn compile(&self, name: &str, text: &str) -> PathBuf {
        let (source, out) = (self.path("board.dts"), self.path(name));
        std::fs::write(&source, text).unwrap();
        run("dtc", ["-q", "-I", "dts", "-O", "dtb", "-o"].map(OsStr::new), &[&out, &source]);
        out
    }

    /// Compiles an overlay, which has to go without a warning but for two that no overlay can
    /// escape: an interrupt parent and a root are the tree's that it is put over.
    pub fn overlay(&self, source: &Path) -> PathBuf {
        let name = source.file_stem().unwrap().to_string_lossy();
        let out = self.path(&format!("{name}.dtbo"));
        let quiet = ["-W", "no-interrupts_property", "-W", "no-chosen_node_is_root"];
        let words = [&quiet[..], &["-I", "dts", "-O", "dtb", "-o"]].concat();
        let said = run("dtc", words.iter().map(OsStr::new), &[&out, source]);
        assert_eq!(said, "", "dtc on {}", source.display());
        out
    }

    /// The tree that QEMU's ppce500 makes for a machine with an eTSEC for each of these addresses.
    pub fn qemu(&self, stations: &[&str]) -> PathBuf {
        let (kernel, out) = (self.path("kernel.elf"), self.path("qemu.dtb"));
        std::fs::write(&kernel, idle_kernel()).unwrap();
        let machine = format!("ppce500,dumpdtb={}", out.display());
        let mut words = vec!["-machine".to_owned(), machine];
        words.extend(["-nodefaults", "-display", "none", "-m", "64M"].map(str::to_owned));
        for mac in stations {
            words.extend(["-device".to_owned(), format!("eTSEC,mac={mac}")]);
        }
        words.push("-kernel".to_owned());
        run("qemu-system-ppc", words.iter().map(OsStr::new), &[&kernel]);
        out
    }

    /// Puts overlays over a tree, as U-Boot's `fdt apply` does: it is the same library.
    pub fn merge(&self, base: &Path, overlays: &[PathBuf]) -> PathBuf {
        let out = self.path("merged.dtb");
        let mut files = vec![base, out.as_path()];
        files.extend(overlays.iter().map(PathBuf::as_path));
        let [base, out, overlays @ ..] = &files[..] else { unreachable!() };
        let words = [OsStr::new("-i"), base.as_os_str(), OsStr::new("-o"), out.as_os_str()];
        run("fdtoverlay", words, overlays);
        self.path("merged.dtb")
    }

    /// Sets a property in a tree, as a boot loader does: `kind` and `value` as fdtput has them.
    pub fn set(&self, tree: &Path, node: &str, property: &str, kind: &str, value: &[&str]) {
        let tree = tree.to_string_lossy();
        let words = [&["-t", kind, &tree, node, property][..], value].concat();
        run("fdtput", words.iter().map(OsStr::new), &[]);
    }
}

/// Runs a tool, which has to succeed; what it said.
fn run<'a>(tool: &str, words: impl IntoIterator<Item = &'a OsStr>, files: &[&Path]) -> String {
    let output = Command::new(tool).args(words).args(files).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{tool}: {error}; apt-get install device-tree-compiler qemu-system-ppc")
    });
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{tool}: {said}");
    said
}

/// The least that QEMU takes for a kernel: an ELF file for big-endian PowerPC with one instruction.
fn idle_kernel() -> Vec<u8> {
    const LOAD: u32 = 0x0100_0000;
    const HEADERS: u32 = 52 + 32;
    let mut file = b"\x7fELF\x01\x02\x01".to_vec();
    file.resize(16, 0);
    let half = |file: &mut Vec<u8>, words: &[u16]| {
        words.iter().for_each(|word| file.extend(word.to_be_bytes()));
    };
    let word = |file: &mut Vec<u8>, words: &[u32]| {
        words.iter().for_each(|word| file.extend(word.to_be_bytes()));
    };
    // An executable for PowerPC; its entry; one program header, behind this one; no sections.
    half(&mut file, &[2, 20]);
    word(&mut file, &[1, LOAD, 52, 0, 0]);
    half(&mut file, &[52, 32, 1, 40, 0, 0]);
    // Load 4 bytes from behind the headers to LOAD, to be read and executed.
    word(&mut file, &[1, HEADERS, LOAD, LOAD, 4, 4, 5, 4]);
    // b . (for ever)
    word(&mut file, &[0x4800_0000]);
    file
}
