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
        _ => Err("one of none, trunk, embeddings, layers:N".to_owned()),
    }
}

pub(super) fn parse_warmup(text: &str) -> Result<filbert::Warmup, String> {
    match (text.parse::<u64>(), text.parse::<f64>()) {
        (Ok(steps), _) => Ok(filbert::Warmup::Steps(steps)),
        (_, Ok(share)) if (0.0..=1.0).contains(&share) => Ok(filbert::Warmup::Share(share)),
        _ => Err("a share of all steps from 0.0 to 1.0, or a whole number of steps".to_owned()),
    }
}

pub(super) fn parse_format(text: &str) -> Result<filbert_data::Format, String> {
    text.parse().map_err(|e: filbert_data::Error| e.to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn warmups_are_shares_or_steps() {
        use filbert::Warmup;
        assert_eq!(super::parse_warmup("0.1"), Ok(Warmup::Share(0.1)));
        assert_eq!(super::parse_warmup("1"), Ok(Warmup::Steps(1)));
        assert_eq!(super::parse_warmup("0"), Ok(Warmup::Steps(0)));
        assert!(super::parse_warmup("-0.5").is_err() && super::parse_warmup("nan").is_err());
    }
}
