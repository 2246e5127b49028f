//! Capture files in pcapng, complete after every flush. It knows neither devices nor signals.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use pcap_file::DataLink;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::interface_statistics::{
    InterfaceStatisticsBlock, InterfaceStatisticsOption,
};

use crate::output::Stdout;

/// A capture file being written.
pub struct CaptureFile<W: Write> {
    writer: PcapNgWriter<BufWriter<W>>,
    snaplen: usize,
    frames: u64,
}

/// Opens `path` for a capture, `-` being standard output. An existing file is replaced.
pub fn create(path: &Path) -> Result<Box<dyn Write>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(Stdout(io::stdout())));
    }
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Box::new(file))
}

impl<W: Write> CaptureFile<W> {
    /// Begins a capture of one interface called `name`, keeping `snaplen` bytes of each frame.
    pub fn new(out: W, name: &str, snaplen: u32) -> Result<Self> {
        let mut writer = PcapNgWriter::new(BufWriter::with_capacity(1 << 18, out))?;
        let options = vec![
            InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
            // Nanoseconds, which is what the packet blocks below count; a reader's default would be
            // microseconds.
            InterfaceDescriptionOption::IfTsResol(9),
        ];
        let interface =
            InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen, options };
        writer.write_pcapng_block(interface)?;
        Ok(CaptureFile { writer, snaplen: snaplen as usize, frames: 0 })
    }

    /// Adds a frame, without FCS, that arrived at `time` since 1970, and its preamble as a comment.
    pub fn add(&mut self, time: Duration, frame: &[u8], preamble: Option<&[u8; 8]>) -> Result<()> {
        let comment = preamble.map(|bytes| {
            let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            EnhancedPacketOption::Comment(Cow::Owned(format!("preamble {}", bytes.join(":"))))
        });
        let kept = &frame[..frame.len().min(self.snaplen)];
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: time,
            original_len: u32::try_from(frame.len()).unwrap_or(u32::MAX),
            data: Cow::Borrowed(kept),
            options: comment.into_iter().collect(),
        };
        self.writer.write_pcapng_block(block)?;
        self.frames += 1;
        Ok(())
    }

    /// Makes the file complete up to here.
    pub fn flush(&mut self) -> Result<()> {
        Ok(self.writer.get_mut().flush()?)
    }

    /// Frames added so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Notes at `time` since 1970 how many frames were lost before they could be captured, and ends
    /// the file.
    pub fn finish(mut self, time: Duration, lost: u64) -> Result<W> {
        let options = vec![
            InterfaceStatisticsOption::IsbIfRecv(self.frames + lost),
            InterfaceStatisticsOption::IsbIfDrop(lost),
        ];
        let timestamp = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.writer.write_pcapng_block(InterfaceStatisticsBlock {
            interface_id: 0,
            timestamp,
            options,
        })?;
        self.flush()?;
        Ok(self.writer.into_inner().into_inner().map_err(io::IntoInnerError::into_error)?)
    }
}

impl<W: Write> std::fmt::Debug for CaptureFile<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaptureFile").field("frames", &self.frames).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap_file::pcapng::Block;
    use pcap_file::pcapng::PcapNgReader;

    fn blocks(bytes: &[u8]) -> Vec<Block<'static>> {
        let mut reader = PcapNgReader::new(bytes).unwrap();
        let mut all = Vec::new();
        while let Some(block) = reader.next_block() {
            all.push(block.unwrap().into_owned());
        }
        all
    }

    #[test]
    fn what_was_added_can_be_read_back() {
        let mut file = CaptureFile::new(Vec::new(), "eth1", 64).unwrap();
        let long: Vec<u8> = (0..200u8).collect();
        file.add(Duration::new(1_700_000_000, 123_456_789), &long, None).unwrap();
        file.add(Duration::new(1_700_000_001, 0), &long[..61], Some(&[0x55; 8])).unwrap();
        let bytes = file.finish(Duration::new(1_700_000_002, 0), 5).unwrap();

        let all = blocks(&bytes);
        let packets: Vec<_> = all
            .iter()
            .filter_map(|block| match block {
                Block::EnhancedPacket(packet) => {
                    Some((packet.timestamp, packet.original_len, packet.data.to_vec()))
                }
                _ => None,
            })
            .collect();
        assert_eq!(
            packets[0],
            (Duration::new(1_700_000_000, 123_456_789), 200, long[..64].to_vec())
        );
        assert_eq!(packets[1], (Duration::new(1_700_000_001, 0), 61, long[..61].to_vec()));
        let Some(Block::InterfaceDescription(interface)) = all.first() else { panic!("{all:?}") };
        assert!(interface.options.contains(&InterfaceDescriptionOption::IfTsResol(9)));
        let Some(Block::InterfaceStatistics(end)) = all.last() else { panic!("{all:?}") };
        assert!(end.options.contains(&InterfaceStatisticsOption::IsbIfDrop(5)));
    }

    #[test]
    fn a_flushed_file_is_valid_without_an_end() {
        let mut file = CaptureFile::new(Vec::new(), "eth1", 65535).unwrap();
        file.add(Duration::ZERO, &[1; 60], None).unwrap();
        file.flush().unwrap();
        assert_eq!(blocks(file.writer.get_ref().get_ref()).len(), 2);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut file = CaptureFile::new(full, "eth1", 65535).unwrap();
        file.add(Duration::ZERO, &[1; 60], None).unwrap();
        assert!(file.flush().is_err());
    }
}
