//! How a command opens its device: options over the configuration file over what is usual. It
//! starts nothing.

use std::io::Write;

use anyhow::{Result, ensure};
use etsec_core::Running;
use etsec_core::ptp::PtpClock;
use etsec_linux::adopt::Started;
use etsec_linux::device::Device;
use etsec_linux::options::Options;
use etsec_linux::{AnyBus, NotAdopted, PortConfig};

use crate::args::{self, DeviceName, LinkArg, Tuning};
use crate::run::Usage;
use crate::settings::{self, Ending, Filter, Live, Ready, RuleFile, Settings, fit};
use crate::tracer::Tracer;

/// How a device is to be opened.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The device.
    pub device: DeviceName,
    /// What it is set to.
    pub settings: Settings,
    /// The transmit queue to use.
    pub tx_queue: usize,
    /// Whether received frames are parsed, whatever the settings need.
    pub parser: bool,
    /// Whether frames that are sent end with check sequences of their own.
    pub own_endings: bool,
}

/// A device that is ready to be started, or runs already.
#[derive(Debug)]
pub struct Opened {
    port: Port,
    /// What it is to be set to.
    settings: Settings,
    /// Its IEEE 1588 clock, if it is to have one.
    pub clock: Option<PtpClock<AnyBus>>,
}

#[derive(Debug)]
enum Port {
    Fresh(Device),
    AskedFor(etsec_linux::Opened),
}

impl Opened {
    /// The device, running. What has become of the wish to take it over is told.
    ///
    /// # Errors
    /// What the driver says.
    pub fn start(self) -> Result<Device<Running<AnyBus>>> {
        let opened = match self.port {
            Port::Fresh(device) => return Ok(device.start().map_err(|(_, error)| error)?),
            Port::AskedFor(opened) => opened,
        };
        let Started { mut device, adoption } = opened.start()?;
        if adoption.is_ok()
            && let Err(error) = settle(&self.settings, &mut device)
        {
            device.stop().map_err(|(_, error)| error)?;
            return Err(error);
        }
        let name = &device.name;
        // A closed standard error leaves nobody to tell; other refusals have been told of.
        let _ = match adoption {
            Ok(adoption) => writeln!(std::io::stderr(), "{name}: {adoption}"),
            Err(NotAdopted::Nothing) => {
                writeln!(std::io::stderr(), "{name}: not taken over: no process has left it")
            }
            Err(_) => Ok(()),
        };
        Ok(device)
    }
}

/// Tells a device that was taken over what could not be told before.
fn settle(settings: &Settings, device: &mut Device<Running<AnyBus>>) -> Result<()> {
    let Device { port, link, config, .. } = device;
    settings.settle(&mut Live { port, link, clock: &mut None, config })
}

impl Setup {
    /// As the options of a command with one device say, over the configuration file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn of_port(port: &args::Port) -> Result<Self> {
        let mut setup = Self::of_device(&port.device, &port.tuning)?;
        setup.settings.mac = port.mac.or(setup.settings.mac);
        Ok(setup)
    }

    /// As the options of a command with several devices say, over the configuration file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn of_device(device: &DeviceName, tuning: &Tuning) -> Result<Self> {
        let mut settings = settings::of(tuning.config.as_ref(), device)?;
        if let Some(path) = &tuning.filter {
            let RuleFile { rules, default } = RuleFile::read(path)?;
            let single_queue = settings.filter.single_queue;
            settings.filter = Filter { enabled: true, single_queue, default, rules };
        }
        settings.check()?;
        let wide = |number| i64::try_from(number).unwrap_or(i64::MAX);
        settings.mtu = tuning.mtu.map_or(settings.mtu, wide);
        settings.adopt |= tuning.adopt;
        settings.link = tuning.link.unwrap_or(settings.link);
        settings.phy = tuning.phy.map(i64::from).or(settings.phy);
        settings.rings.descriptors = tuning.ring.map_or(settings.rings.descriptors, wide);
        settings.rings.buffers = tuning.buffers.map(wide).or(settings.rings.buffers);
        settings.check().map_err(|wrong| Usage(wrong.to_string()))?;
        Ok(Setup {
            device: device.clone(),
            settings,
            tx_queue: 0,
            parser: false,
            own_endings: false,
        })
    }

    /// And frames to others, if `promiscuous`.
    #[must_use]
    pub fn receiving_all(mut self, promiscuous: bool) -> Self {
        self.settings.address.promiscuous |= promiscuous;
        self
    }

    /// Sending on that transmit queue, which makes as many of them as it takes.
    #[must_use]
    pub fn sending_on(mut self, queue: u8) -> Self {
        self.tx_queue = queue.into();
        self.settings.rings.tx = self.settings.rings.tx.max(i64::from(queue) + 1);
        self
    }

    /// Opens the device and tells it what it is set to.
    ///
    /// # Errors
    /// What the driver says.
    pub fn open(&self, tracer: &Tracer) -> Result<Opened> {
        let mut opened = Self::open_all(&[self], tracer)?;
        // One was asked for.
        Ok(opened.remove(0))
    }

    /// Opens devices that may hold each other's buffers: if they are to be taken over, then all or
    /// none.
    ///
    /// # Errors
    /// What the driver says.
    pub fn open_all(setups: &[&Setup], tracer: &Tracer) -> Result<Vec<Opened>> {
        let mut asked = Vec::new();
        for setup in setups {
            setup.check()?;
            let options = Options { trace: tracer.begin(&setup.device)?, ..setup.options() };
            asked.push((setup.device.to_string(), options));
        }
        let asked: Vec<(&str, &Options)> =
            asked.iter().map(|(name, options)| (name.as_str(), options)).collect();
        let mut clocks: Vec<_> = setups.iter().map(|_| None).collect();
        let mut begin = |n: usize, device: &mut Device| {
            let settings: &Settings = &setups[n].settings;
            settings.begin(&mut Ready { device, clock: &mut clocks[n] })?;
            if settings.groups.are_two()
                && let Some(second) = device.second.take()
            {
                // A command has one thread, which waits for both.
                device.waiter.join(second)?;
            }
            Ok::<_, anyhow::Error>(())
        };
        let ports: Vec<Port> = if setups.iter().any(|setup| setup.settings.adopt) {
            let opened = Device::adopt_all(&asked, begin)?;
            opened.into_iter().map(Port::AskedFor).collect()
        } else {
            let mut devices = Device::open_all(&asked)?;
            for (n, device) in devices.iter_mut().enumerate() {
                begin(n, device)?;
            }
            devices.into_iter().map(Port::Fresh).collect()
        };
        let opened = ports.into_iter().zip(clocks).zip(setups).map(|((port, clock), setup)| {
            let settings = setup.settings.clone();
            Opened { port, settings, clock }
        });
        Ok(opened.collect())
    }

    /// Whether the command can do what the settings say.
    fn check(&self) -> Result<()> {
        ensure!(
            self.own_endings || self.settings.frames.ending != Ending::Own,
            Usage(
                "frames.ending is own, and frames have no check sequence of their own here: only \
                 those of `send --pcap` do"
                    .into()
            )
        );
        let queue = self.tx_queue;
        ensure!(
            !self.settings.sched.blocks(queue),
            Usage(format!("sched never gives transmit ring {queue} a turn: see `etsec sched`"))
        );
        Ok(())
    }

    /// How many buffers a receive ring is filled with.
    ///
    /// # Errors
    /// A number out of range.
    pub fn lent(&self) -> Result<usize> {
        Ok(self.options().sizes()?.lent())
    }

    fn options(&self) -> Options {
        let settings = &self.settings;
        Options {
            mtu: fit(settings.mtu),
            ring: fit(settings.rings.descriptors),
            buffers: settings.rings.buffers.map(fit),
            rx_rings: fit(settings.rings.rx),
            tx_rings: fit(settings.rings.tx),
            link: match settings.link {
                LinkArg::Auto => None,
                LinkArg::Fixed(link) => Some(link),
            },
            port: PortConfig {
                station: settings.mac,
                phy_address: settings.phy.map(fit),
                part: settings.part.as_deref().and_then(|part| part.parse().ok()),
                ..PortConfig::default()
            },
            parser: self.parser || settings.needs_parser(),
            frames: settings.frames.options(),
            loopback: settings.frames.loopback,
            rx_offload: settings.rx_offload(),
            tx_offload: settings.tx_offload(),
            flow_control: settings.pause.flow_control(),
            ..Options::default()
        }
    }
}
