//! A run's figures as one HTML page that needs nothing but itself: styles and charts are inside, there is no
//! script, and it can be read offline, on a phone, in the dark and on paper.
//!
//! [`render`] is a pure function from a [`Report`], plain structs that a caller fills with what it has, to the
//! page. The crate measures nothing and reads nothing. Whatever comes from data is escaped by the writer that
//! all markup goes through; invisible and direction-changing characters are shown as `\u{202e}`; long texts,
//! lists and curves are cut, so that the page stays within a few megabytes whatever it is given.

mod charts;
mod escape;
mod figures;
mod from_eval;
mod html;
pub mod input;
mod ladder;
mod page;
mod scale;
mod sections;
mod svg;
mod verdict;

pub use from_eval::SCORE_BINS;
pub use input::Report;

/// The chart of a ladder alone, as the text of an SVG file that needs nothing else and follows its viewer's
/// choice of light or dark: for documents that show images. `None` where no rung has both a size and a value of
/// the gate's figure.
pub fn ladder_svg(ladder: &input::Ladder) -> Option<String> {
    charts::sizes::alone(ladder)
}

/// The page. Never fails: what cannot be shown is left out. Takes time in proportion to the report's size.
pub fn render(report: &Report) -> String {
    page::document(report)
}
