//! Waiting in async code, on a simulated device.
#![cfg(all(feature = "async-io", feature = "sim"))]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use async_io::block_on;
use etsec_core::event::Line;
use etsec_core::{Bus, Running};
use etsec_linux::{AnyBus, AsyncWaiter, Device, Lines, Options, Waiter, Woken};

fn opened(cable: &str) -> Device<Running<AnyBus>> {
    let options = Options { promiscuous: true, ..Options::default() };
    let device = Device::open(&format!("sim,wire=cable:{cable}"), &options).unwrap();
    let mut device = device.start().map_err(|(_, error)| error).unwrap();
    assert!(device.service(0).unwrap().link.is_ok());
    device
}

fn send(device: &mut Device<Running<AnyBus>>) {
    let frame = device.pool.frame(&[0xFF; 60]).unwrap();
    device.tx[0].stage(frame).unwrap();
    device.tx[0].commit();
    while device.tx[0].reap().is_some() {}
}

/// Whether the future is done when it is asked once.
async fn is_done(future: impl Future) -> bool {
    let mut future = pin!(future);
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await
}

fn async_waiter(device: &mut Device<Running<AnyBus>>) -> AsyncWaiter {
    let none = Waiter::bells(Vec::new()).unwrap();
    AsyncWaiter::new(std::mem::replace(&mut device.waiter, none)).unwrap()
}

#[test]
fn each_frame_wakes_and_a_dropped_wait_takes_none() {
    let mut device = opened("async-each");
    let mut partner = opened("async-each");
    let mut waiter = async_waiter(&mut device);
    let events = device.port.events();
    block_on(async {
        for _ in 0..200 {
            // It has not come yet; that one was waited for is forgotten.
            assert!(!is_done(waiter.ready(Lines::RX)).await);
            send(&mut partner);
            let woken = waiter.ready(Lines::RX).await.unwrap();
            assert_eq!(woken, Woken { lines: Lines::RX, ..Woken::default() });
            assert!(!events.take(Line::Rx).is_empty());
            let (buf, _) = device.rx[0].next().expect("a frame");
            assert!(device.rx[0].next().is_none());
            device.rx[0].refill(buf).unwrap();
            device.rx[0].commit();
        }
    });
    // And a line that is up before anybody waits is told at once.
    send(&mut partner);
    while device.port.pages().group0.read(0x010) & 0x80 == 0 {
        std::thread::yield_now();
    }
    let woken = block_on(waiter.ready(Lines::RX)).unwrap();
    assert!(woken.lines.rx);
    device.waiter = waiter.into_waiter().unwrap();
    for port in [device, partner] {
        port.stop().map_err(|(_, error)| error).unwrap().close().unwrap();
    }
}

#[test]
fn another_descriptor_ends_an_async_wait() {
    let mut device = opened("async-also");
    let mut waiter = async_waiter(&mut device);
    let (reader, mut writer) = std::io::pipe().unwrap();
    waiter.waiter().also(&reader, 0).unwrap();
    block_on(async {
        assert!(!is_done(waiter.ready(Lines::RX)).await);
        std::io::Write::write_all(&mut writer, &[1]).unwrap();
        assert_eq!(waiter.ready(Lines::RX).await.unwrap().also, 1);
    });
    device.waiter = waiter.into_waiter().unwrap();
    device.stop().map_err(|(_, error)| error).unwrap().close().unwrap();
}
