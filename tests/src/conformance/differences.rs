//! The page of known differences, `docs/differences.md`, as a table: its lines are what may differ,
//! and what decides.

use crate::reference::rows;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The scenario in which it shows.
    pub scenario: String,
    /// The name of the value that differs.
    pub what: String,
    /// What our model shows.
    pub sim: String,
    /// What QEMU shows.
    pub qemu: String,
    /// Whether the reference decides; if not, nobody has judged our model.
    pub judged: bool,
    /// Why, with the section that decides.
    pub why: String,
}

/// All lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences(pub Vec<Difference>);

/// The page.
const PAGE: &str = include_str!("../../../docs/differences.md");

impl Differences {
    /// Those of the page.
    ///
    /// # Errors
    /// A line that has not the shape of the others, in words.
    pub fn known() -> Result<Self, String> {
        Differences::parse(PAGE)
    }

    /// Those of a text: rows of tables whose first cell is a name in code style.
    ///
    /// # Errors
    /// A line that has not the shape of the others, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scenarios = rows(text).filter(|cells| cells[0].starts_with('`'));
        scenarios.map(line).collect::<Result<_, _>>().map(Differences)
    }

    /// The lines of a scenario.
    pub fn of<'a>(&'a self, scenario: &'a str) -> impl Iterator<Item = &'a Difference> {
        self.0.iter().filter(move |line| line.scenario == scenario)
    }
}

fn line(cells: Vec<String>) -> Result<Difference, String> {
    let shown = cells.join(" | ");
    let [scenario, what, sim, qemu, word, why] = <[String; 6]>::try_from(cells)
        .map_err(|_| format!("docs/differences.md: not six cells: {shown}"))?;
    let judged = match word.as_str() {
        "explained" => true,
        "unjudged" => false,
        _ => return Err(format!("docs/differences.md: {word} is no verdict: {shown}")),
    };
    if !why.contains("HW ") {
        return Err(format!("docs/differences.md: no section of the reference decides: {shown}"));
    }
    let scenario = scenario.trim_matches('`').to_owned();
    Ok(Difference { scenario, what, sim, qemu, judged, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "| scenario | what | simulator | QEMU | verdict | decides |\n|---|---|\n";

    #[test]
    fn a_line_is_read() {
        let text = format!("{HEAD}| `a.b` | c | 1 | 2 | unjudged | HW 3.2 leaves it open |\n");
        let all = Differences::parse(&text).expect("a table");
        assert_eq!(all.of("a.b").count(), 1);
        assert_eq!(all.of("a").count(), 0);
        let line = &all.0[0];
        assert_eq!((line.what.as_str(), line.sim.as_str(), line.qemu.as_str()), ("c", "1", "2"));
        assert!(!line.judged);
    }

    #[test]
    fn a_line_without_verdict_or_section_is_refused() {
        for bad in ["| `a` | c | 1 | 2 | maybe | HW 1 |", "| `a` | c | 1 | 2 | explained | so |"] {
            assert!(Differences::parse(&format!("{HEAD}{bad}\n")).is_err(), "{bad}");
        }
        assert!(Differences::parse(&format!("{HEAD}| `a` | c |\n")).is_err());
    }
}
