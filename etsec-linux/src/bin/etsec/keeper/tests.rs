//! Tests of the keeper: how often it looks after its device where one interrupt stands for all
//! lines.

use std::os::fd::AsFd as _;
use std::sync::{Mutex, PoisonError};

use etsec_linux::wait::Bell;
use etsec_linux::{Options, Waiter};
use etsec_sim::Fault;

use super::*;

fn opened(cable: &str) -> Device<Running<AnyBus>> {
    let options = Options { promiscuous: true, ..Options::default() };
    let device = Device::open(&format!("sim,wire=cable:{cable}"), &options).unwrap();
    let mut device = device.start().map_err(|(_, error)| error).unwrap();
    assert!(device.service(0).unwrap().link.is_ok());
    device
}

/// A waiter like that of a device with one interrupt for everything, as the kernel module has it:
/// whatever rings, it knows no more, and lets all lines through again.
fn one_interrupt(lines: Waiter) -> Waiter {
    let event = lines.as_fd().try_clone_to_owned().unwrap();
    let lines = Mutex::new(lines);
    let enable = move || {
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.wait(Some(Duration::ZERO)).unwrap();
        lines.enable(Lines::ALL)
    };
    Waiter::bells(vec![Bell { event, lines: Lines::ALL, enable: Box::new(enable) }]).unwrap()
}

/// What is left when a device is stopped properly.
fn stop(device: Device<Running<AnyBus>>) {
    drop(device.stop().map_err(|(_, error)| error).unwrap());
}

#[test]
fn frames_behind_one_interrupt_for_all_lines_are_no_reason_to_look_after_the_device() {
    let (mut device, mut partner) = (opened("keeper-one"), opened("keeper-one"));
    let lines = std::mem::replace(&mut device.waiter, Waiter::bells(Vec::new()).unwrap());
    device.waiter = one_interrupt(lines);
    let (mut rx, mut tx) = (device.rx.remove(0), device.tx.remove(0));
    let pool = device.pool.clone();
    let settings = Settings::default();
    let mut keeper =
        Keeper::new("sim-one".into(), device, None, settings, &Stop::default()).unwrap();
    // For the keeper no time passes, so nothing but an error makes it look.
    let (now, mut woken) = (Instant::now(), 0);
    let mut pass = |keeper: &mut Keeper, frames: u64| {
        for _ in 0..frames {
            let frame = partner.pool.frame(&[0x5A; 60]).unwrap();
            partner.tx[0].stage(frame).unwrap();
            partner.tx[0].commit();
            while rx.pending() > 0 && !rx.has_arrived() {
                keeper.wait(Lines::ALL, None, woken, || rx.has_arrived()).unwrap();
                keeper.look_after(now).unwrap();
            }
            while rx.next().is_some() {
                woken += 1;
            }
            while let Some(buf) = pool.alloc()
                && rx.refill(buf).is_ok()
            {}
            rx.commit();
            while partner.tx[0].reap().is_some() {}
        }
        woken
    };
    assert_eq!(pass(&mut keeper, 300), 300);
    let slept = keeper.strategy.counters().slept;
    assert!(slept >= 100, "it has slept {slept} times only, which proves little");
    assert_eq!(keeper.services, 1, "the one at the start");
    // An error behind the same interrupt is seen to, and acknowledged.
    let device = keeper.device.as_ref().unwrap();
    device.memory.simulated().unwrap().sim().inject(Fault::LateCollision);
    tx.stage(pool.frame(&[0xA5; 60]).unwrap()).unwrap();
    tx.commit();
    while keeper.services == 1 {
        pass(&mut keeper, 1);
    }
    pass(&mut keeper, 100);
    assert_eq!(keeper.services, 2);
    assert_eq!(keeper.device.as_ref().unwrap().port.faults().late_collisions, 1);
    let device = keeper.device.take().unwrap();
    stop(device);
    drop((rx, tx, pool));
    stop(partner);
}
