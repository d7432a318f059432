//! From values to pixels, and the ticks between.

use crate::figures::figure;

/// An axis: values from `low` to `high` over pixels from `start` to `end`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
    log: bool,
}

/// About the most powers of ten that an axis has room for.
const MAX_POWERS: usize = 7;

/// A tick.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    /// Where it stands, in pixels.
    pub(crate) at: f64,
    /// Its value, for people.
    pub(crate) label: String,
}

impl Scale {
    /// A linear axis. `low` and `high` must be finite; where they are the same, or not in order, they are
    /// moved apart.
    pub(crate) fn linear((low, high): (f64, f64), (start, end): (f64, f64)) -> Self {
        let (low, high) = if low <= high { (low, high) } else { (high, low) };
        let apart = if high > low { 0.0 } else { (low.abs() * 0.1).max(0.5) };
        Self { low: low - apart, high: high + apart, start, end, log: false }
    }

    /// A logarithmic axis; `0 < low < high`.
    pub(crate) fn log(range: (f64, f64), pixels: (f64, f64)) -> Self {
        Self { log: true, ..Self::linear(range, pixels) }
    }

    /// The values at the ends.
    pub(crate) fn range(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// The pixels at the ends.
    pub(crate) fn pixels(&self) -> (f64, f64) {
        (self.start, self.end)
    }

    /// The pixel of a value; those beyond the ends stand at the ends.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        let share = if self.log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.start + share * (self.end - self.start)
    }

    /// Whether a value lies on the axis.
    pub(crate) fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// About `wanted` ticks at round values, within the ends. On a logarithmic axis these are powers of ten, and
    /// where it holds fewer than three of them, round numbers between.
    pub(crate) fn ticks(&self, wanted: usize) -> Vec<Tick> {
        let values = if self.log { self.log_values() } else { self.round_values(wanted.clamp(2, 12)) };
        values.into_iter().map(|(value, label)| Tick { at: self.at(value), label }).collect()
    }

    fn log_values(&self) -> Vec<(f64, String)> {
        let powers = self.powers();
        if powers.len() > 2 {
            return powers;
        }
        let between = |times: &[f64]| -> Vec<(f64, String)> {
            let first = self.low.log10().floor() as i32;
            let values = (first..first.saturating_add(4)).flat_map(|power| {
                times
                    .iter()
                    .map(move |&m| if power < 0 { m / 10_f64.powi(-power) } else { m * 10_f64.powi(power) })
            });
            values.filter(|&value| self.holds(value)).map(|value| (value, plain(value))).collect()
        };
        let finer: [&[f64]; 3] = [
            &[1.0, 2.0, 5.0],
            &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
            &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        ];
        let enough = finer.iter().map(|times| between(times)).find(|values| values.len() > 2);
        enough.unwrap_or_else(|| between(finer[2]))
    }

    /// Powers of ten, of many decades every second, third and so on.
    fn powers(&self) -> Vec<(f64, String)> {
        let (first, last) = (self.low.log10().ceil() as i32, self.high.log10().floor() as i32);
        let last = last.min(first.saturating_add(40));
        let step = last.saturating_sub(first).max(0) as usize / MAX_POWERS + 1;
        (first..=last).step_by(step).map(|power| (10_f64.powi(power), power_of_ten(power))).collect()
    }

    fn round_values(&self, wanted: usize) -> Vec<(f64, String)> {
        let step = round_step((self.high - self.low) / wanted as f64);
        let decimals = (-(step.log10() + 1e-9).floor()).max(0.0) as usize;
        let first = (self.low / step - 1e-9).ceil();
        (0..=wanted * 2)
            .map(|i| (first + i as f64) * step)
            .take_while(|&value| value <= self.high + step * 1e-9)
            .map(|value| (value, tick_label(value, decimals)))
            .collect()
    }
}

/// Ends for an axis that shows all values, a little wider; `None` without a value.
pub(crate) fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    (low <= high).then(|| {
        let margin = (high - low) * 0.04;
        (low - margin, high + margin)
    })
}

/// 1, 2 or 5 times a power of ten, the one nearest to `wanted` on a logarithmic axis.
pub(crate) fn round_step(wanted: f64) -> f64 {
    let power = 10_f64.powf(wanted.log10().floor());
    let times = wanted / power;
    let round = match times {
        ..1.42 => 1.0,
        ..3.17 => 2.0,
        ..7.08 => 5.0,
        _ => 10.0,
    };
    round * power
}

fn tick_label(value: f64, decimals: usize) -> String {
    if decimals > 4 || value.abs() >= 1e6 {
        return if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}").replace('-', "−") };
    }
    if decimals == 0 && value.abs() >= 1000.0 {
        return figure(value);
    }
    let shown = format!("{value:.decimals$}");
    if shown.trim_start_matches('-').chars().all(|c| c == '0' || c == '.') {
        "0".to_owned()
    } else {
        shown.replace('-', "−")
    }
}

/// A number as short as it can be written: "0.02", "1.5", "2,000".
fn plain(value: f64) -> String {
    if !(1e-3..1e6).contains(&value) {
        format!("{value:.1e}").replace('-', "−")
    } else if value >= 1000.0 {
        figure(value)
    } else {
        format!("{value:.4}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// "0.001", "1", "1,000".
fn power_of_ten(power: i32) -> String {
    match power {
        -4..=-1 => format!("{:.*}", power.unsigned_abs() as usize, 10_f64.powi(power)),
        0..=6 => crate::figures::count(10_u64.pow(power as u32)),
        _ => format!("1e{power}").replace('-', "−"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale, wanted: usize) -> Vec<String> {
        scale.ticks(wanted).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round_and_within_the_ends() {
        let pixels = (0.0, 100.0);
        assert_eq!(labels(&Scale::linear((0.0, 1.0), pixels), 5), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&Scale::linear((0.83, 0.97), pixels), 3), ["0.85", "0.90", "0.95"]);
        assert_eq!(labels(&Scale::linear((-3.0, 3000.0), pixels), 3), ["0", "1,000", "2,000", "3,000"]);
        assert_eq!(labels(&Scale::log((1e-3, 1.0), pixels), 4), ["0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(&Scale::log((6.2, 592.0), pixels), 5), ["10", "20", "50", "100", "200", "500"]);
        assert_eq!(labels(&Scale::log((67.0, 124.0), pixels), 5), ["70", "80", "90", "100", "120"]);
        assert_eq!(labels(&Scale::log((0.012, 0.09), pixels), 5), ["0.015", "0.02", "0.03", "0.05", "0.07"]);
        assert_eq!(
            labels(&Scale::log((1e-6, 2e13), pixels), 5),
            ["1e−6", "0.001", "1", "1,000", "1,000,000", "1e9", "1e12"]
        );
        assert_eq!(labels(&Scale::log((800.0, 9000.0), pixels), 5), ["1,000", "2,000", "5,000"]);
    }

    #[test]
    fn any_range_gives_few_ticks_within_the_pixels() {
        let ends = [0.0, 1.0, -1.0, 1e-100, 1e100, -1e100, 5e-324, 1e-9, 1e15, 1e15 + 1.0];
        for low in ends {
            for high in ends {
                let scale = Scale::linear((low, high), (10.0, 90.0));
                let ticks = scale.ticks(5);
                assert!(ticks.len() <= 25, "{low} {high}");
                for tick in ticks {
                    assert!((10.0..=90.0).contains(&tick.at), "{low} {high} {tick:?}");
                }
            }
        }
    }

    #[test]
    fn extents() {
        assert_eq!(extent(std::iter::empty()), None);
        assert_eq!(extent([3.0].into_iter()), Some((3.0, 3.0)));
        assert_eq!(extent([0.0, 100.0].into_iter()), Some((-4.0, 104.0)));
    }
}
