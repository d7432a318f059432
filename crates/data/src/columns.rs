//! Which columns hold the text and the label: as named by the user, else by well-known names, else by what the cells
//! look like (`content`). Whatever was not named is said in a note; a guess that could go two ways is an error.

use crate::content;
use crate::error::{Error, quote};
use crate::read::Record;
use crate::target::Task;

/// Which columns hold what, as positions in the list of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// One column, or two for pairs of texts.
    pub text: Vec<usize>,
    /// The label's column, if one was named or needed.
    pub label: Option<usize>,
    /// How they were found, for the user; empty where all were named.
    pub notes: Vec<String>,
}

/// Names of text columns. The first list is preferred over the second, and [`BEST_TEXT`] over both.
const TEXT: [&str; 24] = [
    "text",
    "sentence",
    "texts",
    "content",
    "message",
    "msg",
    "sms",
    "url",
    "urls",
    "tweet",
    "review",
    "review_text",
    "comment",
    "comment_text",
    "body",
    "document",
    "utterance",
    "query",
    "question",
    "post",
    "tweet_text",
    "email",
    "prompt",
    "sentence_text",
];
const WEAK_TEXT: [&str; 10] = [
    "title",
    "domain",
    "subject",
    "headline",
    "description",
    "summary",
    "link",
    "abstract",
    "article",
    "input",
];
const BEST_TEXT: &str = "text";

/// Pairs of text columns.
const PAIRS: [(&str, &str); 8] = [
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("text_a", "text_b"),
    ("text1", "text2"),
    ("sentence_a", "sentence_b"),
    ("question", "sentence"),
    ("query", "passage"),
];

/// Names of label columns, the most telling ones first: the first that is there wins.
const LABEL: [&str; 22] = [
    "label",
    "labels",
    "class",
    "target",
    "category",
    "y",
    "intent",
    "topic",
    "is_spam",
    "is_phishing",
    "spam",
    "phishing",
    "sentiment",
    "classification",
    "class_label",
    "label_id",
    "is_malicious",
    "is_toxic",
    "toxic",
    "emotion",
    "verdict",
    "status",
];

/// Further names where rows have several labels, after those of [`LABEL`].
const LABELS: [&str; 6] = ["tags", "categories", "emotions", "topics", "genres", "classes"];

/// Further names where rows have a number, after those of [`LABEL`].
const NUMBER: [&str; 8] =
    ["score", "rating", "stars", "value", "similarity", "similarity_score", "relevance", "grade"];

/// Finds the text and label columns among `names`. `text` and `label` are what the user named; `sample` are the first
/// records, looked at only where names say nothing. Without `need_label` a label column is looked for only if named.
///
/// # Errors
/// [`Error::MissingColumn`], [`Error::UnclearText`], [`Error::UnclearLabel`], [`Error::TextColumns`] or
/// [`Error::SameColumn`].
pub fn find_columns(
    names: &[String],
    text: Option<&[String]>,
    label: Option<&str>,
    need_label: bool,
    sample: &[Record],
) -> Result<Columns, Error> {
    find_columns_for(Task::Single, names, text, label, need_label, sample)
}

/// As [`find_columns`], for a label column of any kind.
pub(crate) fn find_columns_for(
    task: Task,
    names: &[String],
    text: Option<&[String]>,
    label: Option<&str>,
    need_label: bool,
    sample: &[Record],
) -> Result<Columns, Error> {
    let mut notes = Vec::new();
    let named_text = text.map(|wanted| named_text(names, wanted)).transpose()?;
    let mut found_label = label.map(|wanted| position(names, wanted)).transpose()?;
    if let Some(label) = found_label
        && named_text.as_ref().is_some_and(|text| text.contains(&label))
    {
        return Err(Error::SameColumn { column: name(names, label) });
    }
    if found_label.is_none() && need_label {
        found_label = label_by_name(task, names, named_text.as_deref().unwrap_or_default());
        if let Some(label) = found_label {
            notes.push(format!("label column {} (found by its name)", quote(&name(names, label))));
        }
    }
    let text = match named_text {
        Some(text) => text,
        None => find_text(names, found_label, sample, &mut notes)?,
    };
    if found_label.is_none() && need_label {
        let label = content::label(task, names, &text, sample)?;
        notes.push(format!("label column {} (found by its content)", quote(&name(names, label))));
        found_label = Some(label);
    }
    Ok(Columns { text, label: found_label, notes })
}

fn named_text(names: &[String], wanted: &[String]) -> Result<Vec<usize>, Error> {
    if !(1..=2).contains(&wanted.len()) {
        return Err(Error::TextColumns { count: wanted.len() });
    }
    let text = wanted.iter().map(|column| position(names, column)).collect::<Result<Vec<_>, _>>()?;
    match text.as_slice() {
        [first, second] if first == second => Err(Error::SameColumn { column: name(names, *first) }),
        _ => Ok(text),
    }
}

fn find_text(
    names: &[String],
    label: Option<usize>,
    sample: &[Record],
    notes: &mut Vec<String>,
) -> Result<Vec<usize>, Error> {
    let lookup =
        |wanted: &str| names.iter().position(|name| plain(name) == wanted).filter(|&i| Some(i) != label);
    if let Some(column) = lookup(BEST_TEXT) {
        notes.push(text_note(names, column, "name"));
        return Ok(vec![column]);
    }
    for (first, second) in PAIRS {
        if let (Some(first), Some(second)) = (lookup(first), lookup(second)) {
            let (a, b) = (quote(&name(names, first)), quote(&name(names, second)));
            notes.push(format!("text columns {a} and {b} (a pair, found by their names)"));
            return Ok(vec![first, second]);
        }
    }
    for list in [&TEXT[..], &WEAK_TEXT[..]] {
        let found: Vec<usize> = list.iter().filter_map(|wanted| lookup(wanted)).collect();
        match found.as_slice() {
            [] => {}
            [column] => {
                notes.push(text_note(names, *column, "name"));
                return Ok(vec![*column]);
            }
            several => {
                let several: Vec<String> = several.iter().map(|&i| quote(&name(names, i))).collect();
                let reason = format!("it could be {}", several.join(" or "));
                return Err(Error::UnclearText { reason, columns: names.to_vec() });
            }
        }
    }
    let column = content::text(names, label, sample)?;
    notes.push(text_note(names, column, "content"));
    Ok(vec![column])
}

fn text_note(names: &[String], column: usize, how: &str) -> String {
    format!("text column {} (found by its {how})", quote(&name(names, column)))
}

fn label_by_name(task: Task, names: &[String], text: &[usize]) -> Option<usize> {
    let further: &[&str] = match task {
        Task::Single => &[],
        Task::Multi { .. } => &LABELS,
        Task::Regression => &NUMBER,
    };
    LABEL.iter().chain(further).find_map(|wanted| {
        let mut places = names.iter().enumerate().filter(|(_, name)| plain(name) == *wanted).map(|(i, _)| i);
        places.find(|i| !text.contains(i))
    })
}

/// The column of exactly this name.
pub(crate) fn position(names: &[String], wanted: &str) -> Result<usize, Error> {
    if let Some(column) = names.iter().position(|name| name == wanted) {
        return Ok(column);
    }
    let columns = names.to_vec();
    Err(Error::MissingColumn { column: wanted.to_owned(), close: closest(names, wanted), columns })
}

/// A column whose name is a typing error away.
fn closest(names: &[String], wanted: &str) -> Option<String> {
    /// Longer names are not compared letter by letter.
    const LONGEST: usize = 64;
    let wanted = plain(wanted);
    let length = wanted.chars().count();
    let allowed = length / 3 + 1;
    names
        .iter()
        .filter(|name| length <= LONGEST && name.chars().count() <= LONGEST)
        .map(|name| (strsim::levenshtein(&plain(name), &wanted), name))
        .filter(|(distance, name)| *distance <= allowed && *distance < name.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name.clone())
}

/// Lower case, with `_` for spaces and hyphens.
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

fn name(names: &[String], column: usize) -> String {
    names.get(column).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn by_name() {
        struct Case {
            names: &'static [&'static str],
            text: &'static [usize],
            label: usize,
        }
        let cases = [
            Case { names: &["text", "label"], text: &[0], label: 1 },
            Case { names: &["Label", "URL"], text: &[1], label: 0 },
            Case { names: &["id", "title", "text", "Category"], text: &[2], label: 3 },
            Case { names: &["sentence1", "sentence2", "label"], text: &[0, 1], label: 2 },
            Case { names: &["Premise", "Hypothesis", "label"], text: &[0, 1], label: 2 },
            Case { names: &["question", "sentence", "label"], text: &[0, 1], label: 2 },
            Case { names: &["domain", "is-spam"], text: &[0], label: 1 },
            Case { names: &["message", "label", "label_text", "class"], text: &[0], label: 1 },
        ];
        let mut failed = Vec::new();
        for case in &cases {
            let found = find_columns(&owned(case.names), None, None, true, &[]);
            match found {
                Ok(found) if found.text == case.text && found.label == Some(case.label) => {
                    if found.notes.len() != 2 {
                        failed.push(format!("{:?}: {:?}", case.names, found.notes));
                    }
                }
                other => failed.push(format!("{:?}: {other:?}", case.names)),
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn as_named() {
        let names = owned(&["a", "b", "c"]);
        let found = find_columns(&names, Some(&owned(&["c", "a"])), Some("b"), true, &[]).unwrap();
        assert_eq!(found, Columns { text: vec![2, 0], label: Some(1), notes: vec![] });
        let found = find_columns(&names, Some(&owned(&["c"])), None, false, &[]).unwrap();
        assert_eq!(found.label, None);
    }

    #[test]
    fn refusals() {
        let names = owned(&["text", "kind"]);
        let missing = |wanted: &str| match find_columns(&names, Some(&owned(&[wanted])), None, false, &[]) {
            Err(Error::MissingColumn { close, columns, .. }) if columns == names => close,
            other => panic!("{other:?}"),
        };
        assert_eq!(missing("txt").as_deref(), Some("text"));
        assert_eq!(missing("Text").as_deref(), Some("text"));
        assert_eq!(missing("sentence"), None);
        let same = find_columns(&names, Some(&owned(&["text"])), Some("text"), true, &[]);
        assert!(matches!(same, Err(Error::SameColumn { .. })));
        let twice = find_columns(&names, Some(&owned(&["text", "text"])), None, false, &[]);
        assert!(matches!(twice, Err(Error::SameColumn { .. })));
        let three = find_columns(&names, Some(&owned(&["a", "b", "c"])), None, false, &[]);
        assert!(matches!(three, Err(Error::TextColumns { count: 3 })));
        let several = find_columns(&owned(&["message", "tweet", "label"]), None, None, true, &[]);
        assert!(several.unwrap_err().to_string().contains("--text"));
    }
}
