//! Who may name what: the walls between the parts, as a table. A rule is broken by a word in code
//! outside the files that may have it; comments and strings do not count.

use super::{Source, code};

/// Words under a folder that only some files may use.
struct Rule {
    folder: &'static str,
    words: &'static [&'static str],
    /// Files that may, by their path below `folder`.
    allowed: &'static [&'static str],
    why: &'static str,
}

const RULES: [Rule; 10] = [
    Rule {
        folder: "etsec-core/src/",
        words: &["unsafe"],
        allowed: &[
            "arena.rs",
            "arena/adopt.rs",
            "barrier.rs",
            "buf.rs",
            "buf/slot.rs",
            "bus.rs",
            "dma.rs",
            "mib/kept.rs",
            "pool.rs",
            "pool/adopt.rs",
            "ring.rs",
            "ring/left.rs",
            "rx.rs",
            "rx/burst.rs",
            "tx.rs",
            "tx/burst.rs",
        ],
        why: "unsafe lives in a few files",
    },
    Rule {
        folder: "etsec-core/src/",
        words: &["read_volatile", "write_volatile"],
        allowed: &["bus.rs"],
        why: "only the bus does volatile access",
    },
    Rule {
        folder: "etsec-core/src/",
        words: &["AtomicU32", "AtomicU16", "AtomicU8", "AtomicUsize", "AtomicBool", "AtomicU64"],
        allowed: &["word.rs"],
        why: "only word.rs names an atomic",
    },
    Rule {
        folder: "etsec-core/src/",
        words: &["std::", "alloc::", "f32", "f64"],
        // In no build but that of the suite `stores`.
        allowed: &["word/stores.rs"],
        why: "the core has no operating system, no heap and no floats",
    },
    Rule {
        folder: "etsec-sim/src/",
        words: &["unsafe"],
        allowed: &["memory.rs", "qemu/memory.rs", "remote/region.rs", "trace/window.rs"],
        why: "only the memory that a model or a recorder shares with a driver needs it",
    },
    Rule {
        folder: "etsec-linux/src/",
        words: &["unsafe"],
        allowed: &[
            "adopt/left.rs",
            "hugepage.rs",
            "region.rs",
            "sys.rs",
            "uio.rs",
            "uio_memory.rs",
        ],
        why: "unsafe lives in a few files",
    },
    Rule {
        folder: "etsec-linux/src/",
        words: &["libc::"],
        allowed: &["sys.rs"],
        why: "only sys.rs talks to the C library",
    },
    Rule {
        folder: "tests/firmware/src/",
        words: &["unsafe"],
        allowed: &[
            "bin/firmware/main.rs",
            "bin/firmware/serve.rs",
            "bin/minimal.rs",
            "boot.rs",
            "cpu.rs",
            "dma.rs",
            "exceptions.rs",
            "map.rs",
            "mmio.rs",
            "tree.rs",
        ],
        why: "unsafe lives where the machine is, and where its promises are made",
    },
    Rule {
        folder: "tests/guest/peer/src/",
        words: &["unsafe"],
        allowed: &["area.rs", "interface.rs", "socket.rs", "walk.rs"],
        why: "only what the kernel shares or is asked for needs it",
    },
    Rule { folder: "xtask/src/", words: &["unsafe"], allowed: &[], why: "a tool needs none" },
];

/// Files that hold tests only run on the host, and may have what it offers.
const TEST_FILES: [&str; 4] = ["tests.rs", "testing.rs", "fake.rs", "witness.rs"];
/// So do the files of these folders.
const TEST_FOLDERS: [&str; 1] = ["etsec-core/src/proofs/"];

/// Of the core, the model may know the hardware boundary and nothing of the driver.
const MODEL: &str = "etsec-sim/src/";
const MODEL_MAY: [&str; 3] = ["Bus", "BusAddr", "Region"];

/// The rules this stripped code breaks, with lines.
pub fn broken(path: &str, code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let tested = TEST_FILES.iter().any(|name| path.ends_with(name))
        || TEST_FOLDERS.iter().any(|folder| path.starts_with(folder));
    for rule in RULES.iter().filter(|_| !tested) {
        let Some(file) = path.strip_prefix(rule.folder) else { continue };
        if rule.allowed.contains(&file) {
            continue;
        }
        let end = tests_begin(code);
        let mut of_tests = false;
        for (line, text) in (1..end).zip(code.lines()) {
            // A line that only tests have, in the middle of the code.
            if core::mem::replace(&mut of_tests, text.trim() == "#[cfg(test)]") {
                continue;
            }
            for word in rule.words.iter().filter(|w| names(text, w)) {
                found.push((line, format!("`{word}` here, but {}", rule.why)));
            }
        }
    }
    if path.starts_with(MODEL) {
        found.extend(imports_beyond(code));
    }
    found
}

/// Whether the code has that word, or, for a word with `::`, a path that goes through it.
fn names(code: &str, word: &str) -> bool {
    match word.strip_suffix("::") {
        None => code::has_word(code, word),
        Some(_) => code
            .match_indices(word)
            .any(|(at, _)| !code[..at].chars().next_back().is_some_and(code::is_word)),
    }
}

/// The line where a file's own tests begin; they run on the host and may have what it offers.
fn tests_begin(code: &str) -> usize {
    let at = code.lines().zip(code.lines().skip(1)).position(|(line, next)| {
        line == "#[cfg(test)]" && next.trim_end().ends_with('{') && next.starts_with("mod ")
    });
    at.map_or(usize::MAX, |index| index + 1)
}

/// Names that the model takes from the core and may not.
fn imports_beyond(code: &str) -> Vec<(usize, String)> {
    const CORE: &str = "etsec_core::";
    let mut found = Vec::new();
    for (at, _) in code.match_indices(CORE) {
        let line = code[..at].matches('\n').count() + 1;
        let names = path(&code[at + CORE.len()..]).split(|c: char| !code::is_word(c));
        for name in names.filter(|n| n.starts_with(char::is_uppercase)) {
            if !MODEL_MAY.contains(&name) {
                found.push((line, format!("the model must not know the driver's `{name}`")));
            }
        }
    }
    found
}

/// The rest of a path: up to its last word, or the brace that closes its list.
fn path(rest: &str) -> &str {
    let word = rest.find(|c: char| !code::is_word(c) && c != ':').unwrap_or(rest.len());
    match (rest[word..].starts_with('{'), rest.find('}')) {
        (true, Some(close)) => &rest[..close],
        _ => &rest[..word],
    }
}

/// Allowances that nobody uses any more.
pub fn unused(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for rule in &RULES {
        for file in rule.allowed {
            let path = format!("{}{file}", rule.folder);
            let used = sources.iter().find(|s| s.path == path).is_some_and(|s| {
                let code = code::strip(&s.text);
                rule.words.iter().any(|w| names(&code, w))
            });
            if !used {
                let words = rule.words.join(", ");
                found.push(format!("{path}: may use {words}, but does not: take it off the list"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walls_stand_where_they_should() {
        let line = "unsafe { x }\n";
        assert_eq!(broken("etsec-core/src/device.rs", line).len(), 1);
        assert_eq!(broken("etsec-core/src/bus.rs", line), []);
        assert_eq!(broken("tests/src/lib.rs", line), []);
        assert_eq!(broken("etsec-core/src/queue_tests.rs", line), []);
        assert_eq!(broken("etsec-core/src/ring.rs", "use alloc::vec;\n").len(), 1);
        assert_eq!(broken("etsec-core/src/ring.rs", "pool.alloc()\nmystd::x\n"), []);
        let tested = "fn f() {}\n#[cfg(test)]\nuse std::vec::Vec;\n";
        assert_eq!(broken("etsec-core/src/device.rs", tested), []);
        // What follows it is looked at, until the tests themselves begin.
        let more = format!("{tested}fn g() {{}}\nunsafe {{ x }}\n");
        assert_eq!(broken("etsec-core/src/device.rs", &more).len(), 1);
        let inside = format!("{tested}#[cfg(test)]\nmod tests {{\nunsafe {{ x }}\n}}\n");
        assert_eq!(broken("etsec-core/src/device.rs", &inside), []);
    }

    #[test]
    fn the_model_knows_the_boundary_only() {
        let path = "etsec-sim/src/model.rs";
        assert_eq!(broken(path, "use etsec_core::{Bus, BusAddr};\n"), []);
        assert_eq!(broken(path, "impl etsec_core::Region for X {}\n"), []);
        assert_eq!(broken(path, "use etsec_core::{\n    Bus,\n    Pool,\n};\n").len(), 1);
        let found = broken(path, "use etsec_core::regs::{Maccfg1};\n");
        assert_eq!(found, [(1, "the model must not know the driver's `Maccfg1`".to_owned())]);
    }

    #[test]
    fn an_allowance_without_use_is_told() {
        let sources = [Source { path: "etsec-core/src/bus.rs".into(), text: "unsafe".into() }];
        let found = unused(&sources);
        assert!(found.iter().any(|p| p.contains("etsec-core/src/word.rs")), "{found:?}");
        assert!(!found.iter().any(|p| p.contains("bus.rs: may use unsafe")), "{found:?}");
    }
}
