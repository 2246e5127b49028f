//! What a scenario has seen: values with names, in the order they were seen.

use std::fmt::Display;

/// Observations of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    values: Vec<(String, String)>,
    broken: Vec<String>,
}

impl Seen {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Seen::default()
    }

    /// Notes a value, of which there may be one only with that name.
    ///
    /// # Panics
    /// If there is one already.
    pub fn note(&mut self, name: impl Into<String>, value: impl Display) {
        let name = name.into();
        assert!(self.get(&name).is_none(), "{name} is noted twice");
        self.values.push((name, value.to_string()));
    }

    /// Notes a register's value.
    pub fn word(&mut self, name: impl Into<String>, value: u32) {
        self.note(name, format_args!("{value:#010x}"));
    }

    /// Notes whether something holds that has to hold on silicon: a model on which it does not, and
    /// of which that is not known, is wrong.
    pub fn holds(&mut self, name: impl Into<String>, does: bool) {
        let name = name.into();
        if !does {
            self.broken.push(name.clone());
        }
        self.note(name, if does { "yes" } else { "no" });
    }

    /// The value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// All values with their names.
    #[must_use]
    pub fn values(&self) -> &[(String, String)] {
        &self.values
    }

    /// What had to hold and did not.
    #[must_use]
    pub fn broken(&self) -> &[String] {
        &self.broken
    }
}
