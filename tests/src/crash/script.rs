//! What a process does with its queues: the operations of the hot path, in any order.

use std::rc::Rc;

use etsec_core::{Buf, Bus, TxFcb};
use etsec_sim::random::Random;

use super::ledger::{Ledger, arrive};
use crate::adopting::numbered;
use crate::rig::{Live, bytes_of};

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// So many frames arrive, as far as there is room.
    Arrive(u32),
    /// So many and one for which there is none: the ring halts.
    Overrun(u32),
    /// Takes so many, one by one.
    Take(usize),
    /// As a burst.
    TakeBurst(usize),
    /// Puts back into the ring what it has taken.
    Refill,
    /// As a burst.
    RefillBurst,
    /// Sends home what it has taken, and fills the ring from the pool.
    Fill,
    /// Lends what is staged.
    CommitRx,
    /// Stages so many frames, each as it comes: one buffer or several.
    Stage(u32),
    /// As a burst.
    StageBurst(u32),
    /// Each with a control block right in front of it.
    StageBlock(u32),
    /// Each with a control block that has a descriptor of its own.
    StageApart(u32),
    /// Hands them over.
    CommitTx,
    /// Takes back what was sent, one by one.
    Reap,
    /// As a burst.
    ReapBurst,
    /// Restarts what has halted.
    Mend,
    /// Lets so many microseconds pass.
    Wait(u32),
}

/// Operations in order.
#[derive(Debug, Clone)]
pub struct Script(pub Vec<Op>);

impl Script {
    /// Some `len` of them by chance.
    #[must_use]
    pub fn random(random: &mut Random, len: usize) -> Script {
        let mut op = || {
            let n = random.below(12);
            match random.below(20) {
                0 | 1 => Op::Arrive(n as u32),
                2 => Op::Overrun(60),
                3 => Op::Take(n as usize),
                4 | 5 => Op::TakeBurst(3 * n as usize),
                6 => Op::Refill,
                7 => Op::RefillBurst,
                8 => Op::Fill,
                9 | 10 => Op::CommitRx,
                11 => Op::Stage(n as u32 / 2),
                12 => Op::StageBurst(n as u32),
                13 => Op::StageBlock(n as u32 / 3),
                14 => Op::StageApart(n as u32 / 3),
                15 | 16 => Op::CommitTx,
                17 => Op::Reap,
                18 => Op::ReapBurst,
                _ if n == 0 => Op::Mend,
                _ => Op::Wait(n as u32),
            }
        };
        Script((0..len).map(|_| op()).collect())
    }
}

/// A process at work.
#[derive(Debug)]
pub struct Worker<'a, B: Bus> {
    /// What it works with.
    pub live: &'a mut Live<B>,
    /// What is known of its frames.
    pub ledger: &'a mut Ledger,
    /// Buffers that it holds.
    pub held: &'a mut Vec<Buf>,
}

impl<B: Bus + Clone> Worker<'_, B> {
    /// Does all of it.
    pub fn work(&mut self, script: &Script) {
        for op in &script.0 {
            self.perform(*op);
            self.ledger.watch_wire(&self.live.sim.clone());
        }
    }

    fn perform(&mut self, op: Op) {
        match op {
            Op::Arrive(count) => self.arrive(count),
            Op::Overrun(count) => {
                self.arrive(count);
                arrive(&self.live.sim, &Rc::clone(&self.ledger.arrived), true);
            }
            Op::Take(most) => self.take(most),
            Op::TakeBurst(most) => self.take_burst(most),
            Op::Refill => {
                while let Some(buf) = self.held.pop() {
                    drop(self.live.rx[0].refill(buf));
                }
            }
            Op::RefillBurst => {
                let mut refiller = self.live.rx[0].refiller();
                for buf in self.held.drain(..) {
                    drop(refiller.refill(buf));
                }
                refiller.commit();
            }
            Op::Fill => {
                self.held.clear();
                self.live.rx[0].fill(&self.live.pool);
            }
            Op::CommitRx => _ = self.live.rx[0].commit(),
            Op::Stage(count) => (0..count).for_each(|_| self.stage(0, false)),
            Op::StageBlock(count) => (0..count).for_each(|_| self.stage(0, true)),
            Op::StageApart(count) => (0..count).for_each(|_| self.stage(3, true)),
            Op::StageBurst(count) => self.stage_burst(count),
            Op::CommitTx => {
                self.live.tx[0].commit();
                self.ledger.committed.append(&mut self.ledger.staged);
            }
            Op::Reap => while self.live.tx[0].reap().is_some() {},
            Op::ReapBurst => self.live.tx[0].sent().for_each(drop),
            Op::Mend => _ = self.live.port.mend(),
            Op::Wait(us) => self.live.sim.advance(u64::from(us) * 1000),
        }
    }

    fn arrive(&mut self, count: u32) {
        let arrived = Rc::clone(&self.ledger.arrived);
        (0..count).for_each(|_| arrive(&self.live.sim, &arrived, false));
    }

    fn take(&mut self, most: usize) {
        for _ in 0..most {
            self.ledger.looking = true;
            let Some((buf, _)) = self.live.rx[0].next() else {
                self.ledger.looking = false;
                return;
            };
            self.ledger.deliver(&bytes_of(&buf));
            self.hold(buf);
        }
    }

    fn take_burst(&mut self, most: usize) {
        if most == 0 {
            return;
        }
        self.ledger.looking = true;
        let mut count = 0;
        for (buf, _) in self.live.rx[0].arrived().take(most) {
            count += 1;
            self.ledger.deliver(&bytes_of(&buf));
            self.held.push(buf);
        }
        // A look that has found nothing more has left nothing behind.
        self.ledger.looking = count == most;
        // Rings take single buffers.
        self.held.retain(|buf| buf.buffers() == 1);
    }

    fn hold(&mut self, buf: Buf) {
        if buf.buffers() == 1 {
            self.held.push(buf);
        }
    }

    /// The next frame to be sent, so many bytes behind the start of its buffer.
    fn make(&mut self, behind: usize) -> Option<(u32, Buf)> {
        let n = self.ledger.made;
        let bytes = [&vec![0; behind][..], &numbered(n)].concat();
        let mut buf = self.live.pool.frame(&bytes)?;
        buf.trim_front(behind);
        self.ledger.made += 1;
        self.ledger.staged.insert(n);
        Some((n, buf))
    }

    fn stage(&mut self, behind: usize, block: bool) {
        let Some((n, buf)) = self.make(behind) else { return };
        let queue = &mut self.live.tx[0];
        // It asks for nothing.
        let fcb = TxFcb::ipv4(14, 20);
        let staged = if block { queue.stage_with(buf, fcb) } else { queue.stage(buf) };
        if staged.is_err() {
            self.ledger.staged.remove(&n);
        }
    }

    fn stage_burst(&mut self, count: u32) {
        let made: Vec<_> = (0..count).filter_map(|_| self.make(0)).collect();
        let mut stager = self.live.tx[0].stager();
        for (n, buf) in made {
            if stager.stage(buf).is_err() {
                self.ledger.staged.remove(&n);
            }
        }
        stager.commit();
        self.ledger.committed.append(&mut self.ledger.staged);
    }
}
