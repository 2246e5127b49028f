//! `etsec mdio`: registers of PHYs by number. It knows no meaning of them but who made the PHY.

use anyhow::Result;
use etsec_core::mdio::MdioBus;
use etsec_core::phy;
use serde::Serialize;

use crate::args::{Mdio, MdioAction, Observe};
use crate::observe::open_mdio;
use crate::output::table;
use crate::run::Context;

/// Runs the command.
pub fn run(args: &Mdio, context: &Context) -> Result<()> {
    let out = context.out;
    let open = |target: &Observe| {
        let recorder = context.tracer.begin(&target.device)?;
        open_mdio(&target.device, recorder.as_ref())
    };
    match &args.action {
        MdioAction::Read { target, phy, reg } => {
            let shown = read(&mut *open(target)?, *phy, *reg)?;
            for register in &shown {
                out.show(register, |r| format!("{:2}  {:#06x}", r.reg, r.value))?;
            }
            if is_unanswered(&shown) {
                log::warn!("PHY {phy}: 0xffff; nobody may be there, see `etsec mdio scan`");
            }
            Ok(())
        }
        MdioAction::Write { target, phy, reg, value } => {
            Ok(open(target)?.write(*phy, *reg, *value)?)
        }
        MdioAction::Scan { target } => {
            let found = scan(&mut *open(target)?)?;
            out.show(&found, |found| scan_text(found))
        }
    }
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Register {
    phy: u8,
    reg: u8,
    value: u16,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Found {
    phy: u8,
    id: String,
}

fn read(bus: &mut dyn MdioBus, phy: u8, reg: Option<u8>) -> Result<Vec<Register>> {
    let regs = reg.map_or(0..=31, |reg| reg..=reg);
    regs.map(|reg| Ok(Register { phy, reg, value: bus.read(phy, reg)? })).collect()
}

/// Whether `shown` may be nobody's: the bus rests at ones.
fn is_unanswered(shown: &[Register]) -> bool {
    shown.iter().all(|register| register.value == 0xFFFF)
}

fn scan(bus: &mut dyn MdioBus) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for address in 0..32 {
        if let Some(id) = phy::id(bus, address)? {
            // Not whether its link is up: a PHY keeps a loss of link until the bit is read (HW
            // 8.10), and that reading belongs to the owner.
            found.push(Found { phy: address, id: id.to_string() });
        }
    }
    Ok(found)
}

fn scan_text(found: &[Found]) -> String {
    if found.is_empty() {
        return "no PHY answers\n".into();
    }
    let mut rows = vec![vec!["phy".to_owned(), "id".into()]];
    rows.extend(found.iter().map(|phy| vec![phy.phy.to_string(), phy.id.clone()]));
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use etsec_core::mdio::MdioError;

    /// A bus with one PHY at address 5 whose registers hold their number.
    struct OnePhy(Vec<(u8, u8)>);

    impl MdioBus for OnePhy {
        fn read(&mut self, phy: u8, reg: u8) -> Result<u16, MdioError> {
            if phy > 31 || reg > 31 {
                return Err(MdioError::Address { phy, reg });
            }
            self.0.push((phy, reg));
            Ok(if phy == 5 { reg.into() } else { 0xFFFF })
        }
        fn write(&mut self, _: u8, _: u8, _: u16) -> Result<(), MdioError> {
            Ok(())
        }
    }

    #[test]
    fn a_scan_finds_who_answers_and_leaves_the_link_bit_alone() {
        let mut bus = OnePhy(Vec::new());
        assert_eq!(scan(&mut bus).unwrap(), [Found { phy: 5, id: "0x00020003".into() }]);
        assert!(bus.0.iter().all(|(_, reg)| *reg == 2 || *reg == 3));
        assert_eq!(scan_text(&[]), "no PHY answers\n");
    }

    #[test]
    fn one_register_or_all_are_read() {
        let mut bus = OnePhy(Vec::new());
        assert_eq!(read(&mut bus, 5, Some(4)).unwrap(), [Register { phy: 5, reg: 4, value: 4 }]);
        assert_eq!(read(&mut bus, 5, None).unwrap().len(), 32);
        assert!(read(&mut bus, 32, Some(0)).is_err());
    }
}
