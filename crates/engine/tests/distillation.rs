//! The losses of a student on the tape: their gradients by parameters are the slopes of the loss that a step minimizes.

use std::sync::Arc;

use filbert_engine::{
    Activation, Context, Gradients, Linear, Mode, Objective, Param, ParamId, Params, Soft, Tape, Targets,
    Tensor, Var,
};

const WIDTH: usize = 6;
const TEACHER_WIDTH: usize = 9;

fn values(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 37 + seed * 53 + 11) % 101) as f32 / 50.0 - 1.0).collect()
}

fn linear(params: &mut Params, name: &str, outputs: usize, inputs: usize) -> Linear {
    let mut add = |part: &str, shape: Vec<usize>| -> ParamId {
        let value = values(shape.iter().product(), shape[0] + part.len()).iter().map(|x| 0.5 * x).collect();
        let name = format!("{name}.{part}");
        params
            .add(Param {
                name,
                shape,
                value,
                quantized: None,
                fake: None,
                trainable: true,
                decay: true,
                row_sparse: false,
                lr_scale: 1.0,
            })
            .unwrap()
    };
    Linear {
        weight: add("weight", vec![outputs, inputs]),
        bias: Some(add("bias", vec![outputs])),
        adapter: None,
    }
}

/// Three rows of tokens, of which the first two are labelled.
fn loss(params: &Params, [body, project, head]: [Linear; 3], gradients: Option<&mut Gradients>) -> f32 {
    let offsets: Arc<[u32]> = Arc::from([0, 4, 5, 8]);
    let context = Context::default();
    let mut tape = Tape::new(&context, params, Mode { record: true, dropout: None });
    let x = Var::constant(Tensor::from_vec(values(8 * WIDTH, 1), 8, WIDTH));
    let hidden = tape.linear(&x, body, Activation::Tanh).unwrap();
    let states = Tensor::from_vec(values(8 * TEACHER_WIDTH, 2), 8, TEACHER_WIDTH);
    let projected = tape.linear(&hidden, project, Activation::Identity).unwrap();
    let distance = tape.hidden_loss(&projected, &states, &offsets).unwrap();
    let relations = tape.relation_loss(&hidden, &states, &offsets, 3).unwrap();
    let pooled = tape.pool(&hidden, &offsets, filbert_engine::Pooling::Mean).unwrap();
    let logits = tape.linear(&pooled, head, Activation::Identity).unwrap();
    let soft = tape.soft_loss(&logits, &values(9, 3), Soft::Softmax(2.0)).unwrap();
    let sets = tape.soft_loss(&logits, &values(9, 4), Soft::Sigmoid(1.5)).unwrap();
    let labelled = tape.first_rows(&logits, 2).unwrap();
    let hard = tape.loss(&labelled, Targets::Classes(&[2, 0]), &Objective::default()).unwrap().mean;
    let terms = [(distance, 0.7), (relations, 2.0), (soft, 0.5), (sets, 0.25), (hard, 0.5)];
    let total = tape.weighted_sum(&terms).unwrap();
    let value = total.value()[0];
    if let Some(gradients) = gradients {
        tape.backward(&total, 1.0, gradients).unwrap();
    }
    value
}

#[test]
fn gradients_are_the_slopes_of_the_sum() {
    let mut params = Params::default();
    let layers = [
        linear(&mut params, "body", WIDTH, WIDTH),
        linear(&mut params, "project", TEACHER_WIDTH, WIDTH),
        linear(&mut params, "head", 3, WIDTH),
    ];
    let mut gradients = Gradients::new(&params);
    loss(&params, layers, Some(&mut gradients));
    let ids: Vec<ParamId> = params.iter().map(|(id, _)| id).collect();
    for id in ids {
        let name = params.get(id).name.clone();
        let len = params.get(id).value.len();
        let found = gradients.get(id).unwrap().to_dense(len, params.get(id).width());
        for (i, &found) in found.iter().enumerate() {
            let at = |step: f32| {
                let mut moved = params.clone();
                moved.get_mut(id).value[i] += step;
                f64::from(loss(&moved, layers, None))
            };
            let slope = (at(0.01) - at(-0.01)) / 0.02;
            assert!((slope - f64::from(found)).abs() < 5e-4, "{name} {i}: {found} against {slope}");
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let (context, params) = (Context::default(), Params::default());
    let mut tape = Tape::new(&context, &params, Mode::EVALUATE);
    let x = Var::constant(Tensor::from_vec(vec![0.0; 8], 4, 2));
    let whole: Arc<[u32]> = Arc::from([0, 4]);
    let other = |rows: usize, cols: usize| Tensor::from_vec(vec![0.0; rows * cols], rows, cols);
    let refused = [
        tape.soft_loss(&x, &[0.0; 7], Soft::Squared),
        tape.soft_loss(&x, &[0.0; 8], Soft::Squared),
        tape.hidden_loss(&x, &other(4, 3), &whole),
        tape.hidden_loss(&x, &other(4, 2), &Arc::from([0, 3])),
        tape.hidden_loss(&x, &other(4, 2), &Arc::from([])),
        tape.relation_loss(&x, &other(3, 2), &whole, 1),
        tape.relation_loss(&x, &other(4, 2), &whole, 0),
        tape.relation_loss(&x, &other(4, 3), &whole, 2),
        tape.first_rows(&x, 5),
        tape.weighted_sum(&[(x.clone(), 1.0)]),
    ];
    for (i, outcome) in refused.into_iter().enumerate() {
        assert!(outcome.is_err(), "case {i}");
    }
}
