//! Students from a teacher's layers, and the inner states that they are taught by.

use std::path::Path;

use filbert_engine::{Context, Gradients, Mode, Tape};
use filbert_model::architecture::BERT;
use filbert_model::{Batch, Config, Encoding, HeadSource, Network, Pooling, Taps, even_layers};

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny")
}

fn teacher(pooling: Pooling) -> Network {
    Network::load(&golden(), HeadSource::New { labels: 3, seed: 4 }, pooling).unwrap().0
}

fn batch() -> Batch {
    let rows: Vec<Encoding> = [vec![2, 7, 9, 3], vec![2, 3], vec![2, 30, 31, 32, 33, 3]]
        .into_iter()
        .map(|ids: Vec<u32>| Encoding { type_ids: vec![0; ids.len()], ids, truncated: false })
        .collect();
    Batch::new(&BERT, &rows)
}

#[test]
fn even_layers_end_with_the_last() {
    for (student, teacher, wanted) in [
        (3, 6, vec![1, 3, 5]),
        (4, 12, vec![2, 5, 8, 11]),
        (6, 12, vec![1, 3, 5, 7, 9, 11]),
        (1, 6, vec![5]),
        (5, 6, vec![1, 2, 3, 4, 5]),
        (6, 6, vec![0, 1, 2, 3, 4, 5]),
        (4, 2, vec![0, 0, 1, 1]),
        (0, 6, vec![]),
        (2, 0, vec![]),
    ] {
        assert_eq!(even_layers(student, teacher), wanted, "{student} of {teacher}");
    }
}

#[test]
fn a_student_of_all_layers_is_its_teacher() {
    for pooling in [Pooling::Pooler, Pooling::Cls, Pooling::Mean] {
        let teacher = teacher(pooling);
        let layers: Vec<usize> = (0..teacher.encoder().layers()).collect();
        let student = teacher.of_layers(&layers).unwrap();
        let context = Context::default();
        assert_eq!(student.logits(&context, &batch()).unwrap(), teacher.logits(&context, &batch()).unwrap());
        assert_eq!(student.parameters(), teacher.parameters());
        let trainable = |n: &Network| n.params.iter().filter(|(_, p)| p.trainable).count();
        assert_eq!(trainable(&student), trainable(&teacher), "{pooling:?}");
    }
}

#[test]
fn a_student_has_the_chosen_layers_under_new_numbers() {
    let teacher = teacher(Pooling::Pooler);
    let student = teacher.of_layers(&[1]).unwrap();
    assert_eq!((student.config.num_hidden_layers, student.encoder().layers()), (1, 1));
    let value = |network: &Network, name: &str| {
        let id = network.params.id(name).unwrap_or_else(|| panic!("no {name}"));
        network.params.get(id).value.clone()
    };
    let mut layers = 0;
    for (_, param) in student.params.iter() {
        let theirs = param.name.replace(".layer.0.", ".layer.1.");
        layers += usize::from(theirs != param.name);
        assert_eq!(param.value, value(&teacher, &theirs), "{}", param.name);
    }
    assert_eq!(layers, 16);
    let json = student.config.to_json_for_classifier(
        filbert_model::ProblemType::SingleLabel,
        &["a".into(), "b".into(), "c".into()],
    );
    assert!(json.contains("\"num_hidden_layers\": 1"), "{json}");
    for wrong in [vec![], vec![2], vec![1, 0], vec![0, 0]] {
        let error = teacher.of_layers(&wrong).unwrap_err().to_string();
        assert!(error.contains("0 to 1") && error.contains("teacher's 2"), "{error}");
    }
}

#[test]
fn taps_are_the_states_of_the_plain_way() {
    let network = teacher(Pooling::Pooler);
    let width = network.config.hidden_size;
    for recompute in [false, true] {
        let context = Context::default().with_recompute(recompute);
        let taps = Taps { hidden: vec![0, 1, 2], relations: Some(1) };
        let mut tape = Tape::new(&context, &network.params, Mode { record: true, dropout: None });
        let (logits, tapped) = network.forward_tapped(&mut tape, &batch(), &taps).unwrap();
        assert_eq!(logits.value().to_vec(), network.logits(&context, &batch()).unwrap());
        for (layers, state) in tapped.hidden.iter().enumerate() {
            let mut tape = Tape::new(&context, &network.params, Mode::EVALUATE);
            let plain = network.encoder().forward_through(&mut tape, &batch(), layers).unwrap();
            assert_eq!(state.value().to_vec(), plain.value().to_vec(), "after {layers} layers");
        }
        let relations = tapped.relations.unwrap();
        assert!(relations.iter().all(|x| x.value().rows() == 12 && x.value().cols() == width));
        // A gradient flows from a tap to what is below it, and to nothing above.
        let target = filbert_engine::Tensor::from_vec(vec![0.0; 12 * width], 12, width);
        let offsets = std::sync::Arc::from([0, 4, 6, 12]);
        let loss = tape.hidden_loss(&tapped.hidden[1], &target, &offsets).unwrap();
        let mut gradients = Gradients::new(&network.params);
        tape.backward(&loss, 1.0, &mut gradients).unwrap();
        let flows = |layer: usize| {
            network.encoder().layer_params(layer).iter().any(|&id| gradients.get(id).is_some())
        };
        assert!(flows(0) && !flows(1), "recompute {recompute}");

        let mut tape = Tape::new(&context, &network.params, Mode::EVALUATE);
        let alone =
            network.tapped(&mut tape, &batch(), &Taps { hidden: vec![1], relations: Some(0) }).unwrap();
        assert_eq!(alone.hidden[0].value().to_vec(), tapped.hidden[1].value().to_vec());
        assert!(alone.relations.is_some() && alone.hidden.len() == 1);
    }
}

#[test]
fn a_fresh_network_follows_its_configuration() {
    let config = Config::read(&golden().join("config.json")).unwrap();
    let network = Network::fresh(config.clone(), 5, Pooling::Mean, 3).unwrap();
    assert_eq!(network.logits(&Context::default(), &batch()).unwrap().len(), 15);
    let again = Network::fresh(config, 5, Pooling::Mean, 3).unwrap();
    let all = |n: &Network| n.params.iter().flat_map(|(_, p)| p.value.clone()).collect::<Vec<f32>>();
    assert_eq!(all(&network), all(&again));
    let error = Config::read(&golden().join("nothing.json")).unwrap_err().to_string();
    assert!(error.contains("nothing.json"), "{error}");
}
