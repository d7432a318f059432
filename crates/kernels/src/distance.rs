//! How far a student's hidden states are from a teacher's, sequence by sequence of a ragged batch.

use crate::isa::{Isa, MulAdd, multiversion};
use crate::parallel::{SMALL, Shared, tasks_unless};

/// The mean squared difference of each sequence's rows in `student` and `teacher`, both `[tokens, width]`, into `losses`, and its
/// gradient by the student's rows into `d`. An empty sequence has none.
///
/// # Panics
/// If the lengths do not fit, or the offsets do not ascend.
pub fn squared_distances(
    isa: Isa,
    (student, teacher): (&[f32], &[f32]),
    (offsets, width): (&[u32], usize),
    losses: &mut [f32],
    d: &mut [f32],
) {
    let tokens = offsets.last().map_or(0, |&n| n as usize);
    assert!(offsets.windows(2).all(|w| w[0] <= w[1]), "offsets ascend");
    assert!(student.len() == tokens * width && teacher.len() == student.len() && d.len() == student.len());
    assert_eq!(losses.len(), offsets.len().saturating_sub(1));
    let small = student.len() <= SMALL;
    let count = losses.len();
    let (losses, d) = (Shared::new(losses), Shared::new(d));
    tasks_unless(small, count, |i| {
        let (start, end) = (offsets[i] as usize * width, offsets[i + 1] as usize * width);
        let inverse = 1.0 / (end - start).max(1) as f32;
        // SAFETY: each task writes the rows and the entry of its own sequence.
        let (d, loss) = unsafe { (d.slice(start, end - start), losses.slice(i, 1)) };
        loss[0] = inverse * differences(isa, &student[start..end], &teacher[start..end], 2.0 * inverse, d);
    });
}

multiversion! { fn differences(a: &[f32], b: &[f32], scale: f32, d: &mut [f32]) -> f32 = differences_body; }

/// d = scale · (a − b); returns the sum of the differences' squares.
#[inline(always)]
fn differences_body<F: MulAdd>(a: &[f32], b: &[f32], scale: f32, d: &mut [f32]) -> f32 {
    /// Elements whose squares are summed in f32 before they join the others in f64.
    const RUN: usize = 512;
    const LANES: usize = 16;
    let mut sum = 0.0f64;
    for ((a, b), d) in a.chunks(RUN).zip(b.chunks(RUN)).zip(d.chunks_mut(RUN)) {
        for ((d, a), b) in d.iter_mut().zip(a).zip(b) {
            *d = a - b;
        }
        let mut lanes = [0.0f32; LANES];
        let (whole, rest) = d.as_chunks::<LANES>();
        for part in whole {
            for l in 0..LANES {
                lanes[l] = F::mul_add(part[l], part[l], lanes[l]);
            }
        }
        for (lane, x) in lanes.iter_mut().zip(rest) {
            *lane = F::mul_add(*x, *x, *lane);
        }
        sum += f64::from(lanes.iter().sum::<f32>());
        for d in d.iter_mut() {
            *d *= scale;
        }
    }
    sum as f32
}
