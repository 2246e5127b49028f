//! `etsec bind` and `etsec unbind`: a port changes hands between the kernel's driver and UIO. The
//! work is the library's; here it is put into words.

use anyhow::Result;
use etsec_linux::Roots;
use etsec_linux::handover::{self, KernelDriver, Outcome};
use serde::Serialize;

use crate::args::Handover;
use crate::output::Output;

/// `etsec bind`.
pub fn bind(args: &Handover, out: Output) -> Result<()> {
    let outcome = handover::bind(&Roots::default(), &args.name, args.force)?;
    out.show(&Done::new("bind", &args.name, outcome), text)
}

/// `etsec unbind`.
pub fn unbind(args: &Handover, out: Output) -> Result<()> {
    let outcome = handover::unbind(&Roots::default(), &args.name, args.force)?;
    out.show(&Done::new("unbind", &args.name, outcome), text)
}

#[derive(Debug, Serialize)]
struct Done {
    event: &'static str,
    device: String,
    /// Whether anything had to be done.
    changed: bool,
    /// The UIO devices that the port is now.
    uio: Vec<UioNow>,
    /// Whom the port was taken from, or given to; null if nobody.
    kernel: Option<KernelNow>,
}

#[derive(Debug, Serialize)]
struct UioNow {
    id: String,
    name: String,
}

#[derive(Debug, Serialize)]
struct KernelNow {
    driver: String,
    device: String,
    interfaces: Vec<String>,
}

impl Done {
    fn new(event: &'static str, name: &str, outcome: Outcome) -> Self {
        let now =
            |KernelDriver { driver, device, interfaces }| KernelNow { driver, device, interfaces };
        Done {
            event,
            device: format!("uio:{name}"),
            changed: outcome.changed,
            uio: outcome.uio.into_iter().map(|(id, name)| UioNow { id, name }).collect(),
            kernel: outcome.kernel.map(now),
        }
    }
}

fn text(done: &Done) -> String {
    let uio: Vec<_> = done.uio.iter().map(|uio| format!("{} '{}'", uio.id, uio.name)).collect();
    let kernel = match &done.kernel {
        Some(kernel) if kernel.interfaces.is_empty() => kernel.driver.clone(),
        Some(kernel) => format!("{} ({})", kernel.driver, kernel.interfaces.join(", ")),
        None => "nobody".into(),
    };
    let device = &done.device;
    let uio = uio.join(", ");
    match (done.event, done.changed) {
        ("bind", true) => format!("{device}: taken from {kernel}, now {uio}"),
        ("bind", false) => format!("{device}: was UIO's already, {uio}"),
        (_, true) => format!("{device}: given to {kernel}"),
        (_, false) => format!("{device}: was no UIO device, {kernel} has it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(changed: bool, uio: &[(&str, &str)], driver: Option<&str>) -> Outcome {
        let own = |(id, name): &(&str, &str)| ((*id).to_owned(), (*name).to_owned());
        let kernel = driver.map(|driver| KernelDriver {
            driver: driver.into(),
            device: "ffe25000.ethernet".into(),
            interfaces: vec!["eth1".into()],
        });
        Outcome { changed, uio: uio.iter().map(own).collect(), kernel }
    }

    #[test]
    fn each_outcome_has_its_words() {
        let check = |event, outcome, expected: &str| {
            assert_eq!(text(&Done::new(event, "eth1", outcome)), expected);
        };
        let uio = [("uio0", "eth1-tx"), ("uio1", "eth1-rx")];
        let gianfar = Some("fsl-gianfar");
        check(
            "bind",
            outcome(true, &uio, gianfar),
            "uio:eth1: taken from fsl-gianfar (eth1), now uio0 'eth1-tx', uio1 'eth1-rx'",
        );
        check(
            "bind",
            outcome(true, &uio[..1], None),
            "uio:eth1: taken from nobody, now uio0 'eth1-tx'",
        );
        check(
            "bind",
            outcome(false, &uio[..1], None),
            "uio:eth1: was UIO's already, uio0 'eth1-tx'",
        );
        check("unbind", outcome(true, &[], gianfar), "uio:eth1: given to fsl-gianfar (eth1)");
        check(
            "unbind",
            outcome(false, &[], gianfar),
            "uio:eth1: was no UIO device, fsl-gianfar (eth1) has it",
        );
    }

    #[test]
    fn programs_are_told_by_whom_and_what() {
        let done =
            Done::new("bind", "eth1", outcome(true, &[("uio0", "eth1-tx")], Some("fsl-gianfar")));
        let json = serde_json::to_value(&done).unwrap();
        let expected = serde_json::json!({
            "event": "bind", "device": "uio:eth1", "changed": true,
            "uio": [{"id": "uio0", "name": "eth1-tx"}],
            "kernel": {
                "driver": "fsl-gianfar", "device": "ffe25000.ethernet", "interfaces": ["eth1"]
            },
        });
        assert_eq!(json, expected);
    }
}
