//! Which files are under which licence: the kernel module under the kernel's, all others under the
//! project's own. It believes what files say of themselves.

use super::Source;
use crate::guest::kmod;

/// What a file says its licence by; put together so that this file says nothing.
const SAYS: &str = concat!("SPDX-License-", "Identifier:");
/// The kernel's.
const KERNEL: &str = "GPL-2.0-only";
/// The project's own.
const OWN: &str = "MIT OR Apache-2.0";

/// What is wrong with the licence of a file, as `path:line: what`.
pub fn wrong(source: &Source) -> Option<String> {
    let Source { path, text } = source;
    let (line, said) = (1..).zip(text.lines()).find_map(|(line, text)| {
        let (_, said) = text.split_once(SAYS)?;
        Some((line, said.trim().trim_end_matches("*/").trim()))
    })?;
    let wanted = if path.starts_with(kmod::SOURCES) { KERNEL } else { OWN };
    (said != wanted).then(|| format!("{path}:{line}: is under {said}, but here it is {wanted}"))
}

/// The code of the kernel module that says nothing of its licence.
pub fn silent(source: &Source) -> Option<String> {
    let Source { path, text } = source;
    // What the kernel's build makes there is nobody's text.
    let ours = ![".md", ".mod.c"].iter().any(|end| path.ends_with(end));
    let code = path.starts_with(kmod::SOURCES) && ours;
    let says = text.lines().next().is_some_and(|line| line.contains(SAYS));
    (code && !says).then(|| format!("{path}:1: say its licence: {SAYS} {KERNEL}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, says: &str) -> Source {
        Source { path: path.into(), text: format!("/* {SAYS} {says} */\nint x;\n") }
    }

    #[test]
    fn each_folder_has_its_licence() {
        let module = format!("{}/x.c", kmod::SOURCES);
        assert_eq!(wrong(&source(&module, KERNEL)), None);
        assert_eq!(wrong(&source("tests/guest/plugin/x.c", OWN)), None);
        let found = wrong(&source("tests/guest/plugin/x.c", KERNEL)).expect("wrong");
        assert!(found.starts_with("tests/guest/plugin/x.c:1: "), "{found}");
        assert!(wrong(&source(&module, OWN)).is_some());
    }

    #[test]
    fn code_of_the_module_says_it() {
        let silent_code = |path: &str| silent(&Source { path: path.into(), text: "int x;".into() });
        assert!(silent_code(&format!("{}/x.h", kmod::SOURCES)).is_some());
        assert_eq!(silent_code(&format!("{}/README.md", kmod::SOURCES)), None);
        assert_eq!(silent_code("tests/guest/plugin/insncount.c"), None);
        assert_eq!(silent(&source(&format!("{}/x.h", kmod::SOURCES), KERNEL)), None);
    }
}
