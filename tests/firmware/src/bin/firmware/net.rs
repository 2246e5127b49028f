//! The TCP/IP stack: smoltcp, with a socket that echoes (port 7) and one that takes commands. It
//! knows neither rings nor interrupts.

use etsec_core::MacAddr;
use etsec_core::adapters::smoltcp::SmoltcpPort;
use etsec_firmware::clock::Clock;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, Socket};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr};

use crate::command::{self, Command};
use crate::event::Event;
use crate::memory::{COMMANDS, DATAGRAM, DATAGRAMS, ECHO_RX, ECHO_TX};
use crate::port::Bell;
use etsec_firmware::report::say;

/// The image's address; its tester has another one of that network.
pub const ADDRESS: Ipv4Cidr = Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 2), 24);
const ECHO: u16 = 7;

/// What the sockets remember of datagrams.
#[derive(Debug)]
pub struct Storage {
    echo_rx: [PacketMetadata; DATAGRAMS],
    echo_tx: [PacketMetadata; DATAGRAMS],
    commands: [PacketMetadata; 1],
}

/// Where the sockets are.
pub type Slots<'a> = [SocketStorage<'a>; 2];

impl Storage {
    /// Nothing remembered.
    pub fn new() -> Self {
        Self {
            echo_rx: [PacketMetadata::EMPTY; DATAGRAMS],
            echo_tx: [PacketMetadata::EMPTY; DATAGRAMS],
            commands: [PacketMetadata::EMPTY],
        }
    }
}

/// The stack.
pub struct Net<'a> {
    iface: Interface,
    sockets: SocketSet<'a>,
    echo: SocketHandle,
    commands: SocketHandle,
    clock: Clock,
    /// Datagrams echoed.
    pub echoed: u32,
}

impl<'a> Net<'a> {
    /// A stack on `port` with that address.
    pub fn new(
        port: &mut SmoltcpPort<Bell>,
        mac: MacAddr,
        clock: Clock,
        storage: &'a mut Storage,
        slots: &'a mut Slots<'a>,
    ) -> Result<Self, &'static str> {
        // No more in a turn than the socket takes, or it would drop the rest.
        port.limit_turn(DATAGRAMS);
        let config = Config::new(EthernetAddress(mac.0).into());
        let mut iface = Interface::new(config, port, Instant::ZERO);
        iface.update_ip_addrs(|list| {
            // There is room for one address at least.
            let _ = list.push(IpCidr::Ipv4(ADDRESS));
        });
        let mut bytes = [&ECHO_RX, &ECHO_TX].map(|block| block.take_bytes());
        let [rx, tx] = &mut bytes;
        let (Some(rx), Some(tx)) = (rx.take(), tx.take()) else { return Err("started twice") };
        let mut echo = Socket::new(
            PacketBuffer::new(&mut storage.echo_rx[..], rx),
            PacketBuffer::new(&mut storage.echo_tx[..], tx),
        );
        let commands = COMMANDS.take_bytes().ok_or("started twice")?;
        let mut commands = Socket::new(
            PacketBuffer::new(&mut storage.commands[..], commands),
            PacketBuffer::new(&mut [][..], &mut [][..]),
        );
        echo.bind(ECHO).map_err(|_| "no port for echoes")?;
        commands.bind(command::PORT).map_err(|_| "no port for commands")?;
        let mut sockets = SocketSet::new(&mut slots[..]);
        let (echo, commands) = (sockets.add(echo), sockets.add(commands));
        Ok(Self { iface, sockets, echo, commands, clock, echoed: 0 })
    }

    /// Hands the stack what has come, and echoes; what is to be sent goes out with the next turn.
    /// True if that should be at once.
    pub fn turn(&mut self, port: &mut SmoltcpPort<Bell>) -> bool {
        self.poll(port);
        // The socket is emptied before the stack takes more.
        self.echo() || port.is_behind()
    }

    /// One turn of the stack alone.
    pub fn poll(&mut self, port: &mut SmoltcpPort<Bell>) {
        let now = Instant::from_millis(self.clock.ms());
        port.poll(&mut self.iface, now, &mut self.sockets);
    }

    /// Sends back what the echo socket has; whether that was anything.
    fn echo(&mut self) -> bool {
        let socket = self.sockets.get_mut::<Socket<'_>>(self.echo);
        let mut datagram = [0; DATAGRAM];
        let before = self.echoed;
        while socket.can_send()
            && let Ok((len, from)) = socket.recv_slice(&mut datagram)
            && socket.send_slice(&datagram[..len], from.endpoint).is_ok()
        {
            self.echoed += 1;
        }
        self.echoed != before
    }

    /// The next command.
    pub fn command(&mut self) -> Option<Command> {
        let socket = self.sockets.get_mut::<Socket<'_>>(self.commands);
        let (word, _) = socket.recv().ok()?;
        let command = Command::parse(word);
        if command.is_none() {
            say(&Event::Unknown);
        }
        command
    }
}
