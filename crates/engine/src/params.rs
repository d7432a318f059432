//! Named parameters: the weights of a model, in a fixed order, each with its shape and whether it is trained.

use std::collections::HashMap;

use crate::Error;

/// The place of a parameter in its [`Params`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ParamId(pub(crate) usize);

/// One named weight tensor.
#[derive(Clone, Debug)]
pub struct Param {
    /// The name, as checkpoints spell it.
    pub name: String,
    /// The shape, one or two extents.
    pub shape: Vec<usize>,
    /// The values, row-major.
    pub value: Vec<f32>,
    /// False for a frozen parameter: it gets no gradient and costs no way back.
    pub trainable: bool,
    /// True where weight decay applies.
    pub decay: bool,
    /// True for an embedding table whose gradient touches few rows.
    pub row_sparse: bool,
}

impl Param {
    /// The length of a row: the last extent of a matrix, everything of a vector.
    pub fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(1).max(1)
    }
}

/// The parameters of a model.
#[derive(Clone, Debug, Default)]
pub struct Params {
    list: Vec<Param>,
    by_name: HashMap<String, ParamId>,
}

impl Params {
    /// Adds a parameter.
    ///
    /// # Errors
    /// If the name is taken, or the values do not fill the shape.
    pub fn add(&mut self, param: Param) -> Result<ParamId, Error> {
        let wanted = param.shape.iter().product();
        if param.value.len() != wanted {
            return Err(Error::Shape { op: "parameter", what: "value", got: param.value.len(), wanted });
        }
        let id = ParamId(self.list.len());
        if self.by_name.insert(param.name.clone(), id).is_some() {
            return Err(Error::DuplicateParameter(param.name));
        }
        self.list.push(param);
        Ok(id)
    }

    /// The parameter at `id`.
    pub fn get(&self, id: ParamId) -> &Param {
        &self.list[id.0]
    }

    /// The parameter at `id`, to be changed.
    pub fn get_mut(&mut self, id: ParamId) -> &mut Param {
        &mut self.list[id.0]
    }

    /// The place of the parameter called `name`.
    pub fn id(&self, name: &str) -> Option<ParamId> {
        self.by_name.get(name).copied()
    }

    /// All parameters, in the order they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ParamId, &Param)> {
        self.list.iter().enumerate().map(|(i, p)| (ParamId(i), p))
    }

    /// All parameters, to be changed.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (ParamId, &mut Param)> {
        self.list.iter_mut().enumerate().map(|(i, p)| (ParamId(i), p))
    }

    /// The number of parameters' tensors.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn value(&self, id: ParamId) -> &[f32] {
        &self.list[id.0].value
    }

    pub(crate) fn trains(&self, id: ParamId) -> bool {
        self.list[id.0].trainable
    }
}
