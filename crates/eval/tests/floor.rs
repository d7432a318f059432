//! The floor on real rows: what scikit-learn's script reaches on them, in bounded time.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use filbert_eval::Floor;

/// Texts and labels of a CSV file.
fn read(path: &Path) -> Vec<(String, String)> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let headers = reader.headers().unwrap().clone();
    let at = |names: &[&str]| headers.iter().position(|header| names.contains(&header)).unwrap();
    let (text, label) = (at(&["text"]), at(&["label", "labels"]));
    reader.records().map(Result::unwrap).map(|r| (r[text].to_owned(), r[label].to_owned())).collect()
}

/// `FILBERT_DATA` names a folder with a folder per data set. Accuracies of scikit-learn 1.9 on the test rows.
#[test]
#[ignore = "needs data sets: FILBERT_DATA=DIR cargo test --release -p filbert-eval --test floor -- --ignored"]
fn as_accurate_as_scikit_learn() {
    let Some(data) = std::env::var_os("FILBERT_DATA") else { return };
    let expected = [
        ("phishing-2100", 0.883),
        ("sms-spam", 0.977),
        ("trec6", 0.874),
        ("sst2-sentence", 0.802),
        ("banking77", 0.910),
    ];
    let mut faults = Vec::new();
    for (name, expected) in expected {
        let folder = Path::new(&data).join(name);
        let (train, test) = (read(&folder.join("train.csv")), read(&folder.join("test.csv")));
        let names: BTreeSet<&String> = train.iter().map(|row| &row.1).collect();
        let names: Vec<&String> = names.into_iter().collect();
        let class = |label: &String| names.binary_search(&label).unwrap();
        let texts: Vec<&str> = train.iter().map(|row| row.0.as_str()).collect();
        let labels: Vec<u32> = train.iter().map(|row| class(&row.1) as u32).collect();
        let start = Instant::now();
        let floor = Floor::fit(&texts, &labels, names.len()).unwrap();
        let took = start.elapsed();
        let texts: Vec<&str> = test.iter().map(|row| row.0.as_str()).collect();
        let p = floor.probabilities(&texts);
        let right = p
            .chunks(names.len())
            .zip(&test)
            .filter(|(p, row)| filbert_eval::argmax(p) == Some(class(&row.1)))
            .count();
        let accuracy = right as f64 / test.len() as f64;
        println!("{name}: {accuracy:.4} ({expected}), {} features, {took:.2?}", floor.features());
        if (accuracy - expected).abs() > 0.005 {
            faults.push(name);
        }
    }
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
#[ignore = "needs data sets: FILBERT_DATA=DIR cargo test --release -p filbert-eval --test floor -- --ignored"]
fn many_labels_in_bounded_time() {
    let Some(data) = std::env::var_os("FILBERT_DATA") else { return };
    let folder = Path::new(&data).join("goemotions");
    let (train, test) = (read(&folder.join("train.csv")), read(&folder.join("test.csv")));
    let names: BTreeSet<&str> = train.iter().flat_map(|row| row.1.split([',', '|', ';'])).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let truth = |rows: &[(String, String)]| -> Vec<bool> {
        let of = |row: &(String, String)| -> Vec<bool> {
            names.iter().map(|name| row.1.split([',', '|', ';']).any(|part| part == *name)).collect()
        };
        rows.iter().flat_map(of).collect()
    };
    let texts: Vec<&str> = train.iter().map(|row| row.0.as_str()).collect();
    let start = Instant::now();
    let floor = Floor::fit_multilabel(&texts, &truth(&train), names.len()).unwrap();
    let took = start.elapsed();
    let texts: Vec<&str> = test.iter().map(|row| row.0.as_str()).collect();
    let (p, truth) = (floor.probabilities(&texts), truth(&test));
    let both = p.iter().zip(&truth).filter(|&(&p, &t)| p >= 0.5 && t).count() as f64;
    let sizes = p.iter().filter(|&&p| p >= 0.5).count() + truth.iter().filter(|&&t| t).count();
    let f1 = 2.0 * both / sizes as f64;
    println!("{} labels: micro F1 {f1:.4}, {} features, {took:.2?}", names.len(), floor.features());
    assert!(f1 > 0.4);
}
