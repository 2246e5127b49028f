//! Where a socket is to be in the file system: what else is there is nobody's to remove.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Whether a socket is there, and not just a way to one.
pub(crate) fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket())
}

/// Why nobody can listen there, with the place and what helps.
pub(crate) fn named(path: &Path, error: io::Error) -> io::Error {
    let shown = path.display();
    let why = match error.kind() {
        ErrorKind::AddrInUse if is_socket(path) => {
            format!("somebody listens at {shown} already; stop that one, or name another path")
        }
        ErrorKind::AddrInUse => {
            format!("there is something at {shown} that is no socket; name another path")
        }
        _ => format!("cannot listen at {shown}: {error}"),
    };
    io::Error::new(error.kind(), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_to_a_socket_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let [socket, file, link] = ["socket", "file", "link"].map(|name| folder.path().join(name));
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        fs::write(&file, "precious").unwrap();
        std::os::unix::fs::symlink(&socket, &link).unwrap();
        assert!(is_socket(&socket) && !is_socket(&file) && !is_socket(&link));
        let said = |path| named(path, ErrorKind::AddrInUse.into()).to_string();
        assert!(said(&socket).contains("stop that one"), "{}", said(&socket));
        assert!(said(&file).contains("no socket"), "{}", said(&file));
    }
}
