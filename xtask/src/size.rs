//! `cargo xtask size`: how much code the core brings into an image that uses the least of it: one
//! ring each way, polled, a fixed link, no log. The image is a real one, which
//! `cargo xtask qemu firmware` boots; what the board itself needs in it is not counted.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use crate::Common;
use crate::cross::{Kit, Target};
use crate::log::Log;
use crate::qemu::firmware;
use crate::report::Verdict;
use crate::session::Session;
use crate::tools::POWERPC_BINUTILS;

/// Bytes of code and constants that the core may take.
const LIMIT: u64 = 8 << 10;
/// How many symbols are shown.
const SHOWN: usize = 15;
/// The board's part of the image, by the path or the beginning of its symbols' names.
const BOARD: [&str; 2] = ["etsec_firmware::", "firmware_"];
/// Sections with code, and with constants, of which the linker may put some beside variables. The
/// vectors and the first instructions are the board's.
const TEXT: &str = ".text";
const CONSTANTS: [&str; 2] = [".rodata", ".data"];

/// Options of `size`.
#[derive(Debug, Args)]
#[command(after_help = "\
Everything is counted but the functions of the board's own package, so the application's loop and
what the compiler put into it of the core are in, and so are memcpy and constants. For comparison:
U-Boot's tsec driver has 3,240 bytes of code, and 860 more for MDIO.")]
pub struct Options {
    #[command(flatten)]
    common: Common,
    /// See what more of the driver costs: `tick` instead of the least that a poller must do, or
    /// `scatter`, frames in several buffers. The limit is for neither.
    #[arg(long, value_name = "FEATURE", value_parser = ["tick", "scatter"])]
    with: Vec<String>,
    /// Print the numbers as one JSON object in the last line.
    #[arg(long)]
    json: bool,
}

/// Builds, measures, prints; true within the limit.
///
/// # Errors
/// Ctrl-C, an image that does not build.
pub fn run(options: &Options) -> Result<bool> {
    let mut session = Session::new(options.common)?;
    let mut log = session.log("size")?;
    session.progress.start("build");
    let size = Size::of_ours(&mut session, &mut log, &options.with.join(","))?;
    session.progress.finish();
    let size = match size {
        Ok(size) => size,
        Err(missing) => {
            say!("not measured: {missing}");
            return Ok(false);
        }
    };
    say!("{}", size.render());
    let limited = options.with.is_empty();
    if limited {
        say!("{:>8}  is the limit", LIMIT);
    }
    if options.json {
        say!("{}", size.object());
    }
    Ok(size.total() <= LIMIT || !limited)
}

/// The limit as a suite of `test`.
///
/// # Errors
/// As [`run`].
pub fn suite(session: &mut Session, log: &mut Log) -> Result<Verdict> {
    let size = match Size::of_ours(session, log, "")? {
        Ok(size) => size,
        Err(why) => return Ok(Verdict::Skipped { why }),
    };
    log.line(&size.render())?;
    let total = size.total();
    Ok(match total <= LIMIT {
        true => Verdict::PASSED,
        false => Verdict::failed(format!("the core takes {total} bytes, limit {LIMIT}")),
    })
}

/// What an image holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Size {
    /// Bytes of code, without the board's.
    text: u64,
    /// Bytes of constants.
    rodata: u64,
    /// Bytes of the board's code.
    board: u64,
    /// Functions that are counted, the largest first.
    functions: Vec<(u64, String)>,
}

impl Size {
    /// Of the smallest image with these features, built now; else what is missing.
    fn of_ours(
        session: &mut Session,
        log: &mut Log,
        features: &str,
    ) -> Result<Result<Self, String>> {
        if let Err(missing) = POWERPC_BINUTILS.ensure(session)? {
            return Ok(Err(missing));
        }
        let kit = match Kit::find(Target::E500v2None, session, log)? {
            Ok(kit) => kit,
            Err(missing) => return Ok(Err(missing)),
        };
        log.line(&kit.describe())?;
        let Some(image) = firmware::minimal(session, log, &kit, features)? else {
            bail!("{} does not build, see {}", firmware::MANIFEST, log.path().display())
        };
        Self::of(session, &image).map(Ok)
    }

    fn of(session: &Session, image: &Path) -> Result<Self> {
        let said = |program: &str, option: &str| {
            let output = session.program(program).arg(option).arg(image).output();
            let output = output.with_context(|| format!("cannot start {program}"))?;
            if !output.status.success() {
                let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                bail!("{program} does not read {}: {why}", image.display());
            }
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let sections = said("powerpc-linux-gnu-size", "-A")?;
        let symbols = said("powerpc-linux-gnu-nm", "--print-size")?;
        Self::read(&sections, &symbols)
            .with_context(|| format!("{} has no code, or no symbols", image.display()))
    }

    /// From what `size -A` and `nm --print-size` say.
    fn read(sections: &str, symbols: &str) -> Option<Self> {
        let section = |name: &str| -> Option<u64> {
            let mut lines = sections.lines().map(str::split_whitespace);
            lines.find_map(|mut words| {
                (words.next()? == name).then(|| words.next()?.parse().ok())?
            })
        };
        let mut size = Size {
            rodata: CONSTANTS.iter().filter_map(|name| section(name)).sum::<u64>(),
            ..Size::default()
        };
        for line in symbols.lines() {
            let Some((bytes, name)) = function(line) else { continue };
            if is_board(&name) {
                size.board += bytes;
            } else {
                size.functions.push((bytes, name));
            }
        }
        size.functions.sort_unstable_by(|a, b| b.cmp(a));
        // What has no symbol, padding for example, is not the board's.
        size.text = section(TEXT)?.checked_sub(size.board)?;
        let named = size.functions.iter().map(|(bytes, _)| bytes).sum::<u64>();
        (1..=size.text).contains(&named).then_some(size)
    }

    fn total(&self) -> u64 {
        self.text + self.rodata
    }

    /// Bytes by crate. What was inlined counts for whom it was inlined into.
    fn crates(&self) -> BTreeMap<&str, u64> {
        let mut crates = BTreeMap::new();
        for (bytes, name) in &self.functions {
            *crates.entry(crate_of(name)).or_default() += bytes;
        }
        crates
    }

    fn render(&self) -> String {
        let mut out = String::new();
        for (bytes, name) in self.functions.iter().take(SHOWN) {
            out += &format!("{bytes:>8}  {name}\n");
        }
        let rest: u64 = self.functions.iter().skip(SHOWN).map(|(bytes, _)| bytes).sum();
        let more = self.functions.len().saturating_sub(SHOWN);
        out += &format!("{rest:>8}  in {more} more functions\n\n");
        for (name, bytes) in self.crates() {
            out += &format!("{bytes:>8}  in {name}\n");
        }
        let named: u64 = self.functions.iter().map(|(bytes, _)| bytes).sum();
        out += &format!("{:>8}  between functions\n", self.text - named);
        out += &format!("{:>8}  constants\n", self.rodata);
        out += &format!("{:>8}  in all; the board's own {} bytes", self.total(), self.board);
        out + " of code are not counted"
    }

    fn object(&self) -> serde_json::Value {
        let (text, rodata, total) = (self.text, self.rodata, self.total());
        json!({ "size": { "text": text, "rodata": rodata, "total": total } })
    }
}

/// Length and name of a function, if the line tells of one.
fn function(line: &str) -> Option<(u64, String)> {
    let mut words = line.split_whitespace();
    let (_, bytes, kind, name) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let bytes = u64::from_str_radix(bytes, 16).ok()?;
    let name = format!("{:#}", rustc_demangle::demangle(name));
    matches!(kind, "t" | "T" | "w" | "W").then_some((bytes, name))
}

/// The crate that a function is of; of those without a path, which the compiler calls, their name.
fn crate_of(name: &str) -> &str {
    let name = name.trim_start_matches('<');
    name.split("::").next().unwrap_or(name)
}

/// Whether a function is of the board's package: a free one, or of one of its types.
fn is_board(name: &str) -> bool {
    BOARD.iter().any(|start| name.trim_start_matches('<').starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTIONS: &str = "image  :\nsection  size  addr\n.text  1000  16777216\n.rodata  24  1\n";
    const SYMBOLS: &str = "\
01000000 00000040 T memcpy
01000040 00000100 t _RNvCs1234_7minimal4main
01000140 00000080 t _RNvNtCs1234_14etsec_firmware5power3off
010001c0 00000010 T firmware_entry
01001000 00001000 b _RNvCs1234_7minimal5BLOCK
         U nothing
";

    #[test]
    fn the_boards_functions_are_not_counted() {
        let size = Size::read(SECTIONS, SYMBOLS).expect("code");
        assert_eq!((size.board, size.text, size.rodata), (0x90, 1000 - 0x90, 24));
        let functions = [(0x100, "minimal::main".to_owned()), (0x40, "memcpy".to_owned())];
        assert_eq!(size.functions, functions);
        assert_eq!(size.object().to_string(), r#"{"size":{"rodata":24,"text":856,"total":880}}"#);
        assert_eq!(size.crates(), [("memcpy", 0x40), ("minimal", 0x100)].into());
        let rendered = size.render();
        assert!(rendered.contains("     536  between functions\n"), "{rendered}");
        assert!(rendered.contains("     880  in all; the board's own 144 bytes"), "{rendered}");
    }

    #[test]
    fn an_image_without_symbols_or_code_is_none() {
        assert_eq!(Size::read(SECTIONS, ""), None);
        assert_eq!(Size::read("", SYMBOLS), None);
    }

    #[test]
    fn types_of_the_board_are_told_from_types_made_with_them() {
        assert!(is_board("<etsec_firmware::clock::Clock>::ms"));
        assert!(!is_board("<etsec_core::arena::Arena<etsec_firmware::dma::Memory>>::carve"));
        assert!(!is_board("minimal::main"));
    }
}
