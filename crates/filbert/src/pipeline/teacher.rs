//! The teacher of a run: what it decides for its student, the student that starts from it, and the lesson it gives.

use std::collections::HashSet;
use std::path::Path;

use filbert_data::{ReadOptions, Reader, Table, Task, canonical};
use filbert_engine::Context;
use filbert_model::folder::{Folder, hex};
use filbert_model::{Config, HeadSource, LoadReport, Network, ProblemType, Tokenizer, even_layers};
use filbert_train::{Lesson, Teaching, Texts};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::setup::{Setup, weights_hash};
use crate::distillation::{Distillation, Size, Student};
use crate::tokens::tokenize;
use crate::trainer::Trainer;
use crate::{Classifier, Error, Watch};

/// A loaded teacher.
pub(crate) struct Teacher {
    pub(crate) classifier: Classifier,
    pub(crate) name: String,
    pub(crate) told: Distillation,
}

/// A lesson, and what identifies it to a checkpoint.
pub(crate) struct Given<'a> {
    pub(crate) lesson: Lesson<'a>,
    pub(crate) identity: Value,
    /// The rows without labels.
    pub(crate) unlabelled: Option<Table>,
}

/// A network to be trained.
pub(crate) struct Start {
    pub(crate) network: Network,
    pub(crate) report: LoadReport,
    /// True where the classifier is new.
    pub(crate) new_head: bool,
}

impl Teacher {
    /// Loads the classifier that a run names.
    pub(crate) fn load(job: &Trainer, told: &Distillation, watch: &mut dyn Watch) -> Result<Self, Error> {
        told.teaching.check()?;
        if job.options.lora.is_some() {
            return Err(Error::Usage(
                "a student is trained itself: adapters (--lora) are not for distilling",
            ));
        }
        watch.stage("loading the teacher");
        let classifier = Classifier::load(&job.model)?;
        let folder = job.model.file_name().map(|n| n.to_string_lossy().into_owned());
        let name = job.model_name.clone().or(folder).unwrap_or_default();
        let size = Size::of(&classifier.network);
        watch.note(&format!(
            "the teacher has {} layers of width {} and {} parameters; labels, longest row and pooling are its",
            size.layers, size.width, size.parameters
        ));
        Ok(Self { classifier, name, told: told.clone() })
    }

    /// The run with what the teacher decides: task, columns (where the rows have its), longest row, windows, pooling and the
    /// positive label.
    pub(crate) fn job(&self, job: &Trainer) -> Result<Trainer, Error> {
        let teacher = &self.classifier;
        let mut job = job.clone();
        let rows = job.files.data.as_ref().map(|(path, _)| path).or(job.files.train.as_ref());
        let columns = rows.map(|path| columns(path)).transpose()?.unwrap_or_default();
        let options = &mut job.options;
        options.task = match (teacher.task, options.task) {
            (ProblemType::Regression, _) => Task::Regression,
            (ProblemType::MultiLabel, told @ Task::Multi { .. }) => told,
            (ProblemType::MultiLabel, _) => Task::Multi { separator: None },
            _ => Task::Single,
        };
        options.text = options.text.take().or_else(|| teacher.text_columns_in(&columns));
        let label = teacher.label_column().filter(|name| columns.iter().any(|c| c == name));
        options.label = options.label.take().or_else(|| label.map(str::to_owned));
        options.max_length = Some(teacher.max_length);
        options.windows = teacher.settings.windows;
        options.pooling = teacher.pooling();
        let binary = teacher.task == ProblemType::SingleLabel && teacher.labels.len() == 2;
        options.positive = teacher.positive_label().filter(|_| binary).map(str::to_owned);
        Ok(job)
    }

    /// The teacher's layers, from 0, that the student's are, where it is made of them.
    fn layers(&self) -> Option<Vec<usize>> {
        match &self.told.student {
            Student::Even(layers) => Some(even_layers(*layers, self.classifier.network.encoder().layers())),
            Student::Layers(layers) => Some(layers.clone()),
            _ => None,
        }
    }

    /// What the student starts from, in words.
    pub(crate) fn student_name(&self) -> String {
        let file = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match (&self.told.student, self.layers()) {
            (Student::Checkpoint(path), _) => file(path),
            (Student::Config(path), _) => format!("new weights after {}", file(path)),
            (_, layers) => {
                let layers: Vec<String> =
                    layers.unwrap_or_default().iter().map(ToString::to_string).collect();
                format!("layers {} of {}", layers.join(", "), self.name)
            }
        }
    }

    /// The student before its first update.
    pub(crate) fn student(&self, seed: u64) -> Result<Start, Error> {
        let teacher = &self.classifier.network;
        let (labels, pooling) = (self.classifier.labels.len(), self.classifier.pooling());
        let all = teacher.encoder().layers();
        let start = match &self.told.student {
            Student::Even(layers) if *layers == 0 || *layers > all => {
                return Err(Error::Folder {
                    folder: self.classifier.folder.display().to_string(),
                    problem: format!(
                        "a student of {layers} layers cannot be made of {all}: ask for 1 to {all}"
                    ),
                });
            }
            Student::Even(_) | Student::Layers(_) => {
                let network = teacher.of_layers(&self.layers().unwrap_or_default())?;
                Start { network, report: LoadReport::default(), new_head: false }
            }
            Student::Checkpoint(path) => self.checkpoint(path, seed)?,
            Student::Config(path) => {
                let config = Config::read(path)?;
                let wanted = teacher.config.vocab_size;
                if config.vocab_size != wanted {
                    return Err(wrong(
                        path,
                        format!(
                            "vocab_size is {}, the teacher's is {wanted}: a student reads the teacher's tokens, set it to {wanted}",
                            config.vocab_size
                        ),
                    ));
                }
                let network = Network::fresh(config, labels, pooling, seed)?;
                let new = network.params.iter().map(|(_, p)| p.name.clone()).collect();
                Start { network, report: LoadReport { new, skipped: Vec::new() }, new_head: true }
            }
        };
        if let Student::Checkpoint(path) | Student::Config(path) = &self.told.student {
            let (limit, longest) = (start.network.max_tokens(), self.classifier.max_length);
            if limit < longest {
                return Err(wrong(
                    path,
                    format!(
                        "it has positions for {limit} tokens and the teacher reads rows of {longest}: a student needs as many"
                    ),
                ));
            }
        }
        Ok(start)
    }

    /// A student from a folder, which must have the teacher's vocabulary.
    fn checkpoint(&self, path: &Path, seed: u64) -> Result<Start, Error> {
        let folder = Folder::open(path)?;
        let settings = folder.filbert_or_default();
        let teacher = &self.classifier;
        let config = Config::load(path)?;
        if config.vocab_size != teacher.network.config.vocab_size {
            return Err(wrong(
                path,
                format!(
                    "its vocabulary has {} tokens, the teacher's {}: a student reads the teacher's tokens",
                    config.vocab_size, teacher.network.config.vocab_size
                ),
            ));
        }
        let (own, their) = (Tokenizer::load(path)?, &teacher.tokenizer);
        let largest = own.largest_id().max(their.largest_id());
        if let Some(id) = (0..=largest).find(|&id| own.id_to_token(id) != their.id_to_token(id)) {
            let token = |t: &Tokenizer| t.id_to_token(id).unwrap_or_else(|| "nothing".to_owned());
            return Err(wrong(
                path,
                format!(
                    "its token {id} is {:?}, the teacher's {:?}: a student reads the teacher's tokens",
                    token(&own),
                    token(their)
                ),
            ));
        }
        let pooling = teacher.pooling();
        let stored = config.has_head()
            && config.labels == teacher.labels
            && config.task()?.0 == teacher.task
            && settings.pooling == pooling;
        let labels = teacher.labels.len();
        let head = if stored { HeadSource::Stored } else { HeadSource::New { labels, seed } };
        let (network, report) = Network::load(folder.path(), head, pooling)?;
        Ok(Start { network, report, new_head: !stored })
    }

    /// Lets the teacher read all rows once.
    pub(crate) fn lesson<'a>(
        &'a self,
        setup: &Setup,
        context: &Context,
        watch: &mut dyn Watch,
    ) -> Result<Given<'a>, Error> {
        self.tell_of_other_rows(setup, watch);
        let unlabelled = self.unlabelled(setup, watch)?;
        let (table, texts) = match unlabelled {
            Some((table, texts)) => (Some(table), texts),
            None => (None, Texts::default()),
        };
        let identity = json!({
            "the teacher": hex(&weights_hash(&self.classifier.network).finalize()),
            "the unlabelled rows": hex(&texts_hash(&texts).finalize()),
            "what is taught": format!("{:?} {:?}", Teaching { memory: 0, ..self.told.teaching }, self.layers()),
        });
        watch.stage("the teacher reads the rows");
        let all = setup.train.texts.encodings.len() + texts.encodings.len();
        let mut stop = |n| {
            watch.rows(n, all);
            watch.stop()
        };
        let network = &self.classifier.network;
        let mut lesson =
            Lesson::new(network, context, &setup.train.texts, texts, self.told.teaching, &mut stop)?;
        if let Some(layers) = self.layers() {
            lesson = lesson.with_layers(layers);
        }
        if let Some(scale) = setup.scale {
            lesson.scale_outputs(1.0 / scale.deviation, -scale.mean / scale.deviation);
        }
        Ok(Given { lesson, identity, unlabelled: table })
    }

    /// Reads the rows without labels; those that are in validation or test too are left out.
    fn unlabelled(&self, setup: &Setup, watch: &mut dyn Watch) -> Result<Option<(Table, Texts)>, Error> {
        let Some(path) = &self.told.unlabelled else { return Ok(None) };
        let first = &setup.splits.train;
        let columns = columns(path)?;
        let known = first.text_columns.iter().all(|name| columns.contains(name));
        let text = known.then(|| first.text_columns.clone());
        let table = Table::read(path, &ReadOptions { text, ..ReadOptions::default() })?;
        for note in &table.notes {
            watch.note(&format!("{}: {note}", table.source.display()));
        }
        if table.pairs.is_some() != first.pairs.is_some() {
            let problem =
                "single texts and pairs of texts do not go together: it must be as the training rows";
            return Err(wrong(path, problem.to_owned()));
        }
        let key = |table: &Table, row: usize| {
            let pair = table.pairs.as_ref().map(|pairs| canonical(&pairs[row]));
            (canonical(&table.texts[row]), pair)
        };
        let held: HashSet<_> = [&setup.splits.valid, &setup.splits.test]
            .into_iter()
            .flatten()
            .flat_map(|table| (0..table.len()).map(move |row| key(table, row)))
            .collect();
        let kept: Vec<usize> = (0..table.len()).filter(|&row| !held.contains(&key(&table, row))).collect();
        let left_out = table.len() - kept.len();
        if left_out > 0 {
            watch.note(&format!(
                "{left_out} of {} rows without labels are validation or test rows too and were left out",
                table.len()
            ));
        }
        let table = table.subset(&kept);
        let texts =
            tokenize(&table, &setup.classifier.tokenizer, setup.classifier.lengths(), "unlabelled", watch)?;
        watch.note(&format!("{} rows without labels", table.len()));
        Ok(Some((table, texts)))
    }

    /// Says so where the teacher was trained on another part of the file that is measured on.
    fn tell_of_other_rows(&self, setup: &Setup, watch: &mut dyn Watch) {
        let training = &self.classifier.settings.training;
        let (hash, how) = (training["train"]["sha256"].as_str(), training["split"].as_str());
        let splits = &setup.splits;
        let measured = [&splits.valid, &splits.test].into_iter().flatten();
        let shares = measured.into_iter().any(|table| hash == Some(table.sha256.as_str()));
        let same = how == Some(splits.how.as_str())
            && training["train"]["rows"].as_u64() == Some(splits.train.len() as u64);
        if hash.is_some() && shares && !same {
            watch.note(
                "the teacher was trained on another split of this file, so on rows that are measured here: its figures, and what \
                 it teaches, flatter; split as its run did (the same file, --split, --split-by, --dedupe and --seed)",
            );
        }
    }
}

/// The columns of a file; of what can be read only once, such as a pipe, none.
fn columns(path: &Path) -> Result<Vec<String>, Error> {
    if !path.is_file() {
        return Ok(Vec::new());
    }
    Ok(Reader::open(path, None)?.columns().to_vec())
}

fn wrong(path: &Path, problem: String) -> Error {
    Error::Folder { folder: path.display().to_string(), problem }
}

/// A hash of tokenized texts.
pub(super) fn texts_hash(texts: &Texts) -> Sha256 {
    let mut hash = Sha256::new();
    for encoding in &texts.encodings {
        hash.update((encoding.ids.len() as u64).to_le_bytes());
        encoding.ids.iter().chain(&encoding.type_ids).for_each(|id| hash.update(id.to_le_bytes()));
    }
    hash.update(format!("{:?}", texts.starts));
    hash
}
