//! What `objdump` prints of a PowerPC program, for an e500: functions, the calls they make, and
//! words of code that the processor has not got. Text in, facts out.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::session::Session;

/// A function of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its symbol.
    pub name: String,
    /// How many instructions it has, those of its rare paths included.
    pub instructions: usize,
    /// Symbols it calls that are not in the same object, and those that are.
    pub calls: Vec<String>,
}

/// A word of code that an e500v2 cannot execute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forbidden {
    /// Where it is.
    pub address: u32,
    /// What it is.
    pub word: u32,
}

/// A disassembled file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Disassembly {
    /// Its functions, in order.
    pub functions: Vec<Function>,
    /// What must not be there.
    pub forbidden: Vec<Forbidden>,
    /// Instructions in all.
    pub instructions: usize,
}

impl Disassembly {
    /// Disassembles a program, an object or a library of objects.
    ///
    /// # Errors
    /// Where objdump cannot be started, or says no code.
    pub fn of(session: &Session, file: &Path) -> Result<Self> {
        let mut objdump = session.program("powerpc-linux-gnu-objdump");
        // For this processor, objdump shows as data what it would not execute.
        objdump.args(["-d", "-r", "--no-show-raw-insn", "-M", "e500"]).arg(file);
        let said = objdump.output().context("cannot start powerpc-linux-gnu-objdump")?;
        let read = Self::read(&String::from_utf8_lossy(&said.stdout));
        if !said.status.success() || read.instructions == 0 {
            let errors = String::from_utf8_lossy(&said.stderr);
            let reason = errors.lines().next().unwrap_or("there is no code in it");
            bail!("cannot disassemble {}: {reason}", file.display());
        }
        Ok(read)
    }

    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// Every symbol that a function calls, or that something it calls does, within this file.
    pub fn reached(&self, name: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut ahead = vec![name];
        while let Some(name) = ahead.pop() {
            for call in self.function(name).into_iter().flat_map(|function| &function.calls) {
                if reached.insert(call.clone()) {
                    ahead.push(call);
                }
            }
        }
        reached
    }

    fn read(text: &str) -> Self {
        let mut all = Self::default();
        for line in text.lines() {
            if let Some(name) = line.strip_suffix(">:").and_then(|l| l.split_once(" <")) {
                let name = name.1.to_owned();
                all.functions.push(Function { name, instructions: 0, calls: Vec::new() });
            } else if let Some((_, symbol)) = line.split_once("R_PPC_REL24\t") {
                if let Some(function) = all.functions.last_mut() {
                    // A function that is rarely called is named by its section.
                    let symbol = symbol.trim();
                    let name = symbol.strip_prefix(".text.unlikely.").unwrap_or(symbol);
                    function.calls.push(name.to_owned());
                }
            } else if let Some((address, instruction)) = instruction(line) {
                all.instruction(address, instruction);
            }
        }
        all
    }

    fn instruction(&mut self, address: u32, text: &str) {
        self.instructions += 1;
        if let Some(function) = self.functions.last_mut() {
            function.instructions += 1;
        }
        let Some(word) = text.strip_prefix(".long 0x") else { return };
        let Ok(word) = u32::from_str_radix(word.trim(), 16) else { return };
        // Padding is zeros; and musl keeps one word of data in its `_start`: minus its address.
        if word != 0 && address.wrapping_add(word) != 0 {
            self.forbidden.push(Forbidden { address, word });
        }
    }
}

/// The address and the text of a line that is one instruction.
fn instruction(line: &str) -> Option<(u32, &str)> {
    let (address, text) = line.trim_start().split_once(":\t")?;
    Some((u32::from_str_radix(address, 16).ok()?, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
libhot.rlib:     file format elf32-powerpc

00000000 <push>:
   0:\tstwu    r1,-32(r1)
   4:\tbl      4 <push+0x4>
\t\t\t4: R_PPC_REL24\t.text.unlikely.slow
\t\t\t6: R_PPC_REL24\telsewhere
   8:\t.long 0x7c2004ac

00000000 <slow>:
   0:\tbl      4 <push+0x4>
\t\t\t0: R_PPC_REL24\tpanic

01000000 <_start>:
 1000000:\t.long 0xff000000
 1000004:\t.long 0x0
";

    #[test]
    fn functions_calls_and_foreign_words_are_found() {
        let found = Disassembly::read(TEXT);
        let names: Vec<_> = found.functions.iter().map(|f| (&*f.name, f.instructions)).collect();
        assert_eq!(names, [("push", 3), ("slow", 1), ("_start", 2)]);
        assert_eq!(found.functions[0].calls, ["slow", "elsewhere"]);
        assert_eq!(found.forbidden, [Forbidden { address: 8, word: 0x7C20_04AC }]);
        assert_eq!(found.instructions, 6);
        assert_eq!(
            found.reached("push").iter().collect::<Vec<_>>(),
            ["elsewhere", "panic", "slow"]
        );
    }

    #[test]
    fn what_is_no_code_is_none() {
        assert_eq!(Disassembly::read("file format elf32-powerpc\n"), Disassembly::default());
    }
}
