//! What a demonstration prints: one step after the other, and a summary.

use std::io::IsTerminal as _;

use serde_json::json;

use crate::outcome::put;

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
}

impl Step {
    fn ok(&self) -> bool {
        self.expected == self.got
    }
}

/// Prints steps as they happen and counts them.
pub(crate) struct Timeline {
    json: bool,
    colour: bool,
    phase: &'static str,
    steps: usize,
    differing: Vec<String>,
}

impl Timeline {
    pub(crate) fn new(json: bool) -> Self {
        let colour = !json && std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { json, colour, phase: "", steps: 0, differing: Vec::new() }
    }

    /// Says something that is not a step.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            put(text);
        }
    }

    /// Prints a step.
    pub(crate) fn step(&mut self, step: &Step) {
        self.steps += 1;
        if !step.ok() {
            self.differing.push(format!("{} {}", step.phase, step.step));
        }
        if self.json {
            self.as_json(step);
        } else {
            self.as_text(step);
        }
    }

    #[expect(clippy::unused_self, reason = "the twin of as_text")]
    fn as_json(&self, step: &Step) {
        put(json!({
            "phase": step.phase,
            "step": step.step,
            "from": step.from,
            "to": step.to,
            "what": step.what,
            "expected": step.expected,
            "got": step.got,
            "proved": step.proved,
            "ok": step.ok(),
        }));
    }

    fn as_text(&mut self, step: &Step) {
        if self.phase != step.phase {
            self.phase = step.phase;
            put("");
            put(self.paint("1", step.phase));
        }
        let mark = if step.ok() { self.paint("32", "✓") } else { self.paint("31", "✗") };
        let who = format!("{} → {}", step.from, step.to);
        put(format_args!("  {mark} {:<3} {who:<21} {}", step.step, step.what));
        let (got, proved) = (format!("⇒ {}", step.got), format!("· {}", step.proved));
        put(format_args!("        {} {}", self.paint("36", &got), self.paint("2", &proved)));
        if !step.ok() {
            put(format_args!("        {}", self.paint("31", &format!("expected {}", step.expected))));
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Prints the summary; true if every step held.
    pub(crate) fn finish(&self, closing: &str) -> bool {
        let held = self.differing.is_empty();
        if self.json {
            return held;
        }
        put("");
        if held {
            let count = self.paint("1;32", &format!("{0} of {0} steps held.", self.steps));
            put(format_args!("{count} {closing}"));
        } else {
            let (differ, names) = (self.differing.len(), self.differing.join(", "));
            put(self.paint("1;31", &format!("{differ} of {} steps differ: {names}", self.steps)));
        }
        held
    }
}
