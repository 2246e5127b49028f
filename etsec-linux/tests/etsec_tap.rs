//! The `etsec` command against the kernel's TCP/IP.
#![cfg(feature = "cli")]

mod program;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use program::*;

/// Whether the system allows a network namespace with a TAP interface. Where it does not there is
/// nothing to test, and it says so; with ETSEC_STRICT in the environment that is a failure.
fn allowed(test: &str) -> bool {
    let check = "test -w /dev/net/tun && command -v ip && command -v ping";
    let mut allowed = Command::new("unshare");
    allowed.args(["-Urn", "bash", "-c", check]).stdout(Stdio::null());
    if allowed.status().is_ok_and(|status| status.success()) {
        return true;
    }
    let reason = "no network namespace (unshare --user --net), no /dev/net/tun, or \
                  neither ip nor ping (apt-get install iproute2 iputils-ping) here";
    assert!(std::env::var_os("ETSEC_STRICT").is_none(), "{reason}");
    // Not eprintln!, which the test harness would swallow.
    let line = format!("SKIP: {test}: {reason}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    false
}

#[test]
fn a_sleeping_port_is_woken_by_what_was_asked_for() {
    if !allowed("a_sleeping_port_is_woken_by_what_was_asked_for") {
        return;
    }
    // Ordinary traffic goes on all the time, and wakes it only where that is wanted.
    let script = r#"
        kinds=$1 sends=$2 seconds=$3; shift 3
        mac=02:00:00:00:00:07
        "$@" --quiet --json wol -d sim,wire=tap:tap0 --mac $mac --on $kinds -t $seconds &
        port=$!
        trap 'kill $port 2>/dev/null' EXIT
        for try in $(seq 100); do ip link set tap0 up 2>/dev/null && break; sleep 0.05; done
        ip addr add 10.9.8.1/24 dev tap0 || exit 90
        ip neigh add 10.9.8.2 lladdr 02:00:00:00:00:07 dev tap0 || exit 91
        magic='\xff\xff\xff\xff\xff\xff'
        for n in $(seq 16); do magic=$magic'\x02\x00\x00\x00\x00\x07'; done
        while kill -0 $port 2>/dev/null; do
            case $sends in
                magic) printf $magic >/dev/udp/10.9.8.2/9 ;;
                other) echo good morning >/dev/udp/10.9.8.2/9 ;;
            esac
            sleep 0.1
        done
        wait $port"#;
    for (kinds, sends, woken) in [
        ("magic", "magic", true),
        ("magic", "other", false),
        ("unicast", "other", true),
        ("arp,broadcast", "other", false),
    ] {
        let mut command = Command::new("unshare");
        // Where it must wake, for as long as that takes on a busy machine.
        let seconds = if woken { "60" } else { "4" };
        command.args(["-Urn", "bash", "-c", script, "bash", kinds, sends, seconds]);
        let output = command.args(words()).output().unwrap();
        let case = format!("{sends} on {kinds}: {}", said(&output));
        assert_eq!(code(&output), Some(if woken { 0 } else { 1 }), "{case}");
        assert_eq!(events(&output.stdout, "asleep").len(), 1, "{case}");
        assert_eq!(events(&output.stdout, "woken").len(), usize::from(woken), "{case}");
        assert_eq!(said(&output).contains("nothing has woken it in time"), !woken, "{case}");
    }
}

/// The kernel's TCP against ours, over a TAP interface in a network namespace of its own.
#[test]
fn the_kernel_downloads_over_a_tap() {
    if !allowed("the_kernel_downloads_over_a_tap") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (served, got_path) = (dir.path().join("served"), dir.path().join("got"));
    fs::create_dir(&served).unwrap();
    let content: Vec<u8> = (0..3_000_000u32).map(|n| (n ^ (n >> 7)) as u8).collect();
    fs::write(served.join("file.bin"), &content).unwrap();
    let script = r#"
        served=$1 got=$2; shift 2
        "$@" --quiet --json serve -d sim,wire=tap:tap0 -a 10.9.8.2/24 --http-dir "$served" &
        server=$!
        trap 'kill $server 2>/dev/null' EXIT
        for try in $(seq 100); do ip link set tap0 up 2>/dev/null && break; sleep 0.05; done
        ip addr add 10.9.8.1/24 dev tap0 || exit 90
        ping -c 3 -i 0.2 -W 2 -q 10.9.8.2 >/dev/null || exit 91
        exec 3<>/dev/tcp/10.9.8.2/80 || exit 92
        printf 'GET /file.bin HTTP/1.0\r\n\r\n' >&3
        cat <&3 >"$got"
        kill -TERM $server; wait $server"#;
    let mut command = Command::new("unshare");
    command.args(["-Urn", "bash", "-c", script, "bash"]).arg(&served).arg(&got_path);
    let output = command.args(words()).output().unwrap();
    assert_eq!(code(&output), Some(0), "{}", said(&output));
    assert_eq!(events(&output.stdout, "ready").len(), 1);
    let got = fs::read(&got_path).unwrap();
    let body = got.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert!(got.starts_with(b"HTTP/1.1 200 OK\r\n") && got[body..] == content);
    assert_eq!(events(&output.stdout, "counters")[0]["services"]["http"]["ok"], 1);
}
