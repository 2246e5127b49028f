//! A host at our end of a wire, just able to ask for an address (ARP) and to ping. It knows nothing
//! of what answers.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use etherparse::{ArpOperation, Icmpv4Type, NetSlice, SlicedPacket, TransportSlice};

use super::packet::Host;
use super::wire::Wire;

/// Marks our pings.
const IDENTIFIER: u16 = 0x7e5e;

/// A host with an address of its own.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub Host);

impl Peer {
    /// Asks who has `ip`; asks again until the limit.
    ///
    /// # Errors
    /// Nobody answers in time; Ctrl-C.
    pub fn resolve(&self, wire: &mut Wire, ip: Ipv4Addr, limit: Duration) -> Result<[u8; 6]> {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            self.ask(wire, ip)?;
            if let Some(mac) = self.answer(wire, Duration::from_millis(500), |frame| {
                let Some(NetSlice::Arp(arp)) = &frame.net else { return None };
                let ours = arp.operation() == ArpOperation::REPLY
                    && arp.sender_protocol_addr() == ip.octets();
                if ours { arp.sender_hw_addr().try_into().ok() } else { None }
            })? {
                return Ok(mac);
            }
        }
        bail!("nobody at {ip} answers")
    }

    /// Asks once who has `ip`.
    ///
    /// # Errors
    /// A failure of the wire.
    pub fn ask(&self, wire: &Wire, ip: Ipv4Addr) -> Result<()> {
        wire.send(&self.0.ask(ip)?).map(drop)
    }

    /// Pings `ip` at `mac` with `payload`; whether the answer came in time and was the same.
    ///
    /// # Errors
    /// A failure of the wire; Ctrl-C.
    pub fn ping(
        &self,
        wire: &mut Wire,
        (mac, ip): ([u8; 6], Ipv4Addr),
        sequence: u16,
        payload: &[u8],
        limit: Duration,
    ) -> Result<bool> {
        let frame = self.0.ping(&Host { mac, ip }, (IDENTIFIER, sequence), payload)?;
        wire.send(&frame)?;
        let answered = self.answer(wire, limit, |frame| {
            let Some(TransportSlice::Icmpv4(icmp)) = &frame.transport else { return None };
            let Icmpv4Type::EchoReply(echo) = icmp.icmp_type() else { return None };
            let ours = echo.id == IDENTIFIER && echo.seq == sequence;
            (ours && icmp.payload() == payload).then_some(())
        })?;
        Ok(answered.is_some())
    }

    /// Takes frames for us until `wanted` makes something of one; none when none came in time.
    fn answer<T>(
        &self,
        wire: &mut Wire,
        limit: Duration,
        mut wanted: impl FnMut(&SlicedPacket<'_>) -> Option<T>,
    ) -> Result<Option<T>> {
        let until = Instant::now() + limit;
        while let Some(frame) = wire.receive(until.saturating_duration_since(Instant::now()))? {
            if frame.get(..6) != Some(&self.0.mac[..]) {
                continue;
            }
            let packet = SlicedPacket::from_ethernet(frame);
            if let Some(found) = packet.ok().and_then(|packet| wanted(&packet)) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}
