//! Asking the owner of a port.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use etsec_linux::Roots;
use serde_json::Value;

use super::{Answer, Request, path};

/// An owner looks several times a second.
const LIMIT: Duration = Duration::from_secs(5);

/// Connects to a socket that only root or we ourselves can have made: names in a folder that
/// everybody can write to are anybody's.
fn connect(path: &Path) -> std::io::Result<UnixStream> {
    let maker = std::fs::symlink_metadata(path)?.uid();
    if maker != 0 && maker != rustix::process::geteuid().as_raw() {
        return Err(ErrorKind::PermissionDenied.into());
    }
    UnixStream::connect(path)
}

/// Asks the owner of `device`, and returns what it says.
///
/// # Errors
/// That nobody runs the device, that it may not be asked, or why it refused.
pub fn ask(roots: &Roots, device: &str, request: &Request) -> Result<Value> {
    let path = path(roots, device);
    let stream = match connect(&path) {
        Ok(stream) => stream,
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
        {
            bail!(
                "{device}: nobody runs it; start `etsec echo`, `serve` or the like, or put it into \
                 the file for --config (see docs/guide/settings.md)"
            )
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            bail!("{device}: only the user who runs it may do that ({})", path.display())
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot connect to {}", path.display()));
        }
    };
    let silent = || format!("{device}: its owner does not answer; is it stopped?");
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    (&stream).write_all(&line).with_context(silent)?;
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).with_context(silent)?;
    match serde_json::from_str(&answer).with_context(silent)? {
        Answer::Done(value) => Ok(value),
        Answer::Refused(why) => bail!("{device}: {why}"),
    }
}
