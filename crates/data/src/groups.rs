//! Splits that keep groups whole. Finding the best is a packing problem; this assigns the largest groups first, each to
//! the part that it brings nearest to its share of every class.

use std::collections::BTreeMap;

use crate::rng::SplitMix64;
use crate::split::PARTS;

/// The stream of random numbers that orders groups of one size.
const STREAM: u64 = 0x6772_6F75_7073;

/// Assigns each group to a part. `groups` holds the rows of each group, `strata` each row's class, `shares` the parts'
/// shares in any unit. Every part with a share gets a group if there are enough.
pub(crate) fn assign(groups: &[Vec<usize>], strata: &[usize], shares: [u64; PARTS], seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..groups.len()).collect();
    SplitMix64::stream(seed, STREAM).shuffle(&mut order);
    let size = |group: usize| groups.get(group).map_or(0, Vec::len);
    order.sort_by_key(|&group| std::cmp::Reverse(size(group)));

    let classes = strata.iter().max().map_or(0, |most| most + 1);
    let mut totals = vec![0.0; classes];
    for &class in strata {
        if let Some(total) = totals.get_mut(class) {
            *total += 1.0;
        }
    }
    let sum = shares.iter().sum::<u64>() as f64;
    let shares = shares.map(|share| share as f64 / sum);
    let mut parts: Vec<Filling> = shares.iter().map(|_| Filling::new(classes)).collect();
    let open: Vec<usize> = (0..PARTS).filter(|&part| shares.get(part).is_some_and(|&s| s > 0.0)).collect();
    let mut assigned = vec![0; groups.len()];
    for (done, &group) in order.iter().enumerate() {
        let counts = histogram(groups.get(group).map_or(&[], Vec::as_slice), strata);
        let cost = |part: usize| {
            let share = shares.get(part).copied().unwrap_or_default();
            parts.get(part).map_or(f64::INFINITY, |filling| {
                filling.cost(&counts, &totals, strata.len() as f64, share, size(group) as f64)
            })
        };
        // The last groups go to parts that would otherwise stay empty.
        let empty: Vec<usize> = open
            .iter()
            .copied()
            .filter(|&p| parts.get(p).is_some_and(|filling| filling.rows == 0.0))
            .collect();
        let choice = if groups.len() - done <= empty.len() { &empty } else { &open };
        let best = choice.iter().copied().min_by(|&a, &b| cost(a).total_cmp(&cost(b))).unwrap_or_default();
        if let (Some(filling), Some(part)) = (parts.get_mut(best), assigned.get_mut(group)) {
            filling.add(&counts, size(group) as f64);
            *part = best;
        }
    }
    assigned
}

/// What a part holds so far.
struct Filling {
    rows: f64,
    classes: Vec<f64>,
}

impl Filling {
    fn new(classes: usize) -> Self {
        Self { rows: 0.0, classes: vec![0.0; classes] }
    }

    /// By how much the chi-square distance of the part from its share grows, over classes and for all rows.
    fn cost(&self, counts: &BTreeMap<usize, f64>, totals: &[f64], all: f64, share: f64, size: f64) -> f64 {
        let step = |add: f64, have: f64, want: f64| add * (add + 2.0 * (have - want)) / want;
        let classes = counts.iter().map(|(&class, &add)| {
            let have = self.classes.get(class).copied().unwrap_or_default();
            step(add, have, share * totals.get(class).copied().unwrap_or_default())
        });
        classes.sum::<f64>() + step(size, self.rows, share * all)
    }

    fn add(&mut self, counts: &BTreeMap<usize, f64>, size: f64) {
        self.rows += size;
        for (&class, &add) in counts {
            if let Some(have) = self.classes.get_mut(class) {
                *have += add;
            }
        }
    }
}

fn histogram(rows: &[usize], strata: &[usize]) -> BTreeMap<usize, f64> {
    let mut counts = BTreeMap::new();
    for &class in rows.iter().filter_map(|&row| strata.get(row)) {
        *counts.entry(class).or_insert(0.0) += 1.0;
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grouped(of: &[usize]) -> Vec<Vec<usize>> {
        let mut groups = vec![Vec::new(); of.iter().max().map_or(0, |most| most + 1)];
        for (row, &group) in of.iter().enumerate() {
            groups[group].push(row);
        }
        groups.retain(|rows| !rows.is_empty());
        groups
    }

    #[test]
    fn shares_and_classes_come_out_close() {
        // Groups of 1 to 40 rows, each leaning to one of two classes.
        let mut rng = SplitMix64::new(5);
        let (mut of, mut strata) = (Vec::new(), Vec::new());
        for group in 0..400 {
            let lean = rng.below(100);
            for _ in 0..=rng.below(40) {
                of.push(group);
                strata.push(usize::from(rng.below(100) < lean));
            }
        }
        let groups = grouped(&of);
        let parts = assign(&groups, &strata, [70, 15, 15], 1);
        let ones = strata.iter().sum::<usize>() as f64 / strata.len() as f64;
        for (part, share) in [0.7, 0.15, 0.15].into_iter().enumerate() {
            let rows: Vec<usize> =
                groups.iter().zip(&parts).filter(|(_, p)| **p == part).flat_map(|(g, _)| g.clone()).collect();
            let got = rows.len() as f64 / strata.len() as f64;
            let in_part = rows.iter().map(|&row| strata[row]).sum::<usize>() as f64 / rows.len() as f64;
            assert!(
                (got - share).abs() < 0.005 && (in_part - ones).abs() < 0.01,
                "{part}: {got} {in_part} {ones}"
            );
        }
    }

    #[test]
    fn few_groups_fill_every_part() {
        let groups = grouped(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
        let mut parts = assign(&groups, &[0; 10], [70, 15, 15], 0);
        parts.sort_unstable();
        assert_eq!(parts, [0, 1, 2]);
        assert_eq!(assign(&grouped(&[0, 1]), &[0, 1], [80, 20, 0], 0).iter().sum::<usize>(), 1);
    }

    proptest! {
        #[test]
        fn parts_without_a_share_stay_empty(of in prop::collection::vec(0usize..20, 1..60), seed: u64) {
            let groups = grouped(&of);
            let strata: Vec<usize> = of.iter().map(|group| group % 3).collect();
            let parts = assign(&groups, &strata, [4, 1, 0], seed);
            prop_assert_eq!(parts.len(), groups.len());
            prop_assert!(parts.iter().all(|&part| part < 2));
            prop_assert!(groups.len() < 2 || (parts.contains(&0) && parts.contains(&1)));
            prop_assert_eq!(parts, assign(&groups, &strata, [4, 1, 0], seed));
        }
    }
}
