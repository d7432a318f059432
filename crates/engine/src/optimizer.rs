//! AdamW over named parameters, with gradient clipping and exact sparse handling of embedding tables.
//!
//! A row of a table that never had a gradient has zero moments: dense AdamW would only shrink it by the weight
//! decay. Such rows are left alone, and the decay they owe is kept as one factor, paid before a row is next read:
//! by [`Optimizer::touch`] for the rows of a batch, by [`Optimizer::settle`] for all. A row that once had a gradient
//! is updated in every step, as dense AdamW does.

use filbert_kernels::{AdamW, AdamWUpdate, Isa, RowUpdate, adamw_update, adamw_update_rows, sum_of_squares};

use crate::profile::Phase;
use crate::{Context, Error, Gradient, Gradients, ParamId, Params};

/// The constants of AdamW.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWSettings {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Weight decay, for the parameters that have it.
    pub weight_decay: f32,
    /// The norm that all gradients together are clipped to; infinity for none.
    pub clip_norm: f32,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01, clip_norm: 1.0 }
    }
}

/// The moments of the parameters, and the number of updates so far.
#[derive(Clone, Debug)]
pub struct Optimizer {
    settings: AdamWSettings,
    step: u64,
    states: Vec<State>,
}

/// What the optimizer holds of one parameter.
#[derive(Clone, Copy, Debug)]
pub struct Moments<'a> {
    /// First moments, as the parameter.
    pub m: &'a [f32],
    /// Second moments, as the parameter.
    pub v: &'a [f32],
    /// For an embedding table, which rows ever had a gradient; the moments of others are zero.
    pub touched: Option<&'a [bool]>,
    /// What the other rows are still to be multiplied by.
    pub owed: f64,
}

#[derive(Clone, Debug, Default)]
struct State {
    m: Vec<f32>,
    v: Vec<f32>,
    /// For a table: which rows ever had a gradient, and what the others are to be multiplied by.
    touched: Vec<bool>,
    owed: f64,
    /// Where a row's gradient stands in the current step.
    place: Vec<u32>,
}

impl Optimizer {
    /// For the parameters of `params`, all moments zero.
    pub fn new(params: &Params, settings: AdamWSettings) -> Self {
        Self { settings, step: 0, states: vec![State { owed: 1.0, ..State::default() }; params.len()] }
    }

    /// What it holds of a parameter; none before its first update.
    pub fn moments(&self, id: ParamId) -> Option<Moments<'_>> {
        let state = self.states.get(id.index()).filter(|state| !state.m.is_empty())?;
        let touched = (!state.touched.is_empty()).then_some(&state.touched[..]);
        Some(Moments { m: &state.m, v: &state.v, touched, owed: state.owed })
    }

    /// Sets the number of updates so far.
    pub fn set_step_count(&mut self, step: u64) {
        self.step = step;
    }

    /// Puts back what [`moments`](Self::moments) gave, `m` and `v` as long as the parameter, `touched` a flag for each of its
    /// rows.
    ///
    /// # Errors
    /// If a length does not fit.
    pub fn restore(&mut self, params: &Params, id: ParamId, moments: Moments<'_>) -> Result<(), Error> {
        let param = params.get(id);
        let (len, width) = (param.value.len(), param.width());
        let shape = |what, got, wanted| Err(Error::Shape { op: "optimizer", what, got, wanted });
        if moments.m.len() != len || moments.v.len() != len {
            return shape("moments", moments.m.len().min(moments.v.len()), len);
        }
        let rows = moments.touched.map_or(0, <[bool]>::len);
        let wanted = if param.row_sparse { len / width } else { 0 };
        if rows != wanted {
            return shape("touched rows", rows, wanted);
        }
        let state = &mut self.states[id.index()];
        state.reserve(len, param.row_sparse.then_some(width));
        state.touched = moments.touched.map(<[bool]>::to_vec).unwrap_or_default();
        state.owed = moments.owed;
        // A row that never had a gradient has no moments, and its memory stays untouched.
        for (to, from) in [(&mut state.m, moments.m), (&mut state.v, moments.v)] {
            for (to, from) in to.chunks_mut(width).zip(from.chunks(width)) {
                if from.iter().any(|&x| x != 0.0) {
                    to.copy_from_slice(from);
                }
            }
        }
        Ok(())
    }

    /// The number of updates so far.
    pub const fn step_count(&self) -> u64 {
        self.step
    }

    /// Pays the decay that `rows` of a table owe and marks them as in use. To be called before a batch reads them.
    pub fn touch(&mut self, params: &mut Params, id: ParamId, rows: &[u32]) {
        let param = params.get(id);
        if !param.trainable || !param.row_sparse {
            return;
        }
        let param = params.get_mut(id);
        let (width, state) = (param.width(), &mut self.states[id.0]);
        state.reserve(param.value.len(), Some(width));
        let factor = state.owed as f32;
        for &row in rows {
            let row = row as usize;
            if state.touched.get(row).is_some_and(|touched| !touched) {
                state.touched[row] = true;
                if factor != 1.0 {
                    param.value[row * width..(row + 1) * width].iter_mut().for_each(|x| *x *= factor);
                }
            }
        }
    }

    /// Pays all decay that is owed. To be called before the weights are evaluated or saved.
    pub fn settle(&mut self, params: &mut Params) {
        for (id, param) in params.trained_mut() {
            let state = &mut self.states[id.0];
            if state.owed != 1.0 {
                let (width, factor) = (param.width(), state.owed as f32);
                let rows = param.value.chunks_mut(width).zip(&state.touched);
                rows.filter(|(_, touched)| !**touched)
                    .for_each(|(row, _)| row.iter_mut().for_each(|x| *x *= factor));
                state.owed = 1.0;
            }
        }
    }

    /// One update of every trained parameter with learning rate `lr`; returns the norm of all gradients together
    /// before clipping.
    ///
    /// # Errors
    /// If a gradient is not finite; no parameter has changed then.
    pub fn step(
        &mut self,
        context: &Context,
        params: &mut Params,
        gradients: &Gradients,
        lr: f32,
    ) -> Result<f32, Error> {
        let isa = context.isa();
        let timer = context.time(Phase::Update, "norm of the gradients");
        let mut squares = 0.0;
        for (id, param) in params.iter().filter(|(_, p)| p.trainable) {
            let sum = gradients.get(id).map_or(0.0, |g| sum_of_squares(isa, g.values()));
            if !sum.is_finite() {
                return Err(Error::NotFinite { parameter: param.name.clone(), step: self.step + 1 });
            }
            squares += sum;
        }
        let norm = squares.sqrt() as f32;
        drop(timer);
        let _timer = context.time(Phase::Update, "AdamW");
        // The small constant is PyTorch's clip_grad_norm_'s.
        let gradient_scale = (self.settings.clip_norm / (norm + 1e-6)).min(1.0);
        self.step += 1;
        let AdamWSettings { beta1, beta2, eps, weight_decay, .. } = self.settings;
        for (id, param) in params.trained_mut() {
            let decay = if param.decay { weight_decay } else { 0.0 };
            let lr = lr * param.lr_scale;
            let adam = AdamW { lr, beta1, beta2, eps, decay, step: self.step, gradient_scale };
            let (width, state) = (param.width(), &mut self.states[id.0]);
            state.reserve(param.value.len(), param.row_sparse.then_some(width));
            let update = adam.prepare();
            match gradients.get(id) {
                Some(Gradient::Dense(g)) if state.touched.is_empty() => {
                    adamw_update(isa, &mut param.value, &mut state.m, &mut state.v, Some(g), &update);
                }
                None if state.touched.is_empty() => {
                    adamw_update(isa, &mut param.value, &mut state.m, &mut state.v, None, &update);
                }
                gradient => {
                    state.update_rows(isa, &mut param.value, gradient, width, &update);
                    state.owed *= 1.0 - f64::from(lr) * f64::from(decay);
                }
            }
        }
        Ok(norm)
    }
}

impl State {
    /// Moments for `len` elements, and for a table with rows of `width` a flag per row.
    fn reserve(&mut self, len: usize, width: Option<usize>) {
        if self.m.is_empty() {
            // Fresh zeroed memory is not backed by pages until a row is touched.
            self.m = vec![0.0; len];
            self.v = vec![0.0; len];
            self.touched = width.map(|width| vec![false; len / width]).unwrap_or_default();
        }
    }

    fn update_rows(
        &mut self,
        isa: Isa,
        table: &mut [f32],
        gradient: Option<&Gradient>,
        width: usize,
        update: &AdamWUpdate,
    ) {
        let factor = self.owed as f32;
        let values = gradient.map_or(&[][..], Gradient::values);
        let rows = match gradient {
            Some(Gradient::Rows(sums)) => &sums.rows[..],
            _ => &[],
        };
        let is_dense = matches!(gradient, Some(Gradient::Dense(_)));
        self.place.resize(self.touched.len(), NOWHERE);
        for (i, &row) in rows.iter().enumerate() {
            self.place[row as usize] = i as u32;
        }
        let (touched, place) = (&self.touched, &self.place);
        adamw_update_rows(isa, (table, &mut self.m, &mut self.v), width, update, |row| {
            let at = match place[row] {
                NOWHERE if is_dense => Some(row),
                NOWHERE => None,
                at => Some(at as usize),
            };
            match (at, touched[row]) {
                (None, false) => RowUpdate::Skip,
                (None, true) => RowUpdate::Update(1.0, None),
                (Some(at), touched) => {
                    let owed = if touched { 1.0 } else { factor };
                    RowUpdate::Update(owed, Some(&values[at * width..(at + 1) * width]))
                }
            }
        });
        if is_dense {
            self.touched.fill(true);
        }
        for &row in rows {
            self.touched[row as usize] = true;
            self.place[row as usize] = NOWHERE;
        }
    }
}

/// The place of a row that has no gradient.
const NOWHERE: u32 = u32::MAX;
