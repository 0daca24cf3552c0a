//! What a demonstration prints: one step after the other, and a summary.

use std::io::IsTerminal as _;

use serde_json::{Value, json};

use crate::outcome::put;

/// Columns where nobody says how many there are.
const COLUMNS: usize = 80;
/// Narrower than this, long words decide.
const FEWEST_COLUMNS: usize = 60;
/// Wider than this, lines are hard to read.
const MOST_COLUMNS: usize = 140;
/// Where what was done begins.
const WHAT: usize = 30;
/// Where what came of it begins.
const OUTCOME: usize = 8;

/// One exchange, what it should come to, and what it came to.
#[derive(Debug)]
pub(crate) struct Step {
    /// Part of the story.
    pub(crate) phase: &'static str,
    /// Number of the step in the acceptance scenario, e.g. `B2` or `X1`.
    pub(crate) step: &'static str,
    /// Who did it.
    pub(crate) from: &'static str,
    /// To whom.
    pub(crate) to: &'static str,
    /// What was done.
    pub(crate) what: String,
    /// What it should come to.
    pub(crate) expected: String,
    /// What it came to.
    pub(crate) got: String,
    /// What was proved by it.
    pub(crate) proved: String,
    /// Where the standard says so.
    pub(crate) clause: &'static str,
}

impl Step {
    fn ok(&self) -> bool {
        self.expected == self.got
    }
}

/// Prints steps as they happen and counts them.
pub(crate) struct Timeline {
    json: bool,
    page: Page,
    phase: &'static str,
    count: Count,
}

/// How many steps there were, and which of them differ.
#[derive(Debug, Default)]
struct Count {
    steps: usize,
    differing: Vec<String>,
}

impl Timeline {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, page: Page::of_the_terminal(), phase: "", count: Count::default() }
    }

    /// Says something that is not a step.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            wrapped("", text, 0, self.page.columns).into_iter().for_each(put);
        }
    }

    /// Prints a step.
    pub(crate) fn step(&mut self, step: &Step) {
        self.count.add(step);
        if self.json {
            put(fact(step));
            return;
        }
        if self.phase != step.phase {
            self.phase = step.phase;
            put("");
            put(self.page.paint(BOLD, step.phase));
        }
        self.page.step(step).into_iter().for_each(put);
    }

    /// Prints the summary; true if every step held.
    pub(crate) fn finish(&self, closing: &str) -> bool {
        let held = self.count.held();
        if !self.json {
            put("");
            wrapped("", &self.count.summary(closing), 0, self.page.columns)
                .into_iter()
                .for_each(|line| put(self.page.paint(if held { GREEN } else { RED }, &line)));
        }
        held
    }
}

impl Count {
    fn add(&mut self, step: &Step) {
        self.steps += 1;
        if !step.ok() {
            self.differing.push(format!("{} {}", step.phase, step.step));
        }
    }

    /// No step at all would prove nothing.
    fn held(&self) -> bool {
        self.differing.is_empty() && self.steps > 0
    }

    fn summary(&self, closing: &str) -> String {
        let steps = self.steps;
        if self.held() {
            return format!("{steps} of {steps} steps held. {closing}");
        }
        format!("{} of {steps} steps differ: {}", self.differing.len(), self.differing.join(", "))
    }
}

fn fact(step: &Step) -> Value {
    json!({
        "phase": step.phase,
        "step": step.step,
        "from": step.from,
        "to": step.to,
        "what": step.what,
        "expected": step.expected,
        "got": step.got,
        "proved": step.proved,
        "clause": step.clause,
        "ok": step.ok(),
    })
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const CYAN: &str = "36";

/// How steps are laid out.
struct Page {
    columns: usize,
    colour: bool,
}

impl Page {
    /// A terminal says how wide it is; whatever reads a pipe or a file gets the usual width.
    fn of_the_terminal() -> Self {
        let out = std::io::stdout();
        let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let wide = rustix::termios::tcgetwinsize(&out).map_or(0, |size| usize::from(size.ws_col));
        let columns = if wide == 0 { COLUMNS } else { wide.clamp(FEWEST_COLUMNS, MOST_COLUMNS) };
        Self { columns, colour }
    }

    fn step(&self, step: &Step) -> Vec<String> {
        let mark = if step.ok() { self.paint(GREEN, "✓") } else { self.paint(RED, "✗") };
        let who = format!("{} → {}", step.from, step.to);
        let mut lines = Vec::new();
        for (number, line) in wrapped("", &step.what, WHAT, self.columns).into_iter().enumerate() {
            lines.push(if number == 0 {
                format!("  {mark} {:<3} {who:<21} {}", step.step, line.trim_start())
            } else {
                line
            });
        }
        // The name of a document and the number of its clause stay together.
        let clause = step.clause.replace(" §", "\u{a0}§");
        let said = format!("{} · {} ({clause})", step.got, step.proved);
        for (number, line) in wrapped("⇒ ", &said, OUTCOME, self.columns).into_iter().enumerate() {
            lines.push(match line.split_once(" · ") {
                Some((got, rest)) if number == 0 => {
                    format!("{} {}", self.paint(CYAN, got), self.paint(DIM, &format!("· {rest}")))
                }
                _ => self.paint(DIM, &line),
            });
        }
        if !step.ok() {
            let expected = format!("expected {}", step.expected);
            let expected = wrapped("", &expected, OUTCOME, self.columns);
            lines.extend(expected.iter().map(|line| self.paint(RED, line)));
        }
        lines
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The words of `text` in lines of at most `columns`, unless a word is longer, each indented by `indent`. `lead`
/// stands before the first word, and the further lines begin below that word. A no-break space is no end of a word.
fn wrapped(lead: &str, text: &str, indent: usize, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = format!("{:indent$}{lead}", "");
    let hang = line.chars().count();
    let mut filled = hang;
    for word in text.split(' ') {
        let length = word.chars().count();
        if filled > hang && filled + 1 + length > columns {
            lines.push(std::mem::replace(&mut line, " ".repeat(hang)));
            filled = hang;
        }
        if filled > hang {
            line.push(' ');
            filled += 1;
        }
        line.push_str(word);
        filled += length;
    }
    lines.push(line);
    lines.into_iter().map(|line| line.replace('\u{a0}', " ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(expected: &str, got: &str) -> Step {
        Step {
            phase: "Registration",
            step: "B2",
            from: "light 1",
            to: "gateway",
            what: "CREATE <AE> light_ae1 with a name that is much longer than what fits into one line".into(),
            expected: expected.into(),
            got: got.into(),
            proved: "12-AE123456789012-Light@in.provider.com stands for Clight-AE1".into(),
            clause: "TS-0004 §7.4.5.2.1",
        }
    }

    #[test]
    fn one_step_that_differs_fails_the_story() {
        let mut count = Count::default();
        assert!(!count.held(), "nothing was tried");
        count.add(&step("2001", "2001"));
        assert!(count.held());
        assert_eq!(count.summary("Good."), "1 of 1 steps held. Good.");
        count.add(&step("4106", "2001"));
        count.add(&step("2001", "2001"));
        assert!(!count.held());
        assert_eq!(count.summary("Good."), "1 of 3 steps differ: Registration B2");
    }

    #[test]
    fn lines_keep_to_the_width_and_lose_no_word() {
        for columns in [60, 80, 120] {
            let page = Page { columns, colour: false };
            let lines = page.step(&step("2001 CREATED", "2000 OK"));
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{lines:#?}");
            let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
            for word in ["✗", "B2", "light_ae1", "line", "⇒", "OK", "Clight-AE1", "§7.4.5.2.1)", "expected"]
            {
                assert!(words.contains(&word), "{word}: {lines:#?}");
            }
        }
        assert_eq!(wrapped("- ", "aa bb cc", 1, 6), [" - aa", "   bb", "   cc"]);
        assert_eq!(wrapped("", "aa b\u{a0}b", 0, 5), ["aa", "b b"]);
        assert_eq!(wrapped("", "aaaaaaaaa b", 0, 4), ["aaaaaaaaa", "b"], "a long word stands alone");
    }
}
