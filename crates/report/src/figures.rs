//! Numbers as a reader wants them.

use filbert_eval::Estimate;

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
        ];
        for (found, expected) in cases {
            assert_eq!(found, expected);
        }
    }
}
