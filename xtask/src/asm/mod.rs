//! `cargo xtask asm`: looks at the code that was built for an e500v2. It must hold no instruction
//! that the processor lacks, and the steps of the data path must not reach a panic; how long each
//! step is, is printed.

mod built;
mod canary;
mod disassembly;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use crate::Common;
use crate::log::Log;
use crate::report::Verdict;
use crate::session::Session;
use built::Built;
use disassembly::{Disassembly, Function};

/// The steps of the data path, as `etsec-core/examples/hot_path.rs` names them.
const STEPS: [(&str, &str); 7] = [
    ("push", "TxQueue::stage"),
    ("kick", "TxQueue::commit"),
    ("reap", "TxQueue::reap"),
    ("pop", "RxQueue::next"),
    ("fill", "RxQueue::refill"),
    ("forward", "a burst, rx to tx"),
    ("recycle", "a burst, tx to rx"),
];

/// How many forbidden words of a file are shown.
const SHOWN: usize = 5;

/// Options of `asm`.
#[derive(Debug, Args)]
#[command(after_help = "\
Forbidden is what an e500v2 cannot execute: classic floating point, lwsync, everything newer. The
disassembler decides, and is itself tried on such instructions first. Counts are of instructions in
the function, rare paths included; what a packet executes, `cargo xtask bench` counts.")]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// Look at these files instead of building ours.
    file: Vec<PathBuf>,
    /// Print the numbers as one JSON object in the last line.
    #[arg(long)]
    json: bool,
}

/// Builds, disassembles, judges; true when nothing forbidden was found.
///
/// # Errors
/// Ctrl-C, code that does not build, a file that holds none.
pub fn run(options: &Options) -> Result<bool> {
    let mut session = Session::new(options.common)?;
    let mut log = session.log("asm")?;
    session.progress.start("build");
    let built = if options.file.is_empty() {
        built::ours(&mut session, &mut log)?
    } else {
        built::given(&mut session, &options.file)?
    };
    session.progress.finish();
    let built = match built {
        Ok(built) => built,
        Err(missing) => {
            say!("nothing to look at: {missing}");
            return Ok(false);
        }
    };
    let found = Findings::of(&session, &built)?;
    say!("{}", found.text());
    if options.json {
        say!("{}", found.object());
    }
    Ok(found.problems().is_empty())
}

/// Makes sure that these programs hold nothing that an e500v2 could not execute.
///
/// # Errors
/// Where one does; where one cannot be disassembled.
pub fn clean(session: &Session, programs: &[PathBuf]) -> Result<()> {
    let built = Built { programs: programs.to_vec(), hot_path: None };
    match Findings::of(session, &built)?.problems().first() {
        None => Ok(()),
        Some(first) => bail!("{first}"),
    }
}

/// The same as a suite of `test`.
///
/// # Errors
/// As [`run`].
pub fn suite(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let built = match built::ours(session, log)? {
        Ok(built) => built,
        Err(why) => return Ok(Verdict::Skipped { why }),
    };
    let found = Findings::of(session, &built)?;
    log.line(&found.text())?;
    let problems = found.problems();
    let passed = found.files.len() as u64 + found.steps.len() as u64;
    Ok(match problems.first() {
        None => Verdict::Passed { passed, ignored: 0 },
        Some(first) => {
            Verdict::Failed { passed: 0, failed: problems.len() as u64, why: first.clone() }
        }
    })
}

/// What was seen.
struct Findings {
    /// Each file by name.
    files: Vec<(String, Disassembly)>,
    /// The steps of the data path, where they were built.
    steps: Vec<Step>,
}

/// A step of the data path.
struct Step {
    name: &'static str,
    /// What it stands for.
    method: &'static str,
    function: Option<Function>,
    /// Symbols that end in a panic, called by it or by what it calls.
    panics: Vec<String>,
}

impl Findings {
    fn of(session: &Session, built: &Built) -> Result<Self> {
        canary::sings(session)?;
        let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
        let mut files = Vec::new();
        for path in &built.programs {
            files.push((name(path).unwrap_or_default(), Disassembly::of(session, path)?));
        }
        let mut steps = Vec::new();
        if let Some(path) = &built.hot_path {
            let hot = Disassembly::of(session, path)?;
            for (name, method) in STEPS {
                let function = hot.function(name).cloned();
                let reached = hot.reached(name);
                let panics = reached.into_iter().filter(|call| is_panic(call)).collect();
                steps.push(Step { name, method, function, panics });
            }
            files.push((name(path).unwrap_or_default(), hot));
        }
        Ok(Self { files, steps })
    }

    /// What must not be, in one line each.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, code) in &self.files {
            for word in &code.forbidden {
                let (word, address) = (word.word, word.address);
                problems.push(format!("{name}: {word:#010x} at {address:#x} is not for an e500v2"));
            }
        }
        for Step { name, method, function, panics } in &self.steps {
            if function.is_none() {
                problems.push(format!("{name} ({method}) is not in the library"));
            }
            for call in panics {
                problems.push(format!("{name} ({method}) can panic: {}", short(call)));
            }
        }
        problems
    }

    fn text(&self) -> String {
        let mut out = format!("{:32}{:>14}{:>11}\n", "file", "instructions", "forbidden");
        for (name, code) in &self.files {
            let (all, bad) = (code.instructions, code.forbidden.len());
            out += &format!("{name:32}{all:>14}{bad:>11}\n");
        }
        if !self.steps.is_empty() {
            out += &format!("\n{:10}{:18}{:>16}  calls\n", "step", "", "instructions");
        }
        for Step { name: step, method, function, .. } in &self.steps {
            let Some(function) = function else { continue };
            let calls: Vec<_> = function.calls.iter().map(|call| short(call)).collect();
            let (count, calls) = (function.instructions, calls.join(", "));
            let line = format!("{step:10}{method:18}{count:>16}  {calls}");
            out += &format!("{}\n", line.trim_end());
        }
        let problems = self.problems();
        for problem in problems.iter().take(SHOWN) {
            out += &format!("{problem}\n");
        }
        if problems.len() > SHOWN {
            out += &format!("and {} more\n", problems.len() - SHOWN);
        }
        out.trim_end().to_owned()
    }

    fn object(&self) -> serde_json::Value {
        let mut object = json!({ "asm": { "forbidden": 0, "steps": {} } });
        let forbidden: usize = self.files.iter().map(|(_, code)| code.forbidden.len()).sum();
        object["asm"]["forbidden"] = json!(forbidden);
        for step in &self.steps {
            let count = step.function.as_ref().map(|function| function.instructions);
            object["asm"]["steps"][step.name] = json!(count);
        }
        object
    }
}

/// Whether a symbol, mangled or not, is one of those that end in a panic.
fn is_panic(symbol: &str) -> bool {
    // What the core library calls where it cannot go on: `slice_index_fail`, `unwrap_failed` and
    // their like.
    let ends = ["_fail", "_failed"].iter().any(|word| short(symbol).ends_with(word));
    ends || symbol.contains("panicking")
}

/// A function's own name, without the path to it.
fn short(symbol: &str) -> String {
    let path = format!("{:#}", rustc_demangle::demangle(symbol));
    path.rsplit("::").next().unwrap_or(symbol).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use disassembly::Forbidden;

    #[test]
    fn forbidden_words_and_panics_are_problems() {
        let code = Disassembly {
            functions: Vec::new(),
            forbidden: vec![Forbidden { address: 0x1000, word: 0x7C20_04AC }],
            instructions: 9,
        };
        let function = Some(Function { name: "push".into(), instructions: 60, calls: Vec::new() });
        let panics = vec!["_RNvNtCs1_4core9panicking5panic".to_owned()];
        assert!(panics.iter().all(|symbol| is_panic(symbol)));
        assert!(is_panic("_RNvNtNtCs1_4core5slice5index16slice_index_fail"));
        assert!(is_panic("_RNvNtCs1_4core6option13unwrap_failed") && !is_panic("memcpy"));
        let found = Findings {
            files: vec![("etsec".into(), code)],
            steps: vec![
                Step { name: "push", method: "TxQueue::stage", function, panics },
                Step { name: "pop", method: "RxQueue::next", function: None, panics: Vec::new() },
            ],
        };
        let problems = found.problems();
        assert_eq!(problems[0], "etsec: 0x7c2004ac at 0x1000 is not for an e500v2");
        assert!(problems[1].starts_with("push (TxQueue::stage) can panic"), "{problems:?}");
        assert_eq!(problems[2], "pop (RxQueue::next) is not in the library");
        assert_eq!(
            found.object().to_string(),
            r#"{"asm":{"forbidden":1,"steps":{"pop":null,"push":60}}}"#
        );
    }

    #[test]
    fn symbols_are_shown_by_their_last_word() {
        let mangled = "_RNvMs1_NtCsgNDxldL0jwe_10etsec_core2txINtB5_7TxQueueINtNtB7_3bus8PageBell\
            NtBR_4MmioEE12stage_slowlyCs4VFhXqUe7qP_8hot_path";
        assert_eq!(short(mangled), "stage_slowly");
        assert_eq!(short("memcpy"), "memcpy");
    }
}
