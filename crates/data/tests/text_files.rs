//! Small text files, good and bad: each is either read as it should be or refused with an error of one line that
//! names the file and the place.

use filbert_data::{ReadOptions, Table};

/// What a file must give: its texts and labels, or a piece of the error message.
enum Want {
    Rows(&'static [(&'static str, &'static str)]),
    Refused(&'static str),
}
use Want::{Refused, Rows};

struct Case {
    what: &'static str,
    name: &'static str,
    bytes: &'static [u8],
    want: Want,
}

const fn case(what: &'static str, name: &'static str, bytes: &'static [u8], want: Want) -> Case {
    Case { what, name, bytes, want }
}

// One case to a line.
#[rustfmt::skip]
const ACCEPTED: &[Case] = &[
    case("plain", "a.csv", b"text,label\na,x\nb,y\n", Rows(&[("a", "x"), ("b", "y")])),
    case("byte order mark", "a.csv", b"\xEF\xBB\xBFtext,label\na,x\n", Rows(&[("a", "x")])),
    case("byte order mark, JSON", "a.jsonl", b"\xEF\xBB\xBF{\"text\":\"a\",\"label\":1}\n", Rows(&[("a", "1")])),
    case("CRLF", "a.csv", b"text,label\r\na,x\r\nb,y\r\n", Rows(&[("a", "x"), ("b", "y")])),
    case("no last line break", "a.csv", b"text,label\na,x", Rows(&[("a", "x")])),
    case("quoted newlines", "a.csv", b"text,label\n\"a\nb\r\nc\",x\n", Rows(&[("a\nb\r\nc", "x")])),
    case("quoted quotes", "a.csv", b"text,label\n\"a \"\"b\"\", c\",x\n", Rows(&[("a \"b\", c", "x")])),
    case("blank lines between", "a.csv", b"text,label\n\na,x\n\r\nb,y\n\n", Rows(&[("a", "x"), ("b", "y")])),
    case("integer labels", "a.csv", b"text,label\na,0\nb,1.0\n", Rows(&[("a", "0"), ("b", "1")])),
    case("integer labels, JSON", "a.jsonl", b"{\"text\":\"a\",\"label\":2.0}\n", Rows(&[("a", "2")])),
    case("truth values", "a.jsonl", b"{\"text\":\"a\",\"label\":true}\n\n", Rows(&[("a", "true")])),
    case("numbers as texts", "a.jsonl", b"{\"text\":12,\"label\":\"x\"}\n", Rows(&[("12", "x")])),
    case("duplicate keys", "a.jsonl", b"{\"text\":\"a\",\"text\":\"b\",\"label\":1}\n", Rows(&[("b", "1")])),
    case("null text", "a.jsonl", b"{\"text\":null,\"label\":1}\n", Rows(&[("", "1")])),
    case("versions are no numbers", "a.csv", b"text,label\na,0.5\nb,beta\n", Rows(&[("a", "0.5"), ("b", "beta")])),
    case("TSV", "a.tsv", b"text\tlabel\na, b\tx\n", Rows(&[("a, b", "x")])),
    case("TSV, quoting", "a.tsv", b"text\tlabel\n\"a \"\"b\"\"\"\tx\n", Rows(&[("a \"b\"", "x")])),
    case("TSV, quoted newline", "a.tsv", b"text\tlabel\n\"c\nd\"\ty\n", Rows(&[("c\nd", "y")])),
    case("TSV, plain quotes", "a.tsv", b"text\tlabel\n\"Hi\" he said\tx\n", Rows(&[("\"Hi\" he said", "x")])),
    case("TSV, one quote", "a.tsv", b"text\tlabel\n\"open\ty\nb\tx\n", Rows(&[("\"open", "y"), ("b", "x")])),
];

#[rustfmt::skip]
const REFUSED: &[Case] = &[
    case("empty file", "a.csv", b"", Refused("a.csv: the file is empty")),
    case("byte order mark only", "a.csv", b"\xEF\xBB\xBF", Refused("the file is empty")),
    case("line breaks only", "a.csv", b"\n\r\n\n", Refused("the file is empty")),
    case("empty JSON lines", "a.jsonl", b"\n  \n", Refused("the file is empty")),
    case("header only", "a.csv", b"text,label\n", Refused("no rows")),
    case("ragged, short", "a.csv", b"text,label\na,x\n\"b\n\",y\nc\n", Refused("line 5: 1 fields where the header has 2")),
    case("ragged, long", "a.csv", b"text,label\r\na,x\r\na,b,y\r\n", Refused("line 3: 3 fields where the header has 2")),
    case("ragged TSV", "a.tsv", b"text\tlabel\n\"a\" b\tx\ty\n", Refused("line 2: 3 fields")),
    case("bad UTF-8", "a.csv", b"text,label\na,x\ncaf\xE9,x\n", Refused("line 3: not valid UTF-8")),
    case("bad UTF-8, JSON", "a.jsonl", b"{\"text\":\"\xFF\",\"label\":1}", Refused("line 1: not valid UTF-8")),
    case("UTF-16", "a.csv", b"\xFF\xFEt\0e\0", Refused("line 1: not valid UTF-8")),
    case("duplicate columns", "a.csv", b"text,label,text\na,x,b\n", Refused("two columns are named \"text\"")),
    case("open quote", "a.csv", b"text,label\na,x\n\"b,y\nc,z\n", Refused("line 3: a quote opened")),
    case("misplaced quote", "a.csv", b"text,label\n\"a\" b,x\n", Refused("line 2: text follows a closing quote")),
    case("carriage returns", "a.csv", b"text,label\ra,x\rb,y\r", Refused("carriage return alone")),
    case("not an object", "a.jsonl", b"{\"text\":\"a\",\"label\":1}\n[1]\n", Refused("line 2: a list where a JSON object")),
    case("not JSON", "a.jsonl", b"{\"text\":\"a\",\"label\":1}\n\n{oops}\n", Refused("line 3, column 2: not valid JSON")),
    case("JSON cut off", "a.jsonl", b"{\"text\":\"a\"", Refused("line 1, column 11")),
    case("empty label", "a.csv", b"text,label\na,x\nb, \n", Refused("line 3, column \"label\": the label is empty")),
    case("null label", "a.jsonl", b"{\"text\":\"a\",\"label\":null}\n", Refused("line 1, column \"label\": the label is empty")),
    case("absent label", "a.jsonl", b"{\"text\":\"a\",\"label\":1}\n{\"text\":\"a\"}\n", Refused("line 2, column \"label\": the label is empty")),
    case("regression", "a.csv", b"text,label\na,1\nb,0.5\n", Refused("line 3, column \"label\": the label \"0.5\" is not a whole number; pass --task regression")),
    case("regression, JSON", "a.jsonl", b"{\"text\":\"a\",\"label\":0.5}\n", Refused("pass --task regression")),
    case("multi-label", "a.jsonl", b"{\"text\":\"a\",\"label\":[\"x\"]}\n", Refused("a list as the label; pass --task multi-label")),
    case("text is a list", "a.jsonl", b"{\"text\":[\"x\"],\"label\":1}\n", Refused("column \"text\": a list where a text")),
    case("no label column", "a.csv", b"text,when\na,1\nb,2\nc,3\n", Refused("the columns are \"text\", \"when\"; pass --label")),
    case("escape sequences", "a.csv", b"te\x1b[31mxt,te\x1b[31mxt\na,x\n", Refused("\"te\\u{1b}[31mxt\"")),
];

#[test]
fn read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = ReadOptions { need_label: true, ..ReadOptions::default() };
    let mut failed = Vec::new();
    for Case { what, name, bytes, want } in ACCEPTED.iter().chain(REFUSED) {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let got = Table::read(&path, &options);
        let same = match (&got, want) {
            (Ok(table), Rows(rows)) => {
                let pairs = table.texts.iter().zip(&table.labels);
                pairs.map(|(text, label)| (text.as_str(), label.as_str())).eq(rows.iter().copied())
            }
            (Err(error), Refused(piece)) => {
                let message = error.to_string();
                message.contains(piece) && message.contains(name) && !message.contains(['\n', '\x1b'])
            }
            _ => false,
        };
        if !same {
            let got = got.map(|table| (table.texts, table.labels)).map_err(|error| error.to_string());
            failed.push(format!("{what}: {got:?}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
