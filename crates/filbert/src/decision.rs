//! How a model's probabilities become answers, as `filbert.json` keeps it: temperature, thresholds by label, and what is unsure.

use std::collections::BTreeMap;

use filbert_eval::{Band, DEFAULT_THRESHOLD, Decision, Rule};
use filbert_model::ProblemType;
use filbert_model::folder::{FilbertJson, UnsureBand};

/// The decision that a folder's settings describe, for these labels; what does not fit them is a sentence.
pub(crate) fn read(
    settings: &FilbertJson,
    task: ProblemType,
    labels: &[String],
    positive: Option<usize>,
) -> Result<Decision, String> {
    let mut decision = match task {
        ProblemType::MultiLabel => Decision::plain_multilabel(labels.len()),
        _ => Decision::plain(labels.len(), positive),
    };
    decision.temperature = settings.temperature;
    let place = |label: &String| labels.iter().position(|l| l == label);
    let mut given = vec![None; labels.len()];
    for (label, threshold) in settings.thresholds.iter().flatten() {
        let at = place(label).ok_or_else(|| format!("thresholds: the model has no label {label:?}"))?;
        given[at] = Some(*threshold as f32);
    }
    let band = settings.unsure.map(|u| Band { low: u.low as f32, high: u.high as f32 });
    let has_thresholds = given.iter().any(Option::is_some);
    match &mut decision.rule {
        Rule::Binary { positive, threshold, unsure } => {
            if given[1 - *positive].is_some() {
                return Err(format!(
                    "thresholds: of two labels only the positive one, {:?}, has one",
                    labels[*positive]
                ));
            }
            *threshold = given[*positive];
            *unsure = band;
        }
        Rule::Multiclass { thresholds, unsure_below } => {
            *thresholds = has_thresholds.then(|| given.iter().map(|t| t.unwrap_or(0.0)).collect());
            *unsure_below = band.map(|band| band.high);
        }
        Rule::Multilabel { thresholds } => {
            *thresholds = given.iter().map(|t| t.unwrap_or(DEFAULT_THRESHOLD)).collect();
            if band.is_some() {
                return Err("unsure: a multi-label model has thresholds instead".to_owned());
            }
        }
    }
    if task != ProblemType::Regression && labels.len() > 1 {
        decision.check(labels.len()).map_err(|error| error.to_string())?;
    }
    Ok(decision)
}

/// Keeps a decision in a folder's settings.
pub(crate) fn write(decision: &Decision, labels: &[String], settings: &mut FilbertJson) {
    settings.temperature = decision.temperature;
    let by_label = |thresholds: &[f32]| -> BTreeMap<String, f64> {
        labels.iter().cloned().zip(thresholds.iter().map(|&t| decimal(t))).collect()
    };
    (settings.thresholds, settings.unsure) = match &decision.rule {
        &Rule::Binary { positive, threshold, unsure } => (
            threshold.map(|t| BTreeMap::from([(labels[positive].clone(), decimal(t))])),
            unsure.map(|band| UnsureBand { low: decimal(band.low), high: decimal(band.high) }),
        ),
        Rule::Multiclass { thresholds, unsure_below } => (
            thresholds.as_deref().map(by_label),
            unsure_below.map(|high| UnsureBand { low: 0.0, high: decimal(high) }),
        ),
        Rule::Multilabel { thresholds } => {
            let plain = thresholds.iter().all(|&t| t == DEFAULT_THRESHOLD);
            ((!plain).then(|| by_label(thresholds)), None)
        }
    };
}

/// The number as a person would write it: the shortest decimal that means the same f32.
pub(crate) fn decimal(x: f32) -> f64 {
    x.to_string().parse().unwrap_or_else(|_| f64::from(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_comes_back_from_settings() {
        let names = |n: usize| (0..n).map(|i| format!("l{i}")).collect::<Vec<_>>();
        let binary = |threshold, unsure| Rule::Binary { positive: 0, threshold, unsure };
        let band = Band { low: 0.3, high: 0.712_345 };
        let cases = [
            (2, ProblemType::SingleLabel, binary(None, None)),
            (2, ProblemType::SingleLabel, binary(Some(0.123_456_79), None)),
            (2, ProblemType::SingleLabel, binary(Some(0.4), Some(band))),
            (3, ProblemType::SingleLabel, Rule::Multiclass { thresholds: None, unsure_below: Some(0.6) }),
            (
                3,
                ProblemType::SingleLabel,
                Rule::Multiclass { thresholds: Some(vec![0.0, 0.5, 0.9]), unsure_below: None },
            ),
            (2, ProblemType::MultiLabel, Rule::Multilabel { thresholds: vec![0.5, 0.5] }),
            (2, ProblemType::MultiLabel, Rule::Multilabel { thresholds: vec![0.1, 0.987_654_3] }),
        ];
        for (count, task, rule) in cases {
            let decision = Decision { temperature: 1.234_567_890_123, rule };
            let mut settings = FilbertJson::default();
            write(&decision, &names(count), &mut settings);
            let text = settings.to_json();
            let again = FilbertJson::parse(text.as_bytes(), std::path::Path::new("filbert.json")).unwrap();
            assert_eq!(read(&again, task, &names(count), Some(0)).unwrap(), decision, "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let labels = ["a".to_owned(), "b".to_owned()];
        let with = |label: &str, threshold| FilbertJson {
            thresholds: Some(BTreeMap::from([(label.to_owned(), threshold)])),
            ..FilbertJson::default()
        };
        let read = |settings: &FilbertJson, task| read(settings, task, &labels, Some(1));
        assert!(read(&with("c", 0.5), ProblemType::SingleLabel).unwrap_err().contains("\"c\""));
        assert!(read(&with("a", 0.5), ProblemType::SingleLabel).unwrap_err().contains("\"b\""));
        let band = FilbertJson { unsure: Some(UnsureBand { low: 0.9, high: 0.1 }), ..FilbertJson::default() };
        assert!(read(&band, ProblemType::SingleLabel).is_err());
        assert!(read(&band, ProblemType::MultiLabel).unwrap_err().contains("multi-label"));
    }
}
