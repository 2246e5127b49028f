//! The main loops: by polling, and by interrupt.

use embedded_hal::delay::DelayNs;
use etsec_core::{Error, Line, MacAddr, Mmio};
use etsec_firmware::clock::{Clock, Delay, QEMU_TICKS_PER_US};
use etsec_firmware::mpic::{self, Input};
use etsec_firmware::report::say;
use etsec_firmware::tree::{Etsec, Tree};
use etsec_firmware::{cpu, exceptions, map};

use crate::command::Command;
use crate::event::{Counters, Event};
use crate::memory::{RX_RING, SCATTER_RING};
use crate::net::{ADDRESS, Net, Slots, Storage};
use crate::port::{Port, TX_RINGS};
use crate::qemu::Page;
use crate::scatter::Scatter;

/// How often the controllers are looked after.
const TICK_MS: u32 = 10;
/// The first eTSEC of QEMU's machine (HW 15.1), for a tree that does not tell.
const DEFAULT: Etsec =
    Etsec { registers: 0xF_0000_0000, mac: None, fixed_gigabit: true, interrupts: [5, 6, 7] };
/// For a port that nobody has given an address.
const DEFAULT_MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x01]);

/// Where frames came from, and how often it slept.
#[derive(Debug, Default)]
struct Waits {
    by_interrupt: u64,
    by_tick: u64,
    sleeps: u32,
}

/// The whole image.
pub struct Firmware<'a> {
    port: Port,
    net: Net<'a>,
    scatter: Option<Scatter>,
    inputs: [Input; 3],
    delay: Delay,
    clock: Clock,
    ticked_ms: u32,
    ticks_per_us: u32,
    waits: Waits,
}

impl<'a> Firmware<'a> {
    /// Brings everything up.
    pub fn start(
        tree: Option<Tree>,
        storage: &'a mut Storage,
        slots: &'a mut Slots<'a>,
    ) -> Result<Self, &'static str> {
        let ticks_per_us = tree.and_then(|tree| tree.ticks_per_us());
        let first = tree.and_then(|tree| tree.etsec(0));
        let device_tree = ticks_per_us.is_some() && first.is_some_and(|e| e.mac.is_some());
        let ticks_per_us = ticks_per_us.unwrap_or(QEMU_TICKS_PER_US);
        let (mut delay, clock) = (Delay::new(ticks_per_us), Clock::new(ticks_per_us));
        let first = first.unwrap_or(DEFAULT);
        if !first.fixed_gigabit {
            return Err("the port has a PHY, and this image drives none");
        }
        let [tx, rx, err] = first.interrupts.map(Input::new);
        let (Some(tx), Some(rx), Some(err)) = (tx, rx, err) else {
            return Err("interrupt inputs that the controller has not got");
        };
        let mac = first.mac.unwrap_or(DEFAULT_MAC);
        let mut port = Port::start(page(0, &first), mac, &mut delay)?;
        announce(0, &first, mac, RX_RING, TX_RINGS);
        let net = Net::new(&mut port.stack, mac, clock, storage, slots)?;
        let scatter = match tree.and_then(|tree| tree.etsec(1)) {
            None => None,
            Some(second) => {
                let mac = second.mac.unwrap_or(DEFAULT_MAC);
                let scatter = Scatter::start(page(1, &second), mac, &mut delay)?;
                announce(1, &second, mac, SCATTER_RING, 1);
                Some(scatter)
            }
        };
        say(&Event::Ready { address: ADDRESS, device_tree });
        let (inputs, waits) = ([tx, rx, err], Waits::default());
        Ok(Self { port, net, scatter, inputs, delay, clock, ticked_ms: 0, ticks_per_us, waits })
    }

    /// Obeys commands until told to power off, or until a controller has gone.
    pub fn run(mut self) -> Result<(), Error> {
        let mut mode = Command::Poll;
        loop {
            mode = match mode {
                Command::Off => break,
                Command::Interrupt => self.interrupt()?,
                _ => self.poll()?,
            };
        }
        self.port.stop(&mut self.delay)?;
        self.scatter.map_or(Ok(()), |scatter| scatter.stop(&mut self.delay))
    }

    /// Looks at the rings again and again. Returns what is to be done instead.
    fn poll(&mut self) -> Result<Command, Error> {
        say(&Event::Mode { mode: "poll" });
        loop {
            let now_ms = self.clock.ms();
            self.net.turn(&mut self.port.stack);
            if let Some(scatter) = &mut self.scatter {
                scatter.turn(now_ms);
            }
            if now_ms.wrapping_sub(self.ticked_ms) >= TICK_MS {
                self.tick(now_ms)?;
            }
            if let Some(next) = self.obey() {
                return Ok(next);
            }
        }
    }

    /// Sleeps until a line interrupts, or the decrementer does for the tick. Returns what is to be
    /// done instead.
    ///
    /// The handlers mask a line's input and note it. Here the line's events are cleared, then the
    /// rings scanned, then the input let in again: what came after the clearing raises the line
    /// anew, and interrupts by then at the latest.
    fn interrupt(&mut self) -> Result<Command, Error> {
        mpic::reset();
        self.inputs.iter().for_each(|input| input.open());
        cpu::allow_doze();
        cpu::start_decrementer(1000 * self.ticks_per_us * TICK_MS);
        say(&Event::Mode { mode: "interrupt" });
        let next = loop {
            while !mpic::is_pending() && !exceptions::is_tick_due() {
                self.waits.sleeps += 1;
                cpu::wait();
            }
            self.serve_lines(mpic::take_pending());
            if exceptions::take_tick() {
                let now_ms = self.clock.ms();
                self.tick(now_ms)?;
                self.look();
            }
            if let Some(next) = self.obey() {
                break next;
            }
        };
        cpu::stop_decrementer();
        self.inputs.iter().for_each(|input| input.mask());
        Ok(next)
    }

    /// Looks at the rings because of a tick: recovery may need that, although nothing interrupts.
    ///
    /// A frame that comes while it looks is found here, too, and interrupts all the same: only one
    /// whose interrupt stays away within the time to the next tick is the tick's.
    fn look(&mut self) {
        let before = self.received();
        while self.net.turn(&mut self.port.stack) {}
        let found = self.received() - before;
        if found == 0 {
            return;
        }
        let [_, rx, _] = self.inputs;
        for _ in 0..TICK_MS {
            cpu::take_interrupts();
            if rx.is_pending() {
                self.waits.by_interrupt += found;
                return;
            }
            self.delay.delay_ms(1);
        }
        self.waits.by_tick += found;
    }

    /// Serves the lines behind these inputs, if there are any.
    fn serve_lines(&mut self, pending: u32) {
        let raised = |input: &Input| pending & 1 << input.number() != 0;
        if !self.inputs.iter().any(raised) {
            return;
        }
        for (line, input) in Line::ALL.iter().zip(&self.inputs) {
            if raised(input) {
                self.port.acknowledge(*line);
            }
        }
        let before = self.received();
        while self.net.turn(&mut self.port.stack) {}
        self.waits.by_interrupt += self.received() - before;
        self.inputs.iter().filter(|input| raised(input)).for_each(|input| input.unmask());
    }

    /// Does what the next command says; returns it if it ends the loop.
    fn obey(&mut self) -> Option<Command> {
        match self.net.command()? {
            next @ (Command::Poll | Command::Interrupt | Command::Off) => return Some(next),
            Command::Burst(ring) => self.port.burst(ring, &mut self.net, &mut self.delay),
            Command::Deaf => {
                let now_ms = self.clock.ms();
                if let Some(scatter) = &mut self.scatter {
                    scatter.deafen(now_ms);
                }
            }
            Command::Counters => self.report(),
            Command::Fault => cpu::touch_nothing(),
        }
        None
    }

    fn tick(&mut self, now_ms: u32) -> Result<(), Error> {
        self.ticked_ms = now_ms;
        self.port.tick(now_ms, &mut self.delay)?;
        if let Some(scatter) = &mut self.scatter {
            scatter.tick(now_ms, &mut self.delay)?;
        }
        Ok(())
    }

    fn received(&self) -> u64 {
        self.port.stack.rx().counters().frames
    }

    fn report(&self) {
        let (rx, tx) = (self.port.stack.rx().counters(), self.port.stack.tx().counters());
        let adapter = self.port.stack.counters();
        let [tx_line, rx_line, err_line] = &self.inputs;
        say(&Event::Counters(Counters {
            received: rx.frames,
            receive_errors: rx.errors(),
            resyncs: rx.resyncs,
            sent: tx.frames,
            send_errors: tx.errors(),
            echoed: self.net.echoed,
            exhausted: adapter.exhausted,
            refused: adapter.refused,
            tx_interrupts: tx_line.count(),
            rx_interrupts: rx_line.count(),
            err_interrupts: err_line.count(),
            by_interrupt: self.waits.by_interrupt,
            by_tick: self.waits.by_tick,
            sleeps: self.waits.sleeps,
            ticks: exceptions::ticks(),
        }));
        if let Some(scatter) = &self.scatter {
            scatter.report();
        }
    }
}

/// The register page of that port.
fn page(n: u32, etsec: &Etsec) -> Page {
    // SAFETY: mapped uncached for good; each port is driven by one part of the image only.
    Page::new(unsafe { Mmio::new(map::port(n, etsec.registers)) })
}

fn announce(port: u32, etsec: &Etsec, mac: MacAddr, rx_descriptors: usize, tx_rings: usize) {
    let Etsec { registers, interrupts, .. } = *etsec;
    say(&Event::Port { port, mac, registers, interrupts, rx_descriptors, tx_rings });
}
