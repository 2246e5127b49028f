//! `etsec serve --self-test`: a second device at the other end of the cable uses the services, and
//! judges them.

use std::time::{Duration, Instant as Clock};

use anyhow::{Result, bail, ensure};
use etsec_linux::{Spec, WireSpec};
use serde::Serialize;
use sha2::{Digest, Sha256};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use crate::args::{AddressArg, Serve, Until};
use crate::net::bytes;
use crate::net::client::{Client, Download, Pings, hex};
use crate::net::content::Content;
use crate::run::{Context, NAP, Run, Usage};
use crate::serve::{Server, now};
use crate::setup::Setup;
use crate::station::{NetStation, Station, random_seed};

/// A step that makes no progress for this time has failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves on one end of a cable and uses the services from the other.
pub fn run(args: &Serve, context: &Context) -> Result<()> {
    let address = check(args)?;
    let mut test = SelfTest::new(args, address, context)?;
    let verdict = test.judge(args, context);
    let elapsed = test.run.elapsed();
    // Both devices are stopped whatever came out.
    let client = test.client_station.stop().and_then(|(_, closed)| closed);
    let server = test.server.finish(context.out, elapsed);
    let good = verdict?;
    client?;
    server?;
    ensure!(good, "the self-test has failed");
    Ok(())
}

/// Finds out before any device is opened whether `args` make sense for a self-test.
fn check(args: &Serve) -> Result<Ipv4Cidr> {
    let wrong = match args.address {
        _ if !matches!(args.port.device.spec, Spec::Sim(WireSpec::Cable(_))) => {
            "a simulated device on a cable, such as sim,wire=cable:1"
        }
        _ if args.http_port == 0 => "an --http-port to download from",
        AddressArg::Dhcp => "an --address: there is no DHCP server",
        AddressArg::Static(address) if address.prefix_len() > 30 => {
            "an --address whose network has room for a client"
        }
        AddressArg::Static(address) => return Ok(address),
    };
    bail!(Usage(format!("--self-test needs {wrong}")))
}

/// Another host's address in the network of `server`, whose prefix has 30 bits at most.
fn neighbour(server: Ipv4Cidr) -> Ipv4Cidr {
    let network = server.network().address().to_bits();
    let first = Ipv4Address::from_bits(network + 1);
    let other = if first == server.address() { Ipv4Address::from_bits(network + 2) } else { first };
    Ipv4Cidr::new(other, server.prefix_len())
}

struct SelfTest {
    server: Server,
    client: Client,
    client_station: NetStation,
    run: Run,
    started: Clock,
}

/// What is said of each step, and in the end of all.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Said {
    Ping { sent: u16, received: u16 },
    Http { bytes: u64, sha256: String, sha256_ok: bool },
    SelfTest { pings: [u16; 2], bytes: u64, sha256: String, sha256_ok: bool },
}

impl SelfTest {
    fn new(args: &Serve, address: Ipv4Cidr, context: &Context) -> Result<Self> {
        let mut setup = Setup::of_port(&args.port)?;
        let mut server = Server::new(args, Station::open(&setup, context)?, Content::Sequence)?;
        // The client's device differs in its station address only.
        setup.settings.mac = None;
        let mut client_station = Station::open(&setup, context)?.into_net()?;
        NetStation::pair(&mut client_station, server.station())?;
        let started = Clock::now();
        let client = Client::new(
            client_station.mac().0,
            neighbour(address),
            address.address(),
            random_seed(),
            &mut client_station.port,
            now(started),
        );
        let run = Run::new(context, Until { count: None, duration: args.duration });
        Ok(SelfTest { server, client, client_station, run, started })
    }

    /// Goes through all steps; whether all is well.
    fn judge(&mut self, args: &Serve, context: &Context) -> Result<bool> {
        let out = context.out;
        self.server.tell(out)?;
        let pings = self.ping(args.self_test.pings)?;
        out.show(&Said::Ping { sent: pings.sent, received: pings.received }, |_| {
            format!("ping: {}/{}", pings.received, pings.sent)
        })?;
        let download = self.download(args)?;
        let (bytes, sha256) = (download.bytes, download.sha256());
        let sha256_ok = download.is_complete() && sha256 == sequence_sha256(args.self_test.bytes);
        out.show(&Said::Http { bytes, sha256: sha256.clone(), sha256_ok }, |_| {
            format!("http: {bytes} bytes, sha256 {}", if sha256_ok { "ok" } else { "WRONG" })
        })?;
        let good = sha256_ok && pings.received == args.self_test.pings;
        let pings = [pings.sent, pings.received];
        out.show(&Said::SelfTest { pings, bytes, sha256, sha256_ok }, |_| {
            format!("self-test: {}", if good { "passed" } else { "FAILED" })
        })?;
        Ok(good)
    }

    fn ping(&mut self, count: u16) -> Result<Pings> {
        let mut pings = Pings::default();
        let mut patience = Patience::new(self.run.elapsed());
        while !self.client.ping(now(self.started), &mut pings, count) {
            self.turn()?;
            let stuck = patience.has_ended(u64::from(pings.sent), self.run.elapsed());
            ensure!(!stuck, "the client cannot send a ping after {} of {count}", pings.sent);
        }
        Ok(pings)
    }

    fn download(&mut self, args: &Serve) -> Result<Download> {
        let mut download = Download::default();
        let path = format!("/bytes/{}", args.self_test.bytes);
        ensure!(self.client.get(&path, args.http_port), "the client has no way to the server");
        let mut patience = Patience::new(self.run.elapsed());
        while !self.client.download(&mut download) {
            self.turn()?;
            let stuck = patience.has_ended(download.bytes, self.run.elapsed());
            ensure!(!stuck, "the download stands still after {} bytes", download.bytes);
        }
        Ok(download)
    }

    /// One turn of both stacks, and a nap if neither has anything to do.
    fn turn(&mut self) -> Result<()> {
        ensure!(!self.run.is_over(0), "ended before the self-test was through");
        let client = self.client.turn(now(self.started), &mut self.client_station.port);
        let server = self.server.turn();
        self.run.look(|| self.client_station.totals());
        if client || server {
            self.client_station.look_after()?;
            return self.server.station().look_after();
        }
        let most = self.run.nap().unwrap_or(NAP);
        let delay = self.client.delay(now(self.started));
        let delay = delay.map(|delay| Duration::from_micros(delay.total_micros()));
        let delays = [delay, self.server.delay()];
        NetStation::wait_for_either(&mut self.client_station, self.server.station(), most, delays)
    }
}

/// How far a step has come, and when that was.
#[derive(Debug)]
struct Patience {
    reached: u64,
    at: Duration,
}

impl Patience {
    /// With a step that begins `now`.
    fn new(now: Duration) -> Self {
        Patience { reached: 0, at: now }
    }

    /// Whether a step that has `reached` so much by `now` has made no progress for too long.
    fn has_ended(&mut self, reached: u64, now: Duration) -> bool {
        if reached > self.reached {
            *self = Patience { reached, at: now };
        }
        now.saturating_sub(self.at) >= PATIENCE
    }
}

/// SHA-256 of the first `count` bytes of the fixed sequence, in hexadecimal.
fn sequence_sha256(count: u64) -> String {
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    let mut at = 0;
    while at < count {
        let take = piece.len().min(usize::try_from(count - at).unwrap_or(usize::MAX));
        bytes::fill(at, &mut piece[..take]);
        hash.update(&piece[..take]);
        at += take as u64;
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_neighbour_is_another_host_of_the_network() {
        for (server, other) in [
            ("192.0.2.1/24", "192.0.2.2/24"),
            ("192.0.2.2/24", "192.0.2.1/24"),
            ("10.1.2.6/30", "10.1.2.5/30"),
            ("10.1.2.5/30", "10.1.2.6/30"),
        ] {
            assert_eq!(neighbour(server.parse().unwrap()), other.parse().unwrap());
        }
    }

    #[test]
    fn patience_ends_without_progress_only() {
        let mut patience = Patience::new(Duration::ZERO);
        let almost = PATIENCE - Duration::from_millis(1);
        assert!(!patience.has_ended(0, almost));
        assert!(!patience.has_ended(1, almost));
        assert!(!patience.has_ended(1, PATIENCE));
        assert!(patience.has_ended(1, almost + PATIENCE));
    }

    #[test]
    fn the_expected_hash_does_not_depend_on_the_pieces() {
        let mut all = vec![0; 100_000];
        bytes::fill(0, &mut all);
        assert_eq!(sequence_sha256(100_000), hex(&Sha256::digest(&all)));
    }
}
