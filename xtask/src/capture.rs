//! Frames of every size for a capture: making them, writing and reading them as a file, and
//! comparing what came out with what went in.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use pcap_file::pcap::{PcapPacket, PcapReader, PcapWriter};
use pcap_file::pcapng::{Block, PcapNgReader};

/// Frame sizes without FCS: every one that an untagged Ethernet frame can have.
const SIZES: std::ops::RangeInclusive<usize> = 60..=1514;
/// Between two frames of the capture.
const GAP: Duration = Duration::from_micros(20);
/// An EtherType set aside for experiments (IEEE 802).
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];

/// One frame of every size, short and long mixed, to unicast, multicast and broadcast addresses.
pub fn frames() -> Vec<Vec<u8>> {
    let count = SIZES.count();
    // A step without a common factor with the count visits every size once.
    let step = 547;
    (0..count).map(|n| frame(n, SIZES.start() + n * step % count)).collect()
}

fn frame(n: usize, size: usize) -> Vec<u8> {
    let destination = match n % 4 {
        0 => [0xff; 6],
        1 => [0x01, 0x00, 0x5e, 0, 0, n as u8],
        _ => [0x02, 0, 0, 0, 1, n as u8],
    };
    let mut bytes = Vec::with_capacity(size);
    bytes.extend_from_slice(&destination);
    bytes.extend_from_slice(&[0x02, 0, 0, 0, 2, n as u8]);
    bytes.extend_from_slice(&ETHERTYPE);
    bytes.extend_from_slice(&(n as u32).to_be_bytes());
    bytes.extend((bytes.len()..size).map(|at| (at * 7 + n * 13) as u8));
    bytes
}

/// Writes frames as a pcap file.
///
/// # Errors
/// Where the file cannot be written.
pub fn write(path: &Path, frames: &[Vec<u8>]) -> Result<()> {
    let named = || format!("cannot write {}", path.display());
    let mut writer = PcapWriter::new(BufWriter::new(File::create(path).with_context(named)?))?;
    for (n, frame) in (0_u32..).zip(frames) {
        writer
            .write_packet(&PcapPacket::new(GAP * n, frame.len() as u32, frame))
            .with_context(named)?;
    }
    Ok(())
}

/// The frames of a pcap or pcapng file.
///
/// # Errors
/// Where the file cannot be read or is broken.
pub fn read(path: &Path) -> Result<Vec<Vec<u8>>> {
    let named = || format!("cannot read {}", path.display());
    parse(&std::fs::read(path).with_context(named)?).with_context(named)
}

/// The frames in the bytes of a pcap or pcapng file.
///
/// # Errors
/// Where they are no such file, or a broken one.
pub fn parse(bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut frames = Vec::new();
    if bytes.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
        let mut reader = PcapNgReader::new(bytes)?;
        while let Some(block) = reader.next_block() {
            if let Block::EnhancedPacket(packet) = block? {
                frames.push(packet.data.into_owned());
            }
        }
    } else {
        let mut reader = PcapReader::new(bytes)?;
        while let Some(packet) = reader.next_packet() {
            frames.push(packet?.data.into_owned());
        }
    }
    Ok(frames)
}

/// Whether a frame is one of [`frames`], by its EtherType.
pub fn is_ours(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&ETHERTYPE[..])
}

/// How many frames came out at their place and unchanged.
pub fn identical(sent: &[Vec<u8>], received: &[Vec<u8>]) -> usize {
    sent.iter().zip(received).filter(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_there_once() {
        let mut sizes: Vec<usize> = frames().iter().map(Vec::len).collect();
        assert_ne!(sizes, SIZES.collect::<Vec<_>>(), "short and long are mixed");
        sizes.sort_unstable();
        assert_eq!(sizes, SIZES.collect::<Vec<_>>());
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.pcap");
        write(&path, &frames()).expect("written");
        assert_eq!(read(&path).expect("read"), frames());
    }

    #[test]
    fn a_broken_file_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.pcap");
        assert!(read(&path).is_err());
        std::fs::write(&path, b"not a capture, by far, but long enough").expect("written");
        assert!(read(&path).is_err());
    }

    #[test]
    fn a_lost_frame_and_a_changed_byte_show() {
        let sent = frames();
        assert_eq!(identical(&sent, &sent), sent.len());
        assert!(identical(&sent, &sent[1..]) < 2);
        let mut changed = sent.clone();
        changed[5][20] ^= 1;
        assert_eq!(identical(&sent, &changed), sent.len() - 1);
    }
}
