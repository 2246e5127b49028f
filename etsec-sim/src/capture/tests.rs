//! Files written by pcap-file in every flavour, and files with something wrong.

use std::fs;
use std::path::Path;

use pcap_file::pcap::{PcapHeader, PcapWriter, RawPcapPacket};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::simple_packet::SimplePacketBlock;
use pcap_file::{DataLink, Endianness, TsResolution};

use super::*;
use crate::random::Random;

/// 2001-09-09 and a bit.
const WHEN: Duration = Duration::new(1_000_000_000, 123_456_000);

fn frames() -> Vec<Vec<u8>> {
    (0..20u8).map(|n| (0..60 + n).map(|at| at ^ n).collect()).collect()
}

/// Everything a file of these bytes gives: the frames, and the error at its end.
fn read(dir: &Path, bytes: &[u8]) -> (Vec<CapturedFrame>, Option<CaptureError>) {
    let path = dir.join("in");
    fs::write(&path, bytes).unwrap();
    let mut reader = match CaptureReader::open(&path) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut frames = Vec::new();
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, None),
            Err(error) => {
                assert!(matches!(reader.next_frame(), Ok(None)), "an error is told once");
                return (frames, Some(error));
            }
        }
    }
}

fn pcap(endianness: Endianness, ts_resolution: TsResolution, datalink: DataLink) -> Vec<u8> {
    let header = PcapHeader { endianness, ts_resolution, datalink, ..PcapHeader::default() };
    let mut writer = PcapWriter::with_header(Vec::new(), header).unwrap();
    let fraction = if ts_resolution == TsResolution::MicroSecond { 1000 } else { 1 };
    for frame in frames() {
        let len = frame.len() as u32;
        writer
            .write_raw_packet(&RawPcapPacket {
                ts_sec: WHEN.as_secs() as u32,
                ts_frac: WHEN.subsec_nanos() / fraction,
                incl_len: len,
                orig_len: len,
                data: frame.into(),
            })
            .unwrap();
    }
    writer.into_writer()
}

fn interface(
    linktype: DataLink,
    options: Vec<InterfaceDescriptionOption<'static>>,
) -> InterfaceDescriptionBlock<'static> {
    InterfaceDescriptionBlock { linktype, snaplen: 0, options }
}

/// A pcapng file whose time stamps are `ticks` of the resolution `options` tell.
fn pcapng(
    endianness: Endianness,
    options: Vec<InterfaceDescriptionOption<'static>>,
    ticks: u64,
) -> Vec<u8> {
    let mut writer = PcapNgWriter::with_endianness(Vec::new(), endianness).unwrap();
    writer.write_pcapng_block(interface(DataLink::ETHERNET, options)).unwrap();
    for frame in frames() {
        let original_len = frame.len() as u32;
        writer
            .write_pcapng_block(EnhancedPacketBlock {
                interface_id: 0,
                // pcap-file writes this number as it is.
                timestamp: Duration::from_nanos(ticks),
                original_len,
                data: frame.into(),
                options: Vec::new(),
            })
            .unwrap();
    }
    writer.into_inner()
}

fn samples() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for endianness in [Endianness::Big, Endianness::Little] {
        for resolution in [TsResolution::MicroSecond, TsResolution::NanoSecond] {
            files.push(pcap(endianness, resolution, DataLink::ETHERNET));
        }
        let ticks = [
            (vec![], WHEN.as_micros() as u64),
            (vec![InterfaceDescriptionOption::IfTsResol(9)], WHEN.as_nanos() as u64),
            (
                vec![
                    InterfaceDescriptionOption::IfTsResol(3),
                    InterfaceDescriptionOption::IfTsOffset(WHEN.as_secs()),
                ],
                123,
            ),
            (vec![InterfaceDescriptionOption::IfTsResol(0x80 | 3)], WHEN.as_secs() << 3),
        ];
        for (options, ticks) in ticks {
            files.push(pcapng(endianness, options, ticks));
        }
    }
    files
}

#[test]
fn every_byte_order_and_resolution_reads_alike() {
    let dir = tempfile::tempdir().unwrap();
    for file in samples() {
        let (read, error) = read(dir.path(), &file);
        assert!(error.is_none(), "{error:?}");
        let expected = frames();
        assert_eq!(read.len(), expected.len());
        for (read, expected) in read.iter().zip(expected) {
            assert_eq!(read.data, expected);
            assert_eq!(read.original_len, read.data.len());
            // The coarsest resolution above is an eighth of a second.
            let late = WHEN.checked_sub(read.timestamp).expect("never later");
            assert!(late < Duration::from_millis(125), "{:?}", read.timestamp);
        }
    }
}

#[test]
fn what_is_written_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["out.pcap", "out.pcapng"] {
        let path = dir.path().join(name);
        let mut writer = CaptureWriter::create(&path).unwrap();
        for (number, frame) in frames().iter().enumerate() {
            writer.write_frame(WHEN, frame).unwrap();
            // The file is whole after every frame, without the writer's help.
            let (read, error) = read(dir.path(), &fs::read(&path).unwrap());
            assert!(error.is_none(), "{error:?}");
            assert_eq!(read.len(), number + 1);
            assert_eq!(read[number].data, *frame);
            assert_eq!(read[number].timestamp, WHEN);
        }
        let long = vec![0; 65536];
        assert!(matches!(
            writer.write_frame(WHEN, &long),
            Err(CaptureError::TooLong { len: 65536, .. })
        ));
    }
}

#[test]
fn a_truncated_tail_comes_after_the_good_frames() {
    let dir = tempfile::tempdir().unwrap();
    for file in samples() {
        let (_, error) = read(dir.path(), &file[..file.len() - 3]);
        let Some(CaptureError::Truncated { offset, .. }) = error else { panic!("{error:?}") };
        let (cut, error) = read(dir.path(), &file[..offset as usize]);
        assert!(error.is_none(), "the offset is where the cut record begins: {error:?}");
        assert_eq!(cut.len(), 19);
        assert!(matches!(
            read(dir.path(), &file[..20]),
            (_, Some(CaptureError::Truncated { offset: 0, .. }))
        ));
    }
}

#[test]
fn broken_records_are_told_with_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = pcapng(Endianness::Little, vec![], 0);
    // The second packet block: its trailing length.
    let first = 28 + 20;
    let second = first + 12 + 20 + 60;
    let third = second + 12 + 20 + 64;
    file[third - 4] ^= 0xFF;
    let (frames, error) = read(dir.path(), &file);
    assert_eq!(frames.len(), 1);
    let Some(CaptureError::Broken { offset, .. }) = error else { panic!("{error:?}") };
    assert_eq!(offset, second as u64);
}

#[test]
fn frames_of_unknown_interfaces_and_other_links_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ieee802_11 = pcap(Endianness::Big, TsResolution::MicroSecond, DataLink::IEEE802_11);
    let (_, error) = read(dir.path(), &ieee802_11);
    assert!(matches!(error, Some(CaptureError::LinkType { link_type: 105, .. })), "{error:?}");

    let mut writer = PcapNgWriter::with_endianness(Vec::new(), Endianness::Little).unwrap();
    let raw_ip = DataLink::RAW;
    writer.write_pcapng_block(interface(raw_ip, vec![])).unwrap();
    let block = SimplePacketBlock { original_len: 4, data: vec![1, 2, 3, 4].into() };
    writer.write_pcapng_block(block).unwrap();
    let (_, error) = read(dir.path(), &writer.into_inner());
    let link_type = u32::from(raw_ip);
    assert!(
        matches!(error, Some(CaptureError::LinkType { link_type: l, .. }) if l == link_type),
        "{error:?}"
    );

    let mut writer = PcapNgWriter::with_endianness(Vec::new(), Endianness::Little).unwrap();
    let block = SimplePacketBlock { original_len: 4, data: vec![1, 2, 3, 4].into() };
    writer.write_pcapng_block(block).unwrap();
    let (_, error) = read(dir.path(), &writer.into_inner());
    assert!(matches!(error, Some(CaptureError::Broken { offset: 28, .. })), "{error:?}");
}

#[test]
fn simple_packets_lose_their_padding_and_cut_frames_tell_their_length() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = PcapNgWriter::with_endianness(Vec::new(), Endianness::Big).unwrap();
    let options = vec![InterfaceDescriptionOption::IfFcsLen(4)];
    writer.write_pcapng_block(interface(DataLink::ETHERNET, options)).unwrap();
    let block = SimplePacketBlock { original_len: 69, data: vec![7; 69].into() };
    writer.write_pcapng_block(block).unwrap();
    let block = EnhancedPacketBlock {
        interface_id: 0,
        timestamp: Duration::ZERO,
        original_len: 1500,
        data: vec![7; 100].into(),
        options: Vec::new(),
    };
    writer.write_pcapng_block(block).unwrap();
    let (frames, error) = read(dir.path(), &writer.into_inner());
    assert!(error.is_none(), "{error:?}");
    let lengths: Vec<_> = frames.iter().map(|f| (f.data.len(), f.original_len)).collect();
    assert_eq!(lengths, [(65, 65), (100, 1496)]);
}

#[test]
fn no_capture_no_file_no_extension() {
    let dir = tempfile::tempdir().unwrap();
    for bytes in [&b""[..], b"GIF89a, not a capture", b"ab"] {
        let (_, error) = read(dir.path(), bytes);
        assert!(matches!(error, Some(CaptureError::NotACapture { .. })), "{error:?}");
    }
    let missing = dir.path().join("missing.pcap");
    let error = CaptureReader::open(&missing).unwrap_err();
    assert!(error.to_string().starts_with("cannot open capture file"), "{error}");
    let error = CaptureWriter::create(dir.path().join("out.cap")).unwrap_err();
    assert!(matches!(error, CaptureError::Extension { .. }), "{error:?}");
    let error = CaptureWriter::create(dir.path().join("none/out.pcap")).unwrap_err();
    assert!(matches!(error, CaptureError::Io { action: "create", .. }), "{error:?}");
}

#[test]
fn no_bytes_make_it_panic() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(11);
    let samples = samples();
    for round in 0..1500 {
        let mut file = samples[round % samples.len()].clone();
        // Damage mostly where the lengths are.
        for _ in 0..=random.below(4) {
            let reach = if random.chance(500_000) { 160 } else { file.len() as u64 };
            let at = random.below(reach);
            file[at as usize] = random.next() as u8;
        }
        // Turn a block into a name resolution block now and then.
        if random.chance(200_000) {
            file[48] = 4;
        }
        file.truncate(random.below(file.len() as u64 * 2) as usize);
        let (frames, _) = read(dir.path(), &file);
        assert!(frames.len() <= 20);
    }
}

#[test]
fn a_name_resolution_block_is_stepped_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = pcapng(Endianness::Little, vec![], 0);
    // One IPv4 record, too short for the address and name it should hold.
    let body = [1, 0, 5, 0, 127, 0, 0, 1];
    let mut block = vec![4, 0, 0, 0, 20, 0, 0, 0];
    block.extend(body);
    block.extend([20, 0, 0, 0]);
    file.splice(48..48, block);
    let (frames, error) = read(dir.path(), &file);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(frames.len(), 20);
}
