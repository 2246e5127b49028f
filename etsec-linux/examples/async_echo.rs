//! Two simulated ports on a cable in one thread of async code: one asks, the other sends every
//! frame back, and both sleep in between.
//!
//! `cargo run -p etsec-linux --features async-io,sim --example async_echo -- 1000`

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use async_io::block_on;
use etsec_core::event::Line;
use etsec_core::{EventPort, Running};
use etsec_linux::device::{Rx, Tx};
use etsec_linux::{AnyBus, AsyncWaiter, Device, Lines, Options, Waiter};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A port's parts, as async code uses them.
struct Port {
    waiter: AsyncWaiter,
    events: EventPort<AnyBus>,
    rx: Rx,
    tx: Tx,
    /// How often it slept until a frame came.
    sleeps: u64,
}

impl Port {
    /// The parts of a running device; what is left of it stops the port in the end.
    fn of(device: &mut Device<Running<AnyBus>>) -> Result<Self> {
        let waiter = std::mem::replace(&mut device.waiter, Waiter::bells(Vec::new())?);
        Ok(Port {
            waiter: AsyncWaiter::new(waiter)?,
            events: device.port.events(),
            rx: device.rx.remove(0),
            tx: device.tx.remove(0),
            sleeps: 0,
        })
    }

    /// Sleeps until there is a frame; takes it.
    async fn receive(&mut self) -> Result<etsec_core::Buf> {
        loop {
            if let Some((frame, _)) = self.rx.next() {
                return Ok(frame);
            }
            let woken = self.waiter.ready(Lines::RX).await?;
            self.sleeps += 1;
            // Before the ring is looked at again.
            if woken.lines.rx {
                self.events.take(Line::Rx);
            }
        }
    }

    /// Sends a frame, and puts buffers of frames that were sent into the receive ring.
    fn send(&mut self, frame: etsec_core::Buf) -> Result<()> {
        self.tx.stage(frame).map_err(|refused| refused.why.to_string())?;
        self.tx.commit();
        while let Some(buf) = self.tx.reap() {
            // What does not fit goes home.
            drop(self.rx.refill(buf));
        }
        self.rx.commit();
        Ok(())
    }
}

/// Sends frames back for ever.
async fn echo(port: &mut Port) -> Result<()> {
    loop {
        let frame = port.receive().await?;
        port.send(frame)?;
    }
}

/// Asks `count` times.
async fn ask(port: &mut Port, pool: &etsec_core::Pool, count: u64) -> Result<()> {
    for number in 0..count {
        let mut question = [0xFF; 60];
        question[14..22].copy_from_slice(&number.to_be_bytes());
        port.send(pool.frame(&question).ok_or("no buffer")?)?;
        let answer = port.receive().await?;
        if answer[..] != question {
            return Err(format!("the answer to question {number} is another").into());
        }
    }
    Ok(())
}

/// Runs two futures in turns until the second one ends.
async fn until<T>(endless: impl Future<Output = T>, ends: impl Future<Output = T>) -> T {
    let (mut endless, mut ends) = (pin!(endless), pin!(ends));
    std::future::poll_fn(|context| match endless.as_mut().poll(context) {
        Poll::Ready(failed) => Poll::Ready(failed),
        Poll::Pending => ends.as_mut().poll(context),
    })
    .await
}

fn opened() -> Result<Device<Running<AnyBus>>> {
    let options = Options { promiscuous: true, ..Options::default() };
    let device = Device::open("sim,wire=cable:async", &options)?;
    let mut device = device.start().map_err(|(_, error)| error)?;
    device.service(0)?;
    Ok(device)
}

/// Asks `count` questions; how often either side slept.
fn run(count: u64) -> Result<[u64; 2]> {
    let (mut one, mut two) = (opened()?, opened()?);
    let (mut asker, mut echoer) = (Port::of(&mut one)?, Port::of(&mut two)?);
    block_on(until(echo(&mut echoer), ask(&mut asker, &one.pool, count)))?;
    let sleeps = [asker.sleeps, echoer.sleeps];
    for device in [one, two] {
        device.stop().map_err(|(_, error)| error)?;
    }
    Ok(sleeps)
}

fn main() -> Result<()> {
    let count = std::env::args().nth(1).map_or(Ok(1000), |text| text.parse())?;
    let [asker, echoer] = run(count)?;
    println!("{count} answers; the asker slept {asker} times, the other {echoer} times");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_answered_and_both_sleep_in_between() {
        let [asker, echoer] = run(200).unwrap();
        // Each answer has to be waited for; some may be there at once.
        assert!(asker > 20 && echoer > 20, "{asker} and {echoer} sleeps");
    }
}
