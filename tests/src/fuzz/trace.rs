//! Files that may be traces: what is no trace is told with its line, what is one reads as it is
//! written, and can be played to a model whatever it says.

use etsec_sim::trace::{Line, Reader, Replay, Setup, Steps};

/// Bytes of memory that a trace may ask for, and lines that are played.
const MEMORY: u64 = 1 << 20;
const LINES: usize = 300;

/// Tries an input.
pub(super) fn target(data: &[u8]) {
    let reader = match Reader::of_bytes(data) {
        Ok(reader) => reader,
        Err(error) => return assert!(error.to_string().starts_with("line ")),
    };
    let mut lines: Vec<(u64, Line)> = Vec::new();
    for line in reader {
        match line {
            Ok(line) => lines.push(line),
            Err(error) => assert!(error.to_string().starts_with("line ")),
        }
    }
    let mut steps = Steps::default();
    for (_, line) in &lines {
        let text = format!("etsec-trace 1\n\n{line}\n");
        let again = Reader::of_bytes(text.as_bytes()).expect("a header").next();
        let again = again.expect("a line").expect("as it was written");
        assert_eq!(again.1, *line);
        steps.step(line, |page, at| format!("{page} {at:#x}"));
    }
    play(&lines[..lines.len().min(LINES)]);
}

fn play(lines: &[(u64, Line)]) {
    let mut setup = Setup::default();
    lines.iter().for_each(|(_, line)| setup.look(line));
    let mut replay = Replay::within(&setup, MEMORY, |_, _| false);
    let mut differences = 0;
    for (number, line) in lines {
        match replay.play(*number, line) {
            Ok(difference) => differences += usize::from(difference.is_some()),
            Err(error) => {
                assert!(error.to_string().starts_with(&format!("line {number}: ")));
                return;
            }
        }
        // Each costs a long wait.
        if differences > 2 {
            return;
        }
    }
    replay.end();
    replay.violations();
}
