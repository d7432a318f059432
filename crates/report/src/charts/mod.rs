//! The charts, each a function from figures to a drawing.

pub(crate) mod curves;
pub(crate) mod histogram;
pub(crate) mod labels;
pub(crate) mod learning;
pub(crate) mod reliability;
pub(crate) mod scatter;
pub(crate) mod sizes;
pub(crate) mod strip;

use crate::html::Html;

/// A chart with its title and a sentence on how to read it.
pub(crate) fn figure(h: &mut Html, title: &str, reading: &str, chart: impl FnOnce(&mut Html)) {
    h.el("figure").body(|h| {
        h.el("figcaption").body(|h| {
            h.el("strong").data(title, 100);
            h.text(" ");
            h.el("span").data(reading, 600);
        });
        chart(h);
    });
}
