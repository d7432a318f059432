//! What the examples that measure share.

use std::time::Instant;

/// Each figure is the best of the runs within this time.
const SECONDS: f64 = 0.25;

/// The seconds of the fastest run.
pub(crate) fn best(mut f: impl FnMut()) -> f64 {
    f();
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed().as_secs_f64() < SECONDS {
        let one = Instant::now();
        f();
        best = best.min(one.elapsed().as_secs_f64());
    }
    best
}
