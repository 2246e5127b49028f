//! Reads frames from a capture file, record by record.
//!
//! The file is buffered here and not by pcap-file's readers: theirs hide where in the file they
//! are. Blocks that hold no frames are stepped over without a look inside: a fault in one is no
//! reason to lose the frames behind it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pcap_file::pcap::{PcapParser, RawPcapPacket};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::{Block, PcapNgParser};
use pcap_file::{DataLink, Endianness, PcapError, TsResolution};

use super::{CaptureError, CapturedFrame};

/// Longer records are taken for damage: a frame has at most 64 KiB and options are short.
const RECORD_MAX: usize = 16 << 20;
const CHUNK: usize = 64 << 10;

/// pcapng block types that hold frames or say how to read them.
const INTERFACE_DESCRIPTION: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const SECTION_HEADER: u32 = 0x0A0D_0D0A;

enum Format {
    Pcap { parser: PcapParser, fcs_len: usize },
    PcapNg(PcapNgParser),
}

/// An open capture file. After an error, and at the end, there are no more frames.
pub struct CaptureReader {
    path: PathBuf,
    file: File,
    format: Format,
    buffer: Vec<u8>,
    /// How much of `buffer` has been used.
    used: usize,
    /// Where in the file `buffer` begins.
    offset: u64,
    done: bool,
}

impl std::fmt::Debug for CaptureReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.offset + self.used as u64;
        f.debug_struct("CaptureReader").field("path", &self.path).field("at", &at).finish()
    }
}

/// What one record gave.
enum Record {
    Frame(CapturedFrame),
    Other,
}

impl CaptureReader {
    /// Opens a pcap or pcapng file of either byte order and any time resolution.
    ///
    /// # Errors
    /// The file cannot be read, is no capture file, is broken at its start, or does not hold
    /// Ethernet frames (a pcapng file tells only later).
    pub fn open(path: impl AsRef<Path>) -> Result<CaptureReader, CaptureError> {
        let path = path.as_ref().to_path_buf();
        let mut file = File::open(&path).map_err(|source| CaptureError::Io {
            path: path.clone(),
            action: "open",
            source,
        })?;
        let mut buffer = Vec::new();
        loop {
            match parse_start(&buffer) {
                Ok((used, format)) => {
                    if let Format::Pcap { parser, .. } = &format {
                        check_link_type(&path, u32::from(parser.header().datalink) & 0xFFFF)?;
                    }
                    let done = false;
                    return Ok(CaptureReader { path, file, format, buffer, used, offset: 0, done });
                }
                Err(PcapError::IncompleteBuffer) if buffer.len() < RECORD_MAX => {
                    if fill(&path, &mut file, &mut buffer)? == 0 {
                        return Err(if begins_like_a_capture(&buffer) {
                            CaptureError::Truncated { path, offset: 0 }
                        } else {
                            CaptureError::NotACapture { path }
                        });
                    }
                }
                Err(error) if begins_like_a_capture(&buffer) => {
                    return Err(CaptureError::Broken { path, offset: 0, why: why(&error) });
                }
                Err(_) => return Err(CaptureError::NotACapture { path }),
            }
        }
    }

    /// The next frame; `None` at the end of the file or after an error.
    ///
    /// # Errors
    /// Once, when the file cannot be read, a record is broken or cut, or it holds no Ethernet
    /// frame.
    pub fn next_frame(&mut self) -> Result<Option<CapturedFrame>, CaptureError> {
        while !self.done {
            match self.next_record() {
                Ok(Some(Record::Frame(frame))) => return Ok(Some(frame)),
                Ok(Some(Record::Other)) => {}
                Ok(None) => self.done = true,
                Err(error) => {
                    self.done = true;
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// Whether the end of the file or an error has been met.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.done
    }

    fn next_record(&mut self) -> Result<Option<Record>, CaptureError> {
        loop {
            let left = &self.buffer[self.used..];
            let offset = self.offset + self.used as u64;
            let broken = |why| CaptureError::Broken { path: self.path.clone(), offset, why };
            match self.format.parse(left) {
                Ok((record, taken)) => {
                    self.used += taken;
                    return Ok(Some(record));
                }
                Err(Failure::Format(PcapError::IncompleteBuffer)) if left.len() < RECORD_MAX => {
                    let empty = left.is_empty();
                    self.offset = offset;
                    self.buffer.drain(..self.used);
                    self.used = 0;
                    if fill(&self.path, &mut self.file, &mut self.buffer)? == 0 {
                        let path = self.path.clone();
                        let cut = CaptureError::Truncated { path, offset };
                        return if empty { Ok(None) } else { Err(cut) };
                    }
                }
                Err(Failure::Format(PcapError::IncompleteBuffer)) => {
                    return Err(broken(format!("a record of more than {RECORD_MAX} bytes")));
                }
                Err(Failure::Format(error)) => return Err(broken(why(&error))),
                Err(Failure::Interface(id)) => {
                    return Err(broken(format!("a frame of interface {id}, which is not there")));
                }
                Err(Failure::LinkType(link_type)) => {
                    return check_link_type(&self.path, link_type).map(|()| None);
                }
            }
        }
    }
}

enum Failure {
    Format(PcapError),
    Interface(u32),
    LinkType(u32),
}

impl From<PcapError> for Failure {
    fn from(error: PcapError) -> Self {
        Failure::Format(error)
    }
}

impl Format {
    /// Parses the record at the start of `bytes` and says how long it is.
    fn parse(&mut self, bytes: &[u8]) -> Result<(Record, usize), Failure> {
        match self {
            Format::Pcap { parser, fcs_len } => {
                let (rest, packet) = parser.next_raw_packet(bytes)?;
                let frame = pcap_frame(&packet, parser.header().ts_resolution, *fcs_len);
                Ok((Record::Frame(frame), bytes.len() - rest.len()))
            }
            Format::PcapNg(parser) => {
                let (rest, record) = parse_block(parser, bytes)?;
                Ok((record, bytes.len() - rest))
            }
        }
    }
}

/// Parses a block; returns how many bytes are left after it.
fn parse_block(parser: &mut PcapNgParser, bytes: &[u8]) -> Result<(usize, Record), Failure> {
    let kind = match (bytes.first_chunk::<4>(), parser.section().endianness) {
        (Some(&word), Endianness::Big) => u32::from_be_bytes(word),
        (Some(&word), Endianness::Little) => u32::from_le_bytes(word),
        (None, _) => return Err(PcapError::IncompleteBuffer.into()),
    };
    // An IDB and an SHB are parsed by `next_raw_block` too; a broken one is an error there.
    if !matches!(kind, PACKET | SIMPLE_PACKET | ENHANCED_PACKET) {
        let (rest, _) = parser.next_raw_block(bytes)?;
        debug_assert!(kind != INTERFACE_DESCRIPTION || !parser.interfaces().is_empty());
        debug_assert!(kind != SECTION_HEADER || parser.interfaces().is_empty());
        return Ok((rest.len(), Record::Other));
    }
    let (rest, block) = parser.next_block(bytes)?;
    let interface = |id: u32| {
        parser.interfaces().get(id as usize).ok_or(Failure::Interface(id)).and_then(ethernet)
    };
    let (id, ticks, original_len, data) = match &block {
        // pcap-file hands out the raw ticks as if they were nanoseconds.
        Block::EnhancedPacket(p) => {
            (p.interface_id, Some(p.timestamp.as_nanos() as u64), p.original_len, &p.data[..])
        }
        Block::Packet(p) => (p.interface_id.into(), Some(p.timestamp), p.original_len, &p.data[..]),
        Block::SimplePacket(p) => {
            let captured = match interface(0)?.snaplen {
                0 => p.original_len,
                limit => p.original_len.min(limit),
            };
            // The block's data may be followed by up to three bytes of padding.
            let data = p
                .data
                .get(..captured as usize)
                .ok_or(PcapError::InvalidField("the block is shorter than its frame"))?;
            (0, None, p.original_len, data)
        }
        _ => return Ok((rest.len(), Record::Other)),
    };
    let interface = interface(id)?;
    let timestamp = ticks.map_or(Duration::ZERO, |ticks| time(interface, ticks));
    let fcs_len = option(interface, |o| match o {
        // The specification says bits, its example bytes.
        InterfaceDescriptionOption::IfFcsLen(n) => Some(if *n >= 16 { *n / 8 } else { *n }),
        _ => None,
    });
    let frame = strip(data, timestamp, original_len, fcs_len.unwrap_or(0).into());
    Ok((rest.len(), Record::Frame(frame)))
}

fn ethernet<'a>(
    interface: &'a InterfaceDescriptionBlock<'static>,
) -> Result<&'a InterfaceDescriptionBlock<'static>, Failure> {
    match interface.linktype {
        DataLink::ETHERNET => Ok(interface),
        other => Err(Failure::LinkType(other.into())),
    }
}

fn option<T>(
    interface: &InterfaceDescriptionBlock<'_>,
    pick: impl FnMut(&InterfaceDescriptionOption<'_>) -> Option<T>,
) -> Option<T> {
    interface.options.iter().find_map(pick)
}

/// The time of `ticks` in the interface's resolution: 10^-n or 2^-n seconds, 10^-6 unless told.
fn time(interface: &InterfaceDescriptionBlock<'_>, ticks: u64) -> Duration {
    let resolution = option(interface, |o| match o {
        InterfaceDescriptionOption::IfTsResol(n) => Some(*n),
        _ => None,
    });
    let offset_s = option(interface, |o| match o {
        InterfaceDescriptionOption::IfTsOffset(s) => Some(*s),
        _ => None,
    });
    let resolution = resolution.unwrap_or(6);
    let exponent = u32::from(resolution & 0x7F);
    let nanoseconds = u128::from(ticks) * 1_000_000_000;
    let nanoseconds = if resolution & 0x80 != 0 {
        nanoseconds >> exponent
    } else {
        10u128.checked_pow(exponent).map_or(0, |divisor| nanoseconds / divisor)
    };
    let seconds = u64::try_from(nanoseconds / 1_000_000_000).unwrap_or(u64::MAX);
    let seconds = seconds.saturating_add(offset_s.unwrap_or(0));
    Duration::new(seconds, (nanoseconds % 1_000_000_000) as u32)
}

fn pcap_frame(packet: &RawPcapPacket<'_>, ts: TsResolution, fcs_len: usize) -> CapturedFrame {
    let scale = if ts == TsResolution::MicroSecond { 1000 } else { 1 };
    let fraction = Duration::from_nanos(u64::from(packet.ts_frac) * scale);
    let timestamp = Duration::from_secs(packet.ts_sec.into()) + fraction;
    strip(&packet.data, timestamp, packet.orig_len, fcs_len)
}

/// The frame without the part of its FCS that was captured.
fn strip(data: &[u8], timestamp: Duration, original_len: u32, fcs_len: usize) -> CapturedFrame {
    let original_len = (original_len as usize).max(data.len()).saturating_sub(fcs_len);
    let data = data[..data.len().min(original_len)].to_vec();
    CapturedFrame { timestamp, data, original_len }
}

fn parse_start(bytes: &[u8]) -> Result<(usize, Format), PcapError> {
    let Some(magic) = bytes.first_chunk::<4>() else { return Err(PcapError::IncompleteBuffer) };
    if *magic == SECTION_HEADER.to_be_bytes() {
        let (rest, parser) = PcapNgParser::new(bytes)?;
        return Ok((bytes.len() - rest.len(), Format::PcapNg(parser)));
    }
    let (rest, parser) = PcapParser::new(bytes)?;
    // The upper bits of the link type tell whether frames end with an FCS, in units of 2 bytes.
    let link = u32::from(parser.header().datalink);
    let fcs_len = if link & 0x0400_0000 != 0 { (link >> 28) as usize * 2 } else { 0 };
    Ok((bytes.len() - rest.len(), Format::Pcap { parser, fcs_len }))
}

fn begins_like_a_capture(bytes: &[u8]) -> bool {
    let magics = [SECTION_HEADER, 0xA1B2_C3D4, 0xA1B2_3C4D, 0xD4C3_B2A1, 0x4D3C_B2A1];
    bytes.first_chunk::<4>().is_some_and(|&word| magics.contains(&u32::from_be_bytes(word)))
}

fn check_link_type(path: &Path, link_type: u32) -> Result<(), CaptureError> {
    if DataLink::from(link_type) == DataLink::ETHERNET {
        return Ok(());
    }
    Err(CaptureError::LinkType { path: path.to_path_buf(), link_type })
}

fn why(error: &PcapError) -> String {
    match error {
        PcapError::InvalidField(field) => (*field).to_string(),
        other => other.to_string(),
    }
}

/// Appends more of the file to `buffer`; 0 at its end.
fn fill(path: &Path, file: &mut File, buffer: &mut Vec<u8>) -> Result<usize, CaptureError> {
    let len = buffer.len();
    buffer.resize(len + CHUNK, 0);
    let result = loop {
        match file.read(&mut buffer[len..]) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => break result,
        }
    };
    buffer.truncate(len + *result.as_ref().unwrap_or(&0));
    result.map_err(|source| CaptureError::Io { path: path.to_path_buf(), action: "read", source })
}
