//! The sections of the page, in order, each present only where the report has something for it.

mod calibration;
mod classes;
pub(crate) mod compression;
mod confusion;
mod data;
pub(crate) mod distillation;
mod metrics;
mod mistakes;
pub(crate) mod operating;
pub(crate) mod parts;
mod ranking;
mod regression;
mod run;
mod slices;
pub(crate) mod summary;
mod training;

use crate::html::Html;
use crate::input::{Report, Task};

/// A section.
pub(crate) struct Section {
    /// Its anchor.
    pub(crate) id: &'static str,
    /// Its heading.
    title: &'static str,
    /// Whether the report has something for it.
    present: fn(&Report) -> bool,
    /// Draws what stands below the heading.
    draw: fn(&mut Html, &Report),
}

static ALL: [Section; 17] = [
    Section { id: "metrics", title: "Metrics", present: metrics::present, draw: metrics::draw },
    Section {
        id: "compression",
        title: "Compression",
        present: compression::present,
        draw: compression::draw,
    },
    Section {
        id: "distillation",
        title: "Distillation",
        present: distillation::present,
        draw: distillation::draw,
    },
    Section {
        id: "regression",
        title: "Predicted and true",
        present: regression::present,
        draw: regression::draw,
    },
    Section { id: "classes", title: "By class", present: classes::present, draw: classes::draw },
    Section { id: "confusion", title: "Confusion", present: confusion::present, draw: confusion::draw },
    Section { id: "ranking", title: "Ranking", present: ranking::present, draw: ranking::draw },
    Section {
        id: "operating",
        title: "Where it is used",
        present: operating::present,
        draw: operating::draw,
    },
    Section {
        id: "calibration",
        title: "Probabilities",
        present: calibration::present,
        draw: calibration::draw,
    },
    Section { id: "slices", title: "Slices", present: slices::present, draw: slices::draw },
    Section { id: "mistakes", title: "Mistakes", present: mistakes::present, draw: mistakes::draw },
    Section { id: "data", title: "Data", present: data::present, draw: data::draw },
    Section {
        id: "suspects",
        title: "Suspicious rows",
        present: data::suspects_present,
        draw: data::draw_suspects,
    },
    Section { id: "training", title: "Training", present: training::present, draw: training::draw },
    Section { id: "cost", title: "Time and memory", present: run::cost_present, draw: run::draw_cost },
    Section {
        id: "reproduce",
        title: "How to repeat it",
        present: run::facts_present,
        draw: run::draw_facts,
    },
    Section { id: "notes", title: "Notes", present: run::notes_present, draw: run::draw_notes },
];

/// The sections that a report has.
pub(crate) fn of(report: &Report) -> Vec<&'static Section> {
    ALL.iter().filter(|section| (section.present)(report)).collect()
}

impl Section {
    /// Its heading in a report.
    pub(crate) fn title(&self, report: &Report) -> &'static str {
        if self.id == "classes" && report.task == Task::MultiLabel { "By label" } else { self.title }
    }

    /// Draws the section.
    pub(crate) fn draw(&self, h: &mut Html, report: &Report) {
        h.el("section").at("id", self.id).at("aria-labelledby", format!("{}-title", self.id)).body(|h| {
            h.el("h2").at("id", format!("{}-title", self.id)).text(self.title(report));
            (self.draw)(h, report);
        });
    }
}
