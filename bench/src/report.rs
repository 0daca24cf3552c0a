//! Medians over rounds, and the table.

use std::fmt;
use std::time::Duration;

/// What was measured of one server with one set of credentials.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    server: String,
    credentials: usize,
    connections: usize,
    /// Nanoseconds of CPU per connection, one for each round.
    rounds: Vec<u64>,
    resident_kib: u64,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Measured>,
}

impl Measured {
    pub(crate) fn new(server: &str, credentials: usize) -> Self {
        Self { server: server.to_owned(), credentials, connections: 0, rounds: Vec::new(), resident_kib: 0 }
    }

    pub(crate) fn add_round(&mut self, connections: usize, used: Duration) {
        self.connections += connections;
        let nanoseconds = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        if let Some(each) = u64::try_from(connections).ok().and_then(|count| nanoseconds.checked_div(count)) {
            self.rounds.push(each);
        }
    }

    pub(crate) fn set_resident(&mut self, kib: u64) {
        self.resident_kib = kib;
    }

    /// The middle round, and the span from the cheapest to the dearest.
    fn summary(&self) -> Option<(u64, u64, u64)> {
        let mut sorted = self.rounds.clone();
        sorted.sort_unstable();
        Some((*sorted.get(sorted.len() / 2)?, *sorted.first()?, *sorted.last()?))
    }
}

impl Report {
    pub(crate) fn add(&mut self, measured: Measured) {
        self.rows.push(measured);
    }

    fn ratio(&self, row: &Measured, to: &str) -> Option<f64> {
        let base =
            self.rows.iter().find(|other| other.server == to && other.credentials == row.credentials)?;
        let (own, base) = (row.summary()?.0, base.summary()?.0);
        (base > 0).then(|| Duration::from_nanos(own).as_secs_f64() / Duration::from_nanos(base).as_secs_f64())
    }
}

/// Which server with how many credentials.
impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}", self.server, self.credentials)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| Server | Credentials | Connections | µs CPU per connection, median (min–max) | to mosquitto | to stunnel | resident MiB |"
        )?;
        writeln!(f, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")?;
        for row in &self.rows {
            let Measured { server, credentials, connections, resident_kib, .. } = row;
            let cost = match row.summary() {
                Some((median, low, high)) => {
                    format!("{} ({}–{})", median / 1_000, low / 1_000, high / 1_000)
                }
                None => "–".to_owned(),
            };
            let ratio =
                |to| self.ratio(row, to).map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.3}"));
            let (mosquitto, stunnel) = (ratio("mosquitto"), ratio("stunnel"));
            let mib = resident_kib / 1_024;
            writeln!(
                f,
                "| {server} | {credentials} | {connections} | {cost} | {mosquitto} | {stunnel} | {mib} |"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(server: &str, rounds: &[(usize, u64)]) -> Measured {
        let mut measured = Measured::new(server, 10);
        for &(connections, milliseconds) in rounds {
            measured.add_round(connections, Duration::from_millis(milliseconds));
        }
        measured
    }

    #[test]
    fn the_median_is_taken_over_rounds() {
        let row = measured("attache", &[(100, 30), (100, 10), (50, 10)]);
        assert_eq!(row.summary(), Some((200_000, 100_000, 300_000)));
        assert_eq!(row.connections, 250);
        assert_eq!(measured("attache", &[(0, 5)]).summary(), None);
    }

    #[test]
    fn the_table_compares_with_the_others() {
        let mut report = Report::default();
        report.add(measured("attache", &[(100, 10)]));
        report.add(measured("mosquitto", &[(100, 40)]));
        report.add(measured("stunnel", &[(100, 80)]));
        let text = report.to_string();
        assert!(text.contains("| attache | 10 | 100 | 100 (100–100) | 0.250 | 0.125 | 0 |"), "{text}");
        assert!(text.contains("| mosquitto | 10 | 100 | 400 (400–400) | 1.000 | 0.500 | 0 |"), "{text}");
        report.add(Measured::new("attache", 1));
        assert!(report.to_string().contains("| attache | 1 | 0 | – | – | – | 0 |"));
    }
}
