//! Numbers as a reader wants them.

use filbert_eval::Estimate;

use crate::input::Direction;

/// Where there is no number.
pub(crate) const DASH: &str = "–";

/// Beyond this, numbers of data are taken as missing: differences of what remains are finite.
const MAX_VALUE: f64 = 1e100;

/// The number, if a chart can show it.
pub(crate) fn finite(x: f64) -> Option<f64> {
    (x.abs() <= MAX_VALUE).then_some(x)
}

/// An estimate whose value is finite; an end that is not finite is dropped.
pub(crate) fn sound(estimate: Option<Estimate>) -> Option<Estimate> {
    let estimate = estimate?;
    finite(estimate.value)?;
    let (low, high) = (estimate.low.and_then(finite), estimate.high.and_then(finite));
    let (low, high) = if low.is_some() && high.is_some() { (low, high) } else { (None, None) };
    Some(Estimate { low, high, ..estimate })
}

/// A count, its digits in groups of three.
pub(crate) fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// "1 row", "2 rows".
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A value of a metric: three decimals up to ten, fewer beyond.
pub(crate) fn figure(x: f64) -> String {
    let Some(x) = finite(x) else { return DASH.to_owned() };
    let size = x.abs();
    let digits = if size == 0.0 {
        "0.000".to_owned()
    } else if !(0.0005..1e9).contains(&size) {
        format!("{size:.1e}")
    } else if size < 10.0 {
        format!("{size:.3}")
    } else if size < 1000.0 {
        format!("{size:.1}")
    } else {
        grouped(&format!("{size:.0}"))
    };
    if x < 0.0 { format!("−{digits}") } else { digits }
}

/// A difference, with its sign.
pub(crate) fn signed(x: f64) -> String {
    let shown = figure(x);
    if finite(x).is_some_and(|x| x > 0.0) { format!("+{shown}") } else { shown }
}

/// "[0.876, 0.938]", or nothing without an interval.
pub(crate) fn interval(estimate: &Estimate, show: fn(f64) -> String) -> Option<String> {
    Some(format!("[{}, {}]", show(estimate.low?), show(estimate.high?)))
}

/// "0.912 [0.876, 0.938]".
pub(crate) fn with_interval(estimate: Option<Estimate>) -> String {
    let Some(estimate) = sound(estimate) else { return DASH.to_owned() };
    match interval(&estimate, figure) {
        Some(ends) => format!("{} {ends}", figure(estimate.value)),
        None => figure(estimate.value),
    }
}

/// A share of one in percent: "7.4 %".
pub(crate) fn percent(share: f64) -> String {
    let Some(share) = finite(share) else { return DASH.to_owned() };
    let value = share * 100.0;
    let size = value.abs();
    if size > 0.0 && size < 0.1 {
        return match size {
            ..0.001 => "< 0.001 %".to_owned(),
            ..0.01 => format!("{value:.3} %"),
            _ => format!("{value:.2} %"),
        };
    }
    // A share below one must not read as all, nor one above none as none.
    if value != value.round() && (size < 10.0 || (99.0..100.0).contains(&size)) {
        format!("{value:.1} %")
    } else {
        format!("{value:.0} %")
    }
}

/// The share of `part` in `whole` in percent; a dash of nothing.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 { DASH.to_owned() } else { percent(part as f64 / whole as f64) }
}

/// A p-value.
pub(crate) fn p_value(p: f64) -> String {
    if !(0.0..=1.0).contains(&p) {
        format!("= {DASH}")
    } else if p < 0.001 {
        "< 0.001".to_owned()
    } else if p < 0.095 {
        format!("= {p:.3}")
    } else {
        format!("= {p:.2}")
    }
}

/// A time: "2.9 s", "4 min 10 s", "1 h 05 min".
pub(crate) fn seconds(s: f64) -> String {
    let Some(s) = finite(s).filter(|&s| s >= 0.0) else { return DASH.to_owned() };
    if s < 0.095 {
        format!("{:.0} ms", s * 1000.0)
    } else if s < 9.95 {
        format!("{s:.1} s")
    } else if s < 59.5 {
        format!("{s:.0} s")
    } else if s < 3600.0 {
        let whole = s.round();
        format!("{:.0} min {:02.0} s", (whole / 60.0).floor(), whole % 60.0)
    } else if s < 1e9 {
        let minutes = (s / 60.0).round();
        format!("{:.0} h {:02.0} min", (minutes / 60.0).floor(), minutes % 60.0)
    } else {
        format!("{s:.1e} s")
    }
}

/// A size: "842 MB", in units of a thousand.
pub(crate) fn bytes(n: u64) -> String {
    let n = n as f64;
    for (unit, size) in [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] {
        if n >= size {
            let value = n / size;
            return if value < 10.0 {
                format!("{value:.1} {unit}")
            } else {
                format!("{} {unit}", grouped(&format!("{value:.0}")))
            };
        }
    }
    format!("{n:.0} bytes")
}

/// A size in megabytes of a million bytes with one decimal, so that neighbours can be told apart: "12.3 MB".
pub(crate) fn megabytes(n: u64) -> String {
    let value = n as f64 / 1e6;
    if (0.095..1e4).contains(&value) { format!("{} MB", tenths(value)) } else { bytes(n) }
}

/// A non-negative number below a million with one decimal, its digits in groups.
fn tenths(x: f64) -> String {
    let shown = format!("{x:.1}");
    let (whole, tenth) = shown.split_once('.').unwrap_or((&shown, "0"));
    format!("{}.{tenth}", grouped(whole))
}

/// How often `smaller` goes into `larger`: "10.8". A dash where that says nothing.
pub(crate) fn times(larger: u64, smaller: u64) -> String {
    let times = larger as f64 / smaller as f64;
    if !(0.01..1e6).contains(&times) {
        DASH.to_owned()
    } else if times < 0.95 {
        format!("{times:.2}")
    } else if times < 100.0 {
        tenths(times)
    } else {
        grouped(&format!("{times:.0}"))
    }
}

/// A time in milliseconds, three digits that count: "4.26 ms".
pub(crate) fn milliseconds(ms: f64) -> String {
    match finite(ms) {
        Some(ms @ 0.0..0.0995) => format!("{ms:.3} ms"),
        Some(ms @ 0.0995..9.95) => format!("{ms:.2} ms"),
        Some(ms @ 9.95..99.5) => format!("{ms:.1} ms"),
        Some(ms @ 99.5..1e9) => format!("{} ms", grouped(&format!("{ms:.0}"))),
        _ => DASH.to_owned(),
    }
}

/// What differences of a metric are told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Hundredths of a share: "0.5 points".
    Points,
    /// As the metric is.
    Own,
}

impl Unit {
    /// Points where more is better and the values are shares of one.
    pub(crate) fn of(direction: Direction, values: &[Option<Estimate>]) -> Self {
        let share = |e: &Option<Estimate>| e.is_none_or(|e| (0.0..=1.0).contains(&e.value));
        if direction == Direction::Higher && values.iter().all(share) { Self::Points } else { Self::Own }
    }

    /// Numbers of this unit, without its name: as many decimals each as the smallest needs.
    fn numbers<const N: usize>(self, values: [f64; N]) -> [String; N] {
        let points = values.map(|x| x * 100.0);
        if self == Self::Own || !points.iter().all(|x| x.abs() < 1000.0) {
            return values.map(figure);
        }
        let small = points.iter().any(|&x| x != 0.0 && x.abs() < 0.095);
        points.map(|x| {
            let size = x.abs();
            let shown = if small { format!("{size:.2}") } else { format!("{size:.1}") };
            if x < 0.0 { format!("−{shown}") } else { shown }
        })
    }

    /// "0.5 points".
    pub(crate) fn amount(self, x: f64) -> String {
        let [number] = self.numbers([x]);
        if self.tells(x) { format!("{number} points") } else { number }
    }

    /// Whether a number is told in points: those of a share are.
    fn tells(self, x: f64) -> bool {
        self == Self::Points && x.abs() < 10.0
    }

    /// A difference with its sign, and its interval: "−0.2" and "[−0.9, 0.5]".
    pub(crate) fn parts(self, estimate: &Estimate) -> (String, Option<String>) {
        let signed = |value: String| if estimate.value > 0.0 { format!("+{value}") } else { value };
        match (estimate.low.and_then(finite), estimate.high.and_then(finite)) {
            (Some(low), Some(high)) => {
                let [value, low, high] = self.numbers([estimate.value, low, high]);
                (signed(value), Some(format!("[{low}, {high}]")))
            }
            _ => (signed(self.numbers([estimate.value]).concat()), None),
        }
    }

    /// "−0.2 points [−0.9, 0.5]". The estimate must be sound.
    pub(crate) fn difference(self, estimate: &Estimate) -> String {
        let (value, ends) = self.parts(estimate);
        let all = [Some(estimate.value), estimate.low, estimate.high].into_iter().flatten();
        let name = if all.into_iter().all(|x| self.tells(x)) { " points" } else { "" };
        format!("{value}{name}{}", ends.map_or(String::new(), |ends| format!(" {ends}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let cases = [
            (figure(0.9123), "0.912"),
            (figure(-0.0291), "−0.029"),
            (figure(0.000_012), "1.2e-5"),
            (figure(f64::NAN), "–"),
            (figure(f64::INFINITY), "–"),
            (figure(12_345.6), "12,346"),
            (figure(45.67), "45.7"),
            (signed(0.029), "+0.029"),
            (signed(0.0), "0.000"),
            (count(1_048_576), "1,048,576"),
            (count(999), "999"),
            (percent(0.0737), "7.4 %"),
            (percent(0.9996), "100.0 %"),
            (percent(1.0), "100 %"),
            (percent(2.3), "230 %"),
            (percent(0.0), "0 %"),
            (percent(0.000_01), "0.001 %"),
            (share(1, 0), "–"),
            (p_value(0.0004), "< 0.001"),
            (p_value(0.031), "= 0.031"),
            (p_value(0.4), "= 0.40"),
            (seconds(2.94), "2.9 s"),
            (seconds(250.0), "4 min 10 s"),
            (seconds(3900.0), "1 h 05 min"),
            (seconds(-1.0), "–"),
            (bytes(842_000_000), "842 MB"),
            (bytes(2_230_000_000), "2.2 GB"),
            (bytes(12), "12 bytes"),
            (megabytes(8_412_000), "8.4 MB"),
            (megabytes(91_300_000), "91.3 MB"),
            (megabytes(1_340_000_000), "1,340.0 MB"),
            (megabytes(17_000), "17 kB"),
            (megabytes(0), "0 bytes"),
            (times(91, 8), "11.4"),
            (times(438, 3), "146"),
            (times(1, 2), "0.50"),
            (times(1, 0), "–"),
            (times(0, 1), "–"),
            (milliseconds(4.256), "4.26 ms"),
            (milliseconds(0.0512), "0.051 ms"),
            (milliseconds(1234.0), "1,234 ms"),
            (milliseconds(-1.0), "–"),
            (milliseconds(f64::NAN), "–"),
            (Unit::Points.amount(0.005), "0.5 points"),
            (Unit::Points.amount(0.0004), "0.04 points"),
            (Unit::Points.amount(0.0), "0.0 points"),
            (Unit::Points.amount(12.0), "12.0"),
            (Unit::Points.amount(f64::NAN), "–"),
            (Unit::Own.amount(0.005), "0.005"),
        ];
        for (found, expected) in cases {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn differences_have_the_metrics_unit() {
        let e = |value: f64| Estimate::bare(value);
        let between = |value, low, high| Estimate { low: Some(low), high: Some(high), ..e(value) };
        assert_eq!(Unit::of(Direction::Higher, &[Some(e(0.91)), None]), Unit::Points);
        assert_eq!(Unit::of(Direction::Higher, &[Some(e(-0.1))]), Unit::Own);
        assert_eq!(Unit::of(Direction::Lower, &[Some(e(0.3))]), Unit::Own);
        assert_eq!(Unit::Points.difference(&between(-0.002, -0.009, 0.005)), "−0.2 points [−0.9, 0.5]");
        assert_eq!(Unit::Own.difference(&between(0.012, -0.009, 0.031)), "+0.012 [−0.009, 0.031]");
        assert_eq!(Unit::Points.difference(&e(0.0)), "0.0 points");
        assert_eq!(
            Unit::Points.difference(&between(-0.0072, -0.016, -0.0003)),
            "−0.72 points [−1.60, −0.03]"
        );
        assert_eq!(Unit::Points.difference(&between(0.2, -40.0, 0.3)), "+0.200 [−40.0, 0.300]");
    }
}
