//! Where the owner of a device listens: a path of its own for each device, whatever the device is
//! called by who asks. It opens nothing.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf, absolute};

use etsec_linux::{Roots, Spec, spec::WireSpec};
use sha2::{Digest, Sha256};

/// The longest name of a device in the name of its socket.
const NAME_MAX: usize = 48;

/// The path at which the owner of `device` listens.
pub fn path(roots: &Roots, device: &str) -> PathBuf {
    roots.locks.join(format!("etsec-{}.control", file_name(&canonical(device))))
}

/// The name of a device that is the same for all names of it: paths are whole, and lead through no
/// link. What names no device stays as it is.
pub fn canonical(device: &str) -> Vec<u8> {
    let bytes = |path: &Path| whole(path).as_os_str().as_bytes().to_vec();
    match device.parse() {
        Ok(Spec::Remote(socket)) => [b"sim:".to_vec(), bytes(&socket)].concat(),
        Ok(Spec::Sim(WireSpec::Socket(socket))) => {
            [b"sim,wire=socket:".to_vec(), bytes(&socket)].concat()
        }
        Ok(Spec::Sim(WireSpec::Pcap { input, output })) => {
            let files = [input, output].map(|file| file.as_deref().map(bytes).unwrap_or_default());
            // A comma may be in a folder's name.
            [b"sim,wire=pcap:".to_vec(), files.join(&b'\0')].concat()
        }
        Ok(Spec::Sim(WireSpec::Null)) => b"sim".to_vec(),
        _ => device.as_bytes().to_vec(),
    }
}

/// A path from the root on and without links, as far as it leads to something.
fn whole(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let path = absolute(path).unwrap_or_else(|_| path.to_owned());
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// A name as part of a file's name; no two are alike. The path of a socket is short, so that of a
/// long name it is the beginning and a digest, behind a character that no short one has.
fn file_name(name: &[u8]) -> String {
    let mut escaped = String::new();
    for &byte in name {
        if byte.is_ascii_alphanumeric() || b".-".contains(&byte) {
            escaped.push(byte.into());
        } else {
            escaped += &format!("%{byte:02X}");
        }
    }
    if escaped.len() > NAME_MAX {
        let digest = Sha256::digest(name);
        let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        escaped.truncate(NAME_MAX - digest.len() - 1);
        escaped = format!("{escaped}~{digest}");
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn different_devices_have_different_sockets() {
        let long = "x".repeat(200);
        let names = [
            "uio:eth0",
            "uio:eth0-",
            "uio:eth%30",
            "sim",
            "sim:/x/y",
            "sim:/x_y",
            "sim:/x,y",
            "sim:/x%2Fy",
            "sim,wire=cable:a",
            "sim,wire=cable:a_b",
            "sim,wire=cable:a:b",
            "sim,wire=pcap:/a,/b",
            "sim,wire=pcap:,/a",
            "sim,wire=pcap:/a",
            "sim,wire=socket:/x/y",
        ];
        let mut names: Vec<String> = names.map(str::to_owned).into();
        names.extend([format!("sim:/{long}/1"), format!("sim:/{long}/2")]);
        let paths: BTreeSet<_> = names.iter().map(|name| path(&Roots::default(), name)).collect();
        assert_eq!(paths.len(), names.len(), "{paths:?}");
        for path in &paths {
            // What a socket's address has room for.
            assert!(path.as_os_str().len() < 108, "{}", path.display());
        }
    }

    #[test]
    fn one_device_has_one_socket_by_whatever_name() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("s"), "").unwrap();
        std::os::unix::fs::symlink(&real, dir.path().join("folder")).unwrap();
        std::os::unix::fs::symlink(real.join("s"), dir.path().join("link")).unwrap();
        let canonical = |rest: &str| canonical(&format!("sim:{}/{rest}", dir.path().display()));
        let one = canonical("real/s");
        for other in ["real/./s", "real/../real/s", "folder/s", "link"] {
            assert_eq!(canonical(other), one, "{other}");
        }
        // One that is not there yet is where it will be.
        assert_eq!(canonical("folder/t"), canonical("real/t"));
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        assert_eq!(
            super::canonical("sim:./t"),
            super::canonical(&format!("sim:{}/t", here.display()))
        );
        assert_eq!(super::canonical("sim,wire=null"), super::canonical("sim"));
    }
}
