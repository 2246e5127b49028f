//! VLAN tags that the controller takes out of received frames, and puts into those that are sent.

use serde::{Deserialize, Serialize};

use super::{Section, Settings, Wrong, fit};

/// VLAN tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Vlan {
    /// Tags are taken out of received frames. What passes a frame on puts its tag in again.
    pub extract: bool,
    /// The VLAN of the tag that is put into frames that a command makes, if any is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// The priority in that tag.
    pub priority: i64,
}

impl Vlan {
    /// The control word of the tag of frames that a command makes.
    pub fn tag(self) -> Option<u16> {
        let id: u16 = fit(self.id?);
        Some(fit::<u16>(self.priority) << 13 | id)
    }

    /// Whether frames may leave with a tag put in.
    pub fn inserts(self) -> bool {
        self.extract || self.id.is_some()
    }
}

impl Section for Vlan {
    fn check(&self, _: &Settings) -> Result<(), Wrong> {
        Wrong::unless_in("vlan.priority", self.priority, (0, 7))?;
        match self.id {
            // 4095 is nobody's.
            Some(id) => Wrong::unless_in("vlan.id", id, (0, 4094)),
            None if self.priority != 0 => {
                Err(Wrong::new("vlan.priority", "needs a tag to be in: set vlan.id"))
            }
            None => Ok(()),
        }
    }

    // Queues are made for it: a device is opened with it.
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_priority_and_number() {
        let vlan = Vlan { extract: false, id: Some(5), priority: 3 };
        assert_eq!((vlan.tag(), vlan.inserts()), (Some(0x6005), true));
        let none = Vlan { extract: true, ..Vlan::default() };
        assert_eq!((none.tag(), none.inserts()), (None, true));
        let text = |vlan: Vlan| vlan.check(&Settings::default()).unwrap_err().to_string();
        assert_eq!(
            text(Vlan { id: None, ..vlan }),
            "vlan.priority needs a tag to be in: set vlan.id"
        );
        let most = "vlan.id is 4095, but must be from 0 to 4094";
        assert_eq!(text(Vlan { id: Some(4095), ..vlan }), most);
    }
}
