//! Does the driver say of every received frame what its checksums are, whatever headers it has,
//! with its tag taken out or not, behind padding or not? (HW 5.3, 5.4)

use etsec_core::{Checksum, Config, Error, RxOffload};
use etsec_tests::rig::{Live, Plan, Rig, bytes_of, config};
use etsec_tests::shapes::{self, Shape};

const VERIFY: RxOffload =
    RxOffload { ip_checksum: true, l4_checksum: true, vlan_extract: false, padding: 0 };

/// A port with these offloads; buffers of `buffer_size` bytes.
fn live(rx_offload: RxOffload, buffer_size: usize) -> Live {
    let config = Config { parser: true, buffer_size, ..config() };
    let plan = Plan { config, rx: vec![64], buffers: 96, rx_offload, ..Plan::default() };
    Rig::new(&plan).start()
}

/// What was found of a frame: IP, TCP or UDP, tag.
type Found = (Checksum, Checksum, Option<u16>);

/// Receives a frame and says what was found; its bytes are to be those that were sent, without the
/// tag if that is taken out.
fn receive(live: &mut Live, bytes: &[u8], tag: Option<u16>, name: &str) -> Found {
    live.sim.receive(bytes);
    let (buf, meta) = live.rx[0].next().unwrap_or_else(|| panic!("no frame: {name}"));
    let mut expected = bytes.to_vec();
    expected.resize(bytes.len().max(60), 0);
    if tag.is_some() {
        expected.drain(12..16);
    }
    assert_eq!(bytes_of(&buf), expected, "{name}");
    let found = (meta.ip_checksum(), meta.l4_checksum());
    assert_eq!(meta.is_verified(), found == (Checksum::Right, Checksum::Right), "{name}");
    drop(buf);
    live.rx[0].fill(&live.pool);
    live.rx[0].commit();
    (found.0, found.1, meta.tag())
}

/// What is to be found of a right frame.
fn right(shape: &Shape, offload: &RxOffload) -> Found {
    let of = |field: Option<usize>, on: bool| match field {
        Some(_) if on => Checksum::Right,
        _ => Checksum::Unchecked,
    };
    let tag = shape.tag.filter(|_| offload.vlan_extract);
    (of(shape.ip, offload.ip_checksum), of(shape.l4, offload.l4_checksum), tag)
}

#[test]
fn every_shape_with_every_combination_of_offloads() {
    for bits in 0..8 {
        for padding in [0, RxOffload::ALIGN_IP, 31] {
            let [ip_checksum, l4_checksum, vlan_extract] = [1, 2, 4].map(|bit| bits & bit != 0);
            let offload = RxOffload { ip_checksum, l4_checksum, vlan_extract, padding };
            let mut live = live(offload, 1536);
            for shape in shapes::all() {
                let wanted = right(&shape, &offload);
                let found = receive(&mut live, &shape.bytes, wanted.2, &shape.name);
                assert_eq!(found, wanted, "{} with {offload:?}", shape.name);
            }
            live.finish();
        }
    }
}

#[test]
fn frames_in_pieces_are_judged_as_whole_ones() {
    let offload = RxOffload { vlan_extract: true, padding: 10, ..VERIFY };
    let mut live = live(offload, 64);
    for shape in shapes::all() {
        let wanted = right(&shape, &offload);
        assert_eq!(
            receive(&mut live, &shape.bytes, wanted.2, &shape.name),
            wanted,
            "{}",
            shape.name
        );
    }
    live.finish();
}

#[test]
fn a_wrong_bit_is_told_of_the_checksum_that_covers_it() {
    let mut live = live(VERIFY, 1536);
    for shape in shapes::all() {
        if let Some(field) = shape.ip {
            // The checksum itself, the identification and the time to live: nothing that moves
            // headers about.
            for at in [field, field + 1, shape.l3 + 4, shape.l3 + 8] {
                let mut bytes = shape.bytes.clone();
                bytes[at] ^= 0x10;
                let (ip, l4, _) = receive(&mut live, &bytes, None, &shape.name);
                assert_eq!((ip, l4), (Checksum::Wrong, right(&shape, &VERIFY).1), "{}", shape.name);
            }
        }
        if let Some(field) = shape.l4 {
            let last = shape.bytes.len() - 1;
            // Ports, the checksum itself and the last byte.
            for at in [shape.carried, shape.carried + 3, field, field + 1, last] {
                let mut bytes = shape.bytes.clone();
                bytes[at] ^= 0x01;
                if bytes[field..field + 2] == [0, 0] {
                    continue;
                }
                let (ip, l4, _) = receive(&mut live, &bytes, None, &shape.name);
                assert_eq!((ip, l4), (right(&shape, &VERIFY).0, Checksum::Wrong), "{}", shape.name);
            }
        }
    }
    live.finish();
}

#[test]
fn of_headers_that_contradict_themselves_nothing_is_said() {
    let mut live = live(VERIFY, 1536);
    for shape in shapes::all().iter().filter(|shape| shape.ip.is_some() && shape.l4.is_some()) {
        // Version, header length, and a packet longer than its frame.
        for (at, value) in [(0, 0x65), (0, 0x44), (2, 0x7F)] {
            let mut bytes = shape.bytes.clone();
            bytes[shape.l3 + at] = value;
            let (ip, l4, _) = receive(&mut live, &bytes, None, &shape.name);
            assert_eq!((ip, l4), (Checksum::Unchecked, Checksum::Unchecked), "{}", shape.name);
        }
    }
    live.finish();
}

#[test]
fn verifying_is_switched_while_frames_flow() {
    let mut live = live(RxOffload::default(), 1536);
    let shape = &shapes::all()[0];
    let look = |live: &mut Live| receive(live, &shape.bytes, None, "").1;
    assert_eq!(look(&mut live), Checksum::Unchecked);
    live.port.set_rx_offload(VERIFY, &mut live.delay).unwrap();
    assert_eq!((look(&mut live), live.port.rx_offload()), (Checksum::Right, VERIFY));
    // It outlives a reset.
    live.port.reset(&mut live.delay).unwrap();
    assert_eq!(look(&mut live), Checksum::Right);
    // What queues read by stays as it was, and nothing else is changed then.
    for fixed in [
        RxOffload { padding: 2, ..RxOffload::default() },
        RxOffload { vlan_extract: true, ..RxOffload::default() },
    ] {
        let refused = live.port.set_rx_offload(fixed, &mut live.delay).unwrap_err();
        assert_eq!(refused.to_string(), "this is chosen before the first receive queue is made");
        assert_eq!((look(&mut live), live.port.rx_offload()), (Checksum::Right, VERIFY));
    }
    live.port.set_rx_offload(RxOffload::default(), &mut live.delay).unwrap();
    assert_eq!(look(&mut live), Checksum::Unchecked);
    live.finish();
}

#[test]
fn without_a_parser_or_with_too_much_padding_nothing_is_set() {
    let mut rig = Rig::new(&Plan { rx: vec![], ..Plan::default() });
    assert_eq!(rig.port.set_rx_offload(VERIFY), Err(Error::ParserOff));
    let padding = RxOffload { padding: 2, ..RxOffload::default() };
    assert_eq!(rig.port.set_rx_offload(padding), Err(Error::ParserOff));
    let much = rig.port.set_rx_offload(RxOffload { padding: 32, ..VERIFY }).unwrap_err();
    assert_eq!(much.to_string(), "padding of 32 bytes: 0 to 31 are possible");
    assert_eq!(rig.port.rx_offload(), RxOffload::default());
    rig.finish();
}

#[test]
fn padding_puts_the_ip_header_where_it_is_wanted() {
    for (padding, aligned) in [(RxOffload::ALIGN_IP, 4), (RxOffload::ALIGN_IP_AND_STAMP, 32)] {
        let mut live = live(RxOffload { padding, ..VERIFY }, 1536);
        live.sim.receive(&shapes::all()[0].bytes);
        let (buf, _) = live.rx[0].next().unwrap();
        assert_eq!(buf[14..].as_ptr().addr() % aligned, 0);
        assert_eq!(buf.headroom(), 64 + 8 + usize::from(padding));
        drop(buf);
        live.finish();
    }
}
