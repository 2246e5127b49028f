//! A host at our end of a wire, just able to ask for an address (ARP) and to ping. It knows nothing
//! of what answers.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, Icmpv4Type, NetSlice, PacketBuilder,
    SlicedPacket, TransportSlice,
};

use super::wire::Wire;

/// Without FCS, the shortest Ethernet frame.
const FRAME_MIN: usize = 60;
/// Marks our pings.
const IDENTIFIER: u16 = 0x7e5e;

/// A host with an address of its own.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Its address on the link.
    pub mac: [u8; 6],
    /// Its address.
    pub ip: Ipv4Addr,
}

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
        let nobody = [0; 6];
        let question = ArpPacket::new(
            ArpHardwareId::ETHERNET,
            EtherType::IPV4,
            ArpOperation::REQUEST,
            &self.mac,
            &self.ip.octets(),
            &nobody,
            &ip.octets(),
        )?;
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(self.mac, [0xff; 6]).arp(question).write(&mut frame)?;
        pad(&mut frame);
        wire.send(&frame).map(drop)
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
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(self.mac, mac)
            .ipv4(self.ip.octets(), ip.octets(), 64)
            .icmpv4_echo_request(IDENTIFIER, sequence)
            .write(&mut frame, payload)
            .context("no ping is that long")?;
        pad(&mut frame);
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
            if frame.get(..6) != Some(&self.mac[..]) {
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

/// QEMU's eTSEC drops frames below the minimum, and not every way to it pads them.
fn pad(frame: &mut Vec<u8>) {
    frame.resize(frame.len().max(FRAME_MIN), 0);
}
