//! The filter against the vectors of HW 7 and the rules of its builder.

use super::*;

fn mac(text: &str) -> MacAddr {
    text.parse().unwrap()
}

fn station() -> MacAddr {
    mac("02:00:00:00:00:99")
}

fn filter() -> AddressFilter {
    AddressFilter::new(station()).unwrap()
}

fn multicast(n: u8) -> MacAddr {
    MacAddr([0x01, 0x00, 0x5E, 0, 1, n])
}

#[test]
fn hash_256_vectors() {
    // HW 7: DA, register (group or individual), mask. The first is individual; the reference gives
    // its word only.
    for (addr, word, mask) in [
        ("00:01:02:03:04:05", 5, 0x0004_0000),
        ("01:00:5E:00:00:01", 3, 0x0000_0001),
        ("01:00:5E:00:00:FB", 1, 0x0000_0001),
        ("33:33:00:00:00:01", 7, 0x0000_0040),
        ("33:33:FF:12:34:56", 0, 0x0010_0000),
        ("01:80:C2:00:00:0E", 4, 0x0100_0000),
        ("01:1B:19:00:00:00", 7, 0x0000_0002),
        ("02:00:00:00:00:01", 4, 0x1000_0000),
    ] {
        let (addr, mut expected) = (mac(addr), [0; 8]);
        expected[word] = mask;
        let mut filter = filter();
        filter.add_hash(addr).unwrap();
        let registers = filter.registers();
        let (hit, other) = match addr.is_group() {
            true => (registers.gaddr, registers.igaddr),
            false => (registers.igaddr, registers.gaddr),
        };
        assert_eq!((hit, other), (expected, [0; 8]), "{addr}");
        assert_eq!(registers.rctrl, 0);
        assert!(filter.accepts(addr));
    }
}

#[test]
fn hash_512_vectors() {
    // HW 7: DA, index, mask. The first vector is an individual address, which has no place in this
    // mode.
    assert_eq!(place_512(mac("00:01:02:03:04:05")), (10, 0x0000_0020));
    for (addr, index, mask) in [
        ("01:00:5E:00:00:01", 7, 0x0000_0001),
        ("01:00:5E:00:00:FB", 3, 0x0000_0002),
        ("33:33:00:00:00:01", 15, 0x0000_1000),
        ("33:33:FF:12:34:56", 0, 0x0000_0100),
        ("01:80:C2:00:00:0E", 8, 0x0002_0000),
        ("01:1B:19:00:00:00", 15, 0x0000_0004),
    ] {
        let mut expected = [0; 16];
        expected[index] = mask;
        let mut filter = filter();
        filter.set_hash_mode(HashMode::Group).unwrap();
        filter.add_hash(mac(addr)).unwrap();
        let registers = filter.registers();
        assert_eq!([registers.igaddr, registers.gaddr].as_flattened(), expected, "{addr}");
        assert_eq!(registers.rctrl, 0x400, "GHTX");
        assert!(filter.accepts(mac(addr)));
    }
}

#[test]
fn a_plain_filter_is_the_station_and_broadcast() {
    let filter = filter();
    assert!(filter.accepts(station()) && filter.accepts(MacAddr::BROADCAST));
    assert!(!filter.accepts(multicast(1)) && !filter.accepts(mac("02:00:00:00:00:98")));
    let registers = filter.registers();
    assert_eq!(registers.station, station().to_registers());
    assert_eq!(registers.exact, [[0; 2]; 15]);
    assert_eq!((registers.igaddr, registers.gaddr, registers.rctrl), ([0; 8], [0; 8], 0));
}

#[test]
fn switches_become_their_bits_and_leave_the_others() {
    let mut filter = filter();
    filter.broadcast_reject = true;
    assert!(!filter.accepts(MacAddr::BROADCAST));
    assert_eq!(filter.registers().rctrl, 0x10);
    filter.promiscuous = true;
    assert!(filter.accepts(MacAddr::BROADCAST) && filter.accepts(mac("0a:00:00:00:00:01")));
    filter.add_exact(multicast(1)).unwrap();
    filter.set_hash_mode(HashMode::Group).unwrap();
    assert_eq!(filter.registers().rctrl, 0x41A);
    assert_eq!(FilterRegisters::RCTRL_MASK, 0x41A);
    assert_eq!(filter.registers().rctrl_from(!0), !0);
    assert_eq!(AddressFilter::new(station()).unwrap().registers().rctrl_from(!0), !0x41A);
}

#[test]
fn exact_addresses_run_out_and_come_back() {
    let mut filter = filter();
    for n in 0..15 {
        filter.add_exact(multicast(n)).unwrap();
    }
    filter.add_exact(multicast(3)).unwrap(); // known already
    assert_eq!(filter.add_exact(multicast(15)), Err(FilterError::ExactFull(multicast(15))));
    assert!(filter.remove_exact(multicast(7)) && !filter.remove_exact(multicast(7)));
    assert!(!filter.accepts(multicast(7)) && filter.accepts(multicast(8)));
    filter.add_exact(station()).unwrap();
    assert_eq!(filter.registers().exact[7], station().to_registers());
}

#[test]
fn multicast_fills_exact_addresses_then_the_hash() {
    let mut filter = filter();
    let own = mac("02:00:00:00:00:77");
    filter.add_exact(own).unwrap();
    filter.set_multicast((0..15).map(multicast)).unwrap();
    assert_eq!(filter.exact().count(), 15);
    let mut expected = [0; 8];
    let (word, mask) = place_256(multicast(14)); // the one that found no slot
    expected[word] = mask;
    assert_eq!(filter.registers().gaddr, expected);
    assert!((0..15).all(|n| filter.accepts(multicast(n))) && filter.accepts(own));

    // A shorter list replaces it; the individual address stays.
    filter.set_multicast([multicast(200)]).unwrap();
    assert!(filter.exact().eq([own, multicast(200)]));
    assert_eq!(filter.registers().gaddr, [0; 8]);
}

#[test]
fn a_refused_list_changes_nothing() {
    let mut filter = filter();
    filter.set_multicast([multicast(1)]).unwrap();
    let before = filter;
    let individual = mac("02:00:00:00:00:01");
    let refused = filter.set_multicast([multicast(2), individual]);
    assert_eq!(refused, Err(FilterError::NotGroup(individual)));
    assert_eq!(filter.set_multicast([MacAddr::BROADCAST]), Err(FilterError::Broadcast));
    assert_eq!(filter, before);
}

#[test]
fn all_multicast_is_not_promiscuous() {
    let mut filter = filter();
    filter.all_multicast = true;
    let registers = filter.registers();
    assert_eq!((registers.igaddr, registers.gaddr), ([0; 8], [!0; 8]));
    assert!(filter.accepts(multicast(9)) && !filter.accepts(mac("02:00:00:00:00:01")));

    filter.set_hash_mode(HashMode::Group).unwrap();
    let registers = filter.registers();
    assert_eq!((registers.igaddr, registers.gaddr), ([!0; 8], [!0; 8]));
    assert!(filter.accepts(multicast(9)) && !filter.accepts(mac("02:00:00:00:00:01")));
}

#[test]
fn what_cannot_be_filtered_is_named() {
    let mut filter = filter();
    let individual = mac("02:00:00:00:00:01");
    assert_eq!(AddressFilter::new(MacAddr::ZERO), Err(FilterError::ZeroAddress));
    assert_eq!(filter.set_station(multicast(1)), Err(FilterError::StationIsGroup(multicast(1))));
    assert_eq!(filter.add_exact(MacAddr::ZERO), Err(FilterError::ZeroAddress));
    assert_eq!(filter.add_hash(MacAddr::BROADCAST), Err(FilterError::Broadcast));
    filter.add_hash(individual).unwrap();
    assert_eq!(filter.set_hash_mode(HashMode::Group), Err(FilterError::HashInUse));
    filter.clear_hash();
    filter.set_hash_mode(HashMode::Group).unwrap();
    assert_eq!(filter.add_hash(individual), Err(FilterError::NoIndividualHash(individual)));
}
