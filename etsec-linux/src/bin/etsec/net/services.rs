//! The stack of `etsec serve`: one interface with its address, and the services on it.

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::dhcpv4;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr};

use super::Wire;
use super::content::Content;
use super::echo::Echo;
use super::http::{Http, HttpCounters};

/// What to serve, and where.
#[derive(Debug)]
pub struct Settings {
    /// Our Ethernet address.
    pub mac: [u8; 6],
    /// Our address; `None` asks for one by DHCP.
    pub address: Option<Ipv4Cidr>,
    /// The default gateway; with DHCP, used if the server names none.
    pub gateway: Option<Ipv4Address>,
    /// Port (not 0) and content of HTTP.
    pub http: Option<(u16, Content)>,
    /// Port (not 0) of TCP echo.
    pub echo: Option<u16>,
    /// Makes sequence numbers and DHCP transactions hard to guess.
    pub seed: u64,
}

/// What the caller should tell the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// We have this address now.
    Address(Ipv4Cidr),
    /// The lease has run out; there is no address until the next [`Event::Address`].
    AddressLost,
}

/// What was served.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ServiceCounters {
    /// By HTTP.
    pub http: HttpCounters,
    /// Bytes sent back by TCP echo.
    pub echo_bytes: u64,
}

/// The stack and its services.
pub struct Services {
    iface: Interface,
    sockets: SocketSet<'static>,
    http: Option<Http>,
    echo: Option<Echo>,
    dhcp: Option<SocketHandle>,
    gateway: Option<Ipv4Address>,
    event: Option<Event>,
}

impl Services {
    /// Sets everything up; `device` is asked for its capabilities only.
    pub fn new(settings: Settings, device: &mut impl Device, now: Instant) -> Self {
        let mut config = Config::new(EthernetAddress(settings.mac).into());
        config.random_seed = settings.seed;
        let iface = Interface::new(config, device, now);
        let mut sockets = SocketSet::new(Vec::new());
        let http = settings.http.map(|(port, content)| Http::new(&mut sockets, port, content));
        let echo = settings.echo.map(|port| Echo::new(&mut sockets, port));
        let dhcp = settings.address.is_none().then(|| sockets.add(dhcpv4::Socket::new()));
        let mut services =
            Services { iface, sockets, http, echo, dhcp, gateway: settings.gateway, event: None };
        if let Some(address) = settings.address {
            services.set_address(Some(address), settings.gateway);
        }
        services
    }

    /// Receives, serves, sends. Returns whether there may be more to do at once.
    pub fn turn(&mut self, now: Instant, wire: &mut impl Wire) -> bool {
        let mut moved = wire.poll(&mut self.iface, now, &mut self.sockets);
        self.lease();
        if let Some(echo) = &mut self.echo {
            moved |= echo.serve(&mut self.sockets);
        }
        if let Some(http) = &mut self.http {
            moved |= http.serve(now, &mut self.sockets);
        }
        moved
    }

    /// How long the stack can be left alone if nothing arrives; `None`: for ever.
    pub fn delay(&mut self, now: Instant) -> Option<Duration> {
        self.iface.poll_delay(now, &self.sockets)
    }

    /// What has happened since the last call.
    pub fn event(&mut self) -> Option<Event> {
        self.event.take()
    }

    /// What was served so far.
    pub fn counters(&self) -> ServiceCounters {
        ServiceCounters {
            http: self.http.as_ref().map(Http::counters).unwrap_or_default(),
            echo_bytes: self.echo.as_ref().map_or(0, Echo::bytes),
        }
    }

    fn lease(&mut self) {
        let Some(dhcp) = self.dhcp else { return };
        let (address, router) = match self.sockets.get_mut::<dhcpv4::Socket<'_>>(dhcp).poll() {
            None => return,
            Some(dhcpv4::Event::Configured(config)) => (Some(config.address), config.router),
            Some(dhcpv4::Event::Deconfigured) => (None, None),
        };
        self.set_address(address, router.or(self.gateway));
    }

    fn set_address(&mut self, address: Option<Ipv4Cidr>, gateway: Option<Ipv4Address>) {
        let before = self.iface.ipv4_addr();
        self.iface.update_ip_addrs(|addresses| {
            addresses.clear();
            // One address fits into an empty list of two.
            let _ = addresses.extend_from_slice(address.map(IpCidr::Ipv4).as_slice());
        });
        let routes = self.iface.routes_mut();
        routes.remove_default_ipv4_route();
        if let (Some(_), Some(gateway)) = (address, gateway) {
            // Room for a route was just made.
            let _ = routes.add_default_ipv4_route(gateway);
        }
        match address {
            Some(address) => self.event = Some(Event::Address(address)),
            // The client reports this once at its start, too, when there was nothing to lose.
            None if before.is_some() => self.event = Some(Event::AddressLost),
            None => {}
        }
    }
}
