//! Rows of a file written as CSV, with all its columns, so that what was split or cleaned can be used elsewhere.

use std::borrow::Cow;
use std::io::{BufWriter, Write};

use crate::error::Error;
use crate::read::Reader;
use crate::table::Table;

/// Writes rows of a table's file as CSV: every column of the file, cells as they are (nothing and null are empty,
/// lists are JSON), so that reading them gives the same table. `rows` are indices into the table as it was read,
/// ascending. The file is read again.
///
/// # Errors
/// [`Error::Write`]; [`Error::Changed`] if the rows no longer stand where they stood; those of [`Reader::open`].
pub fn write_csv(table: &Table, rows: &[usize], out: impl Write) -> Result<(), Error> {
    let mut out = BufWriter::new(out);
    let fail = |error| Error::Write { error };
    write_row(&mut out, table.columns.iter().map(|name| name.as_str().into())).map_err(fail)?;
    let file = || table.source.display().to_string();
    let mut wanted = rows.iter().copied().peekable();
    for (row, record) in Reader::open(&table.source, Some(table.format))?.enumerate() {
        let record = record?;
        if table.places.get(row) != Some(&record.place) {
            return Err(Error::Changed { file: file() });
        }
        if wanted.next_if_eq(&row).is_some() {
            let cells = (0..table.columns.len()).map(|column| record.get(column).to_text());
            write_row(&mut out, cells).map_err(fail)?;
        }
    }
    if wanted.peek().is_some() {
        return Err(Error::Changed { file: file() });
    }
    out.flush().map_err(fail)
}

fn write_row<'a>(
    out: &mut impl Write,
    cells: impl ExactSizeIterator<Item = Cow<'a, str>>,
) -> std::io::Result<()> {
    let only = cells.len() == 1;
    for (i, cell) in cells.enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        // A line without a character would be passed over, and a byte order mark at the start of the file dropped.
        let quoted = cell.contains(['"', ',', '\n', '\r'])
            || cell.starts_with([' ', '\t', '\u{feff}'])
            || cell.ends_with([' ', '\t'])
            || (only && cell.is_empty());
        if quoted {
            write!(out, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            out.write_all(cell.as_bytes())?;
        }
    }
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::ReadOptions;

    fn read(path: &std::path::Path) -> Table {
        let text = Some(vec!["text".to_owned()]);
        Table::read(path, &ReadOptions { text, keep: vec!["k".to_owned()], ..ReadOptions::default() })
            .unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_reads_the_same(
            rows in prop::collection::vec(("[a\",\n\r \u{feff}=é]{0,6}", "[a|\\[\"]{0,4}"), 1..12),
            every in 1usize..4,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (from, to) = (folder.path().join("a.jsonl"), folder.path().join("b.csv"));
            let lines = rows.iter().map(|(text, k)| serde_json::json!({"text": text, "k": k}).to_string() + "\n");
            std::fs::write(&from, lines.collect::<String>()).unwrap();
            let table = read(&from);
            let wanted: Vec<usize> = (0..rows.len()).step_by(every).collect();
            write_csv(&table, &wanted, std::fs::File::create(&to).unwrap()).unwrap();
            let (want, got) = (table.subset(&wanted), read(&to));
            prop_assert_eq!((want.texts, want.kept), (got.texts, got.kept));
        }
    }

    #[test]
    fn one_column_and_a_file_that_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, "{\"text\":\"\"}\n{\"text\":\"b\"}\n").unwrap();
        let table = Table::read(&path, &ReadOptions::default()).unwrap();
        let mut out = Vec::new();
        write_csv(&table, &[0, 1], &mut out).unwrap();
        assert_eq!(out, b"text\n\"\"\nb\n");
        std::fs::write(&path, "\n{\"text\":\"\"}\n").unwrap();
        assert!(matches!(write_csv(&table, &[0], &mut out), Err(Error::Changed { .. })));
    }
}
