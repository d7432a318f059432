//! What a student is taught by: a teacher's outputs, its hidden states, and the relations between its token vectors. All are
//! means whose gradient is formed on the way in, since a batch's teacher is not kept.

use std::sync::Arc;

use filbert_kernels::{
    RelationShape, relation_loss, soft_sigmoid_loss, soft_softmax_loss, squared_distances, squared_loss,
};

use super::attention::check_offsets;
use crate::tape::{Backward, NodeId, Pass};
use crate::{Error, Tape, Tensor, Var};

/// How a student's outputs are held against a teacher's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Soft {
    /// T² · KL of the softmaxes at a temperature: rows of one class each.
    Softmax(f32),
    /// The labels' mean T² · KL of the two probabilities at a temperature: rows of any number of labels.
    Sigmoid(f32),
    /// The squared difference: numbers.
    Squared,
}

struct Saved {
    input: Option<NodeId>,
    name: &'static str,
    /// The gradient of the sum of the parts' losses.
    d: Tensor,
    /// What the sum is multiplied by for the mean.
    share: f32,
}

impl Tape<'_> {
    /// The mean over rows of the loss of `student` against `teacher`, both `[rows, columns]`: `[1, 1]`.
    ///
    /// # Errors
    /// If the shapes differ, or there is no row.
    pub fn soft_loss(&mut self, student: &Var, teacher: &[f32], soft: Soft) -> Result<Var, Error> {
        let _timer = self.time("soft loss");
        let (rows, columns) = (student.value.rows(), student.value.cols());
        if teacher.len() != rows * columns || teacher.is_empty() {
            let wanted = (rows * columns).max(1);
            return Err(Error::Shape { op: "soft loss", what: "teacher", got: teacher.len(), wanted });
        }
        if soft == Soft::Squared && columns != 1 {
            return Err(Error::Shape { op: "soft loss", what: "outputs", got: columns, wanted: 1 });
        }
        let mut d = self.context.scratch(rows, columns);
        let mut losses = vec![0.0; rows];
        match soft {
            Soft::Softmax(t) => soft_softmax_loss(&student.value, teacher, t, &mut losses, &mut d),
            Soft::Sigmoid(t) => soft_sigmoid_loss(&student.value, teacher, t, &mut losses, &mut d),
            Soft::Squared => squared_loss(&student.value, teacher, &mut losses, &mut d),
        }
        Ok(self.mean(student, &losses, d, "soft loss"))
    }

    /// The mean over sequences of the mean squared difference of `student` and `teacher`, both `[tokens, width]`: `[1, 1]`.
    ///
    /// # Errors
    /// If the shapes or the offsets do not fit, or there is no sequence.
    pub fn hidden_loss(
        &mut self,
        student: &Var,
        teacher: &Tensor,
        offsets: &Arc<[u32]>,
    ) -> Result<Var, Error> {
        let _timer = self.time("hidden loss");
        let (tokens, width) = (student.value.rows(), student.value.cols());
        check_sequences("hidden loss", offsets, tokens)?;
        if (teacher.rows(), teacher.cols()) != (tokens, width) {
            let (got, wanted) = (teacher.len(), tokens * width);
            return Err(Error::Shape { op: "hidden loss", what: "teacher", got, wanted });
        }
        let mut d = self.context.scratch(tokens, width);
        let mut losses = vec![0.0; offsets.len() - 1];
        let both = (&student.value[..], &teacher[..]);
        squared_distances(self.context.isa(), both, (offsets, width), &mut losses, &mut d);
        Ok(self.mean(student, &losses, d, "hidden loss"))
    }

    /// The mean over sequences of how far the relations of `student`, `[tokens, width]`, are from those of `teacher`,
    /// `[tokens, teacher's width]`, in so many relation heads: `[1, 1]`.
    ///
    /// # Errors
    /// If the shapes or the offsets do not fit, the heads do not divide the widths, or there is no sequence.
    pub fn relation_loss(
        &mut self,
        student: &Var,
        teacher: &Tensor,
        offsets: &Arc<[u32]>,
        heads: usize,
    ) -> Result<Var, Error> {
        let _timer = self.time("relation loss");
        let (tokens, widths) = (student.value.rows(), (student.value.cols(), teacher.cols()));
        check_sequences("relation loss", offsets, tokens)?;
        if teacher.rows() != tokens {
            let (got, wanted) = (teacher.rows(), tokens);
            return Err(Error::Shape { op: "relation loss", what: "teacher's tokens", got, wanted });
        }
        if heads == 0 || !widths.0.is_multiple_of(heads) || !widths.1.is_multiple_of(heads) {
            let (got, wanted) = (heads, widths.0);
            return Err(Error::Shape { op: "relation loss", what: "heads", got, wanted });
        }
        let mut d = self.context.scratch(tokens, widths.0);
        let mut losses = vec![0.0; offsets.len() - 1];
        let both = (&student.value[..], &teacher[..]);
        let shape = RelationShape { offsets, heads, widths };
        relation_loss(self.context.isa(), both, shape, &mut losses, &mut d);
        Ok(self.mean(student, &losses, d, "relation loss"))
    }

    /// The sum of `[1, 1]` values, each times its factor: `[1, 1]`.
    ///
    /// # Errors
    /// If one is not a single number.
    pub fn weighted_sum(&mut self, terms: &[(Var, f32)]) -> Result<Var, Error> {
        if let Some((term, _)) = terms.iter().find(|(term, _)| term.value.len() != 1) {
            return Err(Error::Shape { op: "sum", what: "a term", got: term.value.len(), wanted: 1 });
        }
        let mut sum = self.context.scratch(1, 1);
        sum[0] = terms.iter().map(|(term, factor)| f64::from(term.value[0]) * f64::from(*factor)).sum::<f64>()
            as f32;
        let inputs: Vec<&Var> = terms.iter().map(|(term, _)| term).collect();
        if !self.records(&inputs, &[]) {
            return Ok(Var::constant(sum));
        }
        let inputs = terms.iter().map(|(term, factor)| (term.node, *factor)).collect();
        Ok(self.push(sum, Sum { inputs }))
    }

    /// The first `rows` rows of a matrix.
    ///
    /// # Errors
    /// If it has not so many.
    pub fn first_rows(&mut self, x: &Var, rows: usize) -> Result<Var, Error> {
        let (all, width) = (x.value.rows(), x.value.cols());
        if rows > all {
            return Err(Error::Shape { op: "first rows", what: "x", got: all, wanted: rows });
        }
        let mut y = self.context.scratch(rows, width);
        y.copy_from_slice(&x.value[..rows * width]);
        if !self.records(&[x], &[]) {
            return Ok(Var::constant(y));
        }
        Ok(self.push(y, FirstRows { input: x.node, all }))
    }

    /// The mean of losses whose sum has the gradient `d` by `of`.
    fn mean(&mut self, of: &Var, losses: &[f32], d: Tensor, name: &'static str) -> Var {
        let mut mean = self.context.scratch(1, 1);
        let sum: f64 = losses.iter().map(|&x| f64::from(x)).sum();
        mean[0] = (sum / losses.len() as f64) as f32;
        if !self.records(&[of], &[]) {
            return Var::constant(mean);
        }
        let share = 1.0 / losses.len() as f32;
        self.push(mean, Saved { input: of.node, name, d, share })
    }
}

/// Offsets of one sequence or more that end at the number of tokens.
fn check_sequences(op: &'static str, offsets: &[u32], tokens: usize) -> Result<(), Error> {
    check_offsets(op, offsets, tokens)?;
    if offsets.len() < 2 {
        return Err(Error::Shape { op, what: "sequences", got: 0, wanted: 1 });
    }
    Ok(())
}

impl Backward for Saved {
    fn name(&self) -> &'static str {
        self.name
    }

    fn backward(self: Box<Self>, dy: Tensor, pass: &mut Pass<'_>) {
        let scale = dy[0] * self.share;
        let mut d = self.d;
        for d in d.iter_mut() {
            *d *= scale;
        }
        pass.add(self.input, d);
    }
}

struct Sum {
    inputs: Vec<(Option<NodeId>, f32)>,
}

impl Backward for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn backward(self: Box<Self>, dy: Tensor, pass: &mut Pass<'_>) {
        for (node, factor) in self.inputs {
            let mut d = pass.context.scratch(1, 1);
            d[0] = dy[0] * factor;
            pass.add(node, d);
        }
    }
}

struct FirstRows {
    input: Option<NodeId>,
    all: usize,
}

impl Backward for FirstRows {
    fn name(&self) -> &'static str {
        "first rows"
    }

    fn backward(self: Box<Self>, dy: Tensor, pass: &mut Pass<'_>) {
        let mut d = pass.context.zeros(self.all, dy.cols());
        d[..dy.len()].copy_from_slice(&dy);
        pass.add(self.input, d);
    }
}
