//! Sparse handling of embedding tables against dense AdamW, clipping, and what frozen parameters cost.

use std::sync::Arc;

use filbert_engine::{
    Activation, AdamWSettings, Context, Embedding, Gradients, Linear, Mode, Norm, Optimizer, Param, Params,
    Pooling, Queries, Tape,
};

const WIDTH: usize = 6;
const ROWS: usize = 40;

fn params(row_sparse: bool) -> Params {
    let mut params = Params::default();
    let mut add = |name: &str, shape: &[usize], decay: bool, row_sparse: bool| {
        let n: usize = shape.iter().product();
        let value = (0..n).map(|i| ((i * 37 + name.len() * 11) % 101) as f32 / 50.0 - 1.0).collect();
        let (name, shape) = (name.to_owned(), shape.to_vec());
        params
            .add(Param {
                name,
                shape,
                value,
                quantized: None,
                fake: None,
                trainable: true,
                decay,
                row_sparse,
                lr_scale: 1.0,
            })
            .unwrap();
    };
    add("word", &[ROWS, WIDTH], true, row_sparse);
    add("position", &[8, WIDTH], true, false);
    add("gamma", &[WIDTH], false, false);
    add("beta", &[WIDTH], false, false);
    add("weight", &[2, WIDTH], true, false);
    add("bias", &[2], false, false);
    params
}

fn ids(step: usize) -> Arc<[u32]> {
    // Few rows of the table, some of them for the first time late, some twice in a batch.
    [step % 7, 3, 3, (step * step) % 30, 39 - step].iter().map(|&i| i as u32).collect()
}

fn loss(params: &Params, context: &Context, step: usize, gradients: Option<&mut Gradients>) -> f32 {
    let id = |name: &str| params.id(name).unwrap();
    let norm = Norm { gamma: id("gamma"), beta: id("beta"), eps: 1e-5 };
    let tables =
        Embedding { word: id("word"), position: id("position"), token_type: None, norm, padding: Some(5) };
    let mut tape = Tape::new(context, params, Mode { record: true, dropout: None });
    let positions: Arc<[u32]> = [0, 1, 2, 0, 1].into();
    let x = tape.embed(tables, &ids(step), &positions, &positions).unwrap();
    let x = tape.pool(&x, &[0, 3, 5].into(), Pooling::Mean).unwrap();
    let layer = Linear { weight: id("weight"), bias: Some(id("bias")), adapter: None };
    let logits = tape.linear(&x, layer, Activation::Identity).unwrap();
    let loss = tape.cross_entropy(&logits, &[0, 1]).unwrap();
    if let Some(gradients) = gradients {
        tape.backward(&loss.mean, 1.0, gradients).unwrap();
    }
    loss.mean.value()[0]
}

fn train(row_sparse: bool) -> (Params, Vec<f32>) {
    let context = Context::default();
    let mut params = params(row_sparse);
    let settings = AdamWSettings { weight_decay: 0.5, ..AdamWSettings::default() };
    let mut optimizer = Optimizer::new(&params, settings);
    let mut losses = Vec::new();
    for step in 0..12 {
        let word = params.id("word").unwrap();
        optimizer.touch(&mut params, word, &ids(step));
        let mut gradients = Gradients::new(&params);
        losses.push(loss(&params, &context, step, Some(&mut gradients)));
        optimizer.step(&context, &mut params, &gradients, 0.01).unwrap();
        if step == 7 {
            optimizer.settle(&mut params);
        }
    }
    optimizer.settle(&mut params);
    (params, losses)
}

#[test]
fn sparse_tables_end_like_dense_ones() {
    let ((sparse, sparse_losses), (dense, dense_losses)) = (train(true), train(false));
    for (a, b) in sparse_losses.iter().zip(&dense_losses) {
        assert!((a - b).abs() < 1e-6, "{sparse_losses:?} {dense_losses:?}");
    }
    for ((_, a), (_, b)) in sparse.iter().zip(dense.iter()) {
        for (i, (x, y)) in a.value.iter().zip(&b.value).enumerate() {
            assert!((x - y).abs() < 1e-6, "{} [{i}]: {x}, not {y}", a.name);
        }
    }
}

#[test]
fn frozen_parameters_get_no_gradient_and_do_not_move() {
    let context = Context::default();
    let mut params = params(true);
    for name in ["word", "gamma"] {
        let id = params.id(name).unwrap();
        params.get_mut(id).trainable = false;
    }
    let before = params.clone();
    let mut gradients = Gradients::new(&params);
    loss(&params, &context, 1, Some(&mut gradients));
    let mut optimizer = Optimizer::new(&params, AdamWSettings::default());
    optimizer.step(&context, &mut params, &gradients, 0.1).unwrap();
    for ((id, after), (_, before)) in params.iter().zip(before.iter()) {
        assert_eq!(gradients.get(id).is_some(), after.trainable, "{}", after.name);
        assert_eq!(after.value != before.value, after.trainable, "{}", after.name);
    }
}

#[test]
fn accumulated_gradients_are_the_sum() {
    let context = Context::default();
    let params = params(true);
    let single = |step| {
        let mut gradients = Gradients::new(&params);
        loss(&params, &context, step, Some(&mut gradients));
        gradients
    };
    let (a, b) = (single(1), single(4));
    let mut both = Gradients::new(&params);
    loss(&params, &context, 1, Some(&mut both));
    loss(&params, &context, 4, Some(&mut both));
    for (id, p) in params.iter() {
        let dense = |g: &Gradients| g.get(id).unwrap().to_dense(p.value.len(), p.width());
        for ((x, y), z) in dense(&a).iter().zip(dense(&b)).zip(dense(&both)) {
            assert!((x + y - z).abs() < 1e-6, "{}", p.name);
        }
    }
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    let context = Context::default();
    let mut params = params(true);
    let weight = params.id("weight").unwrap();
    params.get_mut(weight).value[0] = f32::NAN;
    let mut gradients = Gradients::new(&params);
    loss(&params, &context, 1, Some(&mut gradients));
    let before = params.clone();
    let mut optimizer = Optimizer::new(&params, AdamWSettings::default());
    let error = optimizer.step(&context, &mut params, &gradients, 0.1).unwrap_err().to_string();
    assert!(error.contains("not finite at step 1"), "{error}");
    for ((_, a), (_, b)) in params.iter().zip(before.iter()) {
        assert!(a.value.iter().zip(&b.value).all(|(x, y)| x.to_bits() == y.to_bits()), "{}", a.name);
    }
}

#[test]
fn inputs_that_do_not_fit_are_errors() {
    let context = Context::default();
    let params = params(false);
    let id = |name: &str| params.id(name).unwrap();
    let norm = Norm { gamma: id("gamma"), beta: id("beta"), eps: 1e-5 };
    let tables =
        Embedding { word: id("word"), position: id("position"), token_type: None, norm, padding: None };
    let mut tape = Tape::new(&context, &params, Mode::EVALUATE);
    let one: Arc<[u32]> = [0].into();
    let outside: Arc<[u32]> = [ROWS as u32].into();
    let error = tape.embed(tables, &outside, &one, &one).unwrap_err().to_string();
    assert!(error.contains("word id 40 is outside 0..40"), "{error}");
    let x = tape.embed(tables, &one, &one, &one).unwrap();
    assert!(tape.pool(&x, &[0, 2].into(), Pooling::First).is_err(), "offsets past the tokens");
    assert!(tape.pool(&x, &[0, 0, 1].into(), Pooling::First).is_err(), "an empty sequence");
    assert!(
        tape.attention([&x, &x, &x], &[0, 1].into(), (4, Queries::All), 0.0).is_err(),
        "heads that do not divide the width"
    );
    let layer = Linear { weight: id("weight"), bias: Some(id("bias")), adapter: None };
    let logits = tape.linear(&x, layer, Activation::Identity).unwrap();
    assert!(tape.linear(&logits, layer, Activation::Identity).is_err(), "another width");
    assert!(tape.cross_entropy(&logits, &[2]).is_err(), "a label that is no class");
    assert!(tape.cross_entropy(&logits, &[]).is_err(), "no labels");
}

/// The loss of one attention layer with a residual norm, pooled, in train mode with a fixed dropout key.
fn layer_loss(params: &Params, pooling: Pooling, queries: Queries, gradients: Option<&mut Gradients>) -> f32 {
    let context = Context::default();
    let id = |name: &str| params.id(name).unwrap();
    let norm = Norm { gamma: id("gamma"), beta: id("beta"), eps: 1e-5 };
    let tables =
        Embedding { word: id("word"), position: id("position"), token_type: None, norm, padding: None };
    let mut tape = Tape::new(&context, params, Mode::train(11));
    let (ids, positions): (Arc<[u32]>, Arc<[u32]>) = ([1, 7, 3, 9, 7].into(), [0, 1, 2, 0, 1].into());
    let offsets: Arc<[u32]> = [0, 3, 5].into();
    let x = tape.embed(tables, &ids, &positions, &positions).unwrap();
    let asking = match queries {
        Queries::All => tape.dropout(&x, 0.2),
        Queries::First => tape.pool(&x, &offsets, Pooling::First).unwrap(),
    };
    let context_rows = tape.attention([&asking, &x, &x], &offsets, (2, queries), 0.3).unwrap();
    let rows = tape.norm(&context_rows, Some(&asking), norm, 0.2).unwrap();
    let pooled = if queries == Queries::All { tape.pool(&rows, &offsets, pooling).unwrap() } else { rows };
    let layer = Linear { weight: id("weight"), bias: Some(id("bias")), adapter: None };
    let logits = tape.linear(&pooled, layer, Activation::Gelu).unwrap();
    let loss = tape.cross_entropy(&logits, &[0, 1]).unwrap();
    if let Some(gradients) = gradients {
        tape.backward(&loss.mean, 1.0, gradients).unwrap();
    }
    loss.mean.value()[0]
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    for (pooling, queries) in
        [(Pooling::First, Queries::All), (Pooling::Mean, Queries::All), (Pooling::First, Queries::First)]
    {
        let params = params(false);
        let mut gradients = Gradients::new(&params);
        layer_loss(&params, pooling, queries, Some(&mut gradients));
        for (id, p) in params.iter() {
            let gradient = gradients.get(id).unwrap().to_dense(p.value.len(), p.width());
            // Every element of the small tensors, a spread of the large one's.
            for i in (0..p.value.len()).step_by(if p.value.len() > 100 { 5 } else { 1 }) {
                let at = |step: f32| {
                    let mut moved = params.clone();
                    moved.get_mut(id).value[i] += step;
                    f64::from(layer_loss(&moved, pooling, queries, None))
                };
                let slope = (at(4e-3) - at(-4e-3)) / 8e-3;
                let error = (slope - f64::from(gradient[i])).abs();
                assert!(
                    error < 2e-3 + 0.02 * slope.abs(),
                    "{} [{i}] {pooling:?} {queries:?}: {} {slope}",
                    p.name,
                    gradient[i]
                );
            }
        }
    }
}
