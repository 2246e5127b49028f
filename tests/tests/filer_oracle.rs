//! Do three opinions on the filer agree? (HW 6)
//!
//! On random tables and frames: the model's search and one written from HW 6.1 alone. On random
//! rules: the meaning of the rules' values, and the table that the driver makes of them, searched
//! under every reading of what the manual leaves open. And the frames that the driver on the model
//! delivers.

use std::net::{Ipv4Addr, Ipv6Addr};

use etsec_core::filer::{
    Action, ByteFrom, ByteMatch, Field, FilerTable, FlagMatch, HashBy, IpMatch, MacMatch, Match,
    Number, Rule, Spread,
};
use etsec_core::mib::Counter;
use etsec_core::regs::filer::ParseFlags;
use etsec_core::{Config, Event, Line, MacAddr};
use etsec_sim::filer::{self, Decision, Unknown};
use etsec_sim::parser;
use etsec_tests::packet::{Addresses, Body, Ip, Packet, Payload};
use etsec_tests::rig::{Live, Plan, Rig, config};
use etsec_tests::rules;
use etsec_tests::search::{Outcome, Reading, search};
use proptest::prelude::*;
use proptest::sample::select;

/// Values from few, so that frames meet rules; sometimes any.
fn few<T: Copy + std::fmt::Debug + Arbitrary + 'static>(some: &'static [T]) -> BoxedStrategy<T> {
    prop_oneof![6 => select(some), 1 => any::<T>()].boxed()
}

fn ports() -> BoxedStrategy<u16> {
    few(&[0, 1, 22, 80, 443, 0x5000, 0xFFFF])
}

fn octets() -> impl Strategy<Value = [u8; 6]> {
    let one = [2, 0, 0, 0, 0, 1];
    let many = vec![one, [2, 0, 0, 0, 0, 2], [2, 0, 1, 0, 0, 2], [1, 0, 0x5E, 0, 0, 1], [0xFF; 6]];
    prop_oneof![6 => select(many), 1 => any::<[u8; 6]>()]
}

fn v4() -> BoxedStrategy<u32> {
    few(&[0, 0x0A00_0001, 0x0A01_0203, 0x7F00_0001, 0xC0A8_0101, 0xFFFF_FFFF])
}

fn v6() -> impl Strategy<Value = u128> {
    let first = few(&[0x2001_0DB8u32, 0xFE80_0000, 0x2001_0000, 0x0A00_0001, 0xFF02_0000]);
    (first, any::<u32>()).prop_map(|(first, rest)| u128::from(first) << 96 | u128::from(rest))
}

fn payload() -> impl Strategy<Value = Payload> {
    let bytes = prop::collection::vec(few(&[0, 1, 0x45, 0xFF]), 0..30);
    prop_oneof![
        (ports(), ports()).prop_map(|(s, d)| Payload::Tcp(s, d)),
        (ports(), ports()).prop_map(|(s, d)| Payload::Udp(s, d)),
        (select(&[1u8, 47, 89, 132, 255][..]), bytes)
            .prop_map(|(p, bytes)| Payload::Other(p, bytes)),
    ]
}

fn ip() -> impl Strategy<Value = Ip> {
    let v4 = (v4(), v4()).prop_map(|(s, d)| Addresses::V4(Ipv4Addr::from(s), Ipv4Addr::from(d)));
    let v6 = (v6(), v6()).prop_map(|(s, d)| Addresses::V6(Ipv6Addr::from(s), Ipv6Addr::from(d)));
    let tos = few(&[0, 0x10, 0xB8, 0xE0]);
    let parts = (prop_oneof![2 => v4, 1 => v6], tos, prop::bool::weighted(0.1), payload());
    parts.prop_map(|(addresses, tos, fragment, payload)| {
        let mut ip = Ip { addresses, tos, fragment, payload };
        ip.fragment &= ip.is_v4();
        ip
    })
}

fn packet() -> impl Strategy<Value = Packet> {
    let bytes = prop::collection::vec(any::<u8>(), 0..80);
    // Ethertypes that end parsing.
    let other = select(&[0x88B5u16, 0x88F7, 0x88CC, 0x0600, 0xFFFF][..]);
    let body = prop_oneof![
        4 => ip().prop_map(Body::Ip),
        1 => (1..=4u8).prop_map(Body::Arp),
        1 => (other, bytes).prop_map(|(ethertype, bytes)| Body::Other(ethertype, bytes)),
    ];
    let tag = prop::option::of(few(&[5, 0x0FFF, 0x2005, 0x3006, 0xE000, 0]));
    (octets(), octets(), tag, body).prop_map(|(to, from, tag, body)| Packet { to, from, tag, body })
}

/// A number that says something, for a field.
fn number(field: Field, some: BoxedStrategy<u16>) -> BoxedStrategy<Number> {
    let most = field.most();
    let two = (some.clone(), some.clone());
    prop_oneof![
        some.prop_map(move |v| Number::Exactly(v & most)),
        two.clone().prop_map(
            move |(value, mask)| Number::Masked { value, mask: mask & most | 1 }.within(most)
        ),
        two.prop_map(move |(a, b)| {
            let (a, b) = (a & most, b & most);
            let (first, last) = (a.min(b), a.max(b));
            let all = first == 0 && last == most;
            Number::Range { first: first + u16::from(all), last }
        }),
    ]
    .boxed()
}

trait Within {
    fn within(self, most: u16) -> Self;
}

impl Within for Number {
    fn within(self, most: u16) -> Number {
        match self {
            Number::Masked { value, mask } => Number::Masked { value: value & most, mask },
            other => other,
        }
    }
}

fn of(field: Field) -> BoxedStrategy<Option<Number>> {
    let some = match field {
        Field::Ethertype => few(&[0x0800, 0x86DD, 0x0806, 0x88F7, 0xFFFF]),
        Field::Vlan => few(&[0, 5, 6, 0xFFF]),
        Field::Priority => few(&[0, 1, 7]),
        Field::Tos => few(&[0, 0x10, 0xE0, 0xFC, 0xFF]),
        Field::Protocol => few(&[1, 6, 17, 47, 255]),
        Field::SourcePort | Field::DestinationPort => ports(),
    };
    prop::option::weighted(0.15, number(field, some)).boxed()
}

fn mac_match() -> impl Strategy<Value = Option<MacMatch>> {
    let masks =
        vec![[0xFF; 6], [0xFF, 0xFF, 0xFF, 0, 0, 0], [0, 0, 0, 0, 0, 3], [1, 0, 0, 0, 0, 0]];
    let mac = (octets(), select(masks));
    let mac = mac.prop_map(|(addr, mask)| MacMatch { addr: MacAddr(addr), mask: MacAddr(mask) });
    prop::option::weighted(0.15, mac)
}

fn ip_match() -> impl Strategy<Value = Option<IpMatch>> {
    let masks = select(vec![u32::MAX, 0xFF00_0000, 0xFFFF_0000, 0xFF00_00FF, 1]);
    let v4 = (v4(), masks).prop_map(|(addr, mask)| IpMatch::V4 {
        addr: Ipv4Addr::from(addr),
        mask: Ipv4Addr::from(mask),
    });
    let v6 = (v6(), 1..=32u8)
        .prop_map(|(addr, prefix)| IpMatch::V6 { addr: Ipv6Addr::from(addr), prefix });
    prop::option::weighted(0.2, prop_oneof![3 => v4, 1 => v6])
}

fn bytes() -> impl Strategy<Value = [Option<ByteMatch>; 4]> {
    // All rules of a table share four places.
    let places =
        [(ByteFrom::Frame, 0), (ByteFrom::Frame, 17), (ByteFrom::Layer2, 9), (ByteFrom::Layer3, 3)];
    let value = few(&[0, 1, 2, 6, 17, 80]);
    let byte = (value, few(&[0xFF, 0x0F, 1])).prop_map(|(value, mask)| (value, mask | 1));
    let four = prop::array::uniform4(prop::option::weighted(0.08, byte));
    four.prop_map(move |four| {
        std::array::from_fn(|n| {
            let (from, offset) = places[n];
            four[n].map(|(value, mask)| ByteMatch { from, offset, value, mask })
        })
    })
}

fn flags() -> impl Strategy<Value = FlagMatch> {
    let some = vec![
        ParseFlags::empty(),
        ParseFlags::empty(),
        ParseFlags::empty(),
        ParseFlags::TCP,
        ParseFlags::UDP,
        ParseFlags::IP4,
        ParseFlags::IP6,
        ParseFlags::IPF,
        ParseFlags::EBC,
        ParseFlags::VLN,
        ParseFlags::CFI,
        ParseFlags::ARQ | ParseFlags::EBC,
        ParseFlags::IP4 | ParseFlags::UDP,
    ];
    (select(some.clone()), select(some))
        .prop_map(|(set, clear)| FlagMatch { set, clear: clear.difference(set) })
}

fn action() -> impl Strategy<Value = Action> {
    let file =
        (0..64u8, any::<bool>()).prop_map(|(queue, interrupt)| Action::File { queue, interrupt });
    prop_oneof![5 => file, 1 => Just(Action::Reject)]
}

fn spread() -> impl Strategy<Value = Action> {
    let maps = select(vec![[0, 1, 2, 3, 0, 1, 2, 3], [4, 5, 6, 7, 7, 6, 5, 4]]);
    let by = (1..2048u16).prop_map(HashBy::from_bits_truncate);
    (by, maps).prop_map(|(by, rings)| Action::Spread(Spread { by, rings }))
}

prop_compose! {
    fn conditions()(
        flags in flags(),
        macs in (mac_match(), mac_match()),
        ips in (ip_match(), ip_match()),
        numbers in (of(Field::Ethertype), of(Field::Vlan), of(Field::Priority), of(Field::Tos),
            of(Field::Protocol), of(Field::SourcePort), of(Field::DestinationPort)),
        bytes in bytes(),
    ) -> Match {
        let (ethertype, vlan, priority, tos, protocol, source_port, destination_port) = numbers;
        Match {
            flags, source: macs.0, destination: macs.1, ethertype, vlan, priority, tos, protocol,
            source_ip: ips.0, destination_ip: ips.1, source_port, destination_port, bytes,
        }
    }
}

/// Rules that can be; most have a condition, and neighbours often the same flags.
fn rule_list(action: BoxedStrategy<Action>) -> impl Strategy<Value = Vec<Rule>> {
    let rule = (conditions(), action).prop_map(|(when, action)| Rule { when, action });
    let can_be = rule.prop_filter("rules that can be", |rule| rule.normal().is_ok());
    let seldom = (can_be, prop::bool::weighted(0.05));
    let rule = seldom
        .prop_filter("few without a condition", |(rule, empty)| *empty || !rule.when.is_empty());
    let rule = rule.prop_map(|(rule, _)| rule);
    prop::collection::vec(rule, 0..16)
}

fn words(table: &FilerTable) -> Vec<(u32, u32)> {
    (0..=255).map(|n| table.entry(n)).map(|entry| (entry.control, entry.property)).collect()
}

/// What rules are made of, and nearly.
const WORDS: &[&str] = &[
    "tcp",
    "no-udp",
    "ip4",
    "ip6",
    "tag",
    "vlan",
    "vlan-prio",
    "tos",
    "protocol",
    "src-port",
    "dst-port",
    "src-ip",
    "dst-ip",
    "src-mac",
    "dst-mac",
    "ethertype",
    "byte",
    "queue",
    "drop",
    "interrupt",
    "spread",
    "by",
    "5",
    "0x10/0xf0",
    "80-443",
    "443-80",
    "70000",
    "10.0.0.0/8",
    "fe80::/10",
    "fe80::1",
    "02:00:00:00:00:01",
    "l2+3",
    "frame+99",
    "0,1,2",
    "src-ip,dst-ip",
    "/",
    "-",
    "+",
    ",",
    "0x",
    "no-",
    "1/",
    "/1",
    "1,",
    ",1",
    "10.0.0.1/",
    "ff:ff:ff:ff:ff:ff/",
];

/// RCTRL with a whole parser (HW 3.11), and nothing verified.
const RCTRL: u32 = 0xC0;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The model's search and the one from HW 6.1 alone come to the same, and so do the model's
    /// parser and what was put into the frame.
    #[test]
    fn model_and_reference_agree_on_any_table(
        table in prop::collection::vec((any::<u32>(), any::<u32>(), 0..32u32), 256),
        packets in prop::collection::vec(packet(), 1..8),
        rbifx in any::<u32>(),
    ) {
        // Control words with an even chance for each field but hashes; values that often meet.
        let table: Vec<_> = table.into_iter().map(|(control, value, shift)| {
            (control & 0x8000_FFEF, value >> shift)
        }).collect();
        let fixed: [(u32, u32); 256] = table.clone().try_into().unwrap();
        for packet in packets {
            let bytes = packet.bytes();
            let parsed = parser::parse(&bytes, RCTRL);
            for number in 1..16 {
                let (model, known) =
                    (parsed.property(number, rbifx), packet.property(number, rbifx));
                prop_assert_eq!(model, known, "property {} of {:?}", number, packet);
            }
            let property = |number| packet.property(number, rbifx);
            let verdict = filer::search(&fixed, &parsed, rbifx);
            let model = match verdict.decision {
                Decision::File(queue) => {
                    Outcome::File { queue, interrupt: verdict.interrupt }
                }
                Decision::Reject => Outcome::Reject,
                Decision::NoMatch => Outcome::Nothing,
                Decision::Spread { map, .. } => Outcome::Hashed(map),
                Decision::Unjudged(Unknown::NestedCluster) => Outcome::Undefined,
                Decision::Unjudged(unknown) => panic!("{unknown:?}"),
            };
            let known = search(|n| table[n], property, Reading::MODEL);
            // What is ruled out is noticed earlier by one than by the other.
            if known != Outcome::Undefined && model != Outcome::Undefined {
                prop_assert_eq!(model, known, "{:?}", packet);
            }
        }
    }

    /// A table of rules does what the rules say, under every reading of the manual.
    #[test]
    fn a_table_means_what_its_rules_mean(
        rules in rule_list(action().boxed()),
        default in action(),
        packets in prop::collection::vec(packet(), 1..30),
    ) {
        let Ok(table) = FilerTable::compile(&rules, default) else { return Ok(()) };
        let words = words(&table);
        for packet in packets {
            let wanted = match rules::decide(&rules, default, &packet) {
                Action::File { queue, interrupt } => Outcome::File { queue, interrupt },
                Action::Reject => Outcome::Reject,
                Action::Spread(_) => unreachable!("there are none"),
            };
            for reading in Reading::all() {
                let property = |number| packet.property(number, table.rbifx);
                let found = search(|n| words[n], property, reading);
                prop_assert_eq!(found, wanted, "{:?} under {:?}", packet, reading);
            }
        }
    }

    /// Rules come back from their table, in normal form, and from their text.
    #[test]
    fn rules_survive_their_table_and_their_text(
        rules in rule_list(prop_oneof![3 => action(), 1 => spread()].boxed()),
        default in action(),
    ) {
        let Ok(table) = FilerTable::compile(&rules, default) else { return Ok(()) };
        let mut wanted: Vec<_> = rules.iter().map(|rule| rule.normal().unwrap()).collect();
        wanted.push(Rule { when: Match::default(), action: default });
        let read: Vec<_> = table.rules().map(Result::unwrap).collect();
        prop_assert_eq!(&read, &wanted);
        for rule in wanted.iter().chain(&rules) {
            let parsed: Rule = rule.to_string().parse().unwrap();
            prop_assert_eq!(parsed.normal(), rule.normal(), "{}", rule);
        }
        // Read back and written again, the table is the same.
        let (last, rest) = read.split_last().unwrap();
        let again = FilerTable::compile(rest, last.action).unwrap();
        prop_assert_eq!(again, table);
    }

    /// Any text is a rule, or is refused at a place in it.
    #[test]
    fn any_text_is_read_or_refused_at_a_place_in_it(
        words in prop::collection::vec(prop_oneof![
            6 => select(WORDS).prop_map(String::from),
            1 => ".{0,8}",
        ], 0..9),
        blanks in "[ \t\u{a0}]{1,3}",
    ) {
        let text = words.join(&blanks);
        match text.parse::<Rule>() {
            Ok(rule) => prop_assert_eq!(rule.to_string().parse::<Rule>().map(|r| r.normal()),
                Ok(rule.normal())),
            Err(error) => {
                prop_assert!(text.is_char_boundary(error.at), "{} at {}", text, error.at);
                prop_assert!(error.to_string().starts_with("column "));
            }
        }
    }

    /// Any words at all are read without a panic, and what is read means the same as the words.
    #[test]
    fn what_is_read_from_any_table_is_true(
        entries in prop::collection::vec(prop_oneof![
            4 => (any::<u32>(), any::<u32>(), 0..32u32),
            // What a table of the driver's own has around its rules.
            1 => (select(&[0x2A5, 0x2E5, 0x265, 0x65][..]), Just(0), Just(0)),
        ], 0..40),
        packet in packet(),
    ) {
        let mut table = FilerTable::new(3);
        for (control, value, shift) in entries {
            let control = control & 0x8000_FFEF;
            let entry = etsec_core::filer::FilerEntry { control, property: value >> shift };
            table.push(entry).unwrap();
        }
        let read: Result<Vec<_>, _> = table.rules().collect();
        if let Ok(read) = read {
            let words = words(&table);
            let property = |number| packet.property(number, 0);
            let found = search(|n| words[n], property, Reading::MODEL);
            // A cluster without an end leaves the table without a default.
            let by = read.iter().find(|rule| rules::matches(&rule.when, &packet));
            let wanted = match by.map(|rule| rule.action) {
                Some(Action::File { queue, interrupt }) => Outcome::File { queue, interrupt },
                Some(_) => Outcome::Reject,
                None => Outcome::Nothing,
            };
            prop_assert_eq!(found, wanted);
        }
    }
}

/// The same on a whole driver: rings, counters and events.
fn deliver(live: &mut Live, packet: &Packet, wanted: Action) {
    let bytes = packet.bytes();
    let rejected = live.port.mib().total(Counter::RREJ);
    live.sim.receive(&bytes);
    let came: Vec<_> = (0..8).filter_map(|n| live.receive(n).map(|bytes| (n, bytes))).collect();
    let events = live.port.events();
    let told = (events.take(Line::Err) | events.take(Line::Rx)).contains(Event::FGPI);
    let rejects = live.port.mib().total(Counter::RREJ) - rejected;
    match wanted {
        Action::File { queue, interrupt } => {
            assert_eq!(came, [(usize::from(queue & 7), bytes)], "{packet:?}");
            assert_eq!((told, rejects), (interrupt, 0));
        }
        _ => assert_eq!((came.len(), told, rejects), (0, false, 1), "{packet:?}"),
    }
}

#[test]
fn the_driver_on_the_model_delivers_what_rules_say() {
    let mut filter = config().filter;
    filter.promiscuous = true;
    let config = Config { parser: true, filter, ..config() };
    let plan = Plan { config, rx: vec![8; 8], buffers: 128, ..Plan::default() };
    let mut live = Rig::new(&plan).start();
    let lists = (rule_list(action().boxed()), action(), prop::collection::vec(packet(), 20));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(150));
    let live = std::cell::RefCell::new(&mut live);
    let run = runner.run(&lists, |(rules, default, packets)| {
        let mut live = live.borrow_mut();
        let live: &mut Live = &mut live;
        if live.port.set_rules(&rules, default, &mut live.delay).is_ok() {
            for packet in packets {
                deliver(live, &packet, rules::decide(&rules, default, &packet));
            }
        }
        Ok(())
    });
    run.unwrap();
}
