//! Splits delimited records into fields, fed line by line so that a quoted field may span lines. Strict where other
//! parsers guess: after a closing quote only a delimiter or the end of the record may follow, because a misplaced
//! quote otherwise merges rows without a word.

use super::lines::body;
use crate::limits::MAX_COLUMNS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The record is complete.
    Done,
    /// A quoted field goes on in the next line.
    Open,
    /// Text follows a closing quote.
    Bad,
    /// More fields than the limit.
    TooMany,
}

#[derive(Clone, Copy)]
enum State {
    Start,
    Bare,
    Quoted,
    Closed,
}

pub(crate) struct Splitter {
    delimiter: char,
    fields: Vec<String>,
    field: String,
    state: State,
}

impl Splitter {
    pub(crate) fn new(delimiter: char) -> Self {
        Self { delimiter, fields: Vec::new(), field: String::new(), state: State::Start }
    }

    /// Forgets everything, for a new record.
    pub(crate) fn begin(&mut self) {
        self.fields.clear();
        self.field.clear();
        self.state = State::Start;
    }

    /// The fields of a record that is [`Step::Done`].
    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.fields)
    }

    /// Takes the next line of the record, with its line break.
    pub(crate) fn feed(&mut self, line: &str) -> Step {
        let mut rest = body(line);
        let line_break = &line[rest.len()..];
        loop {
            match self.state {
                State::Start => match rest.strip_prefix('"') {
                    Some(after) => {
                        rest = after;
                        self.state = State::Quoted;
                    }
                    None => self.state = State::Bare,
                },
                State::Bare => {
                    let Some((head, tail)) = rest.split_once(self.delimiter) else {
                        self.field.push_str(rest);
                        return self.end_field(Step::Done);
                    };
                    self.field.push_str(head);
                    rest = tail;
                    if self.end_field(Step::Open) == Step::TooMany {
                        return Step::TooMany;
                    }
                }
                State::Quoted => {
                    let Some((head, tail)) = rest.split_once('"') else {
                        self.field.push_str(rest);
                        self.field.push_str(line_break);
                        return Step::Open;
                    };
                    self.field.push_str(head);
                    rest = tail;
                    self.state = State::Closed;
                }
                State::Closed => {
                    if let Some(after) = rest.strip_prefix('"') {
                        self.field.push('"');
                        rest = after;
                        self.state = State::Quoted;
                    } else if let Some(after) = rest.strip_prefix(self.delimiter) {
                        rest = after;
                        if self.end_field(Step::Open) == Step::TooMany {
                            return Step::TooMany;
                        }
                    } else if rest.is_empty() {
                        return self.end_field(Step::Done);
                    } else {
                        return Step::Bad;
                    }
                }
            }
        }
    }

    fn end_field(&mut self, step: Step) -> Step {
        if self.fields.len() == MAX_COLUMNS {
            return Step::TooMany;
        }
        self.fields.push(std::mem::take(&mut self.field));
        self.state = State::Start;
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        struct Case {
            lines: &'static [&'static str],
            steps: &'static [Step],
            fields: &'static [&'static str],
        }
        let cases = [
            Case { lines: &["a,b\n"], steps: &[Step::Done], fields: &["a", "b"] },
            Case { lines: &["a,b\r\n"], steps: &[Step::Done], fields: &["a", "b"] },
            Case { lines: &["a,"], steps: &[Step::Done], fields: &["a", ""] },
            Case { lines: &[",\n"], steps: &[Step::Done], fields: &["", ""] },
            Case { lines: &["\"a,\"\"b\"\"\",\"\"\n"], steps: &[Step::Done], fields: &["a,\"b\"", ""] },
            Case {
                lines: &["\"a\r\n", "\n", "b\",c\n"],
                steps: &[Step::Open, Step::Open, Step::Done],
                fields: &["a\r\n\nb", "c"],
            },
            Case { lines: &["a\"b,c\n"], steps: &[Step::Done], fields: &["a\"b", "c"] },
            Case { lines: &["\"a\"b,c\n"], steps: &[Step::Bad], fields: &[] },
            Case { lines: &["x,\"a"], steps: &[Step::Open], fields: &["x"] },
        ];
        let mut splitter = Splitter::new(',');
        let mut failed = Vec::new();
        for case in &cases {
            splitter.begin();
            let steps: Vec<Step> = case.lines.iter().map(|line| splitter.feed(line)).collect();
            let fields = splitter.take();
            if steps != case.steps || fields != case.fields {
                failed.push(format!("{:?}: {steps:?} {fields:?}", case.lines));
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
    }
}
