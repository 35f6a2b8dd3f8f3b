//! What is counted, as Prometheus reads it.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Activities that were acknowledged.
    pub accepted: Count,
    /// Those among them that were left out, since they carry an identity that opted out or was erased.
    pub suppressed: Count,
    /// Values that were not activities.
    pub rejected: Count,
    /// Bytes that were appended to the log.
    pub log_bytes: Count,
    /// Connections that were accepted.
    pub connections: Count,
    /// Requests that were answered, by the hundreds of their status.
    pub answers: [Count; CLASSES.len()],
}

/// The hundreds of a status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Counts `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is measured at the moment of the question.
#[derive(Debug)]
pub struct Gauges {
    /// Connections that are open.
    pub open_connections: usize,
    /// Bytes of the log's last file that the store does not have yet; of more than one file, all of the last.
    pub behind_bytes: u64,
}

impl Metrics {
    /// Counts an answer.
    pub fn answered(&self, status: u16) {
        if let Some(count) = self.answers.get(usize::from(status / 100).saturating_sub(1)) {
            count.add(1);
        }
    }

    /// All of it, as text.
    pub fn text(&self, gauges: &Gauges) -> String {
        let mut text = String::new();
        let mut one = |name: &str, kind: &str, help: &str, value: u64| {
            let _ = writeln!(text, "# HELP backstitch_{name} {help}\n# TYPE backstitch_{name} {kind}");
            let _ = writeln!(text, "backstitch_{name} {value}");
        };
        one("activities_accepted_total", "counter", "Activities that were acknowledged.", self.accepted.get());
        let help = "Acknowledged activities that were left out: of identities that opted out or were erased.";
        one("activities_suppressed_total", "counter", help, self.suppressed.get());
        one("activities_rejected_total", "counter", "Values that were not activities.", self.rejected.get());
        one("log_bytes_total", "counter", "Bytes appended to the log.", self.log_bytes.get());
        one("connections_total", "counter", "Connections accepted.", self.connections.get());
        one("connections_open", "gauge", "Connections open now.", gauges.open_connections as u64);
        one("store_behind_bytes", "gauge", "Bytes of the log that the store does not have yet.", gauges.behind_bytes);
        let _ = writeln!(text, "# HELP backstitch_answers_total Requests answered, by status.");
        let _ = writeln!(text, "# TYPE backstitch_answers_total counter");
        for (class, count) in CLASSES.iter().zip(&self.answers) {
            let _ = writeln!(text, "backstitch_answers_total{{status=\"{class}\"}} {}", count.get());
        }
        text
    }
}
