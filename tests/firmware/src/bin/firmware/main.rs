//! An image that drives QEMU's eTSECs with nothing but `etsec-core` and smoltcp: it answers ARP and
//! ping, echoes UDP, sends bursts on all transmit rings, polling or by interrupt, and recovers from
//! an overrun. What it does next is told by datagrams (`command`), what it did is said on the
//! console (`event`).
#![no_std]
#![no_main]

mod command;
mod event;
mod frame;
mod memory;
mod net;
mod port;
mod qemu;
mod scatter;
mod serve;

use etsec_firmware::report::say;
use etsec_firmware::tree::Tree;
use etsec_firmware::{Handoff, power};

use event::Event;
use net::{Slots, Storage};
use serve::Firmware;

etsec_firmware::main!(main);

fn main(handoff: Handoff) -> ! {
    // SAFETY: ePAPR says that r3 points to a device tree, and nobody writes to it.
    let tree = unsafe { Tree::at(handoff.device_tree) };
    let mut storage = Storage::new();
    let mut slots = Slots::default();
    let firmware = match Firmware::start(tree, &mut storage, &mut slots) {
        Ok(firmware) => firmware,
        Err(what) => {
            say(&Event::Failed { what });
            power::off()
        }
    };
    if let Err(error) = firmware.run() {
        say(&Event::Gone { error });
    }
    say(&Event::End);
    power::off()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    say(&Event::Panic { message: info.message() });
    power::off()
}
