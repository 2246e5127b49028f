//! Programs that are not ours: whether they are here, what installs them, and installing them where
//! we may. What a tool is wanted for is its caller's business.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::run;
use crate::session::Session;

/// A program that a package of the distribution supplies.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Its name in the search path, or an absolute path.
    pub program: &'static str,
    /// The Debian package or packages that supply it.
    pub package: &'static str,
}

/// Checks network reachability, as the kernel does it.
pub const PING: Tool = Tool { program: "ping", package: "iputils-ping" };
/// Creates the TAP device and its address.
pub const IP: Tool = Tool { program: "ip", package: "iproute2" };
/// Creates the network namespace.
pub const UNSHARE: Tool = Tool { program: "unshare", package: "util-linux" };
/// Ties a child's life to ours.
pub const SETPRIV: Tool = Tool { program: "setpriv", package: "util-linux" };
/// Counts instructions.
pub const VALGRIND: Tool = Tool { program: "valgrind", package: "valgrind libc6-dbg" };
/// A machine of the P1020's kind, with an eTSEC.
pub const QEMU: Tool = Tool { program: "qemu-system-ppc", package: "qemu-system-ppc" };
/// Compiles device trees, and puts overlays over them.
pub const DTC: Tool = Tool { program: "fdtoverlay", package: "device-tree-compiler" };
/// A Rust whose standard library comes with its source, for targets rustup has not got here.
pub const DEBIAN_RUST: Tool = Tool {
    program: "/usr/lib/rustlib/src/rust/library/core/src/lib.rs",
    package: "rustc-web cargo-web rust-web-src libstd-rust-web-dev",
};

/// Compiles and links for PowerPC, with a C library to link against.
pub const POWERPC_GCC: Tool = Tool {
    program: "powerpc-linux-gnu-gcc",
    package: "gcc-powerpc-linux-gnu libc6-dev-powerpc-cross",
};
/// Compiles for this machine. cargo needs it for linking, too.
pub const CC: Tool = Tool { program: "cc", package: "gcc libc6-dev" };
/// Lists the functions of a program for PowerPC; comes with [`POWERPC_BINUTILS`].
pub const POWERPC_NM: &str = "powerpc-linux-gnu-nm";
/// Links for PowerPC without a C library, and disassembles.
pub const POWERPC_BINUTILS: Tool =
    Tool { program: "powerpc-linux-gnu-ld", package: "binutils-powerpc-linux-gnu" };
/// Links for 32-bit ARM.
pub const ARM_GCC: Tool = Tool {
    program: "arm-linux-gnueabihf-gcc",
    package: "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross",
};
/// Runs PowerPC programs.
pub const QEMU_PPC: Tool = Tool { program: "qemu-ppc-static", package: "qemu-user-static" };
/// Runs ARM programs.
pub const QEMU_ARM: Tool = Tool { program: "qemu-arm-static", package: "qemu-user-static" };
/// Fetches Debian's source packages.
pub const APT: Tool = Tool { program: "apt-get", package: "apt" };
/// Unpacks Debian's source packages.
pub const DPKG_DEV: Tool = Tool { program: "dpkg-source", package: "dpkg-dev" };
/// Builds what is written in C.
pub const MAKE: Tool = Tool { program: "make", package: "make" };

/// The sources of Debian's own kernel.
pub const LINUX_6_1: Tool =
    Tool { program: "/usr/src/linux-source-6.1.tar.xz", package: "linux-source-6.1" };
/// The sources of a newer kernel.
pub const LINUX_6_12: Tool =
    Tool { program: "/usr/src/linux-source-6.12.tar.xz", package: "linux-source-6.12" };
/// What a kernel is built with, beside compiler and make.
pub const KERNEL_BUILD: [Tool; 6] = [
    // For the programs that take part in its build.
    Tool { program: "gcc", package: "gcc libc6-dev" },
    Tool { program: "flex", package: "flex" },
    Tool { program: "bison", package: "bison" },
    Tool { program: "bc", package: "bc" },
    Tool { program: "xz", package: "xz-utils" },
    // Scripts of the kernel's build are written in it.
    Tool { program: "perl", package: "perl" },
];

impl Tool {
    /// Whether it is here.
    pub fn present(self) -> bool {
        if self.program.starts_with('/') {
            return Path::new(self.program).exists();
        }
        find(self.program).is_some()
    }

    /// Makes sure that it is here, installing it where we may; else says in one line what is
    /// missing and the command that installs it.
    ///
    /// # Errors
    /// Ctrl-C, or a log that cannot be written.
    pub fn ensure(self, session: &mut Session) -> Result<Result<(), String>> {
        if self.present() {
            return Ok(Ok(()));
        }
        let missing = format!("{} is missing: `{}`", self.short(), self.command());
        if !session.install || !debian_root() {
            return Ok(Err(missing));
        }
        session.progress.say(&format!("installing {} with apt-get", self.package));
        let mut log = session.log("install")?;
        if !lists_present() {
            apt(session, &mut log, "update")?;
        }
        let install = format!("install --yes --no-install-recommends {}", self.package);
        if !apt(session, &mut log, &install)? {
            // The lists may be older than the archive: once more with new ones.
            apt(session, &mut log, "update")?;
            if !apt(session, &mut log, &install)? {
                return Ok(Err(format!("{missing} failed, see {}", log.path().display())));
            }
        }
        Ok(if self.present() { Ok(()) } else { Err(missing) })
    }

    fn short(self) -> &'static str {
        if self.program.starts_with('/') {
            self.package.split(' ').next().unwrap_or(self.package)
        } else {
            self.program
        }
    }

    fn command(self) -> String {
        let sudo = if rustix::process::geteuid().is_root() { "" } else { "sudo " };
        let package = self.package;
        if find("apt-get").is_some() {
            format!("{sudo}apt-get install {package}")
        } else {
            format!("install the equivalent of Debian's {package}")
        }
    }
}

/// A program that cargo builds into `target/tools`.
#[derive(Debug, Clone, Copy)]
pub struct CargoTool {
    /// The crate, and its program.
    pub name: &'static str,
    /// The version we know to work.
    pub version: &'static str,
}

/// Checks licences, bans and sources.
pub const CARGO_DENY: CargoTool = CargoTool { name: "cargo-deny", version: "0.20.2" };
/// Looks for inputs that break something.
pub const CARGO_FUZZ: CargoTool = CargoTool { name: "cargo-fuzz", version: "0.13.2" };
/// Runs benchmarks under valgrind; its version must equal the gungraun library's.
pub const GUNGRAUN: CargoTool = CargoTool { name: "gungraun-runner", version: "0.20.0" };

impl CargoTool {
    /// Its path, after building it where that is needed and allowed; else one line as
    /// [`Tool::ensure`].
    ///
    /// # Errors
    /// Ctrl-C, or a log that cannot be written.
    pub fn ensure(self, session: &mut Session) -> Result<Result<PathBuf, String>> {
        let ours = session.tools().join("bin").join(self.name);
        let candidates = [Some(ours.clone()), find(self.name)];
        for path in candidates.into_iter().flatten() {
            if self.matches(&path) {
                return Ok(Ok(path));
            }
        }
        let root = session.tools();
        let (name, version) = (self.name, self.version);
        let arguments = format!("install {name} --version {version} --locked --root");
        let shown = format!("cargo {arguments} {}", root.display());
        let missing = format!("{name} {version} is missing: `{shown}`");
        if !session.install {
            return Ok(Err(missing));
        }
        session.progress.say(&format!("building {name} {version} into {}", root.display()));
        let mut log = session.log("install")?;
        let mut cargo = session.cargo(&arguments);
        // They run for a moment and are built for minutes: no time for the optimiser.
        cargo.arg(&root).args(["--profile", "dev"]).env("CARGO_PROFILE_DEV_DEBUG", "0");
        let built = run::logged(cargo, &mut log, &mut session.progress)?.success();
        let failed = || format!("{missing} failed, see {}", log.path().display());
        Ok(if built { Ok(ours) } else { Err(failed()) })
    }

    /// Whether that program is there and says our version.
    fn matches(self, path: &Path) -> bool {
        let said = Command::new(path).arg("--version").output();
        said.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).trim().ends_with(self.version))
    }
}

/// The program's path, from the search path.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Those of the administrator are not in everybody's search path, but may be run by everybody.
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).map(|dir| dir.join(program)).find(|file| {
        file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    })
}

/// Whether we may use apt-get.
fn debian_root() -> bool {
    rustix::process::geteuid().is_root() && find("apt-get").is_some()
}

/// Whether apt-get has package lists at all: a fresh container has none.
fn lists_present() -> bool {
    let Ok(entries) = std::fs::read_dir("/var/lib/apt/lists") else { return false };
    entries.flatten().any(|e| e.file_name().to_string_lossy().contains("_Packages"))
}

fn apt(session: &mut Session, log: &mut crate::log::Log, arguments: &str) -> Result<bool> {
    let mut apt = session.program("apt-get");
    apt.args(arguments.split(' ')).env("DEBIAN_FRONTEND", "noninteractive");
    Ok(run::logged(apt, log, &mut session.progress)?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_up_in_the_search_path() {
        assert!(find("sh").is_some_and(|p| p.is_absolute()));
        assert_eq!(find("no-such-program-here"), None);
    }

    #[test]
    fn a_missing_tool_names_its_package() {
        let tool = Tool { program: "no-such-program-here", package: "some-package" };
        assert!(!tool.present());
        assert!(tool.command().contains("some-package"), "{}", tool.command());
        assert_eq!(DEBIAN_RUST.short(), "rustc-web");
    }

    #[test]
    fn a_program_of_another_version_does_not_match() {
        assert!(!CARGO_DENY.matches(Path::new("/bin/sh")));
        assert!(!CARGO_DENY.matches(Path::new("/no/such/file")));
    }
}
