//! Asking the owner of a port.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use etsec_linux::Roots;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

use super::place::path;
use super::{Answer, Request};
use crate::signals::Stop;
use crate::sockets;

/// An owner looks several times a second.
const LIMIT: Duration = Duration::from_secs(5);
/// How long a wait lasts before it is seen whether the user wants to end: a signal that comes
/// right before it does not cut it short.
const SLICE: Duration = Duration::from_millis(50);

/// Nobody runs the device, as far as can be seen.
#[derive(Debug, thiserror::Error)]
#[error(
    "{device}: nobody runs it{}; start `etsec echo`, `serve` or the like, or put it into the file \
     for --config (see docs/guide/settings.md)",
    .doubt.as_deref().unwrap_or_default()
)]
pub struct NobodyRuns {
    device: String,
    /// Why that cannot be seen.
    doubt: Option<String>,
}

impl NobodyRuns {
    fn sure(device: &str) -> Self {
        NobodyRuns { device: device.into(), doubt: None }
    }

    /// Its owner has no socket. It may have found no place for one.
    fn without_socket(roots: &Roots, device: &str) -> Self {
        let folder = &roots.locks;
        let doubt = sockets::trouble(folder).map(|why| {
            let cure = sockets::cure(folder);
            format!(
                ", or it cannot be asked, because {} {why}; {cure}, and start its owner again",
                folder.display()
            )
        });
        NobodyRuns { device: device.into(), doubt }
    }
}

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
/// [`NobodyRuns`], that it may not be asked, why it refused, or that `stop` came before an answer.
pub fn ask(roots: &Roots, device: &str, request: &Request, stop: &Stop) -> Result<Value> {
    let path = path(roots, device);
    let stream = match connect(&path) {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::ConnectionRefused
            ) =>
        {
            return Err(NobodyRuns::without_socket(roots, device).into());
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            bail!("{device}: only the user who runs it may do that ({})", path.display())
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot connect to {}", path.display()));
        }
    };
    stream.set_nonblocking(true)?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let mut talk = Talk { stream, until: Instant::now() + LIMIT, stop, device };
    talk.say(&line)?;
    let answer = talk.hear()?;
    if answer.is_empty() {
        bail!("{device}: its owner ended before it answered; it may have done it");
    }
    match serde_json::from_slice(&answer).with_context(|| silent(device))? {
        Answer::Done(value) => Ok(value),
        Answer::Refused(why) => bail!("{device}: {why}"),
    }
}

fn silent(device: &str) -> String {
    format!("{device}: its owner does not answer; is it stopped?")
}

/// A question under way.
struct Talk<'a> {
    stream: UnixStream,
    until: Instant,
    stop: &'a Stop,
    device: &'a str,
}

impl Talk<'_> {
    fn say(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) => self.wait_after(error, PollFlags::OUT)?,
            }
        }
        Ok(())
    }

    /// All that the owner says until it ends the connection.
    fn hear(&mut self) -> Result<Vec<u8>> {
        let mut answer = Vec::new();
        loop {
            match self.stream.read_to_end(&mut answer) {
                Ok(_) => return Ok(answer),
                Err(error) => self.wait_after(error, PollFlags::IN)?,
            }
        }
    }

    /// Waits for what there was none of, unless it was another error.
    fn wait_after(&self, error: std::io::Error, what: PollFlags) -> Result<()> {
        if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) {
            // It has ended without having read all of the request, so without having done it.
            return Err(NobodyRuns::sure(self.device).into());
        }
        if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) {
            return Err(error).with_context(|| silent(self.device));
        }
        if self.stop.asked() {
            bail!("{}: ended before its owner answered; it may do it yet", self.device);
        }
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!(silent(self.device));
        }
        let slice = Timespec::try_from(left.min(SLICE)).ok();
        // Ready, interrupted or neither: the caller tries again.
        let _ = poll(&mut [PollFd::new(&self.stream, what)], slice.as_ref());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A question to an owner at the other end of the second stream.
    fn talk(stop: &Stop) -> (Talk<'_>, UnixStream) {
        let (ours, owners) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Talk { stream: ours, until: Instant::now() + LIMIT, stop, device: "sim" }, owners)
    }

    #[test]
    fn an_owner_that_ends_before_it_has_read_the_request_runs_nothing() {
        let stop = Stop::default();
        let (mut talk, owner) = self::talk(&stop);
        talk.say(b"{}\n").unwrap();
        // The request is under way, and nobody will read it.
        drop(owner);
        assert!(talk.hear().unwrap_err().is::<NobodyRuns>());
        let (mut talk, owner) = self::talk(&stop);
        drop(owner);
        assert!(talk.say(b"{}\n").unwrap_err().is::<NobodyRuns>());
    }

    #[test]
    fn an_owner_that_ends_with_the_request_read_may_have_done_it() {
        let stop = Stop::default();
        let (mut talk, mut owner) = self::talk(&stop);
        talk.say(b"{}\n").unwrap();
        owner.read_exact(&mut [0; 3]).unwrap();
        drop(owner);
        assert_eq!(talk.hear().unwrap(), b"", "and that is no answer");
    }
}
