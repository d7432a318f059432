//! A strict reader of the pages that this crate writes: every element is closed by its own tag, attributes
//! are known, quoted and escaped, and nothing in them runs or loads anything.

/// Elements that a page may hold.
const ELEMENTS: [&str; 56] = [
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "header",
    "footer",
    "nav",
    "section",
    "div",
    "p",
    "h1",
    "h2",
    "h3",
    "span",
    "strong",
    "bdi",
    "a",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "figure",
    "figcaption",
    "details",
    "summary",
    "pre",
    "code",
    "br",
    "svg",
    "line",
    "text",
    "circle",
    "rect",
    "path",
    "defs",
    "pattern",
    "g",
    "desc",
    "tspan",
    "em",
    "small",
    "sup",
    "sub",
    "hr",
];

const ATTRIBUTES: [&str; 34] = [
    "xmlns",
    "lang",
    "charset",
    "name",
    "content",
    "http-equiv",
    "class",
    "id",
    "role",
    "tabindex",
    "scope",
    "href",
    "colspan",
    "aria-label",
    "aria-labelledby",
    "aria-hidden",
    "viewBox",
    "x",
    "y",
    "x1",
    "x2",
    "y1",
    "y2",
    "cx",
    "cy",
    "r",
    "d",
    "width",
    "height",
    "transform",
    "patternUnits",
    "patternTransform",
    "title",
    "start",
];

/// Whether the page is well-formed and holds nothing that it should not; what is wrong otherwise.
pub(crate) fn check(page: &str) -> Result<(), String> {
    markup(page.strip_prefix("<!DOCTYPE html>\n").ok_or("no doctype")?)
}

/// The same of a drawing that stands alone, which no HTML may be in.
pub(crate) fn check_chart(chart: &str) -> Result<(), String> {
    if !chart.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" ") {
        return Err("not a drawing by itself".to_owned());
    }
    if let Some(html) = ["<bdi", "<span", "<p", "<div", "<ul"].iter().find(|tag| {
        chart.match_indices(**tag).any(|(at, tag)| chart[at + tag.len()..].starts_with([' ', '>']))
    }) {
        return Err(format!("{html} in a drawing"));
    }
    markup(chart)
}

fn markup(page: &str) -> Result<(), String> {
    let mut rest = page;
    if let Some(c) = page.chars().find(|&c| (c.is_control() && c != '\n') || hidden(c)) {
        return Err(format!("hidden character {c:?}"));
    }
    let mut open: Vec<&str> = Vec::new();
    while let Some(at) = rest.find('<') {
        text(&rest[..at], &open)?;
        rest = &rest[at + 1..];
        let end = rest.find('>').ok_or("a tag without end")?;
        let (tag, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes another element"));
            }
            continue;
        }
        let (tag, void) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let name = tag.split(' ').next().unwrap_or_default();
        if !ELEMENTS.contains(&name) {
            return Err(format!("unknown element {name:?}"));
        }
        attributes(&tag[name.len()..])?;
        if !void {
            open.push(name);
        }
    }
    text(rest, &open)?;
    if open.is_empty() { Ok(()) } else { Err(format!("left open: {open:?}")) }
}

fn hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn text(text: &str, open: &[&str]) -> Result<(), String> {
    if open.is_empty() && !text.trim().is_empty() {
        return Err(format!("text outside of all elements: {text:?}"));
    }
    if open.last() == Some(&"style") {
        return if text.contains("@import") || text.contains("//") {
            Err("style loads".to_owned())
        } else {
            Ok(())
        };
    }
    entities(text)
}

/// Every `&` starts one of the five entities that the writer makes, and no `>` or quote stands raw.
fn entities(text: &str) -> Result<(), String> {
    if text.contains(['<', '>', '"', '\'']) {
        return Err(format!("raw markup in {text:?}"));
    }
    for (at, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
        if !known.iter().any(|entity| text[at..].starts_with(entity)) {
            return Err(format!("raw & in {text:?}"));
        }
    }
    Ok(())
}

fn attributes(mut rest: &str) -> Result<(), String> {
    while !rest.is_empty() {
        let (name, after) = rest
            .strip_prefix(' ')
            .and_then(|rest| rest.split_once("=\""))
            .ok_or(format!("attribute {rest:?}"))?;
        let (value, after) = after.split_once('"').ok_or(format!("value of {name}"))?;
        rest = after;
        if !ATTRIBUTES.contains(&name) {
            return Err(format!("unknown attribute {name:?}"));
        }
        if name == "href" && !value.starts_with('#') {
            return Err(format!("link to {value:?}"));
        }
        if name == "xmlns" && value != "http://www.w3.org/2000/svg" {
            return Err(format!("names of {value:?}"));
        }
        // The policy's own text quotes its keywords, escaped.
        entities(value)?;
        let number = ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height"];
        if number.contains(&name)
            && value.trim_end_matches('%').parse::<f64>().map_or(true, |x| !x.is_finite())
        {
            return Err(format!("{name} is {value:?}"));
        }
        if name == "d" && !value.bytes().all(|b| b"MLZ -.0123456789".contains(&b)) {
            return Err(format!("path {value:?}"));
        }
    }
    Ok(())
}

#[test]
fn the_checker_finds_faults() {
    let page = |body: &str| format!("<!DOCTYPE html>\n<html>{body}</html>");
    assert_eq!(check(&page("<p class=\"a\">x &amp; y<br/></p>")), Ok(()));
    let faults = [
        "<p>",
        "</p>",
        "<p></div></p>",
        "<script></script>",
        "<p onclick=\"x\"></p>",
        "<p class='a'></p>",
        "<p>&</p>",
        "<a href=\"http:x\"></a>",
        "<p>\u{202e}</p>",
        "<p class=\"<\"></p>",
        "<line x1=\"NaN\"/>",
        "<p>\"</p>",
    ];
    for fault in faults {
        assert!(check(&page(fault)).is_err(), "{fault}");
    }
}
