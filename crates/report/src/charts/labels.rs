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

    fn meets(&self, other: &Self) -> bool {
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

/// A name with a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Placed {
    /// Where its base line starts.
    pub(crate) at: (f64, f64),
    /// Where a line from the point meets it, if it stands too far off to be taken for the point's own.
    pub(crate) leader: Option<(f64, f64)>,
}

/// The height of a line of text, and how far its base line is below its top.
const LINE: f64 = 14.0;
const ASCENT: f64 = 10.5;

/// How far names may stand from their points, nearest first.
const DISTANCES: [f64; 8] = [9.0, 13.0, 18.0, 26.0, 36.0, 48.0, 62.0, 80.0];

/// Beyond this a name needs a line to its point.
const NEAR: f64 = 16.0;

/// The directions in which a place is looked for, the best first.
const DIRECTIONS: [(f64, f64); 8] = [
    (1.0, 0.0),
    (-1.0, 0.0),
    (0.71, -0.71),
    (0.71, 0.71),
    (-0.71, -0.71),
    (-0.71, 0.71),
    (0.0, -1.0),
    (0.0, 1.0),
];

/// Places for names of the given widths beside their points, within `frame`. `taken` must stay free; `lines` are
/// kept free where that costs no more than a step aside. The first names choose first; one for which there is
/// no room gets none. Takes time in proportion to the product of names and areas.
pub(crate) fn place(
    names: &[((f64, f64), f64)],
    frame: &Area,
    taken: &[Area],
    lines: &[Area],
) -> Vec<Option<Placed>> {
    let mut taken = taken.to_vec();
    let place_one = |&(point, width): &((f64, f64), f64)| {
        let mut best: Option<(usize, Area, bool)> = None;
        for (step, &distance) in DISTANCES.iter().enumerate() {
            for &direction in &DIRECTIONS {
                let area = beside(point, width, direction, distance);
                if !area.within(frame) || taken.iter().any(|other| area.meets(other)) {
                    continue;
                }
                let cost = step + 2 * lines.iter().filter(|line| area.meets(line)).count();
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
fn beside((x, y): (f64, f64), width: f64, (right, down): (f64, f64), distance: f64) -> Area {
    let (x, y) = (x + right * distance, y + down * distance);
    let left = if right > 0.1 {
        x
    } else if right < -0.1 {
        x - width
    } else {
        x - width / 2.0
    };
    let top = if down > 0.1 {
        y - 3.0
    } else if down < -0.1 {
        y - LINE + 3.0
    } else {
        y - LINE / 2.0
    };
    Area { left, top, right: left + width, bottom: top + LINE }
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
pub(crate) fn fitted(text: &str, room: f64) -> String {
    if text.chars().take(200).count() < 200 && width(text) <= room {
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

    fn boxes(names: &[((f64, f64), f64)], placed: &[Option<Placed>]) -> Vec<Area> {
        let area = |placed: &Placed, width| {
            let (left, top) = (placed.at.0, placed.at.1 - ASCENT);
            Area { left, top, right: left + width, bottom: top + LINE }
        };
        placed.iter().zip(names).filter_map(|(p, name)| Some(area(p.as_ref()?, name.1))).collect()
    }

    #[test]
    fn a_name_stands_to_the_right_of_its_point_or_to_the_left_at_the_edge() {
        let names = [((100.0, 100.0), 60.0), ((390.0, 200.0), 60.0)];
        let placed = place(&names, &FRAME, &[], &[]);
        assert_eq!(placed[0], Some(Placed { at: (109.0, 103.5), leader: None }));
        assert_eq!(placed[1], Some(Placed { at: (321.0, 203.5), leader: None }));
    }

    #[test]
    fn names_of_equal_points_all_find_a_place_and_the_far_ones_have_leaders() {
        let names = [((200.0, 150.0), 90.0); 8];
        let placed = place(&names, &FRAME, &[], &[]);
        assert!(placed.iter().all(Option::is_some), "{placed:?}");
        assert!(placed.iter().flatten().any(|p| p.leader.is_some()));
        assert_eq!(place(&[((200.0, 150.0), 500.0)], &FRAME, &[], &[]), [None]);
    }

    #[test]
    fn cutting_a_name_keeps_it_within_its_room() {
        for text in [
            "4-bit, pruned vocabulary",
            "WWWWWWWWWWWWWWWWWWWWW",
            "東京東京東京東京東京東京",
            "\u{202e}\u{202e}\u{202e}\u{202e}",
        ] {
            let cut = fitted(text, 120.0);
            assert!(width(&cut) <= 130.0, "{cut}");
        }
        assert_eq!(fitted("int8", 120.0), "int8");
        assert!(fitted(&"x".repeat(1_000_000), 120.0).len() < 40);
    }

    proptest! {
        #[test]
        fn no_name_meets_another_or_leaves_the_frame(
            names in prop::collection::vec(((54.0..408.0, 12.0..288.0), 10.0..190.0), 0..24),
        ) {
            let taken = [Area::around((200.0, 20.0), 40.0, 7.0)];
            let boxes = boxes(&names, &place(&names, &FRAME, &taken, &[]));
            for (i, a) in boxes.iter().enumerate() {
                prop_assert!(a.within(&FRAME) && !a.meets(&taken[0]), "{a:?}");
                // A hundredth less, for the rounding of edges.
                let a = Area { left: a.left + 0.01, top: a.top + 0.01, right: a.right - 0.01, bottom: a.bottom - 0.01 };
                prop_assert!(boxes[i + 1..].iter().all(|b| !a.meets(b)), "{a:?}");
            }
        }
    }
}
