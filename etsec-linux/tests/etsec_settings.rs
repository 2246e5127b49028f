//! Settings as a user meets them: a configuration file, and verbs that change a running port.
#![cfg(feature = "cli")]

mod program;

use std::time::Duration;

use pcap_file::pcap::{PcapPacket, PcapWriter};
use program::owner::{Owner, run, text};
use program::*;
use serde_json::Value;

/// A verb, words that cannot be, the exit status, and what is said.
const WRONG: &[(&str, &[&str], i32, &str)] = &[
    ("address", &["promiscuous", "off", "all-multicast", "maybe"], 1, "boolean"),
    ("address", &["promiscuos", "off"], 1, "unknown field `promiscuos`"),
    ("pause", &["autoneg", "maybe"], 1, "pause.autoneg invalid type"),
    ("sched", &["weights", "1,2,4,256"], 1, "sched.weights invalid length 4"),
    ("address", &["promiscuous"], 2, "'promiscuous' has no value"),
    ("sched", &["mode", "fair"], 1, "`single`, `priority`, `round-robin`"),
    ("address", &["promiscuous", "off", "promiscuous", "on"], 2, "'promiscuous' is there twice"),
    ("sched", &["weights", "0,1,1,0,0,0,0,0"], 1, "sched.weights are 0 for each of the 1 rings"),
    ("sched", &["weights", "1,2,4"], 1, "invalid length 3, expected an array of length 8"),
    (
        "sched",
        &["weights", "1,2,4,0,0,0,0,256"],
        1,
        "sched.weights.7 is 256, but must be from 0 to",
    ),
    ("offload", &["rx-checksum", "on"], 1, "set rx-checksum, or filter.enabled, at the start"),
    ("offload", &["tx-checksum", "on"], 1, "offload: tx-checksum cannot be changed"),
    ("offload", &["rx-padding", "32"], 1, "offload.rx-padding is 32, but must be from 0 to 31"),
    ("coalesce", &["rx-frames", "256"], 1, "coalesce.rx-frames is 256, but must be from 0 to"),
    ("coalesce", &["rx-usecs", "4000000000"], 1, "coalesce.rx-usecs is 4000000000, but must be"),
    ("coalesce", &["rx-usecs", "0"], 1, "coalesce.rx-usecs is 0, but must be from 1 to 33553"),
    (
        "coalesce",
        &["tx-frames", "1", "tx-usecs", "40000"],
        1,
        "coalesce.tx-usecs is 40000, but must",
    ),
    ("coalesce", &["rx-frames", "few"], 1, "a number, or a list with one for each ring"),
    ("coalesce", &["rx-frames", "1,2,3,4,5,6,7,8,9"], 1, "has 9 numbers, but there are 8"),
    ("pause", &["time", "65536"], 1, "pause.time is 65536, but must be from 0 to 65535"),
    ("pause", &["time", "99999999999999999999"], 1, "expected a whole number"),
    ("rings", &["rx", "9"], 1, "rings.rx is 9, but must be from 1 to 8"),
    ("rings", &["rx", "2"], 1, "--config"),
];

#[test]
fn a_running_port_shows_its_settings_and_takes_others() {
    let dir = tempfile::tempdir().unwrap();
    let owner = Owner::start(dir.path(), &[]);
    assert_eq!(owner.show("address")["promiscuous"], false);
    let set = owner.set("address", &["promiscuous", "on"]);
    let shown = "all-multicast  off\nalso           none\nbroadcast      on\npromiscuous    on\n";
    assert_eq!(text(&set), shown, "{}", said(&set));
    assert_eq!(owner.show("address")["promiscuous"], true);
    let set = owner.set("sched", &["mode", "round-robin", "weights", "24,48,96,0,0,0,0,0"]);
    assert_eq!(text(&set), "mode     round-robin\nweights  24,48,96,0,0,0,0,0\n", "{}", said(&set));
    let set = owner.set("coalesce", &["rx-frames", "32", "rx-usecs", "100"]);
    let shown = "rx-frames  32\nrx-usecs   100\ntx-frames  0\ntx-usecs   0\n";
    assert_eq!(text(&set), shown, "{}", said(&set));
    assert_eq!(owner.show("pause")["autoneg"], true);
    let set = owner.set("pause", &["autoneg", "off", "rx", "off", "time", "16"]);
    assert!(text(&set).starts_with("autoneg  off\nrx       off\nrx-now   "), "{}", said(&set));
    assert_eq!(owner.show("pause")["time"], 16);
    // What cannot be changes nothing, and is named.
    for &(verb, words, status, named) in WRONG {
        let output = owner.set(verb, words);
        assert_eq!(code(&output), Some(status), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(named), "{words:?}: {}", said(&output));
    }
    assert_eq!(owner.show("address")["promiscuous"], true);
    assert_eq!(owner.show("rings")["rx"], 1);
    assert_eq!(owner.show("coalesce")["rx-usecs"], 100);
    assert_eq!(owner.show("pause")["time"], 16);
    owner.stop();
}

#[test]
fn further_addresses_are_received_while_the_port_runs() {
    let dir = tempfile::tempdir().unwrap();
    let owner = Owner::start(dir.path(), &["--mac", "02:00:00:00:00:01"]);
    let also = ["02:00:00:00:00:05", "01:00:5e:00:00:01"];
    let shown = |words: &[&str]| {
        let set = owner.set("address", &[&["also"], words].concat());
        assert_eq!(code(&set), Some(0), "{words:?}: {}", said(&set));
        owner.show("address")["also"].clone()
    };
    assert_eq!(shown(&[also[0]]), serde_json::json!(also[..1]));
    assert_eq!(shown(&[&also.join(","), "broadcast", "off"]), serde_json::json!(also));
    // HW 2.4, 2.6: the first of the exact addresses, octets turned round, and a bit of the hash.
    let registers = |names: &[&str]| {
        let words = [&["--json", "regs", "--device", &owner.device], names].concat();
        let all = text(&run(&words));
        let values = all.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        values.map(|register| register["value"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(registers(&["MAC1ADDR"]), [0x0500_0000, 0x0002_0000]);
    assert_eq!(registers(&["GADDR"]).into_iter().map(u64::count_ones).sum::<u32>(), 1);
    for (word, named) in [
        ("ff:ff:ff:ff:ff:ff", "address.also.0 cannot be: broadcast is no"),
        ("02:00", "not a MAC address"),
    ] {
        let set = owner.set("address", &["also", word]);
        assert!(said(&set).contains(named), "{}", said(&set));
    }
    assert_eq!(shown(&["none"]), serde_json::json!([]));
    assert_eq!(registers(&["MAC1ADDR"]), [0, 0]);
    owner.stop();
}

#[test]
fn the_clock_is_read_set_and_steered() {
    let dir = tempfile::tempdir().unwrap();
    let owner = Owner::start(dir.path(), &[]);
    let ptp = |words: &[&str]| {
        let action =
            [&["--json", "ptp", words[0], "--device", &owner.device], &words[1..]].concat();
        run(&action)
    };
    let shown = |words: &[&str]| -> Value {
        let output = ptp(words);
        assert_eq!(code(&output), Some(0), "{words:?}: {}", said(&output));
        serde_json::from_str(&text(&output)).unwrap()
    };
    assert!(said(&ptp(&["show"])).contains("there is no clock"));
    assert_eq!(shown(&["start", "system", "200000000"])["clock"], "system");
    // The computer's time, which was after 2020 and will be before 2100.
    let first = shown(&["show"])["time-ns"].as_u64().unwrap();
    assert!((1_577_836_800_000_000_000..4_102_444_800_000_000_000).contains(&first), "{first}");
    assert!(shown(&["show"])["time-ns"].as_u64().unwrap() > first, "it goes on");
    let set = shown(&["set", "5000000000"])["time-ns"].as_u64().unwrap();
    assert!((5_000_000_000..first).contains(&set), "{set}");
    let back = shown(&["step", "-4000000000"])["time-ns"].as_u64().unwrap();
    assert!(back < first, "{back}");
    assert_eq!(shown(&["adjust", "-250"])["adjusted-ppb"], -250);
    for (words, named) in [
        (&["adjust", "2000000000"][..], "ppb"),
        (&["start", "external", "333333333"], "does not count"),
        (&["set", "yesterday"], "'yesterday' is no number"),
        (&["start", "system", "1000"], "ptp.hz is 1000, but must be more than 1 MHz"),
    ] {
        let output = ptp(words);
        assert_eq!(code(&output), Some(1), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(named), "{words:?}: {}", said(&output));
    }
    assert_eq!(shown(&["show"])["adjusted-ppb"], -250, "nothing of that changed it");
    assert_eq!(shown(&["stop"])["clock"], "none");
    assert_eq!(code(&ptp(&["show"])), Some(1));
    owner.stop();
}

#[test]
fn rules_are_added_listed_and_deleted_while_the_port_runs() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules");
    std::fs::write(&file, "vlan 5 drop # not ours\ndefault queue 0\n").unwrap();
    let path = file.to_str().unwrap();
    let owner = Owner::start(dir.path(), &["--filter", path]);
    let filter = |words: &[&str]| {
        run(&[&["filter", words[0], "--device", &owner.device], &words[1..]].concat())
    };
    let shown = |words: &[&str]| {
        let output = filter(words);
        assert_eq!(code(&output), Some(0), "{words:?}: {}", said(&output));
        text(&output)
    };
    let two = "0        tcp dst-port 80-443 queue 0\n1        vlan 5 drop\ndefault  queue 0\n";
    assert_eq!(shown(&["list"]), "0        vlan 5 drop\ndefault  queue 0\n");
    assert_eq!(shown(&["add", "--at", "0", "tcp", "dst-port", "80-443", "queue", "0"]), two);
    // A rule may be one word as well.
    assert_eq!(shown(&["add", "udp drop"]).lines().nth(2), Some("2        udp drop"));
    assert_eq!(shown(&["del", "2"]), two);
    for (words, status, named) in [
        (&["add", "vlan", "4096", "drop"][..], 2, "vlan 4096 drop: column 6: vlan 4096: 0 to 4095"),
        (&["add", "tcp"], 2, "does not say what to do"),
        (
            &["add", "tcp", "queue", "3"],
            1,
            "filter.rules.2 goes to ring 3, which this port has not got: rings.rx is 1",
        ),
        (&["add", "--at", "3", "tcp", "drop"], 1, "no place 3: 0 to 2 are possible"),
        (&["del", "2"], 1, "no place 2: 0 to 1 are possible"),
        (&["load", "/nonexistent"], 1, "/nonexistent"),
    ] {
        let output = filter(words);
        assert_eq!(code(&output), Some(status), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(named), "{words:?}: {}", said(&output));
    }
    assert_eq!(shown(&["list"]), two, "nothing of that changed it");
    std::fs::write(&file, "arp-request queue 0\ndefault drop\n").unwrap();
    assert_eq!(shown(&["load", path]), "0        arp-request queue 0\ndefault  drop\n");
    assert_eq!(shown(&["flush"]), "default  drop\n");
    // In single-queue mode rules may name any queue; it ends only when none does.
    let set = ["set", "single-queue", "on", "default", "queue", "0"];
    assert_eq!(shown(&set), "default       queue 0\nsingle-queue  on\n");
    let added = "0             udp queue 5\ndefault       queue 0\nsingle-queue  on\n";
    assert_eq!(shown(&["add", "udp queue 5"]), added);
    assert!(shown(&["load", path]).starts_with("0             arp-request queue 0\n"));
    let single = || text(&run(&["config", "show", "--device", &owner.device]));
    assert!(single().contains("single-queue = true"), "{}", single());
    shown(&["add", "udp queue 5"]);
    let output = filter(&["set", "single-queue", "off"]);
    assert!(said(&output).contains("filter.rules.1 goes to ring 5"), "{}", said(&output));
    assert!(single().contains("single-queue = true"), "{}", single());
    owner.stop();
    // A port that was started without the parser cannot get rules.
    let owner = Owner::start(dir.path(), &[]);
    let output = run(&["filter", "add", "--device", &owner.device, "tcp", "drop"]);
    assert_eq!(code(&output), Some(1));
    assert!(said(&output).contains("start with --filter FILE"), "{}", said(&output));
    owner.stop();
}

#[test]
fn frames_go_to_all_rings_by_rule_or_are_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let (input, rules) = (dir.path().join("in.pcap"), dir.path().join("rules"));
    let mut writer = PcapWriter::new(std::fs::File::create(&input).unwrap()).unwrap();
    // A third each with three ethertypes.
    for n in 0..300_u16 {
        let mut frame = vec![0xFF; 6];
        frame.extend([2, 0, 0, 0, 0, 8, 0x88, 0xB5 + (n % 3) as u8]);
        frame.resize(80, n as u8);
        writer.write_packet(&PcapPacket::new(Duration::ZERO, 80, &frame)).unwrap();
    }
    drop(writer);
    std::fs::write(&rules, "ethertype 0x88b5 queue 2\nethertype 0x88b6 drop\n").unwrap();
    let config = dir.path().join("etsec.toml");
    let device = format!("sim,wire=pcap:{},", input.display());
    let tables = format!("[port.\"{device}\".rings]\nrx = 4\n");
    std::fs::write(&config, tables).unwrap();
    let (config, rules) = (config.to_str().unwrap(), rules.to_str().unwrap());
    let output = run(&[
        "--json", "receive", "-d", &device, "--config", config, "--filter", rules, "-t", "1",
    ]);
    assert_eq!(code(&output), Some(0), "{}", said(&output));
    let counters = &events(&output.stdout, "counters")[0]["ports"][0];
    assert_eq!(counters["rx"]["frames"], 200);
    assert_eq!(counters["mib"]["RREJ"], 100);
}

#[test]
fn a_file_sets_a_port_and_options_go_over_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("etsec.toml");
    let device = format!("sim,wire=pcap:,{}/sent.pcap", dir.path().display());
    let contents = format!(
        "[port.\"{device}\"]\nmtu = 9000\nmac = \"02:00:00:00:00:77\"\n\
         [port.\"{device}\".rings]\nrx = 3\ndescriptors = 32\nlossless = [8, 0, 4]\n\
         [port.\"{device}\".offload]\nrx-checksum = true\ntx-checksum = true\nrx-padding = 2\n\
         [port.\"{device}\".frames]\nshort = true\npreamble = 8\n\
         [port.\"{device}\".stash]\ndescriptors = true\nlength = 96\n"
    );
    std::fs::write(&file, contents).unwrap();
    let path = file.to_str().unwrap();
    let checked = run(&["config", "check", path]);
    assert_eq!(text(&checked), format!("{path}: ok ({device})\n"), "{}", said(&checked));

    let owner = Owner::start(dir.path(), &["--config", path, "--ring", "64"]);
    let rings = owner.show("rings");
    assert_eq!((&rings["rx"], &rings["descriptors"]), (&3.into(), &64.into()));
    assert_eq!(owner.show("offload")["rx-checksum"], true);
    assert_eq!(code(&owner.set("offload", &["rx-checksum", "off"])), Some(0));
    let shown = run(&["config", "show", "--device", &owner.device]);
    let shown = text(&shown);
    assert!(shown.contains("mtu = 9000\n") && shown.contains("02:00:00:00:00:77"), "{shown}");
    // What is shown is a configuration file.
    std::fs::write(&file, shown).unwrap();
    assert_eq!(code(&run(&["config", "check", path])), Some(0));
    owner.stop();
}

#[test]
fn checksums_are_left_to_the_controller() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("etsec.toml");
    let device = "sim,wire=cable:checksums";
    let contents = format!(
        "[port.\"{device}\".offload]\nrx-checksum = true\ntx-checksum = true\nrx-padding = 2\n"
    );
    std::fs::write(&file, contents).unwrap();
    let path = file.to_str().unwrap();
    let output = run(&[
        "--json",
        "serve",
        "-d",
        device,
        "-a",
        "10.0.0.1/24",
        "--self-test",
        "--bytes",
        "200000",
        "--config",
        path,
    ]);
    assert_eq!(code(&output), Some(0), "{}", said(&output));
    assert_eq!(events(&output.stdout, "http")[0]["sha256_ok"], true);
}

#[test]
fn in_loopback_what_is_sent_is_received() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("etsec.toml");
    std::fs::write(&file, "[port.sim]\nframes.loopback = true\n").unwrap();
    let path = file.to_str().unwrap();
    let output = run(&["--json", "send", "-d", "sim", "--count", "50", "--config", path]);
    assert_eq!(code(&output), Some(0), "{}", said(&output));
    let counters = &events(&output.stdout, "counters")[0]["ports"][0];
    assert_eq!((&counters["mib"]["TPKT"], &counters["mib"]["RPKT"]), (&50.into(), &50.into()));
}

#[test]
fn a_mistake_in_a_file_is_named_with_its_place_before_anything_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("etsec.toml");
    std::fs::write(&file, "[port.sim]\nmtu = 1500\nrings.rx = 12\n").unwrap();
    let path = file.to_str().unwrap();
    for words in [&["config", "check", path][..], &["echo", "-d", "sim", "--config", path]] {
        let output = run(words);
        assert_eq!(code(&output), Some(1), "{}", said(&output));
        let wanted = format!("etsec: {path}:3:12: rings.rx is 12, but must be from 1 to 8\n");
        assert_eq!(said(&output), wanted);
    }
    for (file, named) in [("/dev/zero", "longer than"), ("/", "directory")] {
        let output = run(&["config", "check", file]);
        assert_eq!(code(&output), Some(1));
        assert!(said(&output).contains(named), "{}", said(&output));
    }
    let output = run(&["echo", "-d", "sim,wire=null", "--config", "/nonexistent.toml"]);
    assert!(said(&output).contains("/nonexistent.toml"), "{}", said(&output));
    std::fs::write(&file, "[port.eth0]\n[port.eth1]\n").unwrap();
    let output = run(&["echo", "-d", "sim", "--config", path]);
    assert!(said(&output).contains("no table for sim (there is: [port.eth0], [port.eth1])"));
}
