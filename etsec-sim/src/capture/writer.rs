//! Writes frames to a capture file; the name's ending chooses the format.
//!
//! Every frame is written with one call, so the file is whole whenever the process ends.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::{DataLink, Endianness, PcapError};

use super::CaptureError;

/// The longest frame a capture file takes (its snap length).
pub(super) const FRAME_MAX: usize = 65535;

/// Bytes of the record being put together, shared with the format's writer.
#[derive(Debug, Clone, Default)]
struct Staging(Arc<Mutex<Vec<u8>>>);

impl Staging {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Staging {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Format {
    Pcap(PcapWriter<Staging>),
    PcapNg(PcapNgWriter<Staging>),
}

/// A capture file being written.
pub struct CaptureWriter {
    path: PathBuf,
    file: File,
    staging: Staging,
    format: Format,
}

impl std::fmt::Debug for CaptureWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaptureWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

impl CaptureWriter {
    /// Creates or empties the file: `.pcap` keeps microseconds, `.pcapng` nanoseconds.
    ///
    /// # Errors
    /// The name has another ending, or the file cannot be written.
    pub fn create(path: impl AsRef<Path>) -> Result<CaptureWriter, CaptureError> {
        let path = path.as_ref().to_path_buf();
        let pcapng = match path.extension().and_then(OsStr::to_str) {
            Some("pcap") => false,
            Some("pcapng") => true,
            _ => return Err(CaptureError::Extension { path }),
        };
        let file = File::create(&path).map_err(|source| CaptureError::Io {
            path: path.clone(),
            action: "create",
            source,
        })?;
        let staging = Staging::default();
        let format = if pcapng { start_pcapng(&staging) } else { start_pcap(&staging) };
        let format = format.map_err(|error| CaptureError::Io {
            path: path.clone(),
            action: "write",
            source: io::Error::other(error),
        })?;
        let mut writer = CaptureWriter { path, file, staging, format };
        writer.put()?;
        Ok(writer)
    }

    /// Writes one frame, captured `timestamp` after 1970.
    ///
    /// # Errors
    /// The frame is longer than 65535 bytes, or the file cannot be written.
    pub fn write_frame(&mut self, timestamp: Duration, frame: &[u8]) -> Result<(), CaptureError> {
        if frame.len() > FRAME_MAX {
            return Err(CaptureError::TooLong { path: self.path.clone(), len: frame.len() });
        }
        let len = frame.len() as u32;
        let result = match &mut self.format {
            Format::Pcap(writer) => {
                // Seconds have 32 bits in this format: from 2106 on the time is wrong.
                let seconds = u64::from(timestamp.as_secs() as u32);
                let timestamp = Duration::new(seconds, timestamp.subsec_nanos());
                writer.write_packet(&PcapPacket::new(timestamp, len, frame))
            }
            Format::PcapNg(writer) => writer.write_pcapng_block(EnhancedPacketBlock {
                interface_id: 0,
                timestamp,
                original_len: len,
                data: frame.into(),
                options: Vec::new(),
            }),
        };
        result.map_err(|error| self.failed(io::Error::other(error)))?;
        self.put()
    }

    /// Writes what is staged with one call.
    fn put(&mut self) -> Result<(), CaptureError> {
        let record = self.staging.take();
        self.file.write_all(&record).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> CaptureError {
        CaptureError::Io { path: self.path.clone(), action: "write", source }
    }
}

fn start_pcap(staging: &Staging) -> Result<Format, PcapError> {
    let header = PcapHeader { endianness: Endianness::Little, ..PcapHeader::default() };
    Ok(Format::Pcap(PcapWriter::with_header(staging.clone(), header)?))
}

fn start_pcapng(staging: &Staging) -> Result<Format, PcapError> {
    let mut writer = PcapNgWriter::with_endianness(staging.clone(), Endianness::Little)?;
    writer.write_pcapng_block(InterfaceDescriptionBlock {
        linktype: DataLink::ETHERNET,
        snaplen: FRAME_MAX as u32,
        // pcap-file writes nanoseconds whatever the file says.
        options: vec![InterfaceDescriptionOption::IfTsResol(9)],
    })?;
    Ok(Format::PcapNg(writer))
}
