//! How a command opens its device: options over the configuration file over what is usual. It
//! starts nothing.

use anyhow::{Result, ensure};
use etsec_core::ptp::PtpClock;
use etsec_linux::device::Device;
use etsec_linux::options::Options;
use etsec_linux::{AnyBus, PortConfig};

use crate::args::{DeviceName, LinkArg, Port, Tuning};
use crate::run::Usage;
use crate::settings::{self, Ending, Filter, Ready, RuleFile, Settings, fit};
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

/// A device that is ready to be started.
#[derive(Debug)]
pub struct Opened {
    /// The device.
    pub device: Device,
    /// Its IEEE 1588 clock, if it is to have one.
    pub clock: Option<PtpClock<AnyBus>>,
}

impl Setup {
    /// As the options of a command with one device say, over the configuration file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn of_port(port: &Port) -> Result<Self> {
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
        let options = Options { trace: tracer.begin(&self.device)?, ..self.options() };
        let mut device = Device::open(&self.device.to_string(), &options)?;
        let mut clock = None;
        self.settings.begin(&mut Ready { device: &mut device, clock: &mut clock })?;
        Ok(Opened { device, clock })
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
