//! All scenarios, by name, each for both models.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use etsec_sim::Switches;
use etsec_sim::qemu::QemuError;

use super::judge::Run;
use super::{Device, Emulated, Remote, Seen, Simulated};

mod controller;
mod interrupts;
mod management;
mod offload;
mod overrun;
mod ports;
mod received;
mod receiving;
mod registers;
mod rings;
mod sending;
mod sent;
mod waiting;

/// A scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name: a group, a dot and what it asks.
    pub name: &'static str,
    /// Whether our model receives as QEMU's does: HW 15.3, 18.8.
    as_qemu: bool,
    qemu: fn() -> Result<Emulated, QemuError>,
    on_sim: fn(&mut Simulated) -> Seen,
    on_qemu: fn(&mut Emulated) -> Seen,
    on_remote: fn(&mut Remote) -> Seen,
}

/// Lists scenarios: the group as it is called, its file, its functions. Those in brackets run once
/// more with our model receiving as QEMU does (HW 18.8), those in parentheses once more with QEMU's
/// registers led to where the manual has them, under names that say so.
macro_rules! scenarios {
    ($(
        $group:literal, $file:ident:
            $($name:ident)* $([$($quirky:ident)*])? $(($($led:ident)*))?;
    )*) => {
        /// All of them.
        pub const SCENARIOS: &[Scenario] = &[$(
            $(scenarios!(@ $group, $file, $name, "", false, Emulated::new),)*
            $($(
                scenarios!(@ $group, $file, $quirky, "", false, Emulated::new),
                scenarios!(@ $group, $file, $quirky, "_as_qemu", true, Emulated::new),
            )*)?
            $($(
                scenarios!(@ $group, $file, $led, "", false, Emulated::new),
                scenarios!(@ $group, $file, $led, "_led", false, Emulated::led),
            )*)?
        )*];
    };
    (@ $group:literal, $file:ident, $name:ident, $suffix:literal, $as_qemu:literal, $qemu:path) => {
        Scenario {
            name: concat!($group, ".", stringify!($name), $suffix),
            as_qemu: $as_qemu,
            qemu: $qemu,
            on_sim: $file::$name::<Simulated>,
            on_qemu: $file::$name::<Emulated>,
            on_remote: $file::$name::<Remote>,
        }
    };
}

scenarios! {
    "registers", registers:
        general_reset transmit_reset receive_reset mac_reset counters_reset hash_reset
        dma_reset timer_reset groups_reset
        fields_are_kept reserved_words read_only events_are_cleared_by_ones
        transmit_bases receive_bases;
    "management", management:
        idle basic_control identifiers status absent other_registers a_read_needs_an_edge search;
    "port", ports:
        bring_up stop restart reset over_a_running_one echo idle jumbo;
    "ring", rings: tx0 (tx1 tx2 tx3 tx4 tx5 tx6 tx7 all);
    "sending", sending:
        every_size short_frames a_burst many_turns two_parts many_parts stopped_and_resumed;
    "sent", sent:
        one_descriptor without_interrupt two_descriptors not_ready halted pointer without_enable
        padded_by_descriptor graceful_stop too_long a_used_descriptor;
    "offload", offload:
        tcp_and_udp behind_ip_options behind_a_tag in_ipv6 ip_header short_datagram permits_off
        tag parsed padding;
    "receiving", receiving:
        every_size a_burst many_turns several_buffers off strangers groups;
    "received", received:
        short_without_rsf while_stopping no_buffer_length longest restarted_for_nothing pointer
        [one_descriptor several_descriptors without_interrupt control_block padding_alone];
    "overrun", overrun: [halted mended one_for_one];
    "waiting", waiting: for_frames for_buffers new_filter new_link;
    "interrupts", interrupts:
        transmitted arrived stopped masked unmasked_later parts coalesced;
    "controller", controller:
        counters clearing filer rules timer pause loopback soft_reset polling on_demand;
}

impl Scenario {
    /// Its group.
    #[must_use]
    pub fn group(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    /// Runs it on our own model.
    pub fn run_on_sim(&self) -> Run {
        run(Simulated::of(self.switches()), self.on_sim)
    }

    /// Runs it on our own model behind a socket.
    pub fn run_on_remote(&self) -> Run {
        run(Remote::of(self.switches()), self.on_remote)
    }

    fn switches(&self) -> Switches {
        Switches { qemu: self.as_qemu, ..Switches::default() }
    }

    /// Runs it on a QEMU of its own.
    ///
    /// # Errors
    /// There is no QEMU; a QEMU that dies in the middle is a run that failed.
    pub fn run_on_qemu(&self) -> Result<Run, QemuError> {
        Ok(run((self.qemu)()?, self.on_qemu))
    }
}

fn run<D: Device>(mut device: D, scenario: fn(&mut D) -> Seen) -> Run {
    let seen = catch_unwind(AssertUnwindSafe(|| scenario(&mut device)));
    match (device.complaint(), seen) {
        // A driver that fails on a dead device is not the story.
        (Some(complaint), _) => Err(complaint),
        (None, seen) => seen.map_err(|panic| message(&*panic)),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("failed: {}", text.unwrap_or("for no stated reason"))
}
