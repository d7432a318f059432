//! How values are read.

pub(super) fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=1024) => Ok(n),
        _ => Err("a number of threads from 1 to 1024".to_owned()),
    }
}

pub(super) fn parse_kernels(text: &str) -> Result<filbert_engine::Isa, String> {
    let all = filbert_engine::Isa::available();
    let names: Vec<&str> = all.iter().map(|isa| isa.name()).collect();
    let found = all.iter().find(|isa| isa.name() == text);
    found.copied().ok_or_else(|| format!("this processor has {}", names.join(", ")))
}

pub(super) fn parse_count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&n| n > 0).ok_or_else(|| "a whole number from 1 up".to_owned())
}

pub(super) fn parse_freeze(text: &str) -> Result<filbert::Freeze, String> {
    use filbert::Freeze;
    match text.split_once(':') {
        None if text == "none" => Ok(Freeze::None),
        None if text == "trunk" => Ok(Freeze::Trunk),
        None if text == "embeddings" => Ok(Freeze::Embeddings),
        Some(("layers", n)) => {
            n.parse().map(Freeze::Layers).map_err(|_| format!("{n:?} is not a number of layers"))
        }
        Some(("names", patterns)) if !patterns.is_empty() => {
            Ok(Freeze::Names(patterns.split(',').map(str::to_owned).collect()))
        }
        _ => Err("one of none, trunk, embeddings, layers:N, names:PATTERN,...".to_owned()),
    }
}

pub(super) fn parse_warmup(text: &str) -> Result<filbert::Warmup, String> {
    match (text.parse::<u64>(), text.parse::<f64>()) {
        (Ok(steps), _) => Ok(filbert::Warmup::Steps(steps)),
        (_, Ok(share)) if (0.0..=1.0).contains(&share) => Ok(filbert::Warmup::Share(share)),
        _ => Err("a share of all steps from 0.0 to 1.0, or a whole number of steps".to_owned()),
    }
}

/// Whatever the measuring's own parsers read.
pub(super) fn parse_eval<T: std::str::FromStr<Err = filbert_eval::Error>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|e: filbert_eval::Error| e.to_string())
}

/// Whatever the data's own parsers read.
pub(crate) fn parse_data<T: std::str::FromStr<Err = filbert_data::Error>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|e: filbert_data::Error| e.to_string())
}

pub(super) fn parse_select(text: &str) -> Result<filbert::Select, String> {
    text.parse()
}

pub(super) fn parse_windows(text: &str) -> Result<filbert::Windows, String> {
    /// Windows of one text, where no number is given.
    const MOST: usize = 16;
    let (overlap, most) = text.split_once(':').map_or((text, None), |(overlap, most)| (overlap, Some(most)));
    let number = |text: &str| {
        text.parse::<usize>()
            .map_err(|_| format!("{text:?} is no whole number; it is OVERLAP or OVERLAP:MOST"))
    };
    Ok(filbert::Windows { overlap: number(overlap)?, most: most.map_or(Ok(MOST), number)? })
}

pub(super) fn parse_class_weights(text: &str) -> Result<filbert::ClassWeights, String> {
    use filbert::ClassWeights;
    if text == "balanced" {
        return Ok(ClassWeights::Balanced);
    }
    let weight = |part: &str| {
        // A label may have an equals sign, a weight has none.
        let (label, weight) = part.rsplit_once('=')?;
        Some((label.to_owned(), weight.parse::<f32>().ok().filter(|w| *w > 0.0 && w.is_finite())?))
    };
    let weights: Option<Vec<_>> = text.split(',').map(weight).collect();
    weights
        .map(ClassWeights::Given)
        .ok_or_else(|| "balanced, or LABEL=WEIGHT,... with weights above 0".to_owned())
}

/// How often checkpoints are written; none for never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckpointEvery(pub(crate) Option<filbert::Every>);

pub(super) fn parse_every(text: &str) -> Result<CheckpointEvery, String> {
    use std::time::Duration;
    if text == "off" {
        return Ok(CheckpointEvery(None));
    }
    let positive = |digits: &str| digits.parse::<u64>().ok().filter(|&n| n > 0 && n <= 1 << 40);
    let seconds = |digits: &str, each: u64| positive(digits).map(|n| Duration::from_secs(n * each));
    let time = text.strip_suffix('s').and_then(|n| seconds(n, 1));
    let time = time.or_else(|| text.strip_suffix('m').and_then(|n| seconds(n, 60)));
    let time = time.or_else(|| text.strip_suffix('h').and_then(|n| seconds(n, 3_600)));
    let every = time.map(filbert::Every::Time).or_else(|| positive(text).map(filbert::Every::Steps));
    every
        .map(|every| CheckpointEvery(Some(every)))
        .ok_or_else(|| "a time such as 5m, 90s or 1h, a number of updates, or off".to_owned())
}

pub(super) fn parse_student(text: &str) -> Result<super::StudentArg, String> {
    use super::StudentArg;
    /// Most layers that are read; no encoder has more.
    const MOST: usize = filbert_model::config::MAX_LAYERS;
    let Some(layers) = text.strip_prefix("layers=") else {
        let is_config =
            std::path::Path::new(text).extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
        return match text {
            "" => Err("layers=N, layers=I,J,..., a config.json, or a checkpoint".to_owned()),
            _ if is_config => Ok(StudentArg::Config(text.into())),
            _ => Ok(StudentArg::Model(text.to_owned())),
        };
    };
    let number = |text: &str| {
        text.trim().parse::<usize>().ok().filter(|&n| n <= MOST).ok_or_else(|| {
            format!("{text:?} is no number of a layer; it is layers=3 for three of them, layers=0,2,5 for a list, layers=5, for one")
        })
    };
    if !layers.contains(',') {
        return number(layers).map(StudentArg::Even);
    }
    let list: Vec<&str> = layers.strip_suffix(',').unwrap_or(layers).split(',').collect();
    if list.len() > MOST {
        return Err(format!("a list of more than {MOST} layers"));
    }
    list.into_iter().map(number).collect::<Result<_, _>>().map(StudentArg::Layers)
}

#[cfg(test)]
mod tests {
    #[test]
    fn students() {
        use super::super::StudentArg::{Config, Even, Layers, Model};
        for (text, wanted) in [
            ("layers=3", Some(Even(3))),
            ("layers=0,2,5", Some(Layers(vec![0, 2, 5]))),
            ("layers=5,", Some(Layers(vec![5]))),
            ("a/config.json", Some(Config("a/config.json".into()))),
            ("minilm-l6", Some(Model("minilm-l6".to_owned()))),
            ("", None),
            ("layers=", None),
            ("layers=x", None),
            ("layers=1,,2", None),
            ("layers=-1", None),
            ("layers=99999999999999999999", None),
            ("layers=5000", None),
        ] {
            assert_eq!(super::parse_student(text).ok(), wanted, "{text}");
        }
    }

    #[test]
    fn times_windows_and_weights() {
        use filbert::{ClassWeights, Every, Windows};
        use std::time::Duration;
        let every = |text| super::parse_every(text).map(|e| e.0);
        assert_eq!(every("90s"), Ok(Some(Every::Time(Duration::from_secs(90)))));
        assert_eq!(every("2h"), Ok(Some(Every::Time(Duration::from_hours(2)))));
        assert_eq!(every("7"), Ok(Some(Every::Steps(7))));
        assert_eq!(every("off"), Ok(None));
        for bad in ["", "s", "0", "0s", "-1", "5d", "99999999999999999999h", "é"] {
            assert!(every(bad).is_err(), "{bad}");
        }
        assert_eq!(super::parse_windows("32"), Ok(Windows { overlap: 32, most: 16 }));
        assert_eq!(super::parse_windows("0:4"), Ok(Windows { overlap: 0, most: 4 }));
        assert!(super::parse_windows("a").is_err() && super::parse_windows("1:").is_err());
        let given = ClassWeights::Given(vec![("a=b".to_owned(), 2.0), ("c".to_owned(), 0.5)]);
        assert_eq!(super::parse_class_weights("a=b=2,c=0.5"), Ok(given));
        for bad in ["", "a", "a=0", "a=x", "a=inf", "=", "a=1,"] {
            assert!(super::parse_class_weights(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn warmups_are_shares_or_steps() {
        use filbert::Warmup;
        assert_eq!(super::parse_warmup("0.1"), Ok(Warmup::Share(0.1)));
        assert_eq!(super::parse_warmup("1"), Ok(Warmup::Steps(1)));
        assert_eq!(super::parse_warmup("0"), Ok(Warmup::Steps(0)));
        assert!(super::parse_warmup("-0.5").is_err() && super::parse_warmup("nan").is_err());
    }
}

/// A size in bytes: `12MB`, `1.5GB`, `500kB`, `12MiB` or a plain number.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 8] = [
        ("kib", 1024.0),
        ("mib", 1_048_576.0),
        ("gib", 1_073_741_824.0),
        ("kb", 1e3),
        ("mb", 1e6),
        ("gb", 1e9),
        ("b", 1.0),
        ("", 1.0),
    ];
    let lower = text.trim().to_ascii_lowercase();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| Some((lower.strip_suffix(name)?.trim(), unit)))
        .unwrap_or((lower.as_str(), &1.0));
    let bytes = number.parse::<f64>().ok().map(|x| x * unit).filter(|x| (1.0..=1e15).contains(x));
    bytes
        .map(|x| x as u64)
        .ok_or_else(|| "a size is a number of bytes, or one with kB, MB or GB, such as 12MB".to_owned())
}

#[cfg(test)]
mod size_tests {
    use super::parse_size;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("12MB", Some(12_000_000)),
            ("1.5 kB", Some(1_500)),
            ("7", Some(7)),
            ("2MiB", Some(2_097_152)),
            ("3b", Some(3)),
        ] {
            assert_eq!(parse_size(text).ok(), bytes, "{text}");
        }
        for text in ["", "MB", "-1MB", "0", "nan", "1e30", "12 XB", "inf"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
