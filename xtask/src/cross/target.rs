//! The machines we build for: what each is called and what it takes. Which compiler there is, is
//! the kit's business.

use std::path::Path;

use crate::tools::{ARM_GCC, POWERPC_BINUTILS, POWERPC_GCC, QEMU_ARM, QEMU_PPC, Tool};

/// A machine we build for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// Static Linux programs for an e500v2, as in a P1020: soft float, no `lwsync`.
    #[value(name = "e500v2")]
    E500v2,
    /// Linux programs for an ordinary big-endian PowerPC with a floating-point unit and glibc.
    Powerpc,
    /// An e500v2 without an operating system.
    #[value(name = "e500v2-none")]
    E500v2None,
    /// Linux on a little-endian host of the eTSEC, the LS1021A.
    Armv7,
    /// No standard library and no compare-and-swap.
    #[value(skip)]
    Thumbv6m,
}

impl Target {
    /// The name rustc and the target directory know it by.
    pub fn triple(self) -> &'static str {
        match self {
            Self::E500v2 => "powerpc-e500v2-linux-musl",
            Self::Powerpc => "powerpc-unknown-linux-gnu",
            Self::E500v2None => "powerpc-e500v2-none",
            Self::Armv7 => "armv7-unknown-linux-gnueabihf",
            Self::Thumbv6m => "thumbv6m-none-eabi",
        }
    }

    /// What rustc is given: the triple, or our own description of the machine.
    pub fn argument(self, root: &Path) -> String {
        if self.is_ours() {
            let file = format!("xtask/targets/{}.json", self.triple());
            return root.join(file).display().to_string();
        }
        self.triple().to_owned()
    }

    /// Whether rustc knows it from our description only: then nobody has its libraries ready.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::E500v2 | Self::E500v2None)
    }

    /// The libraries to build where they are not ready.
    pub fn crates(self) -> &'static str {
        match self {
            Self::E500v2 => "std,panic_abort,test",
            Self::Powerpc | Self::Armv7 => "std,test",
            Self::E500v2None | Self::Thumbv6m => "core",
        }
    }

    /// Features of those libraries: `memcpy` and its like, where no C library has them.
    pub fn crate_features(self) -> &'static str {
        if self == Self::E500v2None { "compiler-builtins-mem" } else { "" }
    }

    /// What must be installed to link for it.
    pub fn linker(self) -> Option<Tool> {
        match self {
            Self::E500v2 | Self::Powerpc => Some(POWERPC_GCC),
            Self::E500v2None => Some(POWERPC_BINUTILS),
            Self::Armv7 => Some(ARM_GCC),
            Self::Thumbv6m => None,
        }
    }

    /// The linker rustc would not find by itself.
    pub fn linker_program(self) -> Option<&'static str> {
        match self {
            Self::Powerpc => Some("powerpc-linux-gnu-gcc"),
            Self::Armv7 => Some("arm-linux-gnueabihf-gcc"),
            _ => None,
        }
    }

    /// What runs its programs here, and the command that does.
    pub fn runner(self) -> Option<(Tool, &'static str)> {
        match self {
            // This model of the processor traps on the classic floating point an e500v2 lacks.
            Self::E500v2 => Some((QEMU_PPC, "qemu-ppc-static -cpu e500v2_v30")),
            Self::Powerpc => Some((QEMU_PPC, "qemu-ppc-static -L /usr/powerpc-linux-gnu")),
            Self::Armv7 => Some((QEMU_ARM, "qemu-arm-static -L /usr/arm-linux-gnueabihf")),
            Self::E500v2None | Self::Thumbv6m => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_targets_are_described_in_a_file_of_their_name() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
        for target in [Target::E500v2, Target::E500v2None] {
            let text = std::fs::read_to_string(target.argument(root)).expect("the file is there");
            let said: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(said["target-endian"], "big");
            assert_eq!(said["cpu"], "e500", "an unknown CPU would emit lwsync");
        }
        assert_eq!(Target::Powerpc.argument(root), "powerpc-unknown-linux-gnu");
    }
}
