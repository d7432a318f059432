//! Layers that are trained for few bits: what they compute is what the plain operations make of the rounded weight and the rounded
//! input, on the way in and on the way back, to the bit.

use std::sync::Arc;

use filbert_engine::quant::{Scheme, fake_quantize, fake_quantize_rows};
use filbert_engine::{
    Activation, Adapter, Bf16, Context, Embedding, Error, Gradient, Gradients, Linear, Mode, Norm, Objective,
    Param, ParamId, Params, Precision, Tape, Targets, Tensor, Var,
};

const SCHEMES: [Scheme; 4] =
    [Scheme::Int8, Scheme::Int4 { group: 32 }, Scheme::Int4 { group: 128 }, Scheme::Nf4];
const ROWS: usize = 9;
const WIDTH: usize = 96;
const INNER: usize = 70;

fn values(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 37 + seed * 53 + i * i % 17) % 101) as f32 / 50.0 - 1.0).collect()
}

fn add(params: &mut Params, name: &str, shape: &[usize]) -> ParamId {
    let value = values(shape.iter().product(), params.len()).iter().map(|x| 0.3 * x).collect();
    let param = Param {
        name: name.to_owned(),
        shape: shape.to_vec(),
        value,
        quantized: None,
        fake: None,
        trainable: true,
        decay: true,
        row_sparse: name == "word",
        lr_scale: 1.0,
    };
    params.add(param).unwrap()
}

fn layer(params: &mut Params, name: &str, outputs: usize, inputs: usize) -> Linear {
    Linear {
        weight: add(params, name, &[outputs, inputs]),
        bias: Some(add(params, &format!("{name}.bias"), &[outputs])),
        adapter: None,
    }
}

/// The parameters with every weight replaced by what comes back from its mark.
fn rounded(params: &Params, context: &Context) -> Params {
    let mut plain = params.clone();
    for (id, param) in params.iter() {
        if let Some(scheme) = param.fake {
            let to = plain.get_mut(id);
            fake_quantize(context.isa(), scheme, &param.value, param.width(), &mut to.value);
            to.fake = None;
        }
    }
    plain
}

fn marked(params: &mut Params, ids: &[ParamId], scheme: Scheme) {
    for &id in ids {
        params.get_mut(id).fake = Some(scheme);
    }
}

fn rounded_rows(x: &[f32], width: usize, context: &Context) -> Var {
    let mut x = x.to_vec();
    fake_quantize_rows(context.isa(), &mut x, width);
    let rows = x.len() / width;
    Var::constant(Tensor::from_vec(x, rows, width))
}

fn bits(gradients: &Gradients, params: &Params) -> Vec<(String, Vec<u32>)> {
    let dense = |g: &Gradient, p: &Param| -> Vec<u32> {
        g.to_dense(p.value.len(), p.width()).iter().map(|x| x.to_bits()).collect()
    };
    let of = |(id, p): (ParamId, &Param)| Some((p.name.clone(), dense(gradients.get(id)?, p)));
    params.iter().filter_map(of).collect()
}

fn contexts() -> Vec<Context> {
    let f32 = Context::default();
    let bf16 = Bf16::detect().map(|kind| f32.clone().with_precision(Precision::Bf16(kind)));
    std::iter::once(f32).chain(bf16).collect()
}

#[test]
fn a_layer_is_the_plain_one_on_what_comes_back() {
    for context in contexts() {
        for scheme in SCHEMES {
            for activation in [Activation::Identity, Activation::Gelu, Activation::Tanh] {
                let mut params = Params::default();
                // Plain below, so that a gradient flows into the marked layer's input; marked; plain head above.
                let below = layer(&mut params, "below", WIDTH, WIDTH);
                let own = layer(&mut params, "own", INNER, WIDTH);
                let head = layer(&mut params, "head", 3, INNER);
                marked(&mut params, &[own.weight], scheme);
                let x = Var::constant(Tensor::from_vec(values(ROWS * WIDTH, 5), ROWS, WIDTH));
                let labels: Vec<u32> = (0..9).map(|i| i % 3).collect();

                let mut found = Gradients::new(&params);
                let mut tape = Tape::new(&context, &params, Mode { record: true, dropout: None });
                let hidden = tape.linear(&x, below, Activation::Identity).unwrap();
                let y = tape.linear(&hidden, own, activation).unwrap();
                let logits = tape.linear(&y, head, Activation::Identity).unwrap();
                let objective = Objective::default();
                let loss = tape.loss(&logits, Targets::Classes(&labels), &objective).unwrap().mean;
                let (values, value) = (y.value().to_vec(), loss.value()[0]);
                let hidden_rows = hidden.value().to_vec();
                tape.backward(&loss, 1.0, &mut found).unwrap();

                // The composition, from the marked layer up: rounded input and weight in the plain operations.
                let plain = rounded(&params, &context);
                let mut upper = Gradients::new(&plain);
                let input = rounded_rows(&hidden_rows, WIDTH, &context);
                let mut tape = Tape::new(&context, &plain, Mode { record: true, dropout: None });
                let y = tape.linear(&input, own, activation).unwrap();
                assert!(y.value()[..] == values[..], "{scheme:?} {activation:?} forward");
                let logits = tape.linear(&y, head, Activation::Identity).unwrap();
                let loss = tape.loss(&logits, Targets::Classes(&labels), &objective).unwrap().mean;
                assert_eq!(loss.value()[0].to_bits(), value.to_bits());
                tape.backward(&loss, 1.0, &mut upper).unwrap();
                let (found, upper) = (bits(&found, &params), bits(&upper, &plain));
                assert_eq!(found.len(), 6);
                for (name, wanted) in upper.iter().filter(|(name, _)| !name.starts_with("below")) {
                    let own = found.iter().find(|(n, _)| n == name);
                    assert!(own.is_some_and(|(_, g)| g == wanted), "{scheme:?} {activation:?} d{name}");
                }

                // In evaluation the packed weight gives the same; so it does after the weight was evaluated and changed.
                let eval = |params: &Params| {
                    let mut tape = Tape::new(&context, params, Mode::EVALUATE);
                    let hidden = tape.linear(&x, below, Activation::Identity).unwrap();
                    let y = tape.linear(&hidden, own, activation).unwrap();
                    y.value().to_vec()
                };
                assert!(eval(&params) == values && eval(&params) == values, "{scheme:?} evaluation");
                params.get_mut(own.weight).fake = None;
                assert!(
                    eval(&params) != values,
                    "{scheme:?}: without the mark the values are the plain ones"
                );
                params.get_mut(own.weight).fake = Some(scheme);
                params.get_mut(own.weight).trainable = false;
                assert!(eval(&params) == values, "{scheme:?}: the mark is back, the weight frozen");
            }
        }
    }
}

/// What flows back into the input of a layer, frozen or trained, is dy times the rounded weight, exactly.
#[test]
fn the_way_back_to_the_input_reads_the_rounded_weight() {
    let context = Context::default();
    for scheme in SCHEMES {
        for trainable in [true, false] {
            let mut params = Params::default();
            let below = layer(&mut params, "below", WIDTH, 1);
            let own = layer(&mut params, "own", 1, WIDTH);
            marked(&mut params, &[own.weight], scheme);
            params.get_mut(own.weight).trainable = trainable;
            let mut gradients = Gradients::new(&params);
            let mut tape = Tape::new(&context, &params, Mode { record: true, dropout: None });
            let x = Var::constant(Tensor::from_vec(vec![1.0], 1, 1));
            let hidden = tape.linear(&x, below, Activation::Identity).unwrap();
            let y = tape.linear(&hidden, own, Activation::Identity).unwrap();
            tape.backward(&y, 1.0, &mut gradients).unwrap();
            // dy is 1 and x is 1: the gradient of the weight below is the row of the weight above.
            let wanted = rounded(&params, &context).get(own.weight).value.clone();
            let found = gradients.get(below.weight).unwrap().values().to_vec();
            assert_eq!(found, wanted, "{scheme:?}, trained {trainable}");
            assert_eq!(gradients.get(own.weight).is_some(), trainable);
        }
    }
}

#[test]
fn embeddings_are_read_as_they_come_back() {
    let context = Context::default();
    for scheme in SCHEMES {
        // The table is larger and smaller than what is read of it.
        for (words, tokens) in [(50, 7), (5, 12)] {
            let mut params = Params::default();
            let [word, position] = ["word", "position"].map(|n| add(&mut params, n, &[words, WIDTH]));
            let [gamma, beta] = ["gamma", "beta"].map(|n| add(&mut params, n, &[WIDTH]));
            let head = layer(&mut params, "head", 1, WIDTH);
            marked(&mut params, &[word, position], scheme);
            let norm = Norm { gamma, beta, eps: 1e-12 };
            let tables = Embedding { word, position, token_type: None, norm, padding: Some(0) };
            let list =
                |f: &dyn Fn(usize) -> usize| -> Arc<[u32]> { (0..tokens).map(|i| f(i) as u32).collect() };
            let (ids, positions) = (list(&|i| i * 3 % words), list(&|i| i % 5));
            let types = list(&|_| 0);
            let run = |params: &Params| {
                let mut gradients = Gradients::new(params);
                let mut tape = Tape::new(&context, params, Mode { record: true, dropout: None });
                let x = tape.embed(tables, &ids, &positions, &types).unwrap();
                let values = x.value().to_vec();
                let pooled = tape.pool(&x, &Arc::from([0, tokens as u32]), filbert_engine::Pooling::Mean);
                let y = tape.linear(&pooled.unwrap(), head, Activation::Identity).unwrap();
                tape.backward(&y, 1.0, &mut gradients).unwrap();
                (values, gradients)
            };
            let plain = rounded(&params, &context);
            let ((found, gradients), (wanted, theirs)) = (run(&params), run(&plain));
            assert!(found == wanted, "{scheme:?} {words} words, {tokens} tokens");
            assert!(matches!(gradients.get(word), Some(Gradient::Rows(_))), "only the rows that were read");
            assert!(bits(&gradients, &params) == bits(&theirs, &plain), "{scheme:?} gradients");
            let mut tape = Tape::new(&context, &params, Mode::EVALUATE);
            let evaluated = tape.embed(tables, &ids, &positions, &types).unwrap();
            assert!(evaluated.value()[..] == found[..], "{scheme:?} evaluation");
        }
    }
}

#[test]
fn an_adapter_beside_a_marked_weight_is_refused() {
    let mut params = Params::default();
    let own = layer(&mut params, "own", 4, WIDTH);
    let (down, up) = (add(&mut params, "down", &[2, WIDTH]), add(&mut params, "up", &[4, 2]));
    marked(&mut params, &[own.weight], Scheme::Int8);
    let own = Linear { adapter: Some(Adapter { down, up, scale: 1.0, dropout: 0.0 }), ..own };
    let context = Context::default();
    let x = Var::constant(Tensor::from_vec(values(WIDTH, 1), 1, WIDTH));
    let error =
        Tape::new(&context, &params, Mode::EVALUATE).linear(&x, own, Activation::Identity).unwrap_err();
    assert!(matches!(&error, Error::FakeAdapter { parameter } if parameter == "own"), "{error}");
}
