//! The numeric fields of a frame that rules look at: names, ranges, properties (HW 6.3).

use super::error::RuleError;
use super::rule::{Match, Number};

/// A numeric field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// [`Match::ethertype`].
    Ethertype,
    /// [`Match::vlan`].
    Vlan,
    /// [`Match::priority`].
    Priority,
    /// [`Match::tos`].
    Tos,
    /// [`Match::protocol`].
    Protocol,
    /// [`Match::source_port`].
    SourcePort,
    /// [`Match::destination_port`].
    DestinationPort,
}

impl Field {
    /// All fields, in the order of a rule's text.
    pub const ALL: [Field; 7] = [
        Field::Ethertype,
        Field::Vlan,
        Field::Priority,
        Field::Tos,
        Field::Protocol,
        Field::SourcePort,
        Field::DestinationPort,
    ];

    /// Its word in a rule's text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Field::Ethertype => "ethertype",
            Field::Vlan => "vlan",
            Field::Priority => "vlan-prio",
            Field::Tos => "tos",
            Field::Protocol => "protocol",
            Field::SourcePort => "src-port",
            Field::DestinationPort => "dst-port",
        }
    }

    /// Its greatest value: all of its bits.
    #[must_use]
    pub const fn most(self) -> u16 {
        match self {
            Field::Ethertype | Field::SourcePort | Field::DestinationPort => 0xFFFF,
            Field::Vlan => 0xFFF,
            Field::Priority => 7,
            Field::Tos | Field::Protocol => 0xFF,
        }
    }

    /// The property's number.
    pub(super) const fn property(self) -> u32 {
        match self {
            Field::Ethertype => 7,
            Field::Vlan => 8,
            Field::Priority => 9,
            Field::Tos => 10,
            Field::Protocol => 11,
            Field::DestinationPort => 14,
            Field::SourcePort => 15,
        }
    }

    /// A number as the shortest of equal ones, with bits that do not count 0.
    pub(super) fn normal(self, number: Number) -> Result<Number, RuleError> {
        let (name, most) = (self.name(), self.most());
        let within = |value: u16| {
            let range = RuleError::range(name, value.into(), 0, most.into());
            if value > most { Err(range) } else { Ok(value) }
        };
        match number {
            Number::Exactly(value) => Ok(Number::Exactly(within(value)?)),
            Number::Masked { value, mask } => match within(mask)? {
                0 => Err(RuleError::SaysNothing(name)),
                mask if mask == most => Ok(Number::Exactly(within(value)?)),
                mask => Ok(Number::Masked { value: within(value)? & mask, mask }),
            },
            Number::Range { first, last } if first > last => {
                Err(RuleError::Backwards { name, first, last })
            }
            Number::Range { first, last } => match (within(first)?, within(last)?) {
                (first, last) if first == last => Ok(Number::Exactly(first)),
                (0, last) if last == most => Err(RuleError::SaysNothing(name)),
                (first, last) => Ok(Number::Range { first, last }),
            },
        }
    }
}

impl Match {
    /// The condition on a numeric field.
    #[must_use]
    pub fn number(&self, field: Field) -> Option<Number> {
        let mut copy = *self;
        *copy.number_mut(field)
    }

    /// The condition on a numeric field, to be changed.
    pub fn number_mut(&mut self, field: Field) -> &mut Option<Number> {
        match field {
            Field::Ethertype => &mut self.ethertype,
            Field::Vlan => &mut self.vlan,
            Field::Priority => &mut self.priority,
            Field::Tos => &mut self.tos,
            Field::Protocol => &mut self.protocol,
            Field::SourcePort => &mut self.source_port,
            Field::DestinationPort => &mut self.destination_port,
        }
    }
}
