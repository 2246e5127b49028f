//! An HTTP/1.1 server for GET and HEAD on smoltcp sockets: several connections at once, each with a
//! time limit.
//!
//! What a request says is `request`'s business, what is sent is `content`'s. There is no TLS, no
//! range, no compression.

use std::io;

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::{Duration, Instant};

use super::add_tcp;
use super::content::{Body, Content, Missing};
use super::request::{self, Fault, HEAD_MAX, Request};

/// How many connections there can be at once; more are refused.
pub const CONNECTIONS: usize = 16;
const RX_BYTES: usize = HEAD_MAX;
/// Enough for a gigabit link at two milliseconds.
const TX_BYTES: usize = 256 * 1024;

/// A request must be complete, and the next one begin, within this time.
const REQUEST_TIME: Duration = Duration::from_secs(15);
/// A client must take something of an answer within this time.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// A client must close its side within this time after it has taken the last of an answer.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// What the server has done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct HttpCounters {
    /// Requests answered with a 200.
    pub ok: u64,
    /// Requests answered with any other status.
    pub refused: u64,
    /// Bytes of answers handed to TCP, heads included.
    pub bytes: u64,
    /// Connections cut off because of a time limit or an unreadable file.
    pub aborted: u64,
}

/// The server.
#[derive(Debug)]
pub struct Http {
    port: u16,
    content: Content,
    connections: Vec<Connection>,
    counters: HttpCounters,
}

#[derive(Debug)]
struct Connection {
    handle: SocketHandle,
    received: Vec<u8>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Nobody is connected.
    Free,
    /// A request is awaited until the given time.
    Request(Instant),
    /// An answer is under way; the client has until the given time to take more of it.
    Answer(Answer, Instant),
    /// We have closed our side; the client has until the given time to take more of what is still
    /// queued, or else to close its own.
    Closing { until: Instant, queued: usize },
}

#[derive(Debug)]
struct Answer {
    head: Vec<u8>,
    head_sent: usize,
    body: Option<Body>,
    keep_alive: bool,
}

impl Http {
    /// A server of `content` on TCP `port`, not 0.
    pub fn new(sockets: &mut SocketSet<'static>, port: u16, content: Content) -> Self {
        let connections = (0..CONNECTIONS)
            .map(|_| {
                let handle = add_tcp(sockets, RX_BYTES, TX_BYTES);
                // Also ends half-open connections, of which nothing is heard after the first
                // segment.
                sockets.get_mut::<Socket<'_>>(handle).set_timeout(Some(ANSWER_TIME));
                Connection { handle, received: Vec::new(), stage: Stage::Free }
            })
            .collect();
        Http { port, content, connections, counters: HttpCounters::default() }
    }

    /// Does what can be done at once on every connection. Returns whether anything was.
    pub fn serve(&mut self, now: Instant, sockets: &mut SocketSet<'static>) -> bool {
        let mut moved = false;
        for connection in &mut self.connections {
            let socket = sockets.get_mut::<Socket<'_>>(connection.handle);
            moved |= connection.step(now, socket, self.port, &self.content, &mut self.counters);
        }
        moved
    }

    /// What was done so far.
    pub fn counters(&self) -> HttpCounters {
        self.counters
    }
}

impl Connection {
    fn step(
        &mut self,
        now: Instant,
        socket: &mut Socket<'static>,
        port: u16,
        content: &Content,
        counters: &mut HttpCounters,
    ) -> bool {
        match socket.state() {
            State::Listen | State::SynReceived => return false,
            // A slot in TIME-WAIT would be lost for ten seconds. The client has everything: a late
            // segment of its own is answered with a reset, which harms nobody.
            State::Closed | State::TimeWait => return self.listen(socket, port),
            _ => {}
        }
        match std::mem::replace(&mut self.stage, Stage::Free) {
            Stage::Free => {
                self.stage = Stage::Request(now + REQUEST_TIME);
                true
            }
            Stage::Request(until) => self.read_request(now, until, socket, content, counters),
            Stage::Answer(answer, until) => self.send_answer(now, until, socket, answer, counters),
            Stage::Closing { until, queued } => {
                self.await_close(now, until, queued, socket, counters)
            }
        }
    }

    fn listen(&mut self, socket: &mut Socket<'static>, port: u16) -> bool {
        self.received.clear();
        self.stage = Stage::Free;
        socket.abort();
        // `listen` fails on an open socket or port 0 only; this one was aborted, and `new` asks for
        // another port.
        let listening = socket.listen(port).is_ok();
        debug_assert!(listening);
        listening
    }

    fn read_request(
        &mut self,
        now: Instant,
        until: Instant,
        socket: &mut Socket<'static>,
        content: &Content,
        counters: &mut HttpCounters,
    ) -> bool {
        let before = self.received.len();
        let room = HEAD_MAX - before;
        let received = &mut self.received;
        while socket.can_recv() && received.len() - before < room {
            let taken = socket.recv(|bytes| {
                let take = bytes.len().min(before + room - received.len());
                received.extend_from_slice(&bytes[..take]);
                (take, take)
            });
            if !matches!(taken, Ok(1..)) {
                break;
            }
        }
        let answer = match request::parse(received) {
            Some(Ok(request)) => {
                received.drain(..request.length);
                Answer::to(&request, content)
            }
            Some(Err(fault)) => Answer::to_fault(&fault),
            None if !socket.may_recv() || now >= until => {
                self.close(now, socket);
                return true;
            }
            None => {
                self.stage = Stage::Request(until);
                return false;
            }
        };
        match answer.status_is_ok() {
            true => counters.ok += 1,
            false => counters.refused += 1,
        }
        log::info!("http {} {}", peer(socket), answer.first_line());
        self.stage = Stage::Answer(answer, now + ANSWER_TIME);
        true
    }

    fn send_answer(
        &mut self,
        now: Instant,
        until: Instant,
        socket: &mut Socket<'static>,
        mut answer: Answer,
        counters: &mut HttpCounters,
    ) -> bool {
        let sent = match answer.send(socket) {
            Ok(sent) if sent > 0 || now < until => sent,
            Ok(_) => return self.cut(socket, counters, "took nothing for too long"),
            Err(error) => return self.cut(socket, counters, &error.to_string()),
        };
        counters.bytes += sent;
        let done = answer.done();
        if !done {
            let until = if sent > 0 { now + ANSWER_TIME } else { until };
            self.stage = Stage::Answer(answer, until);
        } else if answer.keep_alive {
            self.stage = Stage::Request(now + REQUEST_TIME);
        } else {
            self.close(now, socket);
        }
        sent > 0 || done
    }

    fn close(&mut self, now: Instant, socket: &mut Socket<'static>) {
        socket.close();
        self.stage = Stage::Closing { until: now + ANSWER_TIME, queued: socket.send_queue() };
    }

    fn await_close(
        &mut self,
        now: Instant,
        until: Instant,
        queued: usize,
        socket: &mut Socket<'static>,
        counters: &mut HttpCounters,
    ) -> bool {
        // What the client still sends, such as the body of a refused POST, is taken so that it gets
        // to its end.
        while socket.can_recv() && socket.recv(|bytes| (bytes.len(), ())).is_ok() {}
        let left = socket.send_queue();
        let until = match (left < queued, left) {
            (true, 0) => now + CLOSE_TIME,
            (true, _) => now + ANSWER_TIME,
            (false, _) => until,
        };
        if now >= until {
            return self.cut(socket, counters, "not closed by the client");
        }
        self.stage = Stage::Closing { until, queued: left };
        false
    }

    /// Resets the connection; the slot is free from the next step on.
    fn cut(
        &mut self,
        socket: &mut Socket<'static>,
        counters: &mut HttpCounters,
        why: &str,
    ) -> bool {
        log::warn!("http {}: connection cut: {why}", peer(socket));
        counters.aborted += 1;
        self.received.clear();
        socket.abort();
        true
    }
}

fn peer(socket: &Socket<'_>) -> String {
    socket.remote_endpoint().map_or_else(|| "(gone)".to_owned(), |peer| peer.to_string())
}

impl Answer {
    fn to(request: &Request, content: &Content) -> Self {
        let mut answer = match content.find(&request.target) {
            Ok(body) => Answer::new("200 OK", "", body, request.keep_alive),
            Err(Missing::IsDirectory) => {
                let path = request.target.split(['?', '#']).next().unwrap_or_default();
                let location = format!("Location: {path}/\r\n");
                Answer::error("301 Moved Permanently", &location, request.keep_alive)
            }
            Err(Missing::Malformed) => Answer::error("400 Bad Request", "", request.keep_alive),
            Err(Missing::Forbidden) => Answer::error("403 Forbidden", "", request.keep_alive),
            Err(Missing::NotFound) => Answer::error("404 Not Found", "", request.keep_alive),
        };
        if request.head_only {
            answer.body = None;
        }
        answer
    }

    /// After a request that was not understood, what follows cannot be told apart: the connection
    /// ends.
    fn to_fault(fault: &Fault) -> Self {
        match fault {
            Fault::Malformed => Answer::error("400 Bad Request", "", false),
            Fault::Method => Answer::error("405 Method Not Allowed", "Allow: GET, HEAD\r\n", false),
            Fault::TooLarge => Answer::error("431 Request Header Fields Too Large", "", false),
            Fault::Version => Answer::error("505 HTTP Version Not Supported", "", false),
        }
    }

    fn error(status: &str, headers: &str, keep_alive: bool) -> Self {
        let body = Body::text(format!("{status}\n"), "text/plain");
        Answer::new(status, headers, body, keep_alive)
    }

    fn new(status: &str, headers: &str, body: Body, keep_alive: bool) -> Self {
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Type: {}\r\n\
             Connection: {connection}\r\n{headers}\r\n",
            body.left(),
            body.kind
        );
        Answer { head: head.into_bytes(), head_sent: 0, body: Some(body), keep_alive }
    }

    fn first_line(&self) -> &str {
        let line = self.head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        std::str::from_utf8(line).unwrap_or_default()
    }

    fn status_is_ok(&self) -> bool {
        self.first_line().ends_with(" 200 OK")
    }

    fn done(&self) -> bool {
        self.head_sent == self.head.len() && self.body.as_ref().is_none_or(|body| body.left() == 0)
    }

    /// Hands TCP as much as it takes, straight from the file, and returns how much that was.
    fn send(&mut self, socket: &mut Socket<'static>) -> io::Result<u64> {
        let gone = |_| io::Error::from(io::ErrorKind::ConnectionReset);
        let mut total = 0;
        while socket.can_send() && !self.done() {
            if self.head_sent < self.head.len() {
                let sent = socket.send_slice(&self.head[self.head_sent..]).map_err(gone)?;
                self.head_sent += sent;
                total += sent as u64;
            } else if let Some(body) = &mut self.body {
                let read = socket.send(|space| match body.read(space) {
                    Ok(count) => (count, Ok(count)),
                    Err(error) => (0, Err(error)),
                });
                total += read.map_err(gone)?? as u64;
            }
        }
        Ok(total)
    }
}
