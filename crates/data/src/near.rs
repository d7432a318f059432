//! Near duplicates: texts whose sets of character shingles overlap by at least 0.8 (Jaccard). Candidates come from
//! `MinHash` (Broder, "On the resemblance and containment of documents", 1997) with banding (Leskovec, Rajaraman and
//! Ullman, "Mining of Massive Datasets", chapter 3), and each is verified on the sets themselves.
//!
//! With [`BANDS`] bands of [`BAND_ROWS`] hashes a pair at 0.8 becomes a candidate with probability 0.998, at 0.85 and
//! above practically always. Time and memory are bounded whatever the texts: a text keeps at most [`MAX_SHINGLES`]
//! hashes, a query looks at most at [`MAX_BUCKET`] texts of a band and verifies [`MAX_CANDIDATES`].

use rayon::prelude::*;

/// The length of a shingle in characters.
pub const SHINGLE: usize = 5;
/// The Jaccard similarity from which two texts are near duplicates.
pub const SIMILARITY: f64 = 0.8;
/// Hashes kept of a text: of one with more different shingles the smallest, from which the similarity is estimated.
pub const MAX_SHINGLES: usize = 1024;
/// Texts of one band's bucket that a query looks at.
pub const MAX_BUCKET: usize = 256;
/// Candidates that a query verifies, those that share most bands first.
pub const MAX_CANDIDATES: usize = 400;
/// Bands of a signature.
pub const BANDS: usize = 20;
/// Hashes of a band.
pub const BAND_ROWS: usize = 6;

/// Bucket entries that a query passes over, at most, because they are not asked for.
const MAX_SCANNED: usize = 2048;
const HASHES: usize = BANDS * BAND_ROWS;

/// A text's shingles as hashes, and its signature's bands.
#[derive(Clone, Debug, PartialEq)]
pub struct Sketch {
    /// Ascending, without repeats.
    shingles: Vec<u32>,
    capped: bool,
    bands: [u32; BANDS],
}

impl Sketch {
    /// The sketch of a text, usually in canonical form. A text shorter than a shingle is one shingle; an empty one has
    /// none and is near nothing.
    pub fn new(text: &str) -> Self {
        let (shingles, capped) = shingles(text);
        let mut minima = [u32::MAX; HASHES];
        for &shingle in &shingles {
            for (minimum, (multiplier, mask)) in minima.iter_mut().zip(PERMUTATIONS) {
                let hash = (shingle ^ mask).wrapping_mul(multiplier);
                *minimum = (*minimum).min(hash ^ (hash >> 15));
            }
        }
        let mut bands = [0; BANDS];
        for (band, rows) in bands.iter_mut().zip(minima.chunks_exact(BAND_ROWS)) {
            *band = (rows.iter().fold(0, |hash, &row| mix(hash ^ u64::from(row))) >> 32) as u32;
        }
        Self { shingles, capped, bands }
    }

    /// Whether the text has more than [`MAX_SHINGLES`] different shingles.
    pub fn is_capped(&self) -> bool {
        self.capped
    }

    /// The Jaccard similarity of the two sets if it is at least `least`; exact unless a text is capped, then that of
    /// the smallest hashes of the union (a bottom-k sketch).
    pub fn similarity(&self, other: &Self, least: f64) -> Option<f64> {
        let limit = if self.capped || other.capped { MAX_SHINGLES } else { usize::MAX };
        let (mut a, mut b) = (self.shingles.iter().peekable(), other.shingles.iter().peekable());
        let most = self.shingles.len().min(other.shingles.len()) as f64;
        let (mut both, mut union) = (0usize, 0usize);
        while union < limit {
            match (a.peek(), b.peek()) {
                (Some(x), Some(y)) if x == y => {
                    both += 1;
                    a.next();
                    b.next();
                }
                (Some(x), Some(y)) if x < y => drop(a.next()),
                (_, Some(_)) => drop(b.next()),
                (Some(_), None) => drop(a.next()),
                (None, None) => break,
            }
            union += 1;
            if most < least * (most + (union - both) as f64) {
                return None;
            }
        }
        let similarity = both as f64 / union as f64;
        (union > 0 && similarity >= least).then_some(similarity)
    }
}

/// The smallest hashes of a text's shingles, and whether there were more.
fn shingles(text: &str) -> (Vec<u32>, bool) {
    /// Hashes gathered before those kept are chosen, so that a long text needs no more memory than this.
    const GATHERED: usize = 64 << 10;
    let mut hashes: Vec<u32> = Vec::new();
    let mut capped = false;
    let mut settle = |hashes: &mut Vec<u32>| {
        hashes.sort_unstable();
        hashes.dedup();
        capped |= hashes.len() > MAX_SHINGLES;
        hashes.truncate(MAX_SHINGLES);
    };
    let starts = text.char_indices().map(|(at, _)| at);
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]).skip(SHINGLE);
    for (start, end) in starts.zip(ends) {
        hashes.push(hash(text.as_bytes().get(start..end).unwrap_or_default()));
        if hashes.len() == GATHERED {
            settle(&mut hashes);
        }
    }
    if hashes.is_empty() && !text.is_empty() {
        hashes.push(hash(text.as_bytes()));
    }
    settle(&mut hashes);
    (hashes, capped)
}

fn hash(bytes: &[u8]) -> u32 {
    let start = 0xCBF2_9CE4_8422_2325 ^ bytes.len() as u64;
    let hash = bytes.iter().fold(start, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3));
    (mix(hash) >> 32) as u32
}

/// The finisher of SplitMix64.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// An odd multiplier and a mask for each hash of a signature, from SplitMix64.
const PERMUTATIONS: [(u32, u32); HASHES] = {
    let mut all = [(0, 0); HASHES];
    let mut i = 0;
    while i < HASHES {
        let word = mix((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        all[i] = (word as u32 | 1, (word >> 32) as u32);
        i += 1;
    }
    all
};

/// Texts to be looked up by their sketches.
pub struct NearIndex<'a> {
    sketches: &'a [Sketch],
    /// For each band its hash and the text, ascending.
    bands: Vec<Vec<(u32, u32)>>,
}

/// What a query found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Near {
    /// The text that is near, by its index, and the similarity: the first to be verified among the candidates that
    /// share most bands.
    pub found: Option<(usize, f64)>,
    /// Whether nothing was found and some candidates were left out for their number.
    pub limited: bool,
}

impl<'a> NearIndex<'a> {
    /// An index over sketches.
    pub fn new(sketches: &'a [Sketch]) -> Self {
        let band = |band: usize| {
            let mut entries: Vec<(u32, u32)> = sketches
                .iter()
                .enumerate()
                .filter(|(_, sketch)| !sketch.shingles.is_empty())
                .filter_map(|(i, sketch)| Some((*sketch.bands.get(band)?, i as u32)))
                .collect();
            entries.sort_unstable();
            entries
        };
        Self { sketches, bands: (0..BANDS).into_par_iter().map(band).collect() }
    }

    /// A text of the index that is near `query`, has at least the similarity `least` and is asked for by `wanted`.
    pub fn find(&self, query: &Sketch, least: f64, wanted: impl Fn(usize) -> bool) -> Near {
        let mut near = Near::default();
        if query.shingles.is_empty() {
            return near;
        }
        let mut candidates: Vec<u32> = Vec::new();
        for (entries, &hash) in self.bands.iter().zip(&query.bands) {
            let start = entries.partition_point(|(other, _)| *other < hash);
            let bucket = entries.iter().skip(start).take_while(|(other, _)| *other == hash);
            let mut taken = 0;
            for (scanned, &(_, text)) in bucket.enumerate() {
                if taken == MAX_BUCKET || scanned == MAX_SCANNED {
                    near.limited = true;
                    break;
                }
                if wanted(text as usize) {
                    candidates.push(text);
                    taken += 1;
                }
            }
        }
        for (count, text) in by_bands(&mut candidates).into_iter().enumerate() {
            if count == MAX_CANDIDATES {
                near.limited = true;
                break;
            }
            let similarity = self.sketches.get(text as usize).and_then(|s| query.similarity(s, least));
            if let Some(similarity) = similarity {
                return Near { found: Some((text as usize, similarity)), limited: false };
            }
        }
        near
    }
}

/// Each candidate once: those of most bands first, then by index.
fn by_bands(candidates: &mut [u32]) -> Vec<u32> {
    candidates.sort_unstable();
    let mut counted: Vec<(usize, u32)> = candidates
        .chunk_by(|a, b| a == b)
        .filter_map(|run| Some((usize::MAX - run.len(), *run.first()?)))
        .collect();
    counted.sort_unstable();
    counted.into_iter().map(|(_, text)| text).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::rng::SplitMix64;

    /// The definition.
    fn jaccard(a: &str, b: &str) -> f64 {
        let set = |text: &str| -> HashSet<Vec<char>> {
            let chars: Vec<char> = text.chars().collect();
            if chars.len() < SHINGLE && !chars.is_empty() {
                return HashSet::from([chars]);
            }
            chars.windows(SHINGLE).map(<[char]>::to_vec).collect()
        };
        let (a, b) = (set(a), set(b));
        a.intersection(&b).count() as f64 / a.union(&b).count().max(1) as f64
    }

    fn random(rng: &mut SplitMix64, length: usize) -> String {
        (0..length).map(|_| char::from(b'a' + rng.below(26) as u8)).collect()
    }

    proptest! {
        #[test]
        fn similarity_is_jaccards(a in "[abé]{0,40}", b in "[abé]{0,40}") {
            let (x, y) = (Sketch::new(&a), Sketch::new(&b));
            let want = jaccard(&a, &b);
            let got = x.similarity(&y, 0.0).unwrap_or(0.0);
            prop_assert!((got - want).abs() < 1e-12, "{} {}", got, want);
            prop_assert_eq!(x.similarity(&y, 0.8).is_some(), want >= 0.8);
        }
    }

    #[test]
    fn near_texts_are_found_and_others_are_not() {
        let mut rng = SplitMix64::new(1);
        let texts: Vec<String> = (0..3000).map(|_| random(&mut rng, 80)).collect();
        let sketches: Vec<Sketch> = texts.iter().map(|text| Sketch::new(text)).collect();
        let index = NearIndex::new(&sketches);
        let (mut found, mut near) = (0, 0);
        for (i, text) in texts.iter().enumerate().take(1000) {
            // One letter in the middle changes five shingles of 76: a similarity of 71/81.
            let changed = format!("{}!{}", &text[..40], &text[41..]);
            let hit = index.find(&Sketch::new(&changed), SIMILARITY, |_| true).found;
            found += usize::from(hit.is_some_and(|(other, _)| other == i));
            near += usize::from(jaccard(text, &changed) >= SIMILARITY);
            let far = index.find(&Sketch::new(&random(&mut rng, 80)), SIMILARITY, |_| true);
            assert_eq!(far, Near::default());
        }
        assert_eq!((near, found), (1000, 1000));
    }

    #[test]
    fn texts_alike_in_thousands_stay_cheap() {
        let text = |i: usize| format!("{}{i:05}", "the same beginning of a long text, again ".repeat(2));
        let sketches: Vec<Sketch> = (0..20_000).map(|i| Sketch::new(&text(i))).collect();
        let index = NearIndex::new(&sketches);
        let start = std::time::Instant::now();
        assert!((1..20_000).all(|i| index.find(&sketches[i], SIMILARITY, |other| other < i).found.is_some()));
        // None is wanted: every bucket is scanned to its limit, no further.
        assert!((0..2_000).all(|i| index.find(&sketches[i], SIMILARITY, |_| false).limited));
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }

    #[test]
    fn long_texts_are_estimated() {
        let mut rng = SplitMix64::new(2);
        let long = random(&mut rng, 1 << 20);
        let (a, b) = (Sketch::new(&long), Sketch::new(&long[..long.len() * 9 / 10]));
        assert!(a.is_capped() && a.shingles.len() == MAX_SHINGLES);
        let similarity = a.similarity(&b, 0.0).unwrap();
        assert!((similarity - 0.9).abs() < 0.04, "{similarity}");
        assert_eq!(a.similarity(&a, 1.0), Some(1.0));
    }

    #[test]
    fn short_and_empty_texts() {
        assert_eq!(Sketch::new("ok").similarity(&Sketch::new("ok"), 0.8), Some(1.0));
        assert_eq!(Sketch::new("ok").similarity(&Sketch::new("no"), 0.8), None);
        let empty = [Sketch::new(""), Sketch::new("")];
        assert_eq!(NearIndex::new(&empty).find(&empty[0], 0.0, |_| true), Near::default());
    }
}
