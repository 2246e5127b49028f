//! A cable of two queues in memory, for tests: every frame arrives, in order, at once.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use smoltcp::iface::{Interface, PollResult, SocketSet};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

use super::Wire;

type Queue = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// One end of the cable.
#[derive(Debug, Clone)]
pub struct End {
    rx: Queue,
    tx: Queue,
}

/// A new cable's two ends.
pub fn cable() -> (End, End) {
    let (a, b) = (Queue::default(), Queue::default());
    (End { rx: Rc::clone(&a), tx: Rc::clone(&b) }, End { rx: b, tx: a })
}

impl Wire for End {
    fn poll(&mut self, iface: &mut Interface, now: Instant, sockets: &mut SocketSet<'_>) -> bool {
        iface.poll(now, self, sockets) == PollResult::SocketStateChanged
    }
}

impl Device for End {
    type RxToken<'a> = RxToken;
    type TxToken<'a> = TxToken;

    fn receive(&mut self, _: Instant) -> Option<(RxToken, TxToken)> {
        let frame = self.rx.borrow_mut().pop_front()?;
        Some((RxToken(frame), TxToken(Rc::clone(&self.tx))))
    }

    fn transmit(&mut self, _: Instant) -> Option<TxToken> {
        Some(TxToken(Rc::clone(&self.tx)))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

/// A received frame.
#[derive(Debug)]
pub struct RxToken(Vec<u8>);

impl phy::RxToken for RxToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// Leave to send a frame.
#[derive(Debug)]
pub struct TxToken(Queue);

impl phy::TxToken for TxToken {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.borrow_mut().push_back(frame);
        result
    }
}
