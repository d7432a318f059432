//! The shaped losses: values of PyTorch's, and every gradient against finite differences of the loss itself.

use filbert_kernels::{
    LossShape, cross_entropy_backward, cross_entropy_forward, sigmoid_loss, softmax_loss, squared_loss,
};

const LOGITS: [f32; 6] = [0.5, -1.25, 2.0, 3.0, 0.25, -0.75]; // [2 rows, 3 columns]
const LABELS: [u32; 2] = [2, 1];
const WEIGHTS: [f32; 3] = [0.5, 1.0, 2.5];

const SOFTMAX: [[f32; 2]; 5] = [
    [0.232_62, 2.833_83],
    [0.581_56, 2.833_83],
    [0.390_96, 2.775_5],
    [0.687_75, 2.965_79],
    [0.010_02, 2.510_44],
];
const SIGMOID: [[f32; 2]; 5] = [
    [0.284_31, 1.420_47],
    [0.268_76, 1.420_47],
    [0.346_81, 1.378_8],
    [0.332_04, 1.406_82],
    [0.027_29, 1.022_38],
];

fn shapes() -> Vec<LossShape<'static>> {
    let weights = [None, Some(&WEIGHTS[..])];
    let others = [(0.0, 0.0), (0.1, 0.0), (0.0, 2.0), (0.0, 0.5)];
    weights
        .into_iter()
        .flat_map(|weights| others.map(|(smoothing, focal)| LossShape { weights, smoothing, focal }))
        .collect()
}

/// Holds a gradient against central differences.
fn check(name: &str, mut f: impl FnMut(&[f32], &mut [f32], &mut [f32])) {
    let (mut losses, mut d) = ([0.0; 2], [0.0; 6]);
    f(&LOGITS, &mut losses, &mut d);
    for i in 0..LOGITS.len() {
        let mut at = |step: f32| {
            let mut logits = LOGITS;
            logits[i] += step;
            let mut losses = [0.0; 2];
            f(&logits, &mut losses, &mut [0.0; 6]);
            f64::from(losses[i / 3])
        };
        let slope = (at(0.01) - at(-0.01)) / 0.02;
        assert!((slope - f64::from(d[i])).abs() < 2e-4, "{name}: column {i}: {} against {slope}", d[i]);
    }
}

#[test]
fn gradients_are_the_slopes_of_their_losses() {
    for shape in shapes() {
        let name = format!("{shape:?}");
        check(&name, |x, losses, d| softmax_loss(x, &LABELS, shape, losses, d));
        let sets = [vec![0, 2], vec![]];
        check(&name, |x, losses, d| sigmoid_loss(x, &sets, shape, losses, d));
    }
}

#[test]
fn the_plain_shape_is_cross_entropy() {
    let (mut p, mut wanted, mut wanted_d) = ([0.0; 6], [0.0; 2], [0.0; 6]);
    cross_entropy_forward(&LOGITS, &LABELS, &mut p, &mut wanted);
    cross_entropy_backward(&p, &LABELS, 1.0, &mut wanted_d);
    let (mut losses, mut d) = ([0.0; 2], [0.0; 6]);
    softmax_loss(&LOGITS, &LABELS, LossShape::default(), &mut losses, &mut d);
    for (a, b) in losses.iter().chain(&d).zip(wanted.iter().chain(&wanted_d)) {
        assert!((a - b).abs() < 1e-6, "{losses:?} {d:?}, not {wanted:?} {wanted_d:?}");
    }
}

/// Values of torch.nn.functional on the same numbers, `reduction="none"`: see `scripts/golden_losses.py`.
#[test]
fn values_are_those_of_pytorch() {
    struct Case {
        name: &'static str,
        shape: LossShape<'static>,
        softmax: [f32; 2],
        sigmoid: [f32; 2],
    }
    let weights = Some(&WEIGHTS[..]);
    let cases = [
        Case { name: "plain", shape: LossShape::default(), softmax: SOFTMAX[0], sigmoid: SIGMOID[0] },
        Case {
            name: "weights",
            shape: LossShape { weights, ..LossShape::default() },
            softmax: SOFTMAX[1],
            sigmoid: SIGMOID[1],
        },
        Case {
            name: "smoothing",
            shape: LossShape { smoothing: 0.1, ..LossShape::default() },
            softmax: SOFTMAX[2],
            sigmoid: SIGMOID[2],
        },
        Case {
            name: "weights and smoothing",
            shape: LossShape { weights, smoothing: 0.1, focal: 0.0 },
            softmax: SOFTMAX[3],
            sigmoid: SIGMOID[3],
        },
        Case {
            name: "focal",
            shape: LossShape { focal: 2.0, ..LossShape::default() },
            softmax: SOFTMAX[4],
            sigmoid: SIGMOID[4],
        },
    ];
    let sets = [vec![0, 2], vec![]];
    let mut failed = Vec::new();
    for case in &cases {
        let mut losses = [0.0; 2];
        softmax_loss(&LOGITS, &LABELS, case.shape, &mut losses, &mut [0.0; 6]);
        let far =
            |found: [f32; 2], wanted: [f32; 2]| found.iter().zip(wanted).any(|(a, b)| (a - b).abs() > 2e-5);
        if far(losses, case.softmax) {
            failed.push(format!("{}, softmax: {losses:?}, not {:?}", case.name, case.softmax));
        }
        sigmoid_loss(&LOGITS, &sets, case.shape, &mut losses, &mut [0.0; 6]);
        if far(losses, case.sigmoid) {
            failed.push(format!("{}, sigmoid: {losses:?}, not {:?}", case.name, case.sigmoid));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn a_squared_loss_has_its_slope() {
    let (mut losses, mut d) = ([0.0; 2], [0.0; 2]);
    squared_loss(&[1.5, -1.0], &[1.0, 1.0], &mut losses, &mut d);
    assert_eq!((losses, d), ([0.25, 4.0], [1.0, -4.0]));
}

#[test]
fn far_logits_stay_finite() {
    let logits = [80.0, -80.0, 0.0, -1e4, 1e4, 0.0];
    for shape in shapes() {
        let (mut losses, mut d) = ([0.0; 2], [0.0; 6]);
        softmax_loss(&logits, &[1, 0], shape, &mut losses, &mut d);
        assert!(losses.iter().chain(&d).all(|x| x.is_finite()), "{shape:?}: {losses:?} {d:?}");
        sigmoid_loss(&logits, &[vec![1], vec![0, 1, 2]], shape, &mut losses, &mut d);
        assert!(losses.iter().chain(&d).all(|x| x.is_finite()), "{shape:?}: {losses:?} {d:?}");
    }
}
