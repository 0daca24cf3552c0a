//! Waiting for an event.

use std::time::{Duration, Instant};

/// How long an event may take before a test gives up. Generous, because a busy machine must not fail a test;
/// it bounds a hang and decides nothing else.
pub const DEADLINE: Duration = Duration::from_secs(120);

const PAUSE: Duration = Duration::from_millis(10);

/// Asks `event` again and again until it answers `Some`, and returns that answer.
///
/// # Panics
///
/// When [`DEADLINE`] passes first; the message says what was awaited.
pub fn wait_until<T>(awaited: &str, mut event: impl FnMut() -> Option<T>) -> T {
    let patience = Patience::new(DEADLINE);
    loop {
        if let Some(answer) = event() {
            return answer;
        }
        assert!(!patience.is_over(), "gave up after {DEADLINE:?} waiting for {awaited}");
        #[expect(
            clippy::disallowed_methods,
            reason = "a foreign event that cannot wake us has to be polled"
        )]
        std::thread::sleep(PAUSE);
    }
}

/// The span a test is willing to wait.
pub(crate) struct Patience {
    since: Instant,
    span: Duration,
}

impl Patience {
    pub(crate) fn new(span: Duration) -> Self {
        #[expect(clippy::disallowed_methods, reason = "bounds a hang; no test outcome depends on it")]
        let since = Instant::now();
        Self { since, span }
    }

    pub(crate) fn left(&self) -> Duration {
        self.span.saturating_sub(self.since.elapsed())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_the_first_answer() {
        let mut asked = 0;
        let answer = wait_until("the third question", || {
            asked += 1;
            (asked == 3).then_some("here")
        });
        assert_eq!((answer, asked), ("here", 3));
    }
}
