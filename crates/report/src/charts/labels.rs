//! Names beside the points of a chart, none over another: each stands at the free place nearest to its point.

/// A box in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

impl Area {
    /// The box around a point.
    pub(crate) fn around((x, y): (f64, f64), across: f64, up: f64) -> Self {
        Self { left: x - across, top: y - up, right: x + across, bottom: y + up }
    }

    /// Whether two boxes share more than an edge.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn within(&self, other: &Self) -> bool {
        self.left >= other.left
            && self.right <= other.right
            && self.top >= other.top
            && self.bottom <= other.bottom
    }
}

/// A name that looks for a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Name {
    /// Its point.
    pub(crate) point: (f64, f64),
    /// Its width and height.
    pub(crate) size: (f64, f64),
}

/// A name with a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Placed {
    /// Where its base line starts.
    pub(crate) at: (f64, f64),
    /// Where a line from the point meets it, if it stands too far off to be taken for the point's own.
    pub(crate) leader: Option<(f64, f64)>,
}

/// The height of a line of text.
pub(crate) const LINE: f64 = 13.5;

/// How far a line's base is below its top.
const ASCENT: f64 = 10.5;

/// A name wider than this is broken into two lines.
const BROKEN: f64 = 92.0;

/// How far names may stand from their points, nearest first.
const DISTANCES: [f64; 8] = [9.0, 13.0, 18.0, 26.0, 36.0, 48.0, 62.0, 80.0];

/// Beyond this a name needs a line to its point.
const NEAR: f64 = 16.0;

/// Where a place is looked for, the best first: the direction from the point, right and down, and the share of
/// the name that lies left of where it is held.
const DIRECTIONS: [(f64, f64, f64); 12] = [
    (1.0, 0.0, 0.0),
    (-1.0, 0.0, 1.0),
    (0.71, -0.71, 0.0),
    (0.71, 0.71, 0.0),
    (-0.71, -0.71, 1.0),
    (-0.71, 0.71, 1.0),
    (0.0, -1.0, 0.5),
    (0.0, 1.0, 0.5),
    (0.0, -1.0, 0.8),
    (0.0, -1.0, 0.2),
    (0.0, 1.0, 0.8),
    (0.0, 1.0, 0.2),
];

/// Places for names of the given sizes beside their points, within `frame`. `taken` must stay free; `lines` are
/// kept free where that costs no more steps aside than stand beside them. The first names choose first; one for which there is
/// no room gets none. Takes time in proportion to the product of names and areas.
pub(crate) fn place(
    names: &[Name],
    frame: &Area,
    taken: &[Area],
    lines: &[(Area, usize)],
) -> Vec<Option<Placed>> {
    let mut taken = taken.to_vec();
    let place_one = |&Name { point, size }: &Name| {
        let mut best: Option<(usize, Area, bool)> = None;
        for (step, &distance) in DISTANCES.iter().enumerate() {
            for &direction in &DIRECTIONS {
                let area = beside(point, size, direction, distance);
                if !area.within(frame) || taken.iter().any(|other| area.meets(other)) {
                    continue;
                }
                let crossed = lines.iter().filter(|(line, _)| area.meets(line));
                let cost = step + crossed.map(|(_, steps)| steps).sum::<usize>();
                if best.is_none_or(|(least, _, _)| cost < least) {
                    best = Some((cost, area, distance > NEAR));
                }
            }
        }
        let (_, area, far) = best?;
        taken.push(area);
        let nearest = (point.0.clamp(area.left, area.right), point.1.clamp(area.top, area.bottom));
        Some(Placed { at: (area.left, area.top + ASCENT), leader: far.then_some(nearest) })
    };
    names.iter().map(place_one).collect()
}

/// The box of a name `distance` from its point.
fn beside(
    (x, y): (f64, f64),
    (width, height): (f64, f64),
    (right, down, share): (f64, f64, f64),
    distance: f64,
) -> Area {
    let left = x + right * distance - share * width;
    // Letters fill less than their line: the box may come closer from above and below.
    let top = y + down * distance
        - if down < 0.0 {
            height - 3.0
        } else if down > 0.0 {
            3.0
        } else {
            height / 2.0
        };
    Area { left, top, right: left + width, bottom: top + height }
}

/// A name in one line or, where it is long, in two; each holds at most `room` pixels.
pub(crate) fn broken(text: &str, room: f64) -> Vec<String> {
    // More than both lines hold is not looked at.
    let text: String = text.chars().take(120).collect();
    if width(&text) <= BROKEN {
        return vec![text];
    }
    let halves = text.match_indices(' ').map(|(at, _)| (&text[..at], &text[at + 1..]));
    let longer = |(a, b): &(&str, &str)| width(a).max(width(b));
    match halves.min_by(|a, b| longer(a).total_cmp(&longer(b))) {
        Some((first, second)) => vec![fitted(first, room), fitted(second, room)],
        None => vec![fitted(&text, room)],
    }
}

/// About how wide a text is, in pixels at 11.5 pixels a line, and generously so.
pub(crate) fn width(text: &str) -> f64 {
    let each = |c: char| match c {
        c if crate::escape::is_hidden(c) => 60.0,
        'i' | 'j' | 'l' | ' ' | '.' | ',' | '\'' | ':' => 3.8,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 10.5,
        c if c.is_ascii_uppercase() => 8.4,
        c if (c as u32) < 0x1100 => 6.9,
        _ => 12.5,
    };
    text.chars().map(each).sum()
}

/// As much of a text as `room` pixels hold.
fn fitted(text: &str, room: f64) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut cut = String::new();
    for c in text.chars() {
        cut.push(c);
        if width(&cut) > room - 10.0 {
            cut.pop();
            break;
        }
    }
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME: Area = Area { left: 54.0, top: 12.0, right: 408.0, bottom: 288.0 };

    fn boxes(names: &[Name], placed: &[Option<Placed>]) -> Vec<Area> {
        let area = |placed: &Placed, (width, height)| {
            let (left, top) = (placed.at.0, placed.at.1 - ASCENT);
            Area { left, top, right: left + width, bottom: top + height }
        };
        placed.iter().zip(names).filter_map(|(p, name)| Some(area(p.as_ref()?, name.size))).collect()
    }

    #[test]
    fn a_name_stands_to_the_right_of_its_point_or_to_the_left_at_the_edge() {
        let names = [(100.0, 100.0), (390.0, 200.0)].map(|point| Name { point, size: (60.0, 14.0) });
        let placed = place(&names, &FRAME, &[], &[]);
        assert_eq!(placed[0], Some(Placed { at: (109.0, 103.5), leader: None }));
        assert_eq!(placed[1], Some(Placed { at: (321.0, 203.5), leader: None }));
    }

    #[test]
    fn names_of_equal_points_all_find_a_place_and_the_far_ones_have_leaders() {
        let names = [Name { point: (200.0, 150.0), size: (90.0, LINE) }; 8];
        let placed = place(&names, &FRAME, &[], &[]);
        assert!(placed.iter().all(Option::is_some), "{placed:?}");
        assert!(placed.iter().flatten().any(|p| p.leader.is_some()));
        assert_eq!(place(&[Name { point: (200.0, 150.0), size: (500.0, LINE) }], &FRAME, &[], &[]), [None]);
    }

    #[test]
    fn long_names_are_broken_and_cut() {
        assert_eq!(broken("int8", 120.0), ["int8"]);
        assert_eq!(broken("4-bit, pruned vocabulary", 120.0), ["4-bit, pruned", "vocabulary"]);
        for text in [
            "WWWWWWWWWWWWWWWWWWWWW",
            "東京東京東京東京東京東京",
            "\u{202e}\u{202e}\u{202e}\u{202e}",
            "a b ccccccccccccccccccccccccc",
        ] {
            let lines = broken(text, 120.0);
            assert!(lines.len() <= 2 && lines.iter().all(|line| width(line) <= 125.0), "{lines:?}");
        }
        assert!(broken(&"x".repeat(1_000_000), 120.0).concat().len() < 40);
    }

    proptest! {
        #[test]
        fn no_name_meets_another_or_leaves_the_frame(
            names in prop::collection::vec(((54.0..408.0, 12.0..288.0), (10.0..190.0, 13.0..28.0)), 0..24),
        ) {
            let names: Vec<Name> = names.into_iter().map(|(point, size)| Name { point, size }).collect();
            let taken = [Area::around((200.0, 20.0), 40.0, 7.0)];
            let boxes = boxes(&names, &place(&names, &FRAME, &taken, &[]));
            for (i, a) in boxes.iter().enumerate() {
                // A hundredth less, for the rounding of edges.
                let a = Area { left: a.left + 0.01, top: a.top + 0.01, right: a.right - 0.01, bottom: a.bottom - 0.01 };
                prop_assert!(a.within(&FRAME) && !a.meets(&taken[0]), "{a:?}");
                prop_assert!(boxes[i + 1..].iter().all(|b| !a.meets(b)), "{a:?}");
            }
        }
    }
}
