//! Asking a guest to do things, and what it answers: lines of JSON both ways, as `tests/guest`
//! understands them. It knows no scenario.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::qemu::console::Console;

/// How long the guest may take for what it does by itself.
const LIMIT: Duration = Duration::from_secs(30);

/// What the guest says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
enum Event {
    Ready {
        kernel: String,
    },
    Done {
        id: u64,
        #[serde(flatten)]
        answer: Answer,
    },
    Failed {
        id: Option<u64>,
        why: String,
    },
    Line {
        id: u64,
        from: From,
        text: String,
    },
    Ended {
        id: u64,
        status: Option<i32>,
        signal: Option<i32>,
    },
}

/// What comes of a request.
#[derive(Debug, Deserialize)]
struct Answer {
    /// What was asked for, in base64.
    data: Option<String>,
    /// The number of the program that was started.
    pid: Option<u32>,
}

/// Where a program said a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A line that a program said.
#[derive(Debug, Clone)]
pub struct Line {
    /// Where.
    pub from: From,
    /// The line.
    pub text: String,
}

/// A program that was started.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    id: u64,
    /// Its number in the guest.
    pub pid: u32,
}

/// How a program ended, and all it said.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status, if it ended by itself.
    pub status: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    lines: Vec<Line>,
}

impl Finished {
    /// What it said on standard output.
    pub fn out(&self) -> String {
        self.said(From::Out)
    }

    /// What it said on standard error.
    pub fn err(&self) -> String {
        self.said(From::Err)
    }

    /// The JSON values among the lines of standard output.
    pub fn values(&self) -> Vec<Value> {
        self.out().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn said(&self, from: From) -> String {
        let lines = self.lines.iter().filter(|line| line.from == from);
        lines.map(|line| line.text.clone() + "\n").collect()
    }
}

/// What is known of a program so far.
#[derive(Debug, Default)]
struct Said {
    pid: u32,
    lines: Vec<Line>,
    /// Lines that have been looked at by [`Control::line`].
    seen: usize,
    ended: Option<(Option<i32>, Option<i32>)>,
}

/// The way to a guest.
#[derive(Debug, Default)]
pub struct Control {
    asked: u64,
    programs: HashMap<u64, Said>,
    /// Answers that nobody has taken yet; or why there is none.
    answers: HashMap<u64, Result<Answer, String>>,
    kernel: Option<String>,
}

impl Control {
    /// Waits until the guest is up; returns its kernel's version.
    pub fn ready(&mut self, console: &mut Console, limit: Duration) -> Result<String> {
        let until = Instant::now() + limit;
        loop {
            if let Some(kernel) = self.kernel.take() {
                return Ok(kernel);
            }
            self.take(console, until, "the guest's first word")?;
        }
    }

    /// Asks for something and waits until it is done; what was asked for comes back.
    pub fn ask(&mut self, console: &mut Console, action: Value) -> Result<Vec<u8>> {
        let (_, answer) = self.request(console, action)?;
        STANDARD.decode(answer.data.unwrap_or_default()).context("the guest's answer is not base64")
    }

    /// Starts a program.
    pub fn start(&mut self, console: &mut Console, argv: &[&str]) -> Result<Program> {
        let action = json!({ "do": "run", "argv": argv });
        let (id, answer) = self.request(console, action)?;
        let pid = answer.pid.context("the guest started a program without a number")?;
        // It may have said something already.
        self.programs.entry(id).or_default().pid = pid;
        Ok(Program { id, pid })
    }

    /// The programs that were started and have not ended, as far as is known.
    pub fn running(&self) -> Vec<Program> {
        let runs = |said: &Said| said.ended.is_none();
        let running = self.programs.iter().filter(|(_, said)| runs(said));
        running.map(|(id, said)| Program { id: *id, pid: said.pid }).collect()
    }

    /// Sends a signal to a program.
    pub fn signal(
        &mut self,
        console: &mut Console,
        program: &Program,
        signal: Signal,
    ) -> Result<()> {
        let action = json!({ "do": "signal", "to": program.id, "signal": signal.as_raw() });
        self.request(console, action).map(drop)
    }

    /// Takes the program's lines until `wanted` makes something of one; `what` names it in errors.
    pub fn line<T>(
        &mut self,
        console: &mut Console,
        program: &Program,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&Line) -> Option<T>,
    ) -> Result<T> {
        let until = Instant::now() + limit;
        loop {
            let said = self.programs.entry(program.id).or_default();
            while said.seen < said.lines.len() {
                said.seen += 1;
                if let Some(found) = wanted(&said.lines[said.seen - 1]) {
                    return Ok(found);
                }
            }
            if said.ended.is_some() {
                let last = said.lines.last().map_or("nothing", |line| &line.text);
                bail!("{what} was awaited, and the program ended; it said last: {last}");
            }
            self.take(console, until, what)?;
        }
    }

    /// Waits for the program's end.
    pub fn finish(
        &mut self,
        console: &mut Console,
        program: Program,
        limit: Duration,
    ) -> Result<Finished> {
        let until = Instant::now() + limit;
        loop {
            if let Some((status, signal)) = self.programs.get(&program.id).and_then(|s| s.ended) {
                let lines = self.programs.remove(&program.id).unwrap_or_default().lines;
                return Ok(Finished { status, signal, lines });
            }
            self.take(console, until, "the program's end")?;
        }
    }

    /// Asks for something and waits until it is done.
    fn request(&mut self, console: &mut Console, mut action: Value) -> Result<(u64, Answer)> {
        self.asked += 1;
        let id = self.asked;
        action["id"] = id.into();
        console.type_line(&action.to_string())?;
        let until = Instant::now() + LIMIT;
        loop {
            if let Some(answer) = self.answers.remove(&id) {
                match answer {
                    Ok(done) => return Ok((id, done)),
                    Err(why) => bail!("the guest says: {why}"),
                }
            }
            self.take(console, until, &format!("an answer to {action}"))?;
        }
    }

    /// Takes one line of the guest's.
    fn take(&mut self, console: &mut Console, until: Instant, what: &str) -> Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        // Until its first word the line carries what the kernel says very early.
        let event = console.expect(what, left, |line| serde_json::from_str(line).ok())?;
        match event {
            Event::Ready { kernel } => self.kernel = Some(kernel),
            Event::Done { id, answer } => {
                self.answers.insert(id, Ok(answer));
            }
            Event::Failed { id: Some(id), why } => {
                self.answers.insert(id, Err(why));
            }
            Event::Failed { id: None, why } => bail!("the guest did not understand us: {why}"),
            Event::Line { id, from, text } => {
                self.programs.entry(id).or_default().lines.push(Line { from, text });
            }
            Event::Ended { id, status, signal } => {
                self.programs.entry(id).or_default().ended = Some((status, signal));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::log::Log;
    use crate::run::Group;

    /// A shell in the guest's place: it answers whatever is asked in the order of its script.
    fn guest(script: &str) -> (Group, Console, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let log = Log::create(folder.path().join("x.log")).expect("a log");
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut group = Group::start(&mut command).expect("a shell");
        let console = Console::new(group.child(), &log).expect("pipes");
        (group, console, folder)
    }

    #[test]
    fn answers_and_news_of_programs_find_whom_they_are_for() {
        let (_group, mut console, _folder) = guest(
            r#"echo 'early words of the kernel'
            echo '{"event":"ready","kernel":"6.1.0"}'
            read asked
            echo '{"event":"line","id":1,"from":"out","text":"{\"n\":1}"}'
            echo '{"event":"done","id":1,"pid":42}'
            read asked
            echo '{"event":"line","id":1,"from":"err","text":"why"}'
            echo '{"event":"done","id":2,"data":"YWJj"}'
            echo '{"event":"ended","id":1,"status":1}'"#,
        );
        let mut control = Control::default();
        assert_eq!(control.ready(&mut console, LIMIT).expect("up"), "6.1.0");
        let program = control.start(&mut console, &["x"]).expect("started");
        assert_eq!(program.pid, 42);
        assert_eq!(control.running().len(), 1);
        assert_eq!(control.ask(&mut console, json!({ "do": "read" })).expect("read"), b"abc");
        let found = control.line(&mut console, &program, "why", LIMIT, |line| {
            (line.text == "why").then_some(line.from)
        });
        assert_eq!(found.expect("said"), From::Err);
        let finished = control.finish(&mut console, program, LIMIT).expect("ended");
        assert_eq!((finished.status, finished.signal), (Some(1), None));
        assert_eq!((finished.values(), finished.err()), (vec![json!({ "n": 1 })], "why\n".into()));
        assert_eq!(control.running().len(), 0);
    }

    #[test]
    fn what_a_guest_cannot_do_is_an_error_with_its_words() {
        let script = r#"read asked; echo '{"event":"failed","id":1,"why":"no such file"}'"#;
        let (_group, mut console, _folder) = guest(script);
        let error = Control::default().ask(&mut console, json!({ "do": "read" }));
        assert_eq!(error.expect_err("failed").to_string(), "the guest says: no such file");
    }

    #[test]
    fn a_program_that_ends_before_its_line_says_what_it_said_last() {
        let script = r#"read asked
            echo '{"event":"done","id":1,"pid":42}'
            echo '{"event":"line","id":1,"from":"err","text":"broken"}'
            echo '{"event":"ended","id":1,"status":1}'; read more"#;
        let (_group, mut console, _folder) = guest(script);
        let mut control = Control::default();
        let program = control.start(&mut console, &["x"]).expect("started");
        let found = control.line(&mut console, &program, "a word", LIMIT, |_| None::<()>);
        let error = found.expect_err("ended").to_string();
        assert!(error.starts_with("a word was awaited") && error.ends_with("broken"), "{error}");
    }
}
