//! What HTTP serves: the files below a directory, or the fixed sequence. It knows no socket and no
//! protocol.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::bytes;

/// Where the answers come from.
#[derive(Debug)]
pub enum Content {
    /// Files below a directory, which is an absolute path without links in it.
    Directory(PathBuf),
    /// `/bytes/N`: the first N bytes of the fixed sequence.
    Sequence,
}

/// Something to send, of known length.
#[derive(Debug)]
pub struct Body {
    source: Source,
    left: u64,
    /// The MIME type.
    pub kind: &'static str,
}

#[derive(Debug)]
enum Source {
    File(File),
    Sequence { at: u64 },
    Text { text: Vec<u8>, at: usize },
}

/// Why there is nothing to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The path is not a path: bad escapes, or a NUL byte.
    Malformed,
    /// The path leads out of the directory, or the file may not be read.
    Forbidden,
    /// There is no such file.
    NotFound,
    /// It is a directory, and the path does not end in `/`.
    IsDirectory,
}

/// Listings stop here: a directory of a million files must not stop the other connections.
const LISTED_MAX: usize = 1000;

impl Content {
    /// Serves the files below `directory`.
    ///
    /// # Errors
    /// When it cannot be read or is not a directory.
    pub fn directory(directory: &Path) -> io::Result<Self> {
        let root = directory.canonicalize()?;
        fs::read_dir(&root)?;
        Ok(Content::Directory(root))
    }

    /// Looks up the target of a request, such as `/a%20b/c.txt?x=1`.
    pub fn find(&self, target: &str) -> Result<Body, Missing> {
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let path = unescape(path).ok_or(Missing::Malformed)?;
        match self {
            Content::Sequence => find_sequence(&path),
            Content::Directory(root) => find_file(root, &path),
        }
    }
}

fn find_sequence(path: &str) -> Result<Body, Missing> {
    let count = path.strip_prefix("/bytes/").ok_or(Missing::NotFound)?;
    let left = count.parse().map_err(|_| Missing::NotFound)?;
    Ok(Body { source: Source::Sequence { at: 0 }, left, kind: "application/octet-stream" })
}

fn find_file(root: &Path, path: &str) -> Result<Body, Missing> {
    let inside = path.strip_prefix('/').ok_or(Missing::Malformed)?;
    if inside.split('/').any(|part| part == "..") {
        return Err(Missing::Forbidden);
    }
    // A second `/` would make `join` start at the root of the file system.
    let wanted = root.join(inside.trim_start_matches('/'));
    let real = wanted.canonicalize().map_err(|error| missing(&error))?;
    // Links may point anywhere; only those that stay inside are followed.
    if !real.starts_with(root) {
        return Err(Missing::Forbidden);
    }
    if !real.is_dir() {
        return open(&real);
    }
    if !path.ends_with('/') {
        return Err(Missing::IsDirectory);
    }
    match real.join("index.html").canonicalize() {
        Ok(index) if index.starts_with(root) && index.is_file() => open(&index),
        _ => list(&real, path),
    }
}

fn open(path: &Path) -> Result<Body, Missing> {
    // Opening a pipe would block until somebody writes to it, and stop every connection with it.
    let no_wait = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(no_wait).open(path);
    let file = file.map_err(|error| missing(&error))?;
    let about = file.metadata().map_err(|error| missing(&error))?;
    if !about.is_file() {
        return Err(Missing::Forbidden);
    }
    Ok(Body { source: Source::File(file), left: about.len(), kind: kind_of(path) })
}

fn list(directory: &Path, path: &str) -> Result<Body, Missing> {
    let entries = fs::read_dir(directory).map_err(|error| missing(&error))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let slash = if entry.file_type().ok()?.is_dir() { "/" } else { "" };
            Some(format!("{name}{slash}"))
        })
        .take(LISTED_MAX)
        .collect();
    names.sort_unstable();
    let title = in_html(path);
    let mut page = format!(
        "<!DOCTYPE html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>\n<ul>\n"
    );
    for name in names {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "<li><a href=\"./{}\">{}</a>", in_url(&name), in_html(&name));
    }
    page.push_str("</ul>\n");
    Ok(Body::text(page, "text/html"))
}

fn missing(error: &io::Error) -> Missing {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Missing::Forbidden,
        _ => Missing::NotFound,
    }
}

impl Body {
    /// A body that is a piece of text.
    pub fn text(text: String, kind: &'static str) -> Self {
        let left = text.len() as u64;
        Body { source: Source::Text { text: text.into_bytes(), at: 0 }, left, kind }
    }

    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Puts the next bytes into `out` and returns how many; 0 only at the end or if `out` is empty.
    ///
    /// # Errors
    /// When the file cannot be read, or has become shorter since it was opened.
    pub fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(out.len(), |left| left.min(out.len()));
        let out = &mut out[..most];
        if out.is_empty() {
            return Ok(0);
        }
        let count = match &mut self.source {
            Source::File(file) => file.read(out)?,
            Source::Sequence { at } => {
                bytes::fill(*at, out);
                *at += out.len() as u64;
                out.len()
            }
            Source::Text { text, at } => {
                out.copy_from_slice(&text[*at..*at + out.len()]);
                *at += out.len();
                out.len()
            }
        };
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file has become shorter",
            ));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn kind_of(path: &Path) -> &'static str {
    match path.extension().and_then(|ext| ext.to_str()).unwrap_or_default() {
        "html" | "htm" => "text/html",
        "txt" | "md" | "log" | "rs" | "toml" => "text/plain; charset=utf-8",
        "css" => "text/css",
        "js" => "text/javascript",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

/// Undoes %-escapes; `None` if one is broken, or if the result is not text or has a NUL in it.
fn unescape(path: &str) -> Option<String> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'%' {
            out.push(*first);
            rest = tail;
            continue;
        }
        let [high, low, tail @ ..] = tail else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        out.push((digit(*high)? * 16 + digit(*low)?) as u8);
        rest = tail;
    }
    String::from_utf8(out).ok().filter(|path| !path.contains('\0'))
}

fn in_url(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn in_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn all(mut body: Body) -> Vec<u8> {
        let mut out = vec![0; usize::try_from(body.left()).unwrap() + 10];
        let mut at = 0;
        while body.left() > 0 {
            at += body.read(&mut out[at..]).unwrap();
        }
        out.truncate(at);
        out
    }

    fn tree() -> (tempfile::TempDir, Content) {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(outer.path().join("secret"), "secret").unwrap();
        fs::write(root.join("a b.txt"), "hello").unwrap();
        fs::write(root.join("sub/index.html"), "index").unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("a b.txt", root.join("in")).unwrap();
        let content = Content::directory(&root).unwrap();
        (outer, content)
    }

    #[test]
    fn files_links_inside_and_indexes_are_found() {
        let (_keep, content) = tree();
        for (target, bytes) in [
            ("/a%20b.txt", &b"hello"[..]),
            ("/a%20b.txt?x=../y#z", b"hello"),
            ("//in", b"hello"),
            ("/sub/", b"index"),
            ("/./sub/./index.html", b"index"),
        ] {
            assert_eq!(all(content.find(target).unwrap()), bytes, "{target}");
        }
        let page = String::from_utf8(all(content.find("/").unwrap())).unwrap();
        assert!(
            page.contains("<a href=\"./a%20b.txt\">a b.txt</a>") && page.contains("./sub/"),
            "{page}"
        );
    }

    #[test]
    fn nothing_outside_is_reachable() {
        let (outer, content) = tree();
        let absolute = format!("/{}", outer.path().join("secret").display());
        for (target, why) in [
            ("/../secret", Missing::Forbidden),
            ("/sub/../../secret", Missing::Forbidden),
            ("/%2e%2e/secret", Missing::Forbidden),
            ("/..%2fsecret", Missing::Forbidden),
            ("/out", Missing::Forbidden),
            (&absolute, Missing::NotFound),
            ("/nothing", Missing::NotFound),
            ("/a%20b.txt/", Missing::NotFound),
            ("/sub", Missing::IsDirectory),
            ("secret", Missing::Malformed),
            ("/%0", Missing::Malformed),
            ("/%zz", Missing::Malformed),
            ("/a%00b", Missing::Malformed),
            ("/%ff", Missing::Malformed),
            ("", Missing::Malformed),
        ] {
            assert_eq!(content.find(target).err(), Some(why), "{target}");
        }
    }

    #[test]
    fn a_pipe_neither_blocks_nor_is_served() {
        let (outer, content) = tree();
        let pipe = outer.path().join("root/pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert_eq!(content.find("/pipe").err(), Some(Missing::Forbidden));
    }

    #[test]
    fn a_file_that_shrinks_is_an_error_not_an_end() {
        let (outer, content) = tree();
        let mut body = content.find("/a%20b.txt").unwrap();
        fs::write(outer.path().join("root/a b.txt"), "").unwrap();
        assert!(body.read(&mut [0; 8]).is_err());
    }

    #[test]
    fn the_sequence_has_the_length_asked_for() {
        let body = Content::Sequence.find("/bytes/1001").unwrap();
        let mut expected = vec![0; 1001];
        bytes::fill(0, &mut expected);
        assert_eq!(all(body), expected);
        for bad in ["/bytes/", "/bytes/-1", "/bytes/x", "/", "/etc/passwd"] {
            assert_eq!(Content::Sequence.find(bad).err(), Some(Missing::NotFound), "{bad}");
        }
    }
}
