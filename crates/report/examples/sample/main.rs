//! Writes sample reports into a folder, to be looked at: `cargo run -p filbert-report --example sample -- DIR`.
//! The figures are drawn at random, and measured as those of a run are.

mod classes;
mod common;
mod others;

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: sample DIR")?);
    std::fs::create_dir_all(&folder)?;
    let pages = [
        ("binary.html", classes::binary()?),
        ("multiclass.html", classes::many(77)?),
        ("few.html", classes::many(6)?),
        ("multilabel.html", others::multilabel()?),
        ("regression.html", others::regression()),
        ("hostile.html", others::hostile()),
        ("empty.html", filbert_report::Report::default()),
    ];
    for (name, report) in pages {
        std::fs::write(folder.join(name), filbert_report::render(&report))?;
    }
    Ok(())
}
