//! Progress on standard error: bars on a terminal, plain lines otherwise, nothing with `--quiet`.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

use filbert::{EpochReport, StepReport, Watch};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::Common;
use crate::output::shown;

/// Between two plain lines of the same stage.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Tells a person how far a run is.
pub(crate) struct Progress {
    quiet: bool,
    terminal: bool,
    bar: Option<ProgressBar>,
    stage: String,
    loss: f64,
    trained: u64,
    since: Instant,
    last_line: Instant,
}

impl Progress {
    pub(crate) fn new(common: &Common) -> Self {
        let now = Instant::now();
        Self {
            quiet: common.quiet,
            terminal: std::io::stderr().is_terminal() && !common.quiet,
            bar: None,
            stage: String::new(),
            loss: f64::NAN,
            trained: 0,
            since: now,
            last_line: now,
        }
    }

    fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }

    fn start_bar(&mut self, length: u64, template: &str) -> &ProgressBar {
        self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(10));
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        })
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// True when enough time has passed for another plain line.
    fn due(&mut self) -> bool {
        let due = self.last_line.elapsed() >= LINE_EVERY;
        if due {
            self.last_line = Instant::now();
        }
        due
    }

    /// Rows per second since the stage began.
    fn rate(&self, rows: u64) -> f64 {
        rows as f64 / self.since.elapsed().as_secs_f64().max(1e-9)
    }
}

/// A line on standard error. Where nobody can read it, that is no reason to end a run.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Watch for Progress {
    fn note(&mut self, text: &str) {
        self.line(&format!("  {}", shown(text, 600)));
    }

    fn stage(&mut self, text: &str) {
        self.clear();
        text.clone_into(&mut self.stage);
        self.since = Instant::now();
        self.last_line = self.since;
        self.line(&format!("{text} ..."));
    }

    fn rows(&mut self, done: usize, all: usize) {
        let (done, all) = (done as u64, all as u64);
        if all == 0 {
            // A stream: nobody knows how many rows it has.
            let message = format!("{done} rows, {:.0} rows/s", self.rate(done));
            if self.terminal {
                let bar = self.start_bar(0, "  {spinner} {msg}");
                bar.set_message(message);
                bar.tick();
            } else if self.due() {
                self.line(&format!("  {message}"));
            }
        } else if self.terminal {
            self.start_bar(all, "  {bar:30} {pos}/{len} rows  {per_sec}  {eta} left").set_position(done);
            if done >= all {
                self.clear();
            }
        } else if self.due() {
            self.line(&format!("  {done}/{all} rows, {:.0} rows/s", self.rate(done)));
        }
    }

    fn step(&mut self, report: &StepReport) {
        self.trained += report.rows as u64;
        let loss = f64::from(report.loss);
        self.loss = if self.loss.is_nan() { loss } else { 0.9 * self.loss + 0.1 * loss };
        let (done, all) = ((report.epoch - 1) * report.steps + report.step, report.epochs * report.steps);
        let rate = self.rate(self.trained);
        let message =
            format!("epoch {}/{}  loss {:.4}  {rate:.0} rows/s", report.epoch, report.epochs, self.loss);
        if self.terminal {
            let bar = self.start_bar(all as u64, "  {bar:30} {pos}/{len} steps  {msg}  {eta} left");
            bar.set_position(done as u64);
            bar.set_message(message);
        } else if self.due() {
            let left = self.since.elapsed().as_secs_f64() * (all - done) as f64 / done as f64;
            self.line(&format!("  step {done}/{all}  {message}  {left:.0} s left"));
        }
    }

    fn checkpoint(&mut self, outcome: Result<&std::path::Path, &str>) {
        if let Err(problem) = outcome {
            self.line(&format!("  {}; the one before it is kept and training goes on", shown(problem, 600)));
        }
    }

    fn stop(&mut self) -> bool {
        crate::signals::caught()
    }

    fn epoch(&mut self, report: &EpochReport) {
        let mut text = format!("  epoch {}: training loss {:.4}", report.epoch, report.train_loss);
        if let Some(loss) = report.valid_loss {
            let accuracy = report.valid_accuracy.map(|a| format!(", accuracy {a:.4}")).unwrap_or_default();
            let chosen = report.valid_chosen.filter(|&x| x != loss && Some(x) != report.valid_accuracy);
            let chosen = chosen.map(|x| format!(", chosen by {x:.4}")).unwrap_or_default();
            let best = if report.best { ", the best so far" } else { "" };
            let _ = write!(text, "; validation loss {loss:.4}{accuracy}{chosen}{best}");
        }
        self.line(&format!("{text} ({:.1} s)", report.elapsed.as_secs_f64()));
    }
}

impl filbert_hub::Progress for Progress {
    fn start(&mut self, file: &str, bytes: Option<u64>) {
        self.clear();
        let size = bytes.map(|b| format!(" ({:.1} MB)", b as f64 / 1e6)).unwrap_or_default();
        self.line(&format!("  {}{size}", shown(file, 200)));
        if let (true, Some(bytes)) = (self.terminal, bytes) {
            self.start_bar(bytes, "  {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left");
        }
    }

    fn advance(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    fn finish(&mut self) {
        self.clear();
    }
}
