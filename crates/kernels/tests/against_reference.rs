//! Every fast kernel against its naive twin, forward and backward, on odd shapes and every instruction set this
//! processor has, and with the same bits on one, two and four threads.

mod common;

use common::{farthest, on_pools, report, values};
use filbert_kernels::{
    Activation, AdamW, AttentionShape, Dropout, Epilogue, Isa, NormShape, Precision, Queries, RowSums,
    Weight, activation_backward, adamw_update, attention_backward, attention_forward, cross_entropy_backward,
    cross_entropy_forward, dropout_forward, gather_add, linear_forward, norm_backward, norm_forward,
    reference, softmax_rows, sum_of_squares, sum_rows,
};

#[test]
fn activations() {
    let mut failures = Vec::new();
    for isa in Isa::available() {
        for kind in
            [Activation::Identity, Activation::Gelu, Activation::GeluTanh, Activation::Tanh, Activation::Relu]
        {
            for (rows, width) in [(1, 1), (3, 5), (67, 19), (200, 130)] {
                let x: Vec<f32> = values(rows * width, 5).iter().map(|x| x * 5.0).collect();
                let (bias, dy) = (values(width, 6), values(rows * width, 7));
                // The identity as weight: what is activated is x itself.
                let mut identity = vec![0.0; width * width];
                (0..width).for_each(|i| identity[i * width + i] = 1.0);
                let fast = on_pools("activation", || {
                    let (mut y, mut pre, mut dx) = (x.clone(), vec![0.0; x.len()], dy.clone());
                    let epilogue = Epilogue { bias: Some(&bias), activation: kind, pre: Some(&mut pre) };
                    let (w, shape) = (Weight::Plain(&identity), (rows, width, width));
                    linear_forward(isa, Precision::F32, &x, w, &mut y, shape, epilogue);
                    let saved = if kind == Activation::Tanh { &y } else { &pre };
                    activation_backward(isa, &mut dx, saved, kind);
                    [y, dx].concat()
                });
                let pre: Vec<f64> =
                    x.iter().enumerate().map(|(i, x)| f64::from(x + bias[i % width])).collect();
                let mut naive: Vec<f32> =
                    pre.iter().map(|&x| reference::activation(x, kind) as f32).collect();
                let slope = |x: f64| {
                    (reference::activation(x + 1e-5, kind) - reference::activation(x - 1e-5, kind)) / 2e-5
                };
                naive.extend(pre.iter().zip(&dy).map(|(&x, dy)| (slope(x) * f64::from(*dy)) as f32));
                let error = farthest(&fast, &naive);
                if error > 3e-6 {
                    failures.push(format!("{isa} {kind:?} {rows}x{width}: {error}"));
                }
            }
        }
    }
    report(&failures);
}

#[test]
fn norms_with_residual_and_dropout() {
    let mut failures = Vec::new();
    for isa in Isa::available() {
        for (rows, width) in [(1, 1), (2, 3), (33, 17), (65, 48), (101, 384)] {
            for p in [0.0, 0.3] {
                let dropout = Dropout::new(p, 11);
                let (x, r, dy) = (values(rows * width, 1), values(rows * width, 2), values(rows * width, 3));
                let (gamma, beta) = (values(width, 4), values(width, 5));
                let eps = 1e-5;
                let fast = on_pools("norm", || {
                    let n = rows * width;
                    let (mut y, mut normal, mut scale) = (vec![0.0; n], vec![0.0; n], vec![0.0; rows]);
                    let shape = NormShape { gamma: &gamma, beta: &beta, eps };
                    norm_forward(isa, &x, Some(&r), dropout, shape, &mut y, Some((&mut normal, &mut scale)));
                    let mut plain = vec![0.0; n];
                    norm_forward(isa, &x, Some(&r), dropout, shape, &mut plain, None);
                    assert!(y == plain, "saving changes nothing");
                    let (mut dh, mut dx) = (vec![0.0; n], vec![0.0; n]);
                    let (mut dgamma, mut dbeta) = (vec![0.0; width], vec![0.0; width]);
                    let sums = Some((&mut dgamma[..], &mut dbeta[..]));
                    norm_backward(isa, &dy, (&normal, &scale), &gamma, dropout, &mut dh, Some(&mut dx), sums);
                    [y, dh, dx, dgamma, dbeta].concat()
                });
                let kept: Vec<f32> =
                    (0..rows).flat_map(|i| reference::dropout_row(dropout, i, width)).collect();
                let h: Vec<f32> = x.iter().zip(&kept).zip(&r).map(|((x, k), r)| x * k + r).collect();
                let [dh, dgamma, dbeta] = reference::layer_norm_backward(&h, &gamma, eps, &dy);
                let dx = dh.iter().zip(&kept).map(|(d, k)| d * k).collect();
                let naive = [reference::layer_norm(&h, &gamma, &beta, eps), dh, dx, dgamma, dbeta].concat();
                // Rows of three values can be nearly constant, which multiplies rounding by up to 1 / sqrt(eps).
                let error = farthest(&fast, &naive);
                if error > if width < 4 { 2e-3 } else { 2e-5 } {
                    failures.push(format!("{isa} {rows}x{width} p {p}: {error}"));
                }
            }
        }
    }
    report(&failures);
}

#[test]
fn attention_both_ways() {
    let mut failures = Vec::new();
    let cases: [(&[u32], usize, usize); 6] = [
        (&[0, 1], 3, 1),
        (&[0, 5, 5, 9], 6, 2),
        (&[0, 17, 18, 50], 15, 3),
        (&[0, 49, 146], 64, 2),
        (&[0, 130], 96, 3),
        (&[0], 8, 2),
    ];
    for isa in Isa::available() {
        for (offsets, width, heads) in cases {
            for p in [0.0, 0.4] {
                let dropout = Dropout::new(p, 3);
                let n = *offsets.last().unwrap() as usize * width;
                let inputs =
                    [1, 2, 3, 4].map(|seed| values(n, seed).iter().map(|x| x * 2.0).collect::<Vec<f32>>());
                let [q, k, v, d_out] = &inputs;
                let shape = AttentionShape { offsets, width, heads, queries: Queries::All, dropout };
                let fast = on_pools("attention", || {
                    let mut out = vec![f32::NAN; n];
                    let mut log_sums = vec![f32::NAN; n / width * heads];
                    attention_forward(isa, (q, k, v), shape, &mut out, Some(&mut log_sums));
                    let mut d = [vec![f32::NAN; n], vec![f32::NAN; n], vec![f32::NAN; n]];
                    let [dq, dk, dv] = &mut d;
                    attention_backward(isa, (q, k, v), (&out, &log_sums, d_out), shape, (dq, dk, dv));
                    [out, d.concat()].concat()
                });
                let mut naive = reference::attention((q, k, v), offsets, width, heads, dropout);
                naive.extend(
                    reference::attention_backward((q, k, v), d_out, offsets, (width, heads), dropout)
                        .concat(),
                );
                let error = farthest(&fast, &naive);
                if error > 3e-5 {
                    failures.push(format!("{isa} {offsets:?} {width}/{heads} p {p}: {error}"));
                }
            }
        }
    }
    report(&failures);
}

#[test]
fn first_tokens_attend_as_among_all() {
    for isa in Isa::available() {
        let (offsets, width, heads): (&[u32], usize, usize) = (&[0, 5, 6, 60], 30, 3);
        let (tokens, firsts) = (60, [0, 5, 6]);
        let [q, k, v, d_out] = [1, 2, 3, 4].map(|seed| values(tokens * width, seed));
        let dropout = Dropout::new(0.0, 0);
        let rows = |m: &[f32]| {
            firsts.iter().flat_map(|&i| &m[i * width..(i + 1) * width]).copied().collect::<Vec<_>>()
        };
        // A gradient that is zero everywhere but at the first tokens.
        let mut d_all = vec![0.0; tokens * width];
        for i in firsts {
            d_all[i * width..(i + 1) * width].copy_from_slice(&d_out[i * width..(i + 1) * width]);
        }
        let run = |queries: Queries, q: &[f32], d_out: &[f32]| {
            let shape = AttentionShape { offsets, width, heads, queries, dropout };
            let mut out = vec![f32::NAN; q.len()];
            let mut log_sums = vec![f32::NAN; q.len() / width * heads];
            attention_forward(isa, (q, &k, &v), shape, &mut out, Some(&mut log_sums));
            let (mut dq, mut dk, mut dv) =
                (vec![f32::NAN; q.len()], vec![f32::NAN; k.len()], vec![f32::NAN; k.len()]);
            attention_backward(
                isa,
                (q, &k, &v),
                (&out, &log_sums, d_out),
                shape,
                (&mut dq, &mut dk, &mut dv),
            );
            (out, dq, dk, dv)
        };
        let all = run(Queries::All, &q, &d_all);
        let first = on_pools("attention of first tokens", || {
            let (out, dq, dk, dv) = run(Queries::First, &rows(&q), &rows(&d_out));
            [out, dq, dk, dv].concat()
        });
        let wanted = [rows(&all.0), rows(&all.1), all.2, all.3].concat();
        assert!(farthest(&first, &wanted) < 1e-6, "{isa}: {}", farthest(&first, &wanted));
    }
}

#[test]
fn a_sequence_attends_the_same_alone_and_among_others() {
    for isa in Isa::available() {
        let (width, heads) = (32, 2);
        let [q, k, v] = [1, 2, 3].map(|seed| values(90 * width, seed));
        let run = |offsets: &[u32], range: std::ops::Range<usize>| {
            let mut out = vec![0.0; range.len() * width];
            let part = range.start * width..range.end * width;
            let dropout = Dropout::new(0.0, 0);
            let shape = AttentionShape { offsets, width, heads, queries: Queries::All, dropout };
            attention_forward(isa, (&q[part.clone()], &k[part.clone()], &v[part]), shape, &mut out, None);
            out
        };
        let all = run(&[0, 20, 75, 90], 0..90);
        let alone = run(&[0, 55], 20..75);
        assert!(all[20 * width..75 * width] == alone[..], "{isa}");
    }
}

#[test]
fn embeddings_sums_and_losses() {
    for isa in Isa::available() {
        let (width, rows) = (19, 70);
        let table = values(10 * width, 1);
        let ids: Vec<u32> = (0..rows).map(|i| (i * i % 10) as u32).collect();
        let mut out = vec![1.0; rows * width];
        gather_add(isa, &mut out, &table, &ids, width);
        for (i, id) in ids.iter().enumerate() {
            let wanted: Vec<f32> = table[*id as usize * width..][..width].iter().map(|x| 1.0 + x).collect();
            assert!(out[i * width..][..width] == wanted[..]);
        }
        let mut found = RowSums::default();
        found.form(isa, &out, &ids, width, None);
        assert_eq!(found.rows, [0, 1, 4, 5, 6, 9]);
        found.form(isa, &out, &ids, width, Some(4));
        let RowSums { rows: touched, sums, .. } = found;
        assert_eq!(touched, [0, 1, 5, 6, 9], "squares modulo ten, but the skipped one");
        let naive = |id: u32, c: usize| -> f32 {
            ids.iter().enumerate().filter(|(_, x)| **x == id).map(|(i, _)| out[i * width + c]).sum()
        };
        for (n, id) in touched.iter().enumerate() {
            assert!((0..width).all(|c| (sums[n * width + c] - naive(*id, c)).abs() < 1e-4));
        }
        let total = on_pools("sum of rows", || {
            let mut sums = vec![0.5; width];
            sum_rows(isa, &out, &mut sums);
            sums
        });
        for (c, total) in total.iter().enumerate() {
            let wanted = 0.5 + (0..rows).map(|i| out[i * width + c]).sum::<f32>();
            assert!((total - wanted).abs() < 1e-4);
        }
        let wanted: f64 = out.iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((sum_of_squares(isa, &out) - wanted).abs() < 1e-9 * wanted);
        let mut dropped = vec![1.0; 40_000];
        dropout_forward(isa, &mut dropped, Dropout::new(0.25, 9));
        let portable = on_pools("dropout", || {
            let mut x = vec![1.0; 40_000];
            dropout_forward(Isa::portable(), &mut x, Dropout::new(0.25, 9));
            x
        });
        assert!(dropped == portable, "a mask is the same on every instruction set");
    }
}

#[test]
fn cross_entropy_and_its_gradient() {
    let logits = [1.0f32, -2.0, 0.5, 90.0, 0.0, -90.0, 0.0, 0.0, 0.0];
    let labels = [0, 2, 1];
    let (mut p, mut losses, mut d) = ([0.0; 9], [0.0; 3], [0.0; 9]);
    cross_entropy_forward(&logits, &labels, &mut p, &mut losses);
    cross_entropy_backward(&p, &labels, 0.5, &mut d);
    let mut softmax = logits;
    softmax_rows(&mut softmax, 3);
    assert_eq!(softmax, p);
    for (row, label) in labels.iter().enumerate() {
        let x: Vec<f64> = logits[row * 3..][..3].iter().map(|&x| f64::from(x)).collect();
        let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = x.iter().map(|x| (x - max).exp()).sum();
        let wanted = max + sum.ln() - x[*label as usize];
        assert!((f64::from(losses[row]) - wanted).abs() < 1e-5 * (1.0 + wanted), "loss of row {row}");
        for c in 0..3 {
            let p = (x[c] - max).exp() / sum;
            let wanted = 0.5 * (p - f64::from(u8::from(c == *label as usize)));
            assert!((f64::from(d[row * 3 + c]) - wanted).abs() < 1e-6, "gradient of row {row}");
        }
    }
}

#[test]
fn adamw_follows_its_definition() {
    for isa in Isa::available() {
        let n = 40_003;
        let start = values(n, 1);
        let fast = on_pools("AdamW", || {
            let (mut p, mut m, mut v) = (start.clone(), vec![0.0; n], vec![0.0; n]);
            for step in 1..=5 {
                let g = values(n, 10 + step);
                let adam = AdamW {
                    lr: 0.01,
                    beta1: 0.9,
                    beta2: 0.999,
                    eps: 1e-8,
                    decay: 0.1,
                    step,
                    gradient_scale: 0.5,
                };
                adamw_update(isa, &mut p, &mut m, &mut v, (step != 3).then_some(&g[..]), &adam.prepare());
            }
            p
        });
        let mut naive: Vec<f64> = start.iter().map(|&x| f64::from(x)).collect();
        let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
        for step in 1..=5u64 {
            let g = values(n, 10 + step);
            for i in 0..n {
                let g = if step == 3 { 0.0 } else { f64::from(g[i]) * 0.5 };
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                let (m_hat, v_hat) =
                    (m[i] / (1.0 - 0.9f64.powi(step as i32)), v[i] / (1.0 - 0.999f64.powi(step as i32)));
                naive[i] = naive[i] * (1.0 - 0.01 * 0.1) - 0.01 * m_hat / (v_hat.sqrt() + 1e-8);
            }
        }
        let naive: Vec<f32> = naive.iter().map(|&x| x as f32).collect();
        assert!(farthest(&fast, &naive) < 1e-6, "{isa}: {}", farthest(&fast, &naive));
    }
}
