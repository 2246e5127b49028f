//! What the guest says to the host: one JSON object a line, whole lines only, from any thread.

use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// An answer, or news of a program.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
enum Answer<'a> {
    /// The guest is up.
    Ready { kernel: &'a str },
    /// It is done.
    Done {
        id: u64,
        #[serde(flatten)]
        outcome: Outcome,
    },
    /// It is not done.
    Failed {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        why: String,
    },
    /// A program said this, on standard output (`out`) or standard error (`err`).
    Line { id: u64, from: &'a str, text: String },
    /// A program has ended, after its last line.
    Ended {
        id: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<i32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
    },
}

/// What comes of a request.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// What was asked for, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The number of the program that was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// The way to the host; clones share it.
#[derive(Debug, Clone)]
pub struct Answers(Arc<Mutex<File>>);

impl Answers {
    /// Answers go to `line`.
    pub fn new(line: File) -> Self {
        Self(Arc::new(Mutex::new(line)))
    }

    /// The guest is up.
    pub fn ready(&self) {
        let name = rustix::system::uname();
        self.say(&Answer::Ready { kernel: &name.release().to_string_lossy() });
    }

    /// Request `id` is done.
    pub fn done(&self, id: u64, outcome: Outcome) {
        self.say(&Answer::Done { id, outcome });
    }

    /// Request `id`, or one that could not be understood, is not done.
    pub fn failed(&self, id: Option<u64>, error: &anyhow::Error) {
        self.say(&Answer::Failed { id, why: format!("{error:#}") });
    }

    /// The program of request `id` said a line.
    pub fn line(&self, id: u64, from: &str, text: String) {
        self.say(&Answer::Line { id, from, text });
    }

    /// The program of request `id` has ended.
    pub fn ended(&self, id: u64, status: Option<i32>, signal: Option<i32>) {
        self.say(&Answer::Ended { id, status, signal });
    }

    fn say(&self, answer: &Answer<'_>) {
        let Ok(mut text) = serde_json::to_vec(answer) else { return };
        text.push(b'\n');
        // A thread that died while it wrote leaves at worst half a line, which the host ignores.
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Without the line there is nobody to tell.
        let _ = line.write_all(&text);
    }
}
