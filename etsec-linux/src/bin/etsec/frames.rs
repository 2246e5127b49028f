//! Where `etsec send` takes its frames from: a pattern, or a capture file. It knows no device.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use etsec_core::addr::MacAddr;
use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::Block;
use pcap_file::pcapng::PcapNgReader;

use crate::args::Pattern;
use crate::net::bytes;
use crate::run::Usage;

/// Destination, source and EtherType.
const HEADER: usize = 14;
/// The sequence number behind the header.
const SEQUENCE: usize = 4;
const NUMBER: Range<usize> = HEADER..HEADER + SEQUENCE;

/// Frames to send, one after another.
#[derive(Debug)]
pub enum Frames {
    /// Equal frames but for a sequence number.
    Pattern(PatternFrames),
    /// The contents of a file.
    Recorded(RecordedFrames),
}

/// Equal frames: header, sequence number, pattern.
#[derive(Debug)]
pub struct PatternFrames {
    frame: Vec<u8>,
    sequence: u32,
}

impl PatternFrames {
    /// Frames of `size` bytes without FCS.
    ///
    /// # Errors
    /// When `size` is below the Ethernet minimum of 60.
    pub fn new(
        pattern: Pattern,
        size: usize,
        destination: MacAddr,
        source: MacAddr,
        ethertype: u16,
    ) -> Result<Self> {
        let shortest = "the shortest Ethernet frame has 60 bytes without its FCS";
        ensure!(size >= 60, Usage(format!("--size {size}: {shortest}")));
        let mut frame = vec![0; size];
        frame[..6].copy_from_slice(&destination.0);
        frame[6..12].copy_from_slice(&source.0);
        frame[12..HEADER].copy_from_slice(&ethertype.to_be_bytes());
        let payload = &mut frame[HEADER + SEQUENCE..];
        match pattern {
            Pattern::Counting => {
                payload.iter_mut().enumerate().for_each(|(at, byte)| *byte = at as u8)
            }
            Pattern::Random => bytes::fill(0, payload),
            Pattern::Zeros => {}
            Pattern::Ones => payload.fill(0xFF),
        }
        Ok(PatternFrames { frame, sequence: 0 })
    }

    /// Bytes of each frame.
    pub fn size(&self) -> usize {
        self.frame.len()
    }

    /// The next frame, in a buffer that `place` finds for it. Where there is none, it stays the
    /// next one.
    pub fn next_in<T>(&mut self, place: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        self.frame[NUMBER].copy_from_slice(&self.sequence.to_be_bytes());
        let placed = place(&self.frame)?;
        self.sequence = self.sequence.wrapping_add(1);
        Some(placed)
    }

    /// Makes an earlier one of these frames the next one.
    #[inline]
    pub fn renumber(&mut self, frame: &mut [u8]) {
        let number = self.next_number();
        frame[NUMBER].copy_from_slice(&number);
    }

    #[inline]
    fn next_number(&mut self) -> [u8; SEQUENCE] {
        let number = self.sequence.to_be_bytes();
        self.sequence = self.sequence.wrapping_add(1);
        number
    }
}

/// The frames of a pcap or pcapng file, in order, without their times.
pub struct RecordedFrames {
    path: PathBuf,
    reader: Reader,
    frame: Vec<u8>,
    /// Frames of the file so far, to name the place of an error.
    count: u64,
    /// Whether one of them was whole.
    any: bool,
    /// Frames that the file has only a part of: they are left out, and counted in every pass.
    cut: u64,
}

enum Reader {
    Pcap(PcapReader<BufReader<File>>),
    PcapNg(PcapNgReader<BufReader<File>>),
}

impl RecordedFrames {
    /// Opens a file; which format it has is seen from its first bytes.
    ///
    /// # Errors
    /// When it cannot be read, is no capture file, or was not captured on Ethernet.
    pub fn open(path: &Path) -> Result<Self> {
        let reader = open(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(RecordedFrames {
            path: path.to_owned(),
            reader,
            frame: Vec::new(),
            count: 0,
            any: false,
            cut: 0,
        })
    }

    /// The current frame, without FCS.
    pub fn current(&self) -> &[u8] {
        &self.frame
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Frames of the file so far, since it was last begun.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Frames left out because the file has only a part of them.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Makes the next frame the current one; false at the end of the file.
    ///
    /// # Errors
    /// When the file is broken.
    pub fn advance(&mut self) -> Result<bool> {
        loop {
            let whole = self
                .reader
                .read(&mut self.frame)
                .with_context(|| format!("{}: after frame {}", self.path.display(), self.count))?;
            match whole {
                None => return Ok(false),
                Some(true) => {
                    self.count += 1;
                    self.any = true;
                    return Ok(true);
                }
                Some(false) => {
                    self.count += 1;
                    self.cut += 1;
                }
            }
        }
    }

    /// Makes the first frame of the file the next one. False if it has none: there would be no end
    /// to looking.
    pub fn rewind(&mut self) -> Result<bool> {
        self.reader =
            open(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        self.count = 0;
        Ok(std::mem::take(&mut self.any))
    }
}

impl std::fmt::Debug for RecordedFrames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordedFrames")
            .field("path", &self.path)
            .field("count", &self.count)
            .finish()
    }
}

fn open(path: &Path) -> Result<Reader> {
    let mut file = File::open(path)?;
    let mut magic = [0; 4];
    file.read_exact(&mut magic).context("too short for a capture file")?;
    file.rewind()?;
    let file = BufReader::with_capacity(1 << 18, file);
    if magic == [0x0A, 0x0D, 0x0D, 0x0A] {
        return Ok(Reader::PcapNg(PcapNgReader::new(file)?));
    }
    let reader = PcapReader::new(file).context("neither a pcap nor a pcapng file")?;
    must_be_ethernet(reader.header().datalink)?;
    Ok(Reader::Pcap(reader))
}

fn must_be_ethernet(link: DataLink) -> Result<()> {
    ensure!(link == DataLink::ETHERNET, "captured on {link:?}, not on Ethernet");
    Ok(())
}

impl Reader {
    /// Puts the next frame into `frame`; whether all of it is in the file, or `None` at the end.
    fn read(&mut self, frame: &mut Vec<u8>) -> Result<Option<bool>> {
        frame.clear();
        match self {
            Reader::Pcap(reader) => {
                let Some(packet) = reader.next_packet() else { return Ok(None) };
                let packet = packet?;
                frame.extend_from_slice(&packet.data);
                Ok(Some(packet.data.len() == packet.orig_len as usize))
            }
            Reader::PcapNg(reader) => loop {
                let Some(block) = reader.next_block() else { return Ok(None) };
                let (interface, original) = match block? {
                    Block::EnhancedPacket(packet) => {
                        frame.extend_from_slice(&packet.data);
                        (packet.interface_id as usize, packet.original_len)
                    }
                    Block::SimplePacket(packet) => {
                        frame.extend_from_slice(&packet.data);
                        // Its bytes are padded to a multiple of four.
                        frame.truncate(packet.original_len as usize);
                        (0, packet.original_len)
                    }
                    _ => continue,
                };
                let Some(interface) = reader.interfaces().get(interface) else {
                    bail!("a frame names interface {interface}, which is not described");
                };
                must_be_ethernet(interface.linktype)?;
                return Ok(Some(frame.len() == original as usize));
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
    use std::io::Write;
    use std::time::Duration;

    fn pcap(link: DataLink, frames: &[(&[u8], u32)]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let header = PcapHeader { datalink: link, ..PcapHeader::default() };
        let mut writer = PcapWriter::with_header(&mut file, header).unwrap();
        for (data, length) in frames {
            writer.write_packet(&PcapPacket::new(Duration::ZERO, *length, data)).unwrap();
        }
        file
    }

    #[test]
    fn patterns_are_numbered_and_filled() {
        let to = MacAddr([1; 6]);
        let from = MacAddr([2; 6]);
        let mut frames = PatternFrames::new(Pattern::Counting, 60, to, from, 0x88b5).unwrap();
        let first = frames.next_in(|frame| Some(frame.to_vec())).unwrap();
        // Where there is no place for it, it stays the next one.
        assert_eq!(frames.next_in(|_| None::<()>), None);
        assert_eq!(first[..18], [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0x88, 0xb5, 0, 0, 0, 0]);
        assert_eq!(first[18..22], [0, 1, 2, 3]);
        let second = frames.next_in(|frame| Some(frame.to_vec())).unwrap();
        assert_eq!((second[17], second.len()), (1, 60));
        let mut again = first.clone();
        frames.renumber(&mut again);
        assert_eq!(
            (&again[..14], &again[14..18], &again[18..]),
            (&first[..14], &[0, 0, 0, 2][..], &first[18..])
        );
        assert!(PatternFrames::new(Pattern::Zeros, 59, to, from, 0x88b5).is_err());
    }

    #[test]
    fn a_pcap_file_is_read_and_read_again() {
        let file = pcap(DataLink::ETHERNET, &[(&[1; 60], 60), (&[2; 60], 1000), (&[3; 70], 70)]);
        let mut frames = RecordedFrames::open(file.path()).unwrap();
        for _ in 0..2 {
            assert!(frames.advance().unwrap());
            assert_eq!(frames.current(), [1; 60]);
            assert!(frames.advance().unwrap());
            assert_eq!(frames.current(), [3; 70]);
            assert!(!frames.advance().unwrap());
            assert!(frames.rewind().unwrap());
        }
    }

    #[test]
    fn our_own_captures_are_read() {
        let mut capture = crate::pcapng::CaptureFile::new(Vec::new(), "x", 65535).unwrap();
        capture.add(Duration::from_secs(1), &[5; 61], None).unwrap();
        let bytes = capture.finish(Duration::from_secs(2), 0).unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        let mut frames = RecordedFrames::open(file.path()).unwrap();
        assert!(frames.advance().unwrap());
        assert_eq!(frames.frame, [5; 61]);
        assert!(!frames.advance().unwrap());
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        let says = |path: &Path| format!("{:#}", RecordedFrames::open(path).unwrap_err());
        assert!(says(Path::new("/nonexistent.pcap")).contains("/nonexistent.pcap"));
        let mut text = tempfile::NamedTempFile::new().unwrap();
        assert!(says(text.path()).contains("too short"));
        text.write_all(b"this is not a capture file, whatever its name is").unwrap();
        assert!(says(text.path()).contains("neither a pcap nor a pcapng file"));
        assert!(says(pcap(DataLink::LINUX_SLL, &[]).path()).contains("not on Ethernet"));
    }

    #[test]
    fn a_file_cut_in_a_frame_is_an_error_after_the_whole_frames() {
        let file = pcap(DataLink::ETHERNET, &[(&[1; 60], 60), (&[2; 60], 60)]);
        let length = file.as_file().metadata().unwrap().len();
        file.as_file().set_len(length - 10).unwrap();
        let mut frames = RecordedFrames::open(file.path()).unwrap();
        assert!(frames.advance().unwrap());
        let error = format!("{:#}", frames.advance().unwrap_err());
        assert!(error.contains("after frame 1"), "{error}");
    }

    #[test]
    fn a_file_without_frames_is_not_repeated_for_ever() {
        let file = pcap(DataLink::ETHERNET, &[]);
        let mut frames = RecordedFrames::open(file.path()).unwrap();
        assert!(!frames.advance().unwrap());
        assert!(!frames.rewind().unwrap());
    }
}
