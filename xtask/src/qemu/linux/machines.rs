//! The machines that are booted, and what is tried on which: a list for each, in the order in
//! which that leaves the guest as the next one wants it. What a scenario does is in the files
//! beside this one.

use anyhow::Result;

use super::rig::{ALL_NODES, Description, Rig};
use super::{
    capture, crash, disturbed, echo, forward, handover, kmod, kmod_end, kmod_gone, kmod_tree,
    lacking, left, look, quiet, removed, serve, supervised, trees, waiting,
};

/// One thing that is tried: it says in a few words what was seen, or why it failed.
pub struct Scenario {
    /// What to call it.
    pub name: &'static str,
    /// Tries it.
    pub run: fn(&mut Rig) -> Result<String>,
}

/// Two eTSECs, handed to UIO as they should be.
pub const WHOLE_TREE: Description = Description {
    name: "whole",
    overlays: &["etsec-linux/dts/qemu-ppce500-eth0.dtso", "etsec-linux/dts/qemu-ppce500-eth1.dtso"],
    prepare: |_| Ok(()),
    qtest: false,
};
/// Eth0 for the kernel and for UIO in turn.
const TREE_FOR_BOTH: Description = Description {
    name: "both",
    overlays: &["etsec-linux/dts/qemu-ppce500-eth0.dtso", "tests/guest/dts/both.dtso"],
    prepare: Rig::mount_huge_pages,
    qtest: false,
};
/// A device tree full of mistakes.
const WRONG_TREE: Description = Description {
    name: "wrong tree",
    overlays: &["tests/guest/dts/wrong.dtso"],
    prepare: |rig| {
        rig.load_uio(ALL_NODES)?;
        rig.mount_huge_pages()
    },
    qtest: false,
};

/// QEMU's own tree, as it is, for the project's own kernel module.
pub const TREE_AS_IT_IS: Description =
    Description { name: "kmod", overlays: &[], prepare: |rig| kmod::load(rig, ""), qtest: false };
/// The same with a port of two interrupt groups, as a P1020 has them.
const TREE_OF_GROUPS: Description = Description {
    name: "kmod groups",
    overlays: &["tests/guest/dts/groups.dtso"],
    qtest: true,
    ..TREE_AS_IT_IS
};
/// The same with nodes as of older parts.
const TREE_OF_OLDER: Description = Description {
    name: "kmod older",
    overlays: &["tests/guest/dts/etsec1.dtso"],
    qtest: true,
    ..TREE_AS_IT_IS
};

/// On a machine that has all it needs, in this order: each leaves the guest as the next wants it.
const WHOLE: [Scenario; 25] = [
    Scenario { name: "no UIO module", run: lacking::no_module },
    Scenario { name: "no hugetlbfs", run: lacking::no_hugetlbfs },
    Scenario { name: "no huge pages", run: lacking::no_pages },
    Scenario { name: "no CAP_SYS_ADMIN", run: lacking::no_capability },
    Scenario { name: "probe", run: look::probe },
    Scenario { name: "huge page and its address", run: look::memory },
    Scenario { name: "ping and download", run: serve::ping_and_download },
    Scenario { name: "interrupts and sleep", run: serve::interrupts },
    Scenario { name: "blocking read", run: serve::blocking_read },
    Scenario { name: "second opener", run: serve::second_opener },
    Scenario { name: "capture", run: capture::every_size },
    Scenario { name: "echo", run: echo::every_size },
    Scenario { name: "forward", run: forward::both_ways },
    Scenario { name: "idle, and one frame", run: waiting::idle },
    Scenario { name: "random arrivals", run: waiting::random_arrivals },
    Scenario { name: "two at one UIO device", run: waiting::two_at_one_device },
    Scenario { name: "Ctrl-C", run: quiet::interrupted },
    Scenario { name: "kill -9", run: quiet::killed },
    Scenario { name: "kill -9, taken over", run: crash::huge_pages },
    Scenario { name: "kill -9, reclaimed", run: left::reclaimed },
    Scenario { name: "kill -9, not taken over", run: left::foreign },
    Scenario { name: "supervise", run: supervised::huge_pages },
    Scenario { name: "SIGSTOP, SIGTERM", run: disturbed::signals },
    Scenario { name: "one of two removed", run: removed::one_of_two },
    Scenario { name: "device removed", run: removed::unbound },
];

/// On a machine whose device tree offers a port to the kernel as well.
const FOR_BOTH: [Scenario; 6] = [
    Scenario { name: "gianfar's at first", run: handover::booted },
    Scenario { name: "bind refused", run: handover::refused },
    Scenario { name: "bind", run: handover::taken },
    Scenario { name: "unbind after kill -9", run: handover::given_back },
    Scenario { name: "bind --force", run: handover::by_force },
    Scenario { name: "two drivers", run: handover::both },
];

/// On a machine whose device tree is wrong.
const WRONG: [Scenario; 5] = [
    Scenario { name: "tree: one line of three", run: trees::one_line },
    Scenario { name: "tree: no uio-name", run: trees::no_name },
    Scenario { name: "tree: no reg", run: trees::no_registers },
    Scenario { name: "tree: wrong reg", run: trees::wrong_registers },
    Scenario { name: "tree: no interrupts", run: trees::no_interrupts },
];

/// With the project's own kernel module, without huge pages.
const WITH_KMOD: [Scenario; 14] = [
    Scenario { name: "kmod: probe", run: kmod::probe },
    Scenario { name: "kmod: echo beside observers", run: kmod::echo },
    Scenario { name: "kmod: interrupts", run: kmod::interrupts },
    Scenario { name: "kmod: kill -9", run: kmod_end::killed },
    Scenario { name: "kmod: kill -9, kept", run: kmod_end::kept },
    Scenario { name: "kmod: kill -9, taken over", run: crash::module },
    Scenario { name: "kmod: supervise", run: supervised::module },
    Scenario { name: "kmod: rmmod", run: kmod_end::unloaded },
    Scenario { name: "kmod: unbind", run: kmod_end::unbound },
    Scenario { name: "kmod: unbind, looked at", run: kmod_gone::looked_at },
    Scenario { name: "kmod: unbind one of two", run: kmod_gone::one_of_two },
    Scenario { name: "kmod: unbind one of two, kept", run: kmod_gone::one_of_two_kept },
    Scenario { name: "kmod: gianfar in turn", run: kmod_end::in_turn },
    Scenario { name: "kmod: kill -9, stuck", run: kmod_end::stuck },
];

/// With a port of two groups.
const OF_GROUPS: [Scenario; 2] = [
    Scenario { name: "kmod: two groups", run: kmod_tree::groups },
    Scenario { name: "kmod: the second group's lines", run: kmod_tree::second_group },
];

/// With ports of older parts.
const OF_OLDER: [Scenario; 1] =
    [Scenario { name: "kmod: MDIO in the MAC's page", run: kmod_tree::older }];

/// What is tried on which machine.
pub const MACHINES: [(Description, &[Scenario]); 6] = [
    (WHOLE_TREE, &WHOLE),
    (TREE_FOR_BOTH, &FOR_BOTH),
    (WRONG_TREE, &WRONG),
    (TREE_AS_IT_IS, &WITH_KMOD),
    (TREE_OF_GROUPS, &OF_GROUPS),
    (TREE_OF_OLDER, &OF_OLDER),
];

/// The names that `--machine` takes.
pub fn names() -> Vec<&'static str> {
    MACHINES.map(|(machine, _)| machine.name).to_vec()
}
