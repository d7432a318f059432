//! Cells as points in time: numbers if every cell is one, else dates of ISO 8601 if every cell is one, else text.

use std::cmp::Ordering;

/// A column's cells in the one reading that fits them all.
#[derive(Debug, PartialEq)]
pub(crate) enum Times<'a> {
    Numbers(Vec<f64>),
    /// Seconds since 1970 and billionths, in UTC; without an offset a time is taken to be in UTC.
    Dates(Vec<(i64, u32)>),
    /// Neither; the row of the first cell that is no date.
    Text(&'a [String], usize),
}

impl<'a> Times<'a> {
    pub(crate) fn read(cells: &'a [String]) -> Self {
        let number = |cell: &String| cell.trim().parse::<f64>().ok().filter(|x| x.is_finite());
        if let Some(numbers) = cells.iter().map(number).collect() {
            return Times::Numbers(numbers);
        }
        let dates: Vec<_> = cells.iter().map_while(|cell| date(cell.trim())).collect();
        if dates.len() == cells.len() { Times::Dates(dates) } else { Times::Text(cells, dates.len()) }
    }

    pub(crate) fn compare(&self, a: usize, b: usize) -> Ordering {
        match self {
            Times::Numbers(numbers) => match (numbers.get(a), numbers.get(b)) {
                // Adding zero makes -0 and 0 one time.
                (Some(a), Some(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
                _ => Ordering::Equal,
            },
            Times::Dates(dates) => dates.get(a).cmp(&dates.get(b)),
            Times::Text(cells, _) => cells.get(a).map(|c| c.trim()).cmp(&cells.get(b).map(|c| c.trim())),
        }
    }
}

/// `YYYY-MM`, `YYYY-MM-DD`, and the latter with `T` or a space, `hh:mm`, `:ss`, `.fraction`, and `Z`, `±hh`, `±hhmm`
/// or `±hh:mm`.
fn date(text: &str) -> Option<(i64, u32)> {
    let mut rest = Cursor(text.as_bytes());
    let year = rest.digits(4)?;
    rest.expect(b"-")?;
    let month = rest.digits(2)?;
    let day = match rest.expect(b"-") {
        Some(()) => rest.digits(2)?,
        None if rest.0.is_empty() => 1,
        None => return None,
    };
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let mut seconds = days(year, month, day) * 86_400;
    let mut nanos = 0;
    if rest.0.is_empty() {
        return Some((seconds, nanos));
    }
    rest.expect(b"Tt ")?;
    let hour = rest.digits(2)?;
    rest.expect(b":")?;
    let minute = rest.digits(2)?;
    let mut second = 0;
    if rest.expect(b":").is_some() {
        second = rest.digits(2)?;
        if rest.expect(b".,").is_some() {
            nanos = rest.fraction()?;
        }
    }
    // 60 is a leap second.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    seconds += hour * 3600 + minute * 60 + second;
    if rest.0.is_empty() || (rest.expect(b"Zz").is_some() && rest.0.is_empty()) {
        return Some((seconds, nanos));
    }
    let sign = if rest.expect(b"+").is_some() { 1 } else { rest.expect(b"-").map(|()| -1)? };
    let hours = rest.digits(2)?;
    let colon = rest.expect(b":").is_some();
    let minutes = if rest.0.is_empty() && !colon { 0 } else { rest.digits(2)? };
    if hours > 23 || minutes > 59 || !rest.0.is_empty() {
        return None;
    }
    Some((seconds - sign * (hours * 3600 + minutes * 60), nanos))
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn expect(&mut self, any: &[u8]) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        any.contains(first).then(|| self.0 = rest)
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
    }

    /// Digits as billionths; those past the ninth are passed over.
    fn fraction(&mut self) -> Option<u32> {
        let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(9);
        (count > 0).then(|| padded.fold(0, |sum, b| sum * 10 + u32::from(b - b'0')))
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let before = |year: i64| year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    before(year) - before(1970) + months + day - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates() {
        let cases = [
            ("1970-01-01", Some((0, 0))),
            ("1970-01-02T00:00:01Z", Some((86_401, 0))),
            ("2000-02-29", Some((951_782_400, 0))),
            ("2024-12-31 23:59:59.25", Some((1_735_689_599, 250_000_000))),
            ("2024-03-01T12:00+02:00", Some((1_709_287_200, 0))),
            ("2024-03-01T12:00:00-0130", Some((1_709_299_800, 0))),
            ("2024-03-01T12:00:00+02", Some((1_709_287_200, 0))),
            ("2024-03", Some((1_709_251_200, 0))),
            ("0000-01-01", Some((-62_167_219_200, 0))),
            ("1900-02-29", None),
            ("2024-13-01", None),
            ("2024-3-1", None),
            ("2024-03-01x", None),
            ("2024-03-01T25:00", None),
            ("2024-03-01T12:00:00.", None),
            ("2024-03-01T12:00+2", None),
            ("2024-03-01T12:00+02:", None),
            ("01.03.2024", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(date(text), want, "{text}");
        }
    }

    #[test]
    fn one_reading_fits_all() {
        let owned = |cells: &[&str]| cells.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>();
        assert!(matches!(Times::read(&owned(&["10", " 9", "-1e3"])), Times::Numbers(_)));
        assert!(matches!(Times::read(&owned(&["2024-01-01", "2023-01-01T00:00Z"])), Times::Dates(_)));
        assert!(matches!(Times::read(&owned(&["2024-01-01", "10"])), Times::Text(_, 1)));
        assert!(matches!(Times::read(&owned(&["1", "nan"])), Times::Text(_, 0)));
        let cells = owned(&["10", "9", "-0", "0"]);
        let times = Times::read(&cells);
        assert_eq!((times.compare(0, 1), times.compare(2, 3)), (Ordering::Greater, Ordering::Equal));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text: String, digits in "[0-9TZ:.+ -]{0,30}") {
            let _ = (date(&text), date(&digits));
        }
    }
}
