//! What a student is taught by: soft losses and relations against PyTorch's values, hidden states and relations against their
//! naive twins on odd shapes and every instruction set, with the same bits on any number of threads.

mod common;

use common::{farthest, on_pools, report, values};
use filbert_kernels::{
    Isa, RelationShape, reference, relation_loss, soft_sigmoid_loss, soft_softmax_loss, squared_distances,
};

const STUDENT: [f32; 6] = [0.5, -1.25, 2.0, 3.0, 0.25, -0.75]; // [2 rows, 3 columns]
const TEACHER: [f32; 6] = [1.5, -0.5, 0.25, -1.0, 2.5, 4.0];
const TEMPERATURES: [f32; 3] = [1.0, 2.0, 5.0];

const SOFTMAX: [[f32; 2]; 3] = [[0.802_742, 3.125_422], [0.832_008, 4.655_546], [0.808_041, 6.011_906]];
const SOFTMAX_SLOPES: [[f32; 6]; 3] = [
    [-0.526_494, -0.064_456, 0.590_95, 0.914_108, -0.122_639, -0.791_469],
    [-0.484_941, -0.150_678, 0.635_619, 1.316_665, -0.248_151, -1.068_514],
    [-0.404_645, -0.214_984, 0.619_629, 1.567_547, -0.348_914, -1.218_634],
];
const SIGMOID: [[f32; 2]; 3] = [[0.156_142, 1.006_405], [0.181_943, 1.453_967], [0.190_894, 1.741_982]];
const SIGMOID_SLOPES: [[f32; 6]; 3] = [
    [-0.065_038, -0.051_614, 0.106_207, 0.227_878, -0.120_655, -0.220_397],
    [-0.078_001, -0.059_452, 0.133_233, 0.293_356, -0.164_06, -0.315_642],
    [-0.082_439, -0.061_996, 0.143_65, 0.325_817, -0.183_27, -0.379_007],
];
const RELATION: f32 = 0.300_85;
const RELATION_SLOPES: [[f32; 4]; 3] = [
    [-0.025_401, -0.107_479, -0.003_083, 0.012_518],
    [0.014_342, 0.043_848, 0.020_613, 0.018_956],
    [0.031_341, 0.056_326, 0.052_311, 0.050_177],
];

type Soft = fn(&[f32], &[f32], f32, &mut [f32], &mut [f32]);

/// Values of torch.nn.functional on the same numbers: see `scripts/golden_distillation.py`.
#[test]
fn soft_losses_are_those_of_pytorch() {
    let mut failures = Vec::new();
    let cases: [(&str, Soft, _, _); 2] = [
        ("softmax", soft_softmax_loss, SOFTMAX, SOFTMAX_SLOPES),
        ("sigmoid", soft_sigmoid_loss, SIGMOID, SIGMOID_SLOPES),
    ];
    for (name, loss, wanted, wanted_d) in cases {
        for ((temperature, wanted), wanted_d) in TEMPERATURES.into_iter().zip(wanted).zip(wanted_d) {
            let (mut losses, mut d) = ([0.0; 2], [0.0; 6]);
            loss(&STUDENT, &TEACHER, temperature, &mut losses, &mut d);
            if farthest(&losses, &wanted) > 1e-6 || farthest(&d, &wanted_d) > 1e-6 {
                failures.push(format!("{name} at {temperature}: {losses:?} {d:?}"));
            }
        }
    }
    report(&failures);
}

#[test]
fn who_agrees_with_the_teacher_loses_nothing_and_far_logits_stay_finite() {
    let far = [80.0, -80.0, 0.0, -1e4, 1e4, 0.0];
    for loss in [soft_softmax_loss as Soft, soft_sigmoid_loss] {
        for temperature in TEMPERATURES {
            let (mut losses, mut d) = ([1.0; 2], [1.0; 6]);
            for same in [STUDENT, far] {
                loss(&same, &same, temperature, &mut losses, &mut d);
                assert!(losses.iter().chain(&d).all(|x| x.abs() < 1e-6), "{losses:?} {d:?}");
            }
            loss(&far, &[-1e4, 1e4, 0.0, 80.0, -80.0, 0.0], temperature, &mut losses, &mut d);
            assert!(losses.iter().chain(&d).all(|x| x.is_finite()), "{losses:?} {d:?}");
            assert!(losses.iter().all(|&x| x > 1.0), "{losses:?}");
        }
    }
}

#[test]
fn relations_are_those_of_pytorch() {
    let student: Vec<f32> = (0..12).map(|i| (f64::from(i) * 0.7).sin() as f32).collect();
    let teacher: Vec<f32> = (0..18).map(|i| ((f64::from(i) * 0.3).cos() * 1.5) as f32).collect();
    let shape = RelationShape { offsets: &[0, 3], heads: 2, widths: (4, 6) };
    for isa in Isa::available() {
        let (mut loss, mut d) = ([0.0], [0.0; 12]);
        relation_loss(isa, (&student, &teacher), shape, &mut loss, &mut d);
        assert!((loss[0] - RELATION).abs() < 1e-6, "{isa}: {loss:?}");
        assert!(farthest(&d, &RELATION_SLOPES.concat()) < 1e-6, "{isa}: {d:?}");
    }
}

#[test]
fn relations_follow_their_naive_twin() {
    let mut failures = Vec::new();
    for isa in Isa::available() {
        for (heads, widths) in [(1, (3, 3)), (2, (8, 34)), (12, (24, 48)), (4, (64, 64)), (3, (33, 48))] {
            for lengths in [vec![1], vec![5, 0, 49], vec![97, 2, 16, 1]] {
                let mut offsets = vec![0u32];
                offsets.extend(lengths.iter().scan(0, |end, n| {
                    *end += n;
                    Some(*end)
                }));
                let tokens = lengths.iter().sum::<u32>() as usize;
                let scaled = |n, seed| values(n, seed).iter().map(|x| x * 2.0).collect::<Vec<f32>>();
                let (student, teacher) = (scaled(tokens * widths.0, 1), scaled(tokens * widths.1, 2));
                let fast = on_pools("relations", || {
                    let (mut losses, mut d) = (vec![0.0; lengths.len()], vec![0.0; student.len()]);
                    let shape = RelationShape { offsets: &offsets, heads, widths };
                    relation_loss(isa, (&student, &teacher), shape, &mut losses, &mut d);
                    [losses, d].concat()
                });
                let (losses, d) = reference::relation_loss((&student, &teacher), &offsets, heads, widths);
                let error = farthest(&fast, &[losses, d].concat());
                if error > 3e-6 {
                    failures.push(format!("{isa}, {heads} heads, {widths:?}, {lengths:?}: {error}"));
                }
            }
        }
    }
    report(&failures);
}

#[test]
fn the_twin_of_relations_has_the_slopes_of_its_losses() {
    let (offsets, widths) = ([0, 4, 7], (6, 9));
    let (student, teacher) = (values(42, 3), values(63, 4));
    let loss = |student: &[f32]| -> f64 {
        let (losses, _) = reference::relation_loss((student, &teacher), &offsets, 3, widths);
        losses.iter().map(|&x| f64::from(x)).sum()
    };
    let (_, d) = reference::relation_loss((&student, &teacher), &offsets, 3, widths);
    for (i, d) in d.iter().enumerate() {
        let at = |step: f32| {
            let mut moved = student.clone();
            moved[i] += step;
            loss(&moved)
        };
        let slope = (at(0.01) - at(-0.01)) / 0.02;
        assert!((slope - f64::from(*d)).abs() < 1e-4, "element {i}: {d} against {slope}");
    }
}

#[test]
fn distances_are_means_by_sequence() {
    let mut failures = Vec::new();
    for isa in Isa::available() {
        for (width, lengths) in [(1, vec![1]), (7, vec![3, 0, 2]), (384, vec![64, 1, 33])] {
            let mut offsets = vec![0u32];
            offsets.extend(lengths.iter().scan(0, |end, n| {
                *end += n;
                Some(*end)
            }));
            let n = lengths.iter().sum::<u32>() as usize * width;
            let (a, b) = (values(n, 5), values(n, 6));
            let fast = on_pools("distances", || {
                let (mut losses, mut d) = (vec![9.0; lengths.len()], vec![9.0; n]);
                squared_distances(isa, (&a, &b), (&offsets, width), &mut losses, &mut d);
                [losses, d].concat()
            });
            let (mut losses, mut d) = (Vec::new(), Vec::new());
            for range in offsets.windows(2).map(|w| w[0] as usize * width..w[1] as usize * width) {
                let count = range.len().max(1) as f64;
                let differences: Vec<f64> = range.map(|i| f64::from(a[i]) - f64::from(b[i])).collect();
                losses.push((differences.iter().map(|x| x * x).sum::<f64>() / count) as f32);
                d.extend(differences.iter().map(|x| (2.0 * x / count) as f32));
            }
            let error = farthest(&fast, &[losses, d].concat());
            if error > 1e-6 {
                failures.push(format!("{isa} {width} {lengths:?}: {error}"));
            }
        }
    }
    report(&failures);
}
