//! One HTTP/1 request head: is it complete, what does it want, what is wrong with it. It knows no
//! socket.

/// The longest request head, in bytes.
pub const HEAD_MAX: usize = 8192;

/// A request that was understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// Bytes of the head, to take out of the stream.
    pub length: usize,
    /// The target, as it was sent.
    pub target: String,
    /// Only the head of the answer is wanted.
    pub head_only: bool,
    /// Another request may follow on this connection.
    pub keep_alive: bool,
}

/// A request that is answered with an error.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// 400
    Malformed,
    /// 405
    Method,
    /// 431
    TooLarge,
    /// 505
    Version,
}

/// Looks at the bytes received so far; `None` if the head is not complete.
pub fn parse(received: &[u8]) -> Option<Result<Request, Fault>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(received) {
        Ok(httparse::Status::Complete(length)) if length <= HEAD_MAX => {
            Some(understand(&request, length))
        }
        Ok(httparse::Status::Partial) if received.len() < HEAD_MAX => None,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => Some(Err(Fault::TooLarge)),
        Err(httparse::Error::Version) => Some(Err(Fault::Version)),
        Err(_) => Some(Err(Fault::Malformed)),
    }
}

fn understand(request: &httparse::Request<'_, '_>, length: usize) -> Result<Request, Fault> {
    let (Some(method), Some(path), Some(version)) = (request.method, request.path, request.version)
    else {
        return Err(Fault::Malformed);
    };
    let values = |name: &'static str| {
        request.headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value)
    };
    // RFC 9112, 3.2: exactly one Host in HTTP/1.1, at most one in 1.0.
    let hosts = values("host").count();
    if hosts > 1 || (version == 1 && hosts == 0) {
        return Err(Fault::Malformed);
    }
    let head_only = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err(Fault::Method),
    };
    let says = |word: &str| {
        values("connection")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    };
    // A body would be taken for the next request; nobody sends one with GET, so end the connection
    // instead.
    let has_body = values("transfer-encoding").next().is_some()
        || values("content-length").any(|value| value.trim_ascii() != b"0");
    let keep_alive = !has_body && !says("close") && (version == 1 || says("keep-alive"));
    Ok(Request { length, target: origin_form(path).to_owned(), head_only, keep_alive })
}

/// RFC 9112, 3.2.2: a server takes `http://host/path` for `/path`.
fn origin_form(target: &str) -> &str {
    match target.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("http://") => {
            let rest = &target[7..];
            rest.find('/').map_or("/", |slash| &rest[slash..])
        }
        _ => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str) -> Option<Result<Request, Fault>> {
        parse(head.as_bytes())
    }

    #[test]
    fn a_plain_request() {
        let head = "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n";
        let expected = Request {
            length: head.len(),
            target: "/a?b".into(),
            head_only: false,
            keep_alive: true,
        };
        assert_eq!(check(head), Some(Ok(expected)));
        for cut in 0..head.len() {
            assert_eq!(check(&head[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn when_the_connection_stays_open() {
        for (version, headers, keep) in [
            ("1.1", "Host: x\r\n", true),
            ("1.1", "Host: x\r\nConnection: foo, Close\r\n", false),
            ("1.1", "Host: x\r\nContent-Length: 5\r\n", false),
            ("1.1", "Host: x\r\nContent-Length: 0\r\n", true),
            ("1.1", "Host: x\r\nTransfer-Encoding: chunked\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
        ] {
            let request =
                check(&format!("HEAD / HTTP/{version}\r\n{headers}\r\n")).unwrap().unwrap();
            assert!(request.head_only);
            assert_eq!(request.keep_alive, keep, "{version} {headers}");
        }
    }

    #[test]
    fn faults_are_told_apart() {
        let many: String = (0..100).map(|n| format!("H{n}: x\r\n")).collect();
        for (head, fault) in [
            ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", Fault::Method),
            ("GET / HTTP/1.1\r\n\r\n", Fault::Malformed),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Fault::Malformed),
            ("GET / HTTP/2.0\r\n\r\n", Fault::Version),
            ("\u{0}\u{1}\u{2}", Fault::Malformed),
            (&format!("GET / HTTP/1.1\r\n{many}\r\n"), Fault::TooLarge),
            (&format!("GET /{} HTTP/1.1", "a".repeat(HEAD_MAX)), Fault::TooLarge),
            (&format!("GET /{} HTTP/1.0\r\n\r\n", "a".repeat(HEAD_MAX)), Fault::TooLarge),
        ] {
            assert_eq!(check(head), Some(Err(fault)), "{}", head.escape_default());
        }
    }

    #[test]
    fn the_absolute_form_is_understood() {
        for (target, path) in
            [("http://h/a/b", "/a/b"), ("HTTP://h", "/"), ("/http://h/a", "/http://h/a")]
        {
            let request = check(&format!("GET {target} HTTP/1.0\r\n\r\n")).unwrap().unwrap();
            assert_eq!(request.target, path);
        }
    }
}
