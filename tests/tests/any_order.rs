//! Options set in any order and in any state, between starts, stops, sleeps and resets: does the
//! port work, is a refusal without effect, and does the controller hold in the end what it holds
//! when it is told the same things at once?

use etsec_core::coalesce::Coalescing;
use etsec_core::device::{Sleeping, Sleepless, Wake, WakeFrames};
use etsec_core::error::Side;
use etsec_core::filer::{Action, Rule};
use etsec_core::link::{Duplex, Pause, Speed};
use etsec_core::{
    AddressFilter, Arena, Bus, Group, Link, MacAddr, Pool, Running, RxOffload, Schedule, Stash,
    Stopped,
};
use etsec_sim::{Sim, SimBus, SimConfig, SimDelay, SimRegion, table};
use etsec_tests::at;
use etsec_tests::filing::{rules, udp};
use etsec_tests::rig::{PEER, Plan, Rig, Rx, STATION, Tx, bytes_of, config, frame};
use proptest::prelude::*;

const RINGS: usize = 2;
/// Longest receive ring; the other has half of it.
const LENGTH: usize = 16;

/// One wish.
#[derive(Debug, Clone, PartialEq)]
enum Wish {
    Offload(RxOffload),
    Schedule(Schedule),
    PauseTime(u16),
    Coalescing(Side, Option<Coalescing>),
    RingCoalescing(Side, usize, Option<Coalescing>),
    Lossless(usize, Option<u8>),
    Rules(usize),
    SingleQueue(bool),
    /// Stopped only.
    Stash(Stash),
    Group(Side, usize, Group),
    /// Running only.
    Promiscuous(bool),
    Link(Link),
}

#[derive(Debug, Clone)]
enum Op {
    Wish(Wish),
    /// Stops a port that runs, starts one that is stopped, wakes one that sleeps.
    Toggle,
    Sleep(Wake),
    Reset,
    Tick,
    /// A frame each way, and a datagram.
    Traffic,
}

fn coalescing() -> impl Strategy<Value = Option<Coalescing>> {
    let some = (1..255u32, 1..33_553u32).prop_map(|(n, us)| Coalescing::new(n, us).ok());
    prop_oneof![Just(None), some]
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Rx), Just(Side::Tx)]
}

fn link() -> impl Strategy<Value = Link> {
    let speed = prop_oneof![Just(Speed::Mbps10), Just(Speed::Mbps100), Just(Speed::Mbps1000)];
    // Half duplex at a gigabit is refused.
    (speed, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(speed, half, rx, tx)| {
        let duplex = if half { Duplex::Half } else { Duplex::Full };
        Link::new(speed, duplex).with_pause(Pause { rx, tx })
    })
}

fn wish() -> impl Strategy<Value = Wish> {
    let group = prop_oneof![Just(Group::Zero), Just(Group::One)];
    let schedule = prop_oneof![
        Just(Schedule::Single),
        Just(Schedule::Priority),
        prop::array::uniform8(1..=255u8).prop_map(Schedule::RoundRobin),
    ];
    // Padding and tags cannot change once there are queues.
    let offload = (any::<bool>(), any::<bool>(), 0..6u8).prop_map(|(ip, l4, odd)| RxOffload {
        ip_checksum: ip,
        l4_checksum: l4,
        padding: if odd == 0 { 2 } else { 0 },
        ..RxOffload::default()
    });
    let stash =
        (any::<bool>(), 0..300u16, 0..4u16).prop_map(|(descriptors, eights, lines)| Stash {
            descriptors,
            // One in some cannot be.
            length: eights * 8 + u16::from(eights == 299),
            index: lines * 64,
        });
    prop_oneof![
        offload.prop_map(Wish::Offload),
        schedule.prop_map(Wish::Schedule),
        any::<u16>().prop_map(Wish::PauseTime),
        (side(), coalescing()).prop_map(|(side, c)| Wish::Coalescing(side, c)),
        (side(), 0..9usize, coalescing()).prop_map(|(side, n, c)| Wish::RingCoalescing(side, n, c)),
        (0..RINGS, prop::option::of(0..20u8)).prop_map(|(n, t)| Wish::Lossless(n, t)),
        (0..SETS.len()).prop_map(Wish::Rules),
        any::<bool>().prop_map(Wish::SingleQueue),
        stash.prop_map(Wish::Stash),
        (side(), 0..RINGS, group).prop_map(|(side, n, group)| Wish::Group(side, n, group)),
        any::<bool>().prop_map(Wish::Promiscuous),
        link().prop_map(Wish::Link),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let kinds = (0..16u8).prop_map(|bits| Wake::Frames(WakeFrames::from_bits_truncate(bits)));
    prop_oneof![
        8 => wish().prop_map(Op::Wish),
        3 => Just(Op::Toggle),
        1 => prop_oneof![Just(Wake::Magic), kinds].prop_map(Op::Sleep),
        1 => Just(Op::Reset),
        1 => Just(Op::Tick),
        3 => Just(Op::Traffic),
    ]
}

/// Rules, and the rings of a datagram to port 77 and of all else; `None` where they are dropped.
const SETS: [(&[&str], Option<u8>, Option<u8>); 5] = [
    (&[], Some(0), Some(0)),
    (&["udp queue 1"], Some(1), Some(0)),
    (&["ip4 udp dst-port 70-80 queue 1", "udp drop"], Some(1), Some(1)),
    (&["udp drop"], None, Some(0)),
    (&["udp dst-port 77 queue 0", "udp queue 1"], Some(0), None),
];

fn set(n: usize) -> (Vec<Rule>, Action) {
    let (texts, _, default) = SETS[n];
    (rules(texts), default.map_or(Action::Reject, Action::to))
}

/// What a port has been told: of wishes that undo each other the last.
#[derive(Debug, Clone, Default)]
struct Told(Vec<Wish>);

impl Told {
    fn hear(&mut self, wish: Wish) {
        let replaces = |old: &Wish| match (old, &wish) {
            (Wish::RingCoalescing(a, n, _), Wish::RingCoalescing(b, m, _)) => a == b && n == m,
            (Wish::Coalescing(a, _) | Wish::RingCoalescing(a, ..), Wish::Coalescing(b, _)) => {
                a == b
            }
            (Wish::Lossless(n, _), Wish::Lossless(m, _)) => n == m,
            (Wish::Group(a, n, _), Wish::Group(b, m, _)) => a == b && n == m,
            (old, new) => std::mem::discriminant(old) == std::mem::discriminant(new),
        };
        self.0.retain(|old| !replaces(old));
        self.0.push(wish);
    }

    fn rules(&self) -> usize {
        let last = |wish: &Wish| if let Wish::Rules(n) = wish { Some(*n) } else { None };
        self.0.iter().find_map(last).unwrap_or(0)
    }

    fn has(&self, wish: &Wish) -> bool {
        self.0.contains(wish)
    }
}

enum Port {
    Stopped(Stopped<SimBus>),
    Running(Running<SimBus>),
    Sleeping(Sleeping<SimBus>),
    Between,
}

struct World {
    port: Port,
    rx: Vec<Rx>,
    tx: Vec<Tx>,
    pool: Pool,
    arena: Arena<SimRegion>,
    delay: SimDelay,
    sim: Sim,
    told: Told,
    now_ms: u32,
}

impl World {
    fn new(config: etsec_core::Config) -> World {
        let lengths = vec![LENGTH, LENGTH / 2];
        let plan =
            Plan { config, rx: lengths.clone(), tx: lengths, buffers: 64, ..Plan::default() };
        let sim = Sim::new(SimConfig::default());
        let Rig { sim, port, rx, tx, pool, arena, delay } = Rig::grouped(&sim, &plan);
        let told = Told::default();
        World { port: Port::Stopped(port), rx, tx, pool, arena, delay, sim, told, now_ms: 0 }
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Wish(wish) => self.wish(wish),
            Op::Toggle => self.toggle(),
            Op::Sleep(wake) => self.sleep(*wake),
            Op::Reset => {
                if let Port::Running(port) = &mut self.port {
                    port.reset(&mut self.delay).expect("a device that is there");
                }
            }
            Op::Tick => {
                self.now_ms += 10;
                if let Port::Running(port) = &mut self.port {
                    port.tick(self.now_ms, &mut self.delay).expect("a device that is there");
                }
            }
            Op::Traffic => self.traffic(),
        }
        assert_eq!(self.sim.violations(), []);
    }

    /// A wish is heard, or refused without effect.
    fn wish(&mut self, wish: &Wish) {
        let before = settings(&self.sim);
        match self.tell(wish) {
            Some(true) => self.told.hear(wish.clone()),
            Some(false) => assert_eq!(settings(&self.sim), before, "{wish:?} was refused"),
            None => {}
        }
    }

    /// Whether it was accepted; `None` if there is no such call in this state.
    fn tell(&mut self, wish: &Wish) -> Option<bool> {
        let World { port, rx, tx, delay, .. } = self;
        Some(match (port, wish) {
            (Port::Stopped(port), wish) => return tell_stopped(port, rx, tx, wish),
            (Port::Running(port), wish) => match *wish {
                Wish::Offload(new) => port.set_rx_offload(new, delay).is_ok(),
                Wish::Schedule(new) => port.set_schedule(new, delay).is_ok(),
                Wish::PauseTime(time) => port.set_pause_time(time).is_ok(),
                Wish::Coalescing(side, new) => port.set_coalescing(side, new).is_ok(),
                Wish::RingCoalescing(side, n, new) => {
                    port.set_ring_coalescing(side, n, new).is_ok()
                }
                Wish::Lossless(n, new) => port.set_lossless(&mut rx[n], new, delay).is_ok(),
                Wish::Rules(n) => {
                    let (rules, default) = set(n);
                    port.set_rules(&rules, default, delay).is_ok()
                }
                Wish::SingleQueue(on) => port.set_single_queue(on, delay).is_ok(),
                Wish::Promiscuous(on) => port.set_filter(&filter(on), delay).is_ok(),
                Wish::Link(new) => port.set_link(new, delay).is_ok(),
                Wish::Stash(_) | Wish::Group(..) => return None,
            },
            _ => return None,
        })
    }

    fn toggle(&mut self) {
        let delay = &mut self.delay;
        self.port = match std::mem::replace(&mut self.port, Port::Between) {
            Port::Running(port) => Port::Stopped(port.stop(delay).map_err(|(_, e)| e).unwrap()),
            Port::Stopped(port) => Port::Running(port.start(delay).map_err(|(_, e)| e).unwrap()),
            Port::Sleeping(port) => Port::Running(port.wake(delay).map_err(|(_, e)| e).unwrap()),
            Port::Between => unreachable!(),
        };
    }

    fn sleep(&mut self, wake: Wake) {
        match std::mem::replace(&mut self.port, Port::Between) {
            Port::Running(port) => {
                let before = settings(&self.sim);
                self.port = match port.sleep(wake, &mut self.delay) {
                    Ok(port) => Port::Sleeping(port),
                    Err(Sleepless::Halfway(..)) => unreachable!("the device is there"),
                    Err(Sleepless::Awake(port, _)) => {
                        assert_eq!(settings(&self.sim), before, "a sleep was refused");
                        Port::Running(port)
                    }
                };
            }
            other => self.port = other,
        }
    }

    fn traffic(&mut self) {
        if !matches!(self.port, Port::Running(_)) {
            return;
        }
        let sent = frame(PEER, STATION, 100, 7);
        // Ring 0 always has its turn.
        self.tx[0].stage(self.pool.frame(&sent).expect("a buffer")).expect("room");
        self.tx[0].commit();
        self.sim.advance(10_000_000);
        let seen: Vec<_> = std::iter::from_fn(|| self.sim.transmitted()).collect();
        // Pause frames of the port's own may be among them.
        assert!(seen.iter().any(|seen| seen.starts_with(&sent)), "{:?}", self.told);
        while self.tx[0].reap().is_some() {}
        let (_, datagrams, others) = SETS[self.told.rules()];
        for (bytes, ring) in [(udp(None, 77), datagrams), (frame(STATION, PEER, 90, 3), others)] {
            self.sim.receive(&bytes);
            self.sim.advance(1_000_000);
            let arrived: Vec<_> = (0..RINGS).filter(|n| self.take(*n, &bytes)).collect();
            // HW 3.11 FSQEN: what is not rejected goes to ring 0.
            let ring = ring.map(|n| if self.told.has(&Wish::SingleQueue(true)) { 0 } else { n });
            let wanted: Vec<_> = ring.into_iter().map(usize::from).collect();
            assert_eq!(arrived, wanted, "{:?}", self.told);
        }
        // A station that is not ours.
        let stray = frame(MacAddr([2, 9, 9, 9, 9, 9]), PEER, 80, 1);
        self.sim.receive(&stray);
        self.sim.advance(1_000_000);
        let came = (0..RINGS).any(|n| self.take(n, &stray));
        let lets_in = self.told.has(&Wish::Promiscuous(true)) && others.is_some();
        assert_eq!(came, lets_in, "{:?}", self.told);
    }

    /// Whether exactly that frame has come in a ring; its buffer goes back.
    fn take(&mut self, n: usize, bytes: &[u8]) -> bool {
        let Some((buf, _)) = self.rx[n].next() else { return false };
        assert_eq!(bytes_of(&buf), bytes);
        drop(buf);
        self.rx[n].fill(&self.pool);
        self.rx[n].commit();
        assert!(self.rx[n].next().is_none());
        true
    }

    /// Lets it run, and returns what the controller holds.
    fn settle(&mut self) -> Vec<(String, u32)> {
        if !matches!(self.port, Port::Running(_)) {
            self.toggle();
        }
        self.traffic();
        settings(&self.sim)
    }

    fn finish(mut self) {
        if matches!(self.port, Port::Running(_)) {
            self.toggle();
        }
        self.rx.iter_mut().for_each(|rx| while rx.drain().is_some() {});
        self.tx.iter_mut().for_each(|tx| while tx.drain().is_some() {});
        assert_eq!(self.pool.free(), self.pool.buffers());
        drop((self.port, self.rx, self.tx, self.pool));
        assert!(self.arena.retire().is_ok());
        assert_eq!(self.sim.violations(), []);
    }
}

fn tell_stopped(
    port: &mut Stopped<SimBus>,
    rx: &mut [Rx],
    tx: &mut [Tx],
    wish: &Wish,
) -> Option<bool> {
    Some(match *wish {
        Wish::Offload(new) => port.set_rx_offload(new).is_ok(),
        Wish::Schedule(new) => {
            port.set_schedule(new);
            true
        }
        Wish::PauseTime(time) => port.set_pause_time(time).is_ok(),
        Wish::Coalescing(side, new) => port.set_coalescing(side, new).is_ok(),
        Wish::RingCoalescing(side, n, new) => port.set_ring_coalescing(side, n, new).is_ok(),
        Wish::Lossless(n, new) => port.set_lossless(&mut rx[n], new).is_ok(),
        Wish::Rules(n) => {
            let (rules, default) = set(n);
            port.set_rules(&rules, default).is_ok()
        }
        Wish::SingleQueue(on) => {
            port.set_single_queue(on);
            true
        }
        Wish::Stash(new) => port.set_stash(new).is_ok(),
        Wish::Group(Side::Rx, n, group) => port.set_rx_group(&mut rx[n], group).is_ok(),
        Wish::Group(Side::Tx, n, group) => port.set_tx_group(&mut tx[n], group).is_ok(),
        Wish::Promiscuous(_) | Wish::Link(_) => return None,
    })
}

fn filter(promiscuous: bool) -> AddressFilter {
    let mut filter = AddressFilter::new(STATION).expect("a station address");
    filter.promiscuous = promiscuous;
    filter
}

/// Registers that software writes and the device does not: what options are in.
fn settings(sim: &Sim) -> Vec<(String, u32)> {
    let moving = |at: u16| {
        // Positions, free descriptors; the filer's window; MII; counters.
        matches!(at, 0x184..=0x1BC | 0x384..=0x3BC | 0xC44..=0xC7C | 0x334..=0x33C | 0x520..=0x534)
            || (0x680..=0x740).contains(&at)
    };
    // Weights count where TCTRL[TXSCHED] says so (HW 3.6), and may be left over elsewhere.
    let weighted = sim.bus().read(at::TCTRL) & 0x6 == 0x4;
    let idle = |at: u16| !weighted && matches!(at, 0x140 | 0x144);
    let held = (0..0x1000).step_by(4).filter(|at| !moving(*at) && !idle(*at)).filter_map(|at| {
        let row = table::row(at)?;
        (row.access == table::Access::ReadWrite)
            .then(|| (table::name(at).unwrap_or_default(), sim.bus().read(at)))
    });
    held.collect()
}

/// A port that is told everything before its first start.
fn at_once(told: &Told) -> World {
    let mut config = config();
    config.parser = true;
    for wish in &told.0 {
        match *wish {
            Wish::Promiscuous(on) => config.filter = filter(on),
            Wish::Link(link) => config.link = link,
            _ => {}
        }
    }
    let mut world = World::new(config);
    for wish in &told.0 {
        if !matches!(wish, Wish::Promiscuous(_) | Wish::Link(_)) {
            assert_eq!(world.tell(wish), Some(true), "{wish:?}");
        }
    }
    world.told = told.clone();
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn the_order_of_options_and_states_makes_no_difference(
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut config = config();
        config.parser = true;
        let mut world = World::new(config);
        for op in &ops {
            world.run(op);
        }
        let held = world.settle();
        let mut fresh = at_once(&world.told);
        let differ: Vec<_> = held.iter().zip(&fresh.settle()).filter(|(a, b)| a != b).map(
            |((name, held), (_, fresh))| format!("{name}: {held:#x}, at once {fresh:#x}"),
        ).collect();
        prop_assert!(differ.is_empty(), "{:?} after {:?}", differ, world.told);
        world.finish();
        fresh.finish();
    }
}
