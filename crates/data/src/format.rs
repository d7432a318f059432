//! The file formats, and how a name or an extension says which one.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::error::Error;

/// A format of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Comma-separated, RFC 4180, with a header: `.csv`.
    Csv,
    /// Tab-separated with a header: `.tsv`, `.tab`. Quotes mean quoting only where that reading fits.
    Tsv,
    /// One JSON object on each line: `.jsonl`, `.ndjson`, `.json`.
    JsonLines,
    /// Apache Parquet: `.parquet`, `.pq`.
    Parquet,
    /// One text on each line, for prediction: `.txt`.
    Lines,
}

impl Format {
    /// The format that the extension of `path` says.
    ///
    /// # Errors
    /// [`Error::UnknownFormat`] for any other extension, or none.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Ok(Format::Csv),
            "tsv" | "tab" => Ok(Format::Tsv),
            "jsonl" | "ndjson" | "json" => Ok(Format::JsonLines),
            "parquet" | "pq" => Ok(Format::Parquet),
            "txt" => Ok(Format::Lines),
            _ => Err(Error::UnknownFormat { file: path.display().to_string() }),
        }
    }

    /// The name that [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::JsonLines => "jsonl",
            Format::Parquet => "parquet",
            Format::Lines => "lines",
        }
    }

    /// What [`Record::place`](crate::Record) counts: `line`, or `row` in Parquet.
    pub fn place_unit(self) -> &'static str {
        match self {
            Format::Parquet => "row",
            Format::Csv | Format::Tsv | Format::JsonLines | Format::Lines => "line",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name.to_ascii_lowercase().as_str() {
            "csv" => Ok(Format::Csv),
            "tsv" => Ok(Format::Tsv),
            "jsonl" | "ndjson" | "json" => Ok(Format::JsonLines),
            "parquet" => Ok(Format::Parquet),
            "lines" | "txt" => Ok(Format::Lines),
            _ => Err(Error::FormatName { name: name.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_and_names() {
        for format in [Format::Csv, Format::Tsv, Format::JsonLines, Format::Parquet, Format::Lines] {
            assert_eq!(format.name().parse::<Format>().unwrap(), format);
        }
        assert_eq!(Format::of(Path::new("a/B.CSV")).unwrap(), Format::Csv);
        assert_eq!(Format::of(Path::new("x.ndjson")).unwrap(), Format::JsonLines);
        assert!(matches!(Format::of(Path::new("x")), Err(Error::UnknownFormat { .. })));
        assert!(matches!(Format::of(Path::new("x.xlsx")), Err(Error::UnknownFormat { .. })));
        assert!("xml".parse::<Format>().is_err());
    }
}
