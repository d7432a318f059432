//! What `filbert.json` says about how a model was trained.

use filbert_data::Table;
use filbert_model::Freeze;
use filbert_train::{Fitted, Warmup};
use serde_json::{Value, json};

use super::Setup;
use super::teacher::Teacher;
use crate::Trainer;
use crate::decision::decimal;

/// The record of a run.
pub(super) fn record(
    job: &Trainer,
    setup: &Setup,
    teacher: Option<(&Teacher, Option<&Table>)>,
    fitted: &Fitted,
    (seed, precision): (u64, &str),
) -> Value {
    let options = &job.options;
    let settings = options.settings();
    let splits = &setup.splits;
    let data = |table: &Table| json!({"file": table.source.file_name().map(|n| n.to_string_lossy()), "sha256": table.sha256, "rows": table.len()});
    let freeze = match &options.freeze {
        Freeze::None => "none".to_owned(),
        Freeze::Trunk => "trunk".to_owned(),
        Freeze::Embeddings => "embeddings".to_owned(),
        Freeze::Layers(n) => format!("layers:{n}"),
        Freeze::Names(patterns) => format!("names:{}", patterns.join(",")),
    };
    let model =
        job.model_name.clone().or_else(|| job.model.file_name().map(|n| n.to_string_lossy().into_owned()));
    let outputs = if setup.new_head { setup.classifier.labels.len() } else { 1 };
    json!({
        "model": teacher.map_or(model, |(teacher, _)| Some(teacher.student_name())),
        "distillation": teacher.map(|(teacher, unlabelled)| distillation(teacher, unlabelled.map(data).as_ref())),
        "train": data(&splits.train),
        "valid": splits.valid.as_ref().map(data),
        "test": splits.test.as_ref().map(data),
        "split": splits.how,
        "dedupe": options.dedupe.name(),
        "seed": seed,
        "settings": {
            "task": options.task.to_string(),
            "epochs": settings.epochs,
            "lr": decimal(settings.learning_rate),
            "head_lr": decimal(settings.learning_rate * options.head_factor(outputs)),
            "layer_decay": decimal(options.layer_decay),
            "batch_size": settings.batch_size,
            "accumulate": settings.accumulate,
            "max_length": setup.classifier.max_length,
            "windows": options.windows,
            "freeze": freeze,
            "lora": options.lora.as_ref().map(|l| json!({
                "rank": l.rank, "alpha": decimal(l.alpha), "dropout": decimal(l.dropout), "targets": l.targets,
            })),
            "fake": options.fake.map(|(embeddings, linears)| json!({
                "embeddings": embeddings.to_string(), "linears": linears.to_string(),
            })),
            "pooling": options.pooling,
            "class_weights": setup.class_weights(&options.class_weights).ok().flatten(),
            "label_smoothing": decimal(options.label_smoothing),
            "focal": decimal(options.focal),
            "select": options.select.name(),
            "patience": options.patience,
            "schedule": format!("{:?}", settings.decay).to_lowercase(),
            "warmup": match settings.warmup {
                Warmup::Share(share) => json!(share),
                Warmup::Steps(steps) => json!(format!("{steps} steps")),
            },
            "weight_decay": decimal(settings.adamw.weight_decay),
            "clip_norm": decimal(settings.adamw.clip_norm),
            "adam": {
                "beta1": decimal(settings.adamw.beta1),
                "beta2": decimal(settings.adamw.beta2),
                "eps": decimal(settings.adamw.eps),
            },
            "precision": precision,
        },
        "best_epoch": fitted.best_epoch,
        "command": options.record,
    })
}

/// How a student was taught.
fn distillation(teacher: &Teacher, unlabelled: Option<&Value>) -> Value {
    let teaching = &teacher.told.teaching;
    json!({
        "teacher": teacher.name,
        "temperature": decimal(teaching.temperature),
        "alpha": decimal(teaching.alpha),
        "hidden": decimal(teaching.hidden),
        "attention": decimal(teaching.attention),
        "relation_heads": teaching.relation_heads,
        "unlabelled": unlabelled,
    })
}
