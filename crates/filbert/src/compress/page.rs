//! A ladder as a report page and as JSON, and the folder of what is kept.

use std::path::Path;

use filbert_model::folder::{FilbertJson, SaveFolder};
use filbert_report::Report;
use filbert_report::input::{self, Figure, KeptTest, Ladder};
use serde_json::{Value, json};

use super::measure::Figures;
use super::{Compressed, Outcome, Rung};
use crate::{Error, Measure, Versus};

impl Compressed {
    /// The ladder as one JSON object.
    pub fn to_json(&self) -> Value {
        let test = self.test.as_ref().map(|test| {
            json!({
                "rows": test.rows,
                "original": test.original.to_json(),
                "kept": test.kept.measure.to_json(),
                "versus_original": test.kept.versus,
                "flips": test.flips,
            })
        });
        json!({
            "model": self.model,
            "bounds": self.bounds,
            "figure": self.figure,
            "rows": self.rows,
            "flip_rows": self.flip_rows,
            "rungs": self.rungs.iter().map(Rung::to_json).collect::<Vec<_>>(),
            "kept": self.kept.map(|kept| &self.rungs[kept].name),
            "test": test,
            "notes": self.notes,
            "seconds": self.seconds,
            "verdict": self.ladder().verdict(),
        })
    }

    /// The ladder as the report draws it.
    pub fn ladder(&self) -> Ladder {
        let outcome = |outcome| match outcome {
            Outcome::Kept => input::Outcome::Kept,
            Outcome::Fits => input::Outcome::Fits,
            Outcome::Outside => input::Outcome::Outside,
            Outcome::Failed => input::Outcome::Failed,
        };
        let flips = |f: &super::Flips| input::Flips { changed: f.changed, rows: f.rows, rate: Some(f.rate) };
        let rung = |(i, rung): (usize, &Rung)| input::Rung {
            name: rung.name.clone(),
            how: rung.how.clone(),
            original: i == 0,
            outcome: outcome(rung.outcome),
            reason: rung.reason.clone(),
            size_bytes: rung.size_bytes,
            peak_bytes: rung.speed.and_then(|s| s.peak_memory_mb).map(|mb| (mb * 1e6) as u64),
            figures: rung.figures.as_ref().map(figures).unwrap_or_default(),
            flips: rung.flips.as_ref().map(flips),
            rows_per_second: rung.speed.map(|s| s.rows_per_s),
            p50_ms: rung.speed.map(|s| s.single_p50_ms),
            p99_ms: rung.speed.map(|s| s.single_p99_ms),
        };
        Ladder {
            bounds: input::Bounds {
                max_bytes: self.bounds.max_bytes,
                max_drop: Some(self.bounds.max_drop),
                figure: self.figure.clone(),
                strict: self.bounds.strict,
            },
            split: "validation".to_owned(),
            rows: self.rows as u64,
            rungs: self.rungs.iter().enumerate().map(rung).collect(),
            test: self.test.as_ref().map(|test| KeptTest {
                rows: test.rows as u64,
                kept: figures(&test.kept),
                original: figures(&Figures { measure: test.original.clone(), versus: None }),
                flips: test.flips.as_ref().map(flips),
            }),
            notes: self.notes.clone(),
        }
    }

    /// The report's page.
    fn page(&self) -> Report {
        Report {
            title: "Compression".to_owned(),
            model: self.model.clone(),
            ladder: Some(self.ladder()),
            notes: self.notes.clone(),
            ..Report::default()
        }
    }

    /// Writes the folder of what is kept, with the ladder in `metrics.json` and `report.html`.
    ///
    /// # Errors
    /// If nothing was kept, or the folder cannot be written.
    pub fn save(&self, out: impl AsRef<Path>, force: bool) -> Result<(), Error> {
        let Some(kept) = self.kept else {
            return Err(Error::Usage("no artifact is within the bounds, so there is nothing to save"));
        };
        let from = &self.rungs[kept].folder;
        let folder = SaveFolder::create(out.as_ref(), force)?;
        let read = |path: &Path, action, source| {
            Error::Model(filbert_model::Error::Io { file: path.to_path_buf(), action, source })
        };
        let settings = FilbertJson::load(from)?;
        // Only what loading the artifact would verify is copied.
        let known = settings.as_ref().map(|s| s.files.keys().cloned().collect::<Vec<_>>());
        for entry in std::fs::read_dir(from).map_err(|e| read(from, "list", e))? {
            let path = entry.map_err(|e| read(from, "list", e))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let wanted = known.as_ref().is_none_or(|known| known.contains(&name));
            if wanted && path.is_file() && !["metrics.json", "report.html"].contains(&name.as_str()) {
                std::fs::copy(&path, folder.file(&name)?).map_err(|e| read(&path, "copy", e))?;
            }
        }
        folder.write("metrics.json", format!("{:#}\n", self.to_json()).as_bytes())?;
        folder.write("report.html", filbert_report::render(&self.page()).as_bytes())?;
        let mut settings = settings.unwrap_or_default();
        let rung = &self.rungs[kept];
        settings.other.insert(
            "compression".to_owned(),
            json!({"from": self.model, "rung": rung.name, "how": rung.how, "bounds": self.bounds}),
        );
        folder.commit_with(&settings)?;
        Ok(())
    }
}

/// The figures that the report's table has, the gate's first.
fn figures(of: &Figures) -> Vec<Figure> {
    let versus = of.versus.as_ref();
    match &of.measure {
        Measure::Single(report) => {
            let c = versus.and_then(|v| if let Versus::Single(c) = v { Some(c) } else { None });
            let accuracy =
                Figure::higher("accuracy", Some(report.metrics.accuracy), c.map(|c| c.accuracy_difference));
            let auc = report
                .metrics
                .auc
                .map(|auc| Figure::higher("AUC", Some(auc), c.and_then(|c| c.auc_difference)));
            std::iter::once(accuracy).chain(auc).collect()
        }
        Measure::Multi(report) => {
            let c = versus.and_then(|v| if let Versus::Multi(c) = v { Some(c) } else { None });
            vec![
                Figure::higher("micro F1", Some(report.metrics.micro_f1), c.map(|c| c.micro_f1_difference)),
                Figure::higher("macro F1", Some(report.metrics.macro_f1), c.map(|c| c.macro_f1_difference)),
            ]
        }
        Measure::Regression(report) => {
            let c = versus.and_then(|v| if let Versus::Regression(c) = v { Some(c) } else { None });
            vec![
                Figure::lower("mean absolute error", Some(report.metrics.mae), c.map(|c| c.mae_reduction)),
                Figure::lower("RMSE", Some(report.metrics.rmse), c.map(|c| c.rmse_reduction)),
            ]
        }
    }
}
