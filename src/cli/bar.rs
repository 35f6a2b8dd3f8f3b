//! The progress bar: on a terminal only.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use backstitch::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::args::Common;
use crate::cli::text;

/// Between two looks of the bar: as fast as one can read.
const EVERY: Duration = Duration::from_millis(100);

const KNOWN: &str = "{bar:32.cyan/dim} {percent:>3} %  {decimal_bytes} of {decimal_total_bytes}  {msg}  {eta} left";
const UNKNOWN: &str = "{spinner} {decimal_bytes}  {msg}  {elapsed}";

/// A progress bar on standard error, or none.
pub struct Bar {
    bar: Option<ProgressBar>,
    begun: Instant,
    shown: Option<Instant>,
}

impl Bar {
    /// A bar, where somebody sees it and has not asked for quiet.
    pub fn new(common: &Common) -> Self {
        let seen = !common.quiet && stderr().is_terminal();
        Self { bar: seen.then(ProgressBar::no_length), begun: Instant::now(), shown: None }
    }

    /// Shows how far it is.
    pub fn show(&mut self, at: Progress) {
        let Some(bar) = &self.bar else { return };
        if self.shown.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        if self.shown.is_none() {
            bar.set_style(ProgressStyle::with_template(at.bytes_total.map_or(UNKNOWN, |_| KNOWN)).unwrap_or_else(
                |_| {
                    ProgressStyle::default_bar() // not reached: the templates are tested
                },
            ));
            bar.reset_eta();
        }
        if let Some(total) = at.bytes_total {
            // A file may grow while it is read.
            bar.set_length(total.max(at.bytes));
        }
        let rate = text::rate(at.events, self.begun.elapsed().as_secs_f64());
        bar.set_message(format!("{} events/s", text::thousands(rate)));
        bar.set_position(at.bytes);
        self.shown = Some(Instant::now());
    }

    /// Takes the bar off the terminal, so that results follow on clean lines.
    pub fn clear(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_templates() {
        for template in [KNOWN, UNKNOWN] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
