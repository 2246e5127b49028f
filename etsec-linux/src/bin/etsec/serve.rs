//! `etsec serve`: pings, TCP echo and HTTP answered by our own TCP/IP stack on a device.

use std::time::{Duration, Instant as Clock};

use anyhow::{Context as _, Result, ensure};
use etsec_core::adapters::smoltcp::SmoltcpPort;
use serde::Serialize;
use smoltcp::iface::{Interface, PollResult, SocketSet};
use smoltcp::time::Instant;

use crate::args::{AddressArg, Serve, Until};
use crate::counters::Counters;
use crate::files::Files;
use crate::net::Wire;
use crate::net::content::Content;
use crate::net::services::{Event, Services, Settings};
use crate::output::Output;
use crate::run::{Context, NAP, Run, Usage};
use crate::selftest;
use crate::settings::Settings as PortSettings;
use crate::setup::Setup;
use crate::station::{Bell, NetStation, Station, random_seed};

/// Runs the command.
pub fn run(args: &Serve, context: &Context) -> Result<()> {
    Files::of([&args.port.device]).check()?;
    let setup = Setup::of_port(&args.port)?;
    check(&setup.settings)?;
    // The directory first: a port is not taken over for files that cannot be served.
    let content = content(args)?;
    if args.self_test.self_test {
        return selftest::run(args, context);
    }
    let station = Station::open(&setup, context)?;
    let mut run = Run::new(context, Until { count: None, duration: args.duration });
    let mut server = Server::new(args, station, content)?;
    let served = server.serve(context.out, &mut run);
    let finished = server.finish(context.out, run.elapsed());
    served.and(finished)
}

/// Fewest buffers, one of them to send from and the others to receive in. With a single one in each
/// direction a download stands still.
const BUFFERS_MIN: i64 = 4;

/// Whether a port that is set to this can serve.
fn check(settings: &PortSettings) -> Result<()> {
    let rings = &settings.rings;
    if let Some(buffers) = rings.buffers {
        let few = || {
            Usage(format!(
                "--buffers {buffers}, or rings.buffers: serve needs {BUFFERS_MIN} at least"
            ))
        };
        ensure!(buffers >= BUFFERS_MIN, few());
    }
    let one = || Usage("a TCP/IP stack takes one receive ring; set rings.rx to 1".into());
    ensure!(rings.rx == 1, one());
    Ok(())
}

/// What the options say HTTP is to serve.
fn content(args: &Serve) -> Result<Content> {
    match &args.http_dir {
        None => Ok(Content::Sequence),
        Some(directory) => Content::directory(directory)
            .with_context(|| format!("--http-dir {}: cannot serve it", directory.display())),
    }
}

impl Wire for SmoltcpPort<Bell> {
    fn poll(&mut self, iface: &mut Interface, now: Instant, sockets: &mut SocketSet<'_>) -> bool {
        let changed =
            SmoltcpPort::poll(self, iface, now, sockets) == PollResult::SocketStateChanged;
        changed || self.is_behind()
    }
}

/// The services on a device, and their clock.
pub struct Server {
    services: Services,
    station: NetStation,
    started: Clock,
    /// Turns of the stack.
    turns: u64,
}

impl Server {
    /// Sets up what `args` ask for on `station`.
    pub fn new(args: &Serve, station: Station, content: Content) -> Result<Self> {
        let mut station = station.into_net()?;
        let port = |port: u16| (port != 0).then_some(port);
        let settings = Settings {
            mac: station.mac().0,
            address: match args.address {
                AddressArg::Dhcp => None,
                AddressArg::Static(address) => Some(address),
            },
            gateway: args.gateway,
            http: port(args.http_port).map(|port| (port, content)),
            echo: port(args.echo_port),
            seed: random_seed(),
        };
        let services = Services::new(settings, &mut station.port, Instant::ZERO);
        Ok(Server { services, station, started: Clock::now(), turns: 0 })
    }

    fn serve(&mut self, out: Output, run: &mut Run) -> Result<()> {
        while !run.is_over(0) {
            let moved = self.turn();
            self.tell(out)?;
            // The stack wants to know the time at every turn anyway.
            run.look(|| self.station.totals());
            if moved {
                self.station.look_after()?;
            } else {
                let delay = self.delay();
                self.station.wait(run.nap().unwrap_or(NAP), delay)?;
            }
        }
        Ok(())
    }

    /// One turn of the stack. Returns whether there may be more to do at once.
    pub fn turn(&mut self) -> bool {
        self.turns += 1;
        self.services.turn(now(self.started), &mut self.station.port)
    }

    /// How long the stack can be left alone if nothing arrives; `None`: for ever.
    pub fn delay(&mut self) -> Option<Duration> {
        let delay = self.services.delay(now(self.started));
        delay.map(|delay| Duration::from_micros(delay.total_micros()))
    }

    /// Tells the user of an address that came or went.
    pub fn tell(&mut self, out: Output) -> Result<()> {
        match self.services.event() {
            None => Ok(()),
            Some(Event::Address(address)) => {
                let ready = Ready {
                    event: "ready",
                    address: address.to_string(),
                    mac: self.station.mac().to_string(),
                    device: self.station.name().to_owned(),
                };
                out.show(&ready, |r| format!("ready: {} at {} on {}", r.address, r.mac, r.device))
            }
            Some(Event::AddressLost) => {
                let lost = Lost { event: "address-lost" };
                out.show(&lost, |_| "address lost: the DHCP lease has run out".to_owned())
            }
        }
    }

    /// The device, to be waited for and looked after.
    pub fn station(&mut self) -> &mut NetStation {
        &mut self.station
    }

    /// Stops the device and prints what was counted.
    pub fn finish(self, out: Output, elapsed: Duration) -> Result<()> {
        let services = self.services.counters();
        let (port, closed) = self.station.stop()?;
        log::debug!("the stack had {} turns", self.turns);
        let shown = Counters::new(elapsed, vec![port]).with_services(services).show(out);
        closed.and(shown)
    }
}

/// smoltcp's clock: time since the start.
pub fn now(started: Clock) -> Instant {
    Instant::from_micros(i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX))
}

#[derive(Debug, Serialize)]
struct Ready {
    event: &'static str,
    address: String,
    mac: String,
    device: String,
}

#[derive(Debug, Serialize)]
struct Lost {
    event: &'static str,
}

#[cfg(test)]
mod tests;
