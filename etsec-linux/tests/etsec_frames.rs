//! Frames that come and go unlike others, as a configuration file wants it: tags, preambles,
//! endings, time stamps, interrupt groups.
#![cfg(feature = "cli")]

mod program;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pcap_file::pcap::{PcapPacket, PcapReader, PcapWriter};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use program::owner::run;
use program::*;

/// A folder with capture files and a configuration file.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Bench { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A device that receives the frames of one file and records what it sends in another.
    fn device(&self, input: &str, output: &str) -> String {
        let path = |name: &str| match name {
            "" => String::new(),
            name => self.path(name).display().to_string(),
        };
        format!("sim,wire=pcap:{},{}", path(input), path(output))
    }

    /// Runs the command with tables for these devices: keys with their sections, a line each.
    fn run(&self, words: &[&str], tables: &[(&str, &str)]) -> Output {
        let mut text = String::new();
        for (device, lines) in tables {
            text += &format!("[port.\"{device}\"]\n{lines}");
        }
        let config = self.path("etsec.toml");
        std::fs::write(&config, text).unwrap();
        run(&[&["--json"], words, &["--config", config.to_str().unwrap()]].concat())
    }

    fn write(&self, name: &str, frames: &[Vec<u8>]) {
        let mut writer = PcapWriter::new(File::create(self.path(name)).unwrap()).unwrap();
        for frame in frames {
            let packet = PcapPacket::new(Duration::ZERO, frame.len() as u32, frame);
            writer.write_packet(&packet).unwrap();
        }
    }

    fn read(&self, name: &str) -> Vec<Vec<u8>> {
        let mut reader = PcapReader::new(File::open(self.path(name)).unwrap()).unwrap();
        let mut frames = Vec::new();
        while let Some(packet) = reader.next_packet() {
            frames.push(packet.unwrap().data.into_owned());
        }
        frames
    }
}

/// The packets of a capture: times, bytes and comments.
fn captured(path: &Path) -> Vec<(Duration, Vec<u8>, Option<String>)> {
    let mut reader = PcapNgReader::new(File::open(path).unwrap()).unwrap();
    let mut packets = Vec::new();
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.unwrap() {
            let comment = packet.options.iter().find_map(|option| match option {
                EnhancedPacketOption::Comment(text) => Some(text.clone().into_owned()),
                _ => None,
            });
            packets.push((packet.timestamp, packet.data.into_owned(), comment));
        }
    }
    packets
}

/// Frames of 64 bytes to everybody, the odd ones with a tag.
fn some_tagged(count: usize) -> Vec<Vec<u8>> {
    let frame = |n: usize| {
        let mut frame = vec![0xFF; 6];
        frame.extend([2, 0, 0, 0, 0, 8]);
        if n % 2 == 1 {
            frame.extend([0x81, 0, (n % 8) as u8 * 0x20, n as u8]);
        }
        frame.extend([0x88, 0xB5]);
        frame.resize(64, n as u8);
        frame
    };
    (0..count).map(frame).collect()
}

/// IEEE 802.3, 3.2.9: what a frame ends with.
fn check_sequence(frame: &[u8]) -> [u8; 4] {
    let crc = frame.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 }
        })
    });
    (!crc).to_le_bytes()
}

fn good(output: &Output) {
    assert_eq!(code(output), Some(0), "{}", said(output));
}

/// As echo sends it back: the sender's address first, whoever the other is.
fn answers(frame: &[u8], answer: &[u8]) -> bool {
    answer[..6] == frame[6..12] && answer[12..] == frame[12..]
}

#[test]
fn tags_that_were_taken_out_are_put_in_again() {
    let bench = Bench::new();
    let frames = some_tagged(40);
    bench.write("in.pcap", &frames);
    // The rules see the tag, and the frame has none in memory.
    let extract = "vlan.extract = true\nfilter.enabled = true\nfilter.rules = [\"vlan 3 drop\"]\n";
    let mut wanted = frames.clone();
    wanted.remove(3);

    let device = bench.device("in.pcap", "echoed.pcap");
    good(&bench.run(&["echo", "-d", &device, "-n", "39"], &[(&device, extract)]));
    let echoed = bench.read("echoed.pcap");
    assert_eq!(echoed.len(), wanted.len());
    assert!(wanted.iter().zip(&echoed).all(|(frame, answer)| answers(frame, answer)));

    let (from, to) = (bench.device("in.pcap", ""), bench.device("", "forwarded.pcap"));
    let tables = [(&*from, extract), (&*to, "vlan.extract = true\n")];
    good(&bench.run(&["forward", &from, &to], &tables));
    assert_eq!(bench.read("forwarded.pcap"), wanted);

    let capture = bench.path("capture");
    let words = ["capture", "-d", &from, "-w", capture.to_str().unwrap(), "-n", "39"];
    good(&bench.run(&words, &[(&from, extract)]));
    let packets: Vec<_> = captured(&capture).into_iter().map(|(_, bytes, _)| bytes).collect();
    assert_eq!(packets, wanted);

    // Where they cannot be put in again, nothing begins.
    let output = bench.run(&["forward", &from, &to], &[(&from, extract), (&to, "")]);
    assert_eq!(code(&output), Some(2));
    assert!(said(&output).contains("takes tags out of frames, and"), "{}", said(&output));
}

#[test]
fn a_tag_is_put_into_frames_that_are_made() {
    let bench = Bench::new();
    bench.write("in.pcap", &some_tagged(4)[..1]);
    let device = bench.device("", "sent.pcap");
    let table = [(&*device, "vlan.id = 5\nvlan.priority = 3\n")];
    for words in [&["-n", "300", "--burst", "7"][..], &["--pcap", "in.pcap", "-n", "300"]] {
        let pcap = bench.path("in.pcap");
        let words =
            words.iter().map(|word| if *word == "in.pcap" { pcap.to_str().unwrap() } else { word });
        let words: Vec<&str> = ["send", "-d", &device].into_iter().chain(words).collect();
        good(&bench.run(&words, &table));
        let sent = bench.read("sent.pcap");
        assert_eq!(sent.len(), 300, "{words:?}");
        assert!(sent.iter().all(|frame| frame[12..18] == [0x81, 0, 0x60, 5, 0x88, 0xB5]));
    }
    // A stack at each end of a cable, in one VLAN, with and without checksums of the controller's.
    let device = "sim,wire=cable:vlan";
    for sums in ["", "offload.tx-checksum = true\noffload.rx-checksum = true\n"] {
        let table = format!("vlan.extract = true\nvlan.id = 5\n{sums}");
        let words =
            ["serve", "-d", device, "-a", "10.0.0.1/24", "--self-test", "--bytes", "100000"];
        let output = bench.run(&words, &[(device, &table)]);
        good(&output);
        assert_eq!(events(&output.stdout, "http")[0]["sha256_ok"], true);
    }
    let words = ["serve", "-d", device, "-a", "10.0.0.1/24", "-t", "1"];
    let output = bench.run(&words, &[(device, "vlan.id = 5\n")]);
    assert_eq!(code(&output), Some(2), "{}", said(&output));
    assert!(said(&output).contains("set vlan.extract"), "{}", said(&output));
}

#[test]
fn preambles_are_captured_and_sent() {
    let bench = Bench::new();
    let frames = some_tagged(4);
    bench.write("in.pcap", &frames);
    let (from, capture) = (bench.device("in.pcap", ""), bench.path("capture"));
    for more in ["", "vlan.extract = true\noffload.rx-padding = 10\n", "mtu = 9000\n"] {
        let table = format!("{more}frames.receive-preamble = true\n");
        let words = ["capture", "-d", &from, "-w", capture.to_str().unwrap(), "-n", "4"];
        good(&bench.run(&words, &[(&from, &table)]));
        let packets = captured(&capture);
        assert!(packets.iter().zip(&frames).all(|(packet, frame)| packet.1 == *frame), "{more}");
        for (_, _, comment) in packets {
            let comment = comment.expect("a comment");
            assert!(comment.starts_with("preamble 55:55:55:55:55:55:55:"), "{comment}");
        }
    }
    let to = bench.device("", "sent.pcap");
    let own = "frames.own-preamble = \"aa:55:55:55:55:55:55:d5\"\n";
    good(&bench.run(&["send", "-d", &to, "-n", "100"], &[(&to, own)]));
    // It is no part of the frame.
    let sent = bench.read("sent.pcap");
    assert_eq!((sent.len(), sent[99].len(), &sent[99][12..14]), (100, 60, &[0x88, 0xB5][..]));
}

#[test]
fn frames_end_as_the_file_wants_it() {
    let bench = Bench::new();
    let short: Vec<Vec<u8>> =
        some_tagged(3).into_iter().map(|frame| frame[..30].to_vec()).collect();
    bench.write("short.pcap", &short);
    let frame = &some_tagged(1)[0];
    let whole = [&frame[..], &check_sequence(frame)].concat();
    bench.write("whole.pcap", &[whole.clone(), whole[..64].to_vec()]);
    let (device, pcap) = (bench.device("", "sent.pcap"), |name: &str| bench.path(name));
    let send = |name: &str, ending: &str| {
        let path = pcap(name);
        let words = ["send", "-d", &device, "--pcap", path.to_str().unwrap()];
        let output = bench.run(&words, &[(&device, &format!("frames.ending = \"{ending}\"\n"))]);
        good(&output);
        bench.read("sent.pcap")
    };
    assert_eq!(send("short.pcap", "summed"), short);
    assert!(send("short.pcap", "padded").iter().all(|frame| frame.len() == 60));
    // The second has none, and is a broken frame on the wire.
    assert_eq!(send("whole.pcap", "own"), [whole[..64].to_vec()]);
    for words in [&["echo"][..], &["send", "-n", "1"]] {
        let words = [&[words[0], "-d", &device], &words[1..]].concat();
        let output = bench.run(&words, &[(&device, "frames.ending = \"own\"\n")]);
        assert_eq!(code(&output), Some(2), "{}", said(&output));
        assert!(said(&output).contains("only those of `send --pcap` do"), "{}", said(&output));
    }
}

#[test]
fn stamps_of_the_controller_are_the_times_of_a_capture_and_of_what_was_sent() {
    let bench = Bench::new();
    let frames = some_tagged(20);
    bench.write("in.pcap", &frames);
    let (from, capture) = (bench.device("in.pcap", ""), bench.path("capture"));
    let clock = "ptp.clock = \"system\"\nptp.hz = 200000000\n";
    let table = format!("{clock}ptp.rx-stamps = true\noffload.rx-padding = 10\n");
    let words = ["capture", "-d", &from, "-w", capture.to_str().unwrap(), "-n", "20"];
    good(&bench.run(&words, &[(&from, &table)]));
    let packets = captured(&capture);
    assert!(packets.iter().map(|packet| &packet.1).eq(&frames));
    let times: Vec<_> = packets.iter().map(|packet| packet.0).collect();
    assert!(times.is_sorted(), "{times:?}");
    // The clock begins with the computer's time, and counts ticks of 8 ns.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(now.abs_diff(times[0]) < Duration::from_secs(600), "{times:?} at {now:?}");
    let offsets = times.iter().map(|time| (*time - times[0]).as_nanos());
    assert!(offsets.clone().all(|ns| ns % 8 == 0), "{times:?}");

    let to = bench.device("", "sent.pcap");
    let table = format!("{clock}ptp.tx-stamps = true\n");
    let output = bench.run(&["send", "-d", &to, "-n", "1000"], &[(&to, &table)]);
    good(&output);
    let stamps = &events(&output.stdout, "stamps")[0];
    assert_eq!((stamps["stamped"].as_u64(), stamps["unstamped"].as_u64()), (Some(1000), Some(0)));
    assert!(stamps["last_ns"].as_u64() >= stamps["first_ns"].as_u64(), "{stamps}");
    assert_eq!(bench.read("sent.pcap").len(), 1000);
}

#[test]
fn rings_of_both_groups_are_served() {
    let bench = Bench::new();
    let frames: Vec<Vec<u8>> = (0..400)
        .map(|n| {
            let mut frame = some_tagged(1).remove(0);
            frame[13] += (n % 4) as u8;
            frame
        })
        .collect();
    bench.write("in.pcap", &frames);
    let device = bench.device("in.pcap", "echoed.pcap");
    let table = "rings.rx = 4\nrings.tx = 1\ngroups.rx = [1, 3]\ngroups.tx = [0]\n\
                 filter.enabled = true\nfilter.rules = [\"ethertype 0x88b6 queue 1\", \
                 \"ethertype 0x88b7 queue 2\", \"ethertype 0x88b8 queue 3\"]\n";
    good(&bench.run(&["echo", "-d", &device, "-n", "400"], &[(&device, table)]));
    let mut echoed = bench.read("echoed.pcap");
    assert_eq!(echoed.len(), frames.len());
    for ring in 0..4 {
        echoed.retain(|frame| frame[13] != 0xB5 + ring);
        assert_eq!(echoed.len(), frames.len() - 100 * (usize::from(ring) + 1), "ring {ring}");
    }
}

#[test]
fn a_part_is_treated_as_the_file_says() {
    let bench = Bench::new();
    let device = bench.device("", "sent.pcap");
    // Of this one it is proved after the start that it receives, by a frame that loops back
    // (HW 14, NMG_eTSEC129).
    for (part, frames) in [("mpc8548", Some(1)), ("p1020", None), ("other", Some(1))] {
        let table = format!("part = \"{part}\"\n");
        let output = bench.run(&["receive", "-d", &device, "-t", "0.1"], &[(&device, &table)]);
        good(&output);
        let port = &events(&output.stdout, "counters")[0]["ports"][0];
        assert_eq!(port["mib"]["TPKT"].as_u64(), frames, "{part}: {port}");
    }
}

#[test]
fn what_cannot_be_is_named_with_its_key() {
    let bench = Bench::new();
    let clock = "ptp.clock = \"system\"\nptp.hz = 200000000\n";
    let own = "frames.own-preamble = \"aa:55:55:55:55:55:55:d5\"\n";
    for (lines, named) in [
        ("vlan.id = 4095\n", "vlan.id is 4095, but must be from 0 to 4094"),
        ("vlan.id = 5\nvlan.priority = 8\n", "vlan.priority is 8, but must be from 0 to 7"),
        ("vlan.priority = 1\n", "vlan.priority needs a tag to be in: set vlan.id"),
        ("frames.own-preamble = \"55\"\n", "'55' is not 8 bytes such as 55:55"),
        ("frames.ending = \"none\"\n", "expected one of `padded`, `summed`, `own`"),
        ("groups.rx = [0, 1]\n", "groups.rx.1 is 1, but must be from 0 to 0"),
        ("rings.tx = 2\ngroups.tx = [1, 1]\n", "groups.tx.1 is 1, which is there already"),
        ("ptp.rx-stamps = true\n", "ptp.clock must not be none"),
        (&format!("{clock}ptp.rx-stamps = true\n"), "offload.rx-padding is 0, but must be 8 or"),
        (&format!("{clock}ptp.pulse-1 = 12\n"), "ptp.pulse-1 is 12, but must be a multiple of 8"),
        (&format!("{own}vlan.id = 1\n"), "frames.own-preamble cannot be beside vlan.id"),
        (
            &format!("{clock}ptp.tx-stamps = true\nvlan.id = 1\n"),
            "ptp.tx-stamps cannot be true beside vlan.id",
        ),
        (
            &format!("{clock}ptp.tx-stamps = true\n{own}"),
            "frames.own-preamble cannot be beside ptp.tx-stamps",
        ),
    ] {
        let file = bench.path("etsec.toml");
        std::fs::write(&file, format!("[port.eth0]\n{lines}")).unwrap();
        let output = run(&["config", "check", file.to_str().unwrap()]);
        assert_eq!(code(&output), Some(1), "{lines}: {}", said(&output));
        assert!(said(&output).contains(named), "{lines}: {}", said(&output));
        assert!(said(&output).contains("etsec.toml:"), "{}", said(&output));
    }
}
