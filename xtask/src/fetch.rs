//! A download: content that can be made again anywhere, an HTTP GET by the kernel's TCP,
//! and the SHA-256 of what arrived. Small on purpose: one connection, one answer.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::interrupt;

/// The longest answer head we take.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// How long a connection may take to come about; Ctrl-C has to wait for it.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a read may block before we look for Ctrl-C.
const LOOK: Duration = Duration::from_millis(100);

/// Pseudo-random bytes (xorshift), the same each time; random so that a piece in the wrong place
/// shows.
pub fn content(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Length and SHA-256 of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digested {
    /// Bytes.
    pub len: usize,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// Digests bytes.
pub fn digest(bytes: &[u8]) -> Digested {
    let hash = Sha256::digest(bytes);
    Digested { len: bytes.len(), sha256: hash.iter().map(|b| format!("{b:02x}")).collect() }
}

/// Downloads `path` and digests the body.
///
/// # Errors
/// As [`bytes`].
pub fn get(server: SocketAddr, path: &str, limit: Duration) -> Result<Digested> {
    Ok(digest(&bytes(server, path, limit)?))
}

/// Downloads `path`.
///
/// # Errors
/// No connection, no answer within `limit`, another status than 200; Ctrl-C.
pub fn bytes(server: SocketAddr, path: &str, limit: Duration) -> Result<Vec<u8>> {
    let started = Instant::now();
    let mut stream = TcpStream::connect_timeout(&server, limit.min(CONNECT))
        .with_context(|| format!("cannot connect to {server}"))?;
    stream.set_read_timeout(Some(LOOK))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.ip())?;
    let mut answer = Vec::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        interrupt::check()?;
        if started.elapsed() > limit {
            bail!("{} bytes after {} s, then gave up", answer.len(), limit.as_secs());
        }
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(&piece[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e).context("the connection broke"),
        }
    }
    Ok(body(&answer)?.to_vec())
}

/// The body of an answer, after a look at its head.
fn body(answer: &[u8]) -> Result<&[u8]> {
    let window = &answer[..answer.len().min(HEAD_BYTES_MAX)];
    let Some(end) = window.windows(4).position(|w| w == b"\r\n\r\n") else {
        bail!("{} bytes without an HTTP head", answer.len());
    };
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("the server said {status:?}");
    }
    Ok(&answer[end + 4..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn content_is_repeatable_and_of_any_length() {
        assert_eq!(content(13), content(20)[..13]);
        assert_ne!(content(16)[..8], content(16)[8..]);
        assert!(content(0).is_empty());
    }

    #[test]
    fn sha256_is_the_standard_one() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(b"abc"), Digested { len: 3, sha256: expected.into() });
    }

    #[test]
    fn only_a_good_answer_has_a_body() {
        assert_eq!(body(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nxyz").expect("good"), b"xyz");
        assert!(body(b"HTTP/1.1 404 Not Found\r\n\r\nxyz").is_err());
        assert!(body(b"garbage").is_err());
    }

    #[test]
    fn a_download_is_digested() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = listener.local_addr().expect("its address");
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            // All of the request: what is left unread at the end resets the connection.
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                request.extend(byte);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("sent");
            stream.write_all(&content(100_000)).expect("sent");
            String::from_utf8_lossy(&request).into_owned()
        });
        let got = get(server, "/x.bin", Duration::from_secs(10)).expect("downloaded");
        assert_eq!(got, digest(&content(100_000)));
        let request = serving.join().expect("served");
        assert!(request.starts_with("GET /x.bin HTTP/1.1\r\n"), "{request}");
    }

    #[test]
    fn a_silent_server_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = listener.local_addr().expect("its address");
        let error = get(server, "/", Duration::from_millis(300)).expect_err("silence");
        assert!(error.to_string().contains("gave up"), "{error}");
    }
}
