//! How a running owner of a port is asked and told: a socket, one line of JSON each way. `server`
//! is the owner's side, `client` the other; `place` is where they meet, and here is what both must
//! know. Neither knows a section.

mod client;
mod place;
mod server;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::client::{NobodyRuns, ask};
pub use self::place::canonical;
pub use self::server::{Server, Taken};

/// What can be asked of an owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// The settings that are in force.
    Show,
    /// What the port is like at this moment: a [`State`].
    Look,
    /// Change values of a section.
    Set {
        /// The section.
        section: String,
        /// The keys and their new values.
        values: Map<String, Value>,
    },
    /// Do something with a section that is no change of its values.
    Act {
        /// The section.
        section: String,
        /// What to do.
        words: Vec<String>,
    },
}

/// What the owner says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// What was asked for; after a change, all settings; after an action, what came of it.
    Done(Value),
    /// Why nothing was done.
    Refused(String),
}

/// What can be seen of a running port without touching it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The number of the process that runs it.
    pub process: u32,
    /// The link, as the owner has last seen it; `None` while it is down.
    pub link: Option<String>,
    /// Whether pause frames are obeyed on that link, and whether they are sent.
    pub pause: Option<[bool; 2]>,
    /// How the owner's waits have ended.
    #[serde(default)]
    pub waits: Value,
    /// The registers that can be read beside their owner, by byte offset.
    pub registers: BTreeMap<u16, u32>,
}
