//! Packets between two hosts, as frames: ARP, ping, UDP. It sends none and knows nobody.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use etherparse::{
    ArpEthIpv4Packet, ArpOperation, ArpPacket, IpHeaders, PacketBuilder, PacketBuilderStep,
};

/// Without FCS, the shortest Ethernet frame.
pub const FRAME_MIN: usize = 60;
const TTL: u8 = 64;

/// Somebody on the link.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    /// Its address on the link.
    pub mac: [u8; 6],
    /// Its address.
    pub ip: Ipv4Addr,
}

impl Host {
    /// Asks everybody who has `ip`.
    ///
    /// # Errors
    /// None that is known of.
    pub fn ask(&self, ip: Ipv4Addr) -> Result<Vec<u8>> {
        self.arp(ArpOperation::REQUEST, &Host { mac: [0; 6], ip }, [0xFF; 6])
    }

    /// Answers `to` that it is us.
    ///
    /// # Errors
    /// None that is known of.
    pub fn answer(&self, to: &Host) -> Result<Vec<u8>> {
        self.arp(ArpOperation::REPLY, to, to.mac)
    }

    fn arp(&self, operation: ArpOperation, target: &Host, to: [u8; 6]) -> Result<Vec<u8>> {
        let arp = ArpEthIpv4Packet {
            operation,
            sender_mac: self.mac,
            sender_ipv4: self.ip.octets(),
            target_mac: target.mac,
            target_ipv4: target.ip.octets(),
        };
        let mut frame = Vec::new();
        let builder = PacketBuilder::ethernet2(self.mac, to).arp(ArpPacket::from(arp));
        builder.write(&mut frame).context("an ARP frame")?;
        Ok(padded(frame))
    }

    /// A ping of `to`, its `number` and the flow's `id` in it.
    ///
    /// # Errors
    /// More data than IP can carry.
    pub fn ping(&self, to: &Host, (id, number): (u16, u16), data: &[u8]) -> Result<Vec<u8>> {
        let builder = self.ip_to(to).icmpv4_echo_request(id, number);
        let mut frame = Vec::new();
        builder.write(&mut frame, data).context("no ping is that long")?;
        Ok(padded(frame))
    }

    /// The answer to a ping of `to`'s.
    ///
    /// # Errors
    /// More data than IP can carry.
    pub fn pong(&self, to: &Host, (id, number): (u16, u16), data: &[u8]) -> Result<Vec<u8>> {
        let builder = self.ip_to(to).icmpv4_echo_reply(id, number);
        let mut frame = Vec::new();
        builder.write(&mut frame, data).context("no answer is that long")?;
        Ok(padded(frame))
    }

    /// A datagram to `to`, from and to these ports.
    ///
    /// # Errors
    /// More data than IP can carry.
    pub fn datagram(&self, to: &Host, ports: (u16, u16), data: &[u8]) -> Result<Vec<u8>> {
        let builder = self.ip_to(to).udp(ports.0, ports.1);
        let mut frame = Vec::new();
        builder.write(&mut frame, data).context("no datagram is that long")?;
        Ok(padded(frame))
    }

    fn ip_to(&self, to: &Host) -> PacketBuilderStep<IpHeaders> {
        let builder = PacketBuilder::ethernet2(self.mac, to.mac);
        builder.ipv4(self.ip.octets(), to.ip.octets(), TTL)
    }
}

/// QEMU's datagram wire does not pad, and its eTSEC drops short frames (HW 15.3).
fn padded(mut frame: Vec<u8>) -> Vec<u8> {
    frame.resize(frame.len().max(FRAME_MIN), 0);
    frame
}
