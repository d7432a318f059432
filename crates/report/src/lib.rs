//! One self-contained HTML page about a trained model: readable offline and without scripts, on a screen and on paper, light and
//! dark.
//!
//! [`render`] is a pure function of a [`Page`]; whatever is left out of it is left out of the page. Everything that comes from
//! data is escaped and cut, numbers that are none are shown as dashes, and long lists and curves are thinned, so that the page
//! stays of a bounded size whatever the data.

mod chart;
mod data;
mod html;
mod plots;
mod tables;

pub use data::{
    Class, Confusion, Curve, Epoch, Facts, Metric, Mistake, Overlap, Page, Point, Prevalence, Scores, Seed,
    Slice, Split,
};
use html::Html;

/// The page.
pub fn render(page: &Page) -> String {
    let mut html = Html::default();
    html.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>");
    html.text(&page.title)
        .raw("</title><style>")
        .raw(include_str!("style.css"))
        .raw("</style></head><body><main>");
    tables::head(&mut html, page);
    tables::metrics(&mut html, page);
    plots::operating(&mut html, page);
    plots::curves(&mut html, page);
    plots::calibration(&mut html, page);
    plots::scatter(&mut html, page);
    tables::classes(&mut html, page);
    tables::confusion(&mut html, page);
    tables::slices(&mut html, page);
    tables::mistakes(&mut html, page);
    plots::learning(&mut html, page);
    tables::rows(&mut html, page);
    tables::facts(&mut html, page);
    html.raw("<footer>").text(&page.footer).raw("</footer></main></body></html>\n");
    html.finish()
}
