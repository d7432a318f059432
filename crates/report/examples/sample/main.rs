//! Writes sample reports into a folder, to be looked at: `cargo run -p filbert-report --example sample -- DIR`.
//! The figures are drawn at random, and measured as those of a run are.

mod classes;
mod common;
mod others;
mod small;

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: sample DIR")?);
    std::fs::create_dir_all(&folder)?;
    let mut binary = classes::binary()?;
    binary.ladder = Some(small::ladder(12_000_000, 0.01)?);
    binary.distillation = Some(small::distillation()?);
    let chart = binary.ladder.as_ref().and_then(filbert_report::ladder_svg);
    std::fs::write(folder.join("ladder.svg"), chart.unwrap_or_default())?;
    let pages = vec![
        ("binary.html", binary),
        ("compressed.html", small::compressed(12_000_000, 0.01)?),
        ("none-fits.html", small::compressed(4_000_000, 0.005)?),
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
