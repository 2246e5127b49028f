//! Does every error name what is wrong, with its values, and are no two of one kind alike? It knows
//! what a text must tell, not its words.

use std::collections::BTreeSet;
use std::fmt::Display;

use etsec_core::addr::{FilterError, ParseMacError};
use etsec_core::adopt::{AdoptError, RingFault};
use etsec_core::arena::LeftError;
use etsec_core::coalesce::CoalescingError;
use etsec_core::device::SleepError;
use etsec_core::errata::UnknownPart;
use etsec_core::error::Side;
use etsec_core::filer::{FilerError, FilerFull, RuleError};
use etsec_core::flow::FlowError;
use etsec_core::link::LinkError;
use etsec_core::ptp::ClockError;
use etsec_core::queues::LayoutError;
use etsec_core::reception::ReceptionError;
use etsec_core::{ClockSource, Error, MacAddr, MemoryError, Reason};

const ADDR: MacAddr = MacAddr([0x03, 0, 0, 0, 0, 0x7B]);

/// Fails unless each text has its words, and none is that of another.
#[track_caller]
fn check<E: Display>(errors: &[(E, &[&str])]) {
    let mut texts = BTreeSet::new();
    for (error, words) in errors {
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}: not all of {words:?}");
        assert!(texts.insert(text.clone()), "twice: {text}");
    }
}

#[test]
fn errors_of_a_port() {
    check(&[
        (Error::NotAnEtsec(0x77), &["0x00000077", "0x0124"][..]),
        (Error::Gone, &["gone", "all ones"]),
        (Error::Mtu(7), &["MTU 7", "46 to 9578"]),
        (Error::BufferSize(100), &["100 bytes", "64 to 32768"]),
        (Error::Scatter { buffer_size: 128, least: 1522 }, &["128", "1522", "feature `scatter`"]),
        (Error::TbiAddress(32), &["32", "0 to 31"]),
        (Error::HangTime(3), &["3 ms", "16 or more"]),
        (Error::Link(LinkError::HalfGigabit), &["half duplex"]),
        (Error::RingNumber(Side::Rx, 9), &["receive ring 9", "0 to 7"]),
        (Error::RingTaken(Side::Tx, 3), &["transmit ring 3", "already"]),
        (Error::Draining, &["drained", "afterwards"]),
        (Error::Stranger(Side::Tx), &["transmit queue", "another port"]),
        (Error::OneGroup, &["one interrupt group"]),
        (Error::ParserOff, &["Config::parser"]),
        (Error::NoFiler, &["no filer", "does not keep"]),
        (Error::StampPadding(4), &["8 bytes or more", "not 4", "set_rx_offload"]),
        (Error::Padding(32), &["32 bytes", "0 to 31"]),
        (Error::Stash { length: 7, index: 9 }, &["7 bytes", "from 9", "16376", "16320"]),
        (Error::Preamble(16), &["16 octets", "1 to 15"]),
        (Error::HasQueues(Side::Tx), &["before the first transmit queue"]),
        (Error::Window { port: 2, ring: 3 }, &["0x3", "in 0x2"]),
    ]);
}

#[test]
fn errors_of_memory() {
    let memory: [(MemoryError, &[&str]); 7] = [
        (MemoryError::Misaligned, &["multiple of 64"]),
        (MemoryError::CrossesWindow, &["4 GiB"]),
        (MemoryError::TooSmall { needed: 77, left: 5 }, &["77 bytes needed", "5 left"]),
        (MemoryError::RingLength(3), &["3 descriptors", "4 to 65536"]),
        (MemoryError::BufferCount(0), &["0 buffers", "1 to 65535"]),
        (MemoryError::BufferSize(65), &["65 bytes", "64 to 32768"]),
        (MemoryError::SecondPool, &["already"]),
    ];
    check(&memory);
    let inner = |error: MemoryError| LayoutError::Memory(error).to_string();
    assert!(memory.iter().all(|(error, _)| inner(*error) == error.to_string()));
    assert_eq!(LayoutError::Port(Error::Gone).to_string(), Error::Gone.to_string());
    check(&[
        (LeftError::Memory(MemoryError::Misaligned), &["multiple of 64"][..]),
        (LeftError::Foreign, &["not this driver's"]),
        (LeftError::Version(9), &["version 9", "CPU"]),
        (LeftError::Length(640), &["640 bytes"]),
        (LeftError::Pool, &["no pool"]),
        (LeftError::Ring(0x1C0), &["no ring at 0x1c0"]),
    ]);
    check(&[
        (AdoptError::Port(Error::Gone), &["gone"][..]),
        (AdoptError::Still, &["does not run"]),
        (
            AdoptError::Register { at: 0x510, found: 7, wanted: 9 },
            &["0x510", "0x00000007", "not 0x00000009"],
        ),
        (AdoptError::Ring(Side::Rx, 2, RingFault::Mark), &["receive ring 2", "cannot be"]),
        (AdoptError::Ring(Side::Tx, 2, RingFault::Buffer(5)), &["transmit ring 2", "descriptor 5"]),
        (AdoptError::Ring(Side::Tx, 2, RingFault::Position), &["hardware stands"]),
        (AdoptError::Ring(Side::Tx, 2, RingFault::Another), &["queue is missing"]),
    ]);
}

#[test]
fn errors_of_queues_and_addresses() {
    check(&[
        (Reason::Full, &["full"][..]),
        (Reason::Empty, &["empty buffer"]),
        (Reason::TooLong, &["MTU"]),
        (Reason::Chain, &["single buffers"]),
        (Reason::TooSmall, &["smaller"]),
        (Reason::Window, &["4 GiB window"]),
        (Reason::NotPermitted, &["set_tx_offload", "set_frame_options", "permit_stamps"]),
        (Reason::Headroom, &["8 bytes of headroom", "15", "`scatter`"]),
        (Reason::TooLongToSum, &["no checksums"]),
    ]);
    check(&[
        (FilterError::StationIsGroup(ADDR), &["03:00:00:00:00:7b", "even first octet"][..]),
        (FilterError::ZeroAddress, &["00:00:00:00:00:00"]),
        (FilterError::Broadcast, &["broadcast switch"]),
        (FilterError::ExactFull(ADDR), &["03:00:00:00:00:7b", "15", "hash"]),
        (FilterError::NoIndividualHash(ADDR), &["03:00:00:00:00:7b", "split mode"]),
        (FilterError::NotGroup(ADDR), &["03:00:00:00:00:7b", "not a multicast"]),
        (FilterError::HashInUse, &["clear the hash"]),
    ]);
    assert!(ParseMacError.to_string().contains("00:e0:0c:00:73:01"));
    assert!(UnknownPart.to_string().contains("p1020"));
}

#[test]
fn errors_of_rules() {
    let range = RuleError::Range { name: "vlan", value: 5000, least: 0, most: 4095 };
    let rules: [(RuleError, &[&str]); 13] = [
        (range, &["vlan 5000", "0 to 4095"]),
        (RuleError::Backwards { name: "vlan", first: 9, last: 3 }, &["vlan 9-3", "ends before"]),
        (RuleError::SaysNothing("src-ip"), &["src-ip", "leave the condition out"]),
        (RuleError::Prefix("src-ip", 64), &["src-ip", "64 bits", "1 to 32"]),
        (RuleError::Contradiction("tcp", "udp"), &["tcp and udp", "no frame"]),
        (RuleError::BothWays("ip4"), &["ip4 and no-ip4"]),
        (RuleError::SameByte, &["same byte", "join"]),
        (RuleError::Places, &["more than 4 places"]),
        (RuleError::NothingToHash, &["name a property"]),
        (RuleError::Maps, &["third list", "2 are possible"]),
        (RuleError::NoSpreading, &["eTSEC2", "file to a queue"]),
        (RuleError::NoRing { queue: 13, ring: 5 }, &["queue 13 is ring 5", "has not got"]),
        (RuleError::Full { before: 250, needs: 9 }, &["9 entries", "250 of 256"]),
    ];
    check(&rules);
    for (error, _) in rules {
        assert_eq!(FilerError::Rule(4, error).to_string(), format!("rule 4: {error}"));
        assert_eq!(FilerError::Default(error).to_string(), format!("default rule: {error}"));
    }
    assert_eq!(FilerError::Port(Error::NoFiler).to_string(), Error::NoFiler.to_string());
    assert!(FilerFull.to_string().contains("256 entries"));
}

#[test]
fn errors_of_options() {
    check(&[
        (FlowError::NotAllowed, &["full duplex and tx"][..]),
        (FlowError::NotSent, &["10 ms"]),
        (FlowError::Lossless, &["switch it off"]),
        (FlowError::PauseTime, &["1 to 65535"]),
        (
            FlowError::Threshold { ring: 3, threshold: 1, len: 16 },
            &["threshold 1", "ring 3", "2 to 15", "16 descriptors"],
        ),
        (FlowError::Boundary(3), &["ring 3", "256 MiB", "elsewhere"]),
        (FlowError::Port(Error::Gone), &["gone"]),
    ]);
    check(&[
        (CoalescingError::Frames(256), &["256 frames", "1 to 255"][..]),
        (CoalescingError::Time(0), &["0 microseconds", "1 to 33553"]),
        (CoalescingError::NoRings, &["all rings alike", "without a ring's number"]),
        (CoalescingError::Port(Error::Gone), &["gone"]),
    ]);
    check(&[
        (SleepError::Nothing, &["no kind of frame"][..]),
        (SleepError::ParserOff, &["Config::parser"]),
        (SleepError::NoRing, &["receive ring"]),
        (SleepError::Device(Error::Gone), &["gone"]),
    ]);
    check(&[
        (ReceptionError::Deaf, &["reset the port"][..]),
        (ReceptionError::NoBuffer, &["no buffer"]),
        (ReceptionError::Port(Error::Gone), &["gone"]),
    ]);
}

#[test]
fn errors_of_the_clock() {
    check(&[
        (ClockError::Gone, &["gone"][..]),
        (ClockError::Period(1024), &["1024 ns", "1 to 1023"]),
        (
            ClockError::TooSlow { input_hz: 100, period_ns: 10 },
            &["100 Hz", "10 ns", "faster than 100000000 Hz"],
        ),
        (ClockError::TooSlow { input_hz: 100, period_ns: 0 }, &["ticks of 0 ns"]),
        (ClockError::Divisor(1), &["divisor 1", "2 to 65535"]),
        (ClockError::Still(ClockSource::Rtc), &["does not count", "Rtc"]),
        (ClockError::Adjustment { ppb: -9, most: 8 }, &["-9 ppb", "8 either way"]),
        (
            ClockError::Pulse { period_ns: 15, tick_ns: 10 },
            &["every 15 ns", "multiples of 10", "from 20 on"],
        ),
        (ClockError::AlarmTaken, &["alarm 2"]),
        (ClockError::Time(u64::MAX), &["18446744073709551615 ns"]),
        (ClockError::Step { by_ns: -5, now_ns: 3 }, &["by -5 ns", "from 3"]),
    ]);
}
