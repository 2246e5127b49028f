//! The figures for people and for programs. It measures nothing.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::bed::Cost;
use super::paths::{BURST, Path};
use super::{Costs, Figures, SIZES};

/// Everything, with how it was measured.
pub fn render(figures: &Figures, kernel: &str) -> String {
    let mut out = String::new();
    for size in SIZES {
        out += &one_size(figures, size);
        out.push('\n');
    }
    out += &tlb(figures);
    out + &method(figures, kernel)
}

/// The rows for frames of one size.
fn one_size(figures: &Figures, size: u64) -> String {
    let mut out = format!("instructions per packet, {size}-byte frames, bursts of {BURST}\n");
    let columns = format!("{:>9}{:>9}{:>8}{:>7}", "program", "kernel", "all", "irq");
    let _ = writeln!(
        out,
        "{:8}{:>33}{:>33}",
        "", "etsec over UIO ---------------", "gianfar ----------------------"
    );
    let _ = writeln!(out, "{:8}{columns}{columns}{:>9}", "", "ratio");
    for path in Path::ALL {
        let cost = |costs: &Costs| costs.get(&(path, size)).copied().unwrap_or_default();
        let (etsec, gianfar) = (cost(&figures.etsec), cost(&figures.gianfar));
        let ratio = gianfar.all() / etsec.all();
        let (ours, theirs) = (columns_of(etsec), columns_of(gianfar));
        let _ = writeln!(out, "{:8}{ours}{theirs}{ratio:>8.1}x", path.name());
    }
    out
}

fn columns_of(cost: Cost) -> String {
    let Cost { user, kernel, interrupts, .. } = cost;
    let interrupts = unsigned_zero(interrupts, 0.0005);
    format!("{user:>9.1}{kernel:>9.1}{:>8.1}{interrupts:>7.3}", cost.all())
}

/// A difference that rounds to nothing may be a little less than that, and is to look like nothing.
fn unsigned_zero(value: f64, half: f64) -> f64 {
    if value.abs() < half { 0.0 } else { value }
}

fn tlb(figures: &Figures) -> String {
    let most = figures.etsec.values().map(|cost| cost.misses).fold(0.0, f64::max);
    let [ordinary, huge] = figures.walks;
    let walk = |pages: &str, cost: Cost| {
        let misses = unsigned_zero(cost.misses, 0.005);
        let kernel = unsigned_zero(cost.kernel, 0.5);
        format!("  one of 8192 buffers, {pages}: {misses:.2} misses, {kernel:.0} instructions\n")
    };
    let mut out = String::from("data TLB misses per packet\n");
    let _ = writeln!(out, "  etsec, whose rings and buffers are in 4 MiB pages: {most:.2} at most");
    out += &walk("picked at random, in 4 MiB pages", huge);
    out += &walk("picked at random, in 4 KiB pages", ordinary);
    out.push_str("  (a port's own buffers cannot be in 4 KiB pages: they lie in one piece)\n\n");
    out
}

fn method(figures: &Figures, kernel: &str) -> String {
    let plain = |path: Path| figures.plain.get(&(path, SIZES[0])).copied().unwrap_or_default();
    let fair = |path: Path| figures.gianfar.get(&(path, SIZES[0])).copied().unwrap_or_default();
    let (tx, echo) = (plain(Path::Tx), plain(Path::Echo));
    // What the other interrupts of a sent frame cost, each.
    let spared = tx.interrupts - fair(Path::Tx).interrupts;
    let each = (tx.all() - fair(Path::Tx).all()) / spared;
    format!(
        "\
Counted is every instruction that a guest executes (Linux {kernel}, QEMU's ppce500, e500v2), from
sleep to sleep of its CPU, by a QEMU plugin; ticks of the kernel's timer are taken off, everything
else is in: interrupts, system calls, etsec's own timer. rx, echo, forward: the next burst is sent
when the guest sleeps. tx: the difference of two lengths. Instructions are not cycles: a register
access costs hundreds of them, and counts as one here.
gianfar is driven by a packet socket with mapped rings (TPACKET_V3) past the queueing discipline,
kicked once a burst; forward is the kernel's bridge.
Fairness: QEMU sends within the doorbell write and coalesces nothing, so gianfar gets an interrupt
for each frame it sends, silicon gives one for 16. Shown is a gianfar that asks for one in 16; as
it is it needs {:.0} for tx and {:.0} for echo of 60 bytes, {each:.0} for each interrupt more.",
        tx.all(),
        echo.all()
    )
}

/// A profile, for as many packets as it was taken of.
pub fn profile(rows: &[(&str, u64, u64)], path: Path) -> String {
    let packets = path.packets() as f64;
    let row = |(name, all, calls): &(&str, u64, u64)| {
        format!("{:>9.2}{:>8.3}  {name}\n", *all as f64 / packets, *calls as f64 / packets)
    };
    rows.iter().map(row).collect()
}

/// What programs read: all instructions per packet, 60-byte frames.
pub fn json(figures: &Figures) -> Value {
    let column = |costs: &Costs| {
        let of = |path: Path| costs.get(&(path, SIZES[0])).map(|cost| cost.all().round() as u64);
        json!({
            "tx": of(Path::Tx),
            "rx": of(Path::Rx),
            "echo": of(Path::Echo),
            "forward": of(Path::Forward),
        })
    };
    json!({ "guest": { "etsec": column(&figures.etsec), "gianfar": column(&figures.gianfar) } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let cost = |user: f64, kernel: f64| Cost { user, kernel, interrupts: 0.5, misses: 0.0 };
        let mut figures = Figures::default();
        for (n, path) in Path::ALL.into_iter().enumerate() {
            for size in SIZES {
                figures.etsec.insert((path, size), cost(100.0, n as f64));
                figures.gianfar.insert((path, size), cost(100.25, 1000.0 + n as f64));
            }
        }
        figures
    }

    #[test]
    fn programs_get_whole_instructions_of_60_byte_frames() {
        let said = json(&figures()).to_string();
        let expected = [
            r#"{"guest":{"etsec":{"echo":102,"forward":103,"rx":101,"tx":100},"#,
            r#""gianfar":{"echo":1102,"forward":1103,"rx":1101,"tx":1100}}}"#,
        ];
        assert_eq!(said, expected.concat());
    }

    #[test]
    fn people_see_both_columns_and_the_ratio() {
        let text = render(&figures(), "6.1");
        let row =
            "rx          100.0      1.0   101.0  0.500    100.2   1001.0  1101.2  0.500    10.9x";
        assert!(text.contains(row), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.contains("Fairness"));
    }
}
