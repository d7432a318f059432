//! Named parameters: the weights of a model, in a fixed order, each with its shape and whether it is trained.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use filbert_kernels::quant::{Scheme, fake_quantize};
use filbert_kernels::{
    ExpandedInt8, Isa, Packed, PackedInt8, Precision, QuantizedMatrix, Weight, pack_weight,
};

use crate::{Context, Error, Tensor};

/// The place of a parameter in its [`Params`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ParamId(pub(crate) usize);

impl ParamId {
    /// Its position in the order of the parameters.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// One named weight tensor.
#[derive(Clone, Debug)]
pub struct Param {
    /// The name, as checkpoints spell it.
    pub name: String,
    /// The shape, one or two extents.
    pub shape: Vec<usize>,
    /// The values, row-major; none where it is a matrix of few bits.
    pub value: Vec<f32>,
    /// The matrix of few bits in place of values. It is never trained.
    pub quantized: Option<Arc<QuantizedMatrix>>,
    /// The scheme of few bits that the parameter is trained for. A linear layer's weight and an embedding table are then read
    /// as they come back from it, and the layer's input as it comes back from int8 by row; gradients pass through the rounding
    /// as if it were not there (the straight-through estimator, Bengio, Léonard and Courville 2013). Without effect on a matrix
    /// of few bits and on other parameters. Int4 must have a group that the format has.
    pub fake: Option<Scheme>,
    /// False for a frozen parameter: it gets no gradient and costs no way back.
    pub trainable: bool,
    /// True where weight decay applies.
    pub decay: bool,
    /// True for an embedding table whose gradient touches few rows.
    pub row_sparse: bool,
    /// What the learning rate is multiplied by for this parameter.
    pub lr_scale: f32,
}

impl Param {
    /// The number of its values.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// The length of a row: the last extent of a matrix, everything of a vector.
    pub fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(1).max(1)
    }

    /// True where what is read of a row depends on other rows too: it is trained for a scheme whose scales rows share.
    pub fn rows_share_scales(&self) -> bool {
        match self.fake {
            None | Some(Scheme::Int8) => false,
            Some(Scheme::Int4 { group }) => !self.width().is_multiple_of(group.max(1)),
            Some(Scheme::Nf4) => true,
        }
    }
}

/// The parameters of a model.
///
/// Beside each weight stands what was made of it for its products, until the weight is next handed out to be changed.
#[derive(Clone, Debug, Default)]
pub struct Params {
    list: Vec<Param>,
    by_name: HashMap<String, ParamId>,
    packed: Vec<PackedOnce>,
    quantized: bool,
}

/// What was made of a weight, where it was asked for.
#[derive(Clone, Debug, Default)]
struct PackedOnce {
    /// Packed for products in f32 and in bfloat16.
    floats: [OnceLock<Packed>; 2],
    /// Packed for products in int8.
    int8: OnceLock<Arc<PackedInt8>>,
    /// The values that come back from few bits.
    fake: OnceLock<Arc<Tensor>>,
}

/// A weight of few bits, packed for products.
#[derive(Debug)]
pub(crate) enum Int8Weight {
    Kept(Arc<PackedInt8>),
    Expanded(ExpandedInt8),
}

impl Deref for Int8Weight {
    type Target = PackedInt8;

    fn deref(&self) -> &PackedInt8 {
        match self {
            Self::Kept(weight) => weight,
            Self::Expanded(weight) => weight,
        }
    }
}

impl Params {
    /// Adds a parameter.
    ///
    /// # Errors
    /// If the name is taken, or the values do not fill the shape.
    pub fn add(&mut self, param: Param) -> Result<ParamId, Error> {
        let wanted = param.count();
        let got = match &param.quantized {
            Some(matrix) if param.value.is_empty() && !param.trainable => matrix.rows() * matrix.columns(),
            _ => param.value.len(),
        };
        if got != wanted {
            return Err(Error::Shape { op: "parameter", what: "value", got, wanted });
        }
        let id = ParamId(self.list.len());
        if self.by_name.contains_key(&param.name) {
            return Err(Error::DuplicateParameter(param.name));
        }
        self.by_name.insert(param.name.clone(), id);
        self.quantized |= param.quantized.is_some();
        self.list.push(param);
        self.packed.push(PackedOnce::default());
        Ok(id)
    }

    /// The parameter at `id`.
    pub fn get(&self, id: ParamId) -> &Param {
        &self.list[id.0]
    }

    /// The parameter at `id`, to be changed.
    pub fn get_mut(&mut self, id: ParamId) -> &mut Param {
        self.packed[id.0] = PackedOnce::default();
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

    /// The parameters that are trained, to be changed.
    pub(crate) fn trained_mut(&mut self) -> impl Iterator<Item = (ParamId, &mut Param)> {
        let all = self.list.iter_mut().zip(&mut self.packed).enumerate();
        all.filter(|(_, (p, _))| p.trainable).map(|(i, (p, packed))| {
            *packed = PackedOnce::default();
            (ParamId(i), p)
        })
    }

    /// The weight of shape (inputs, outputs), as a product reads it, packed for products of this context. It is packed once,
    /// until [`get_mut`](Self::get_mut) or an update hands it out to be changed.
    pub(crate) fn packed(&self, id: ParamId, context: &Context, shape: (usize, usize)) -> Weight<'_> {
        let (isa, precision) = (context.isa(), context.precision());
        let pack = |value: &[f32]| pack_weight(isa, precision, value, shape);
        let once = &self.packed[id.0];
        let packed = once.floats[usize::from(precision != Precision::F32)].get_or_init(|| {
            match self.list[id.0].fake.filter(|_| once.fake.get().is_none()) {
                // The packed weight is all that inference needs.
                Some(scheme) => pack(&self.rounded(id, scheme, context)),
                None => pack(self.read(id, context)),
            }
        });
        Weight::Packed(packed)
    }

    /// The values as a forward pass reads them: those of a parameter that is trained for few bits as they come back from there,
    /// once until it is next changed.
    pub(crate) fn read(&self, id: ParamId, context: &Context) -> &[f32] {
        match self.list[id.0].fake {
            None => self.value(id),
            Some(scheme) => {
                self.packed[id.0].fake.get_or_init(|| Arc::new(self.rounded(id, scheme, context)))
            }
        }
    }

    fn rounded(&self, id: ParamId, scheme: Scheme, context: &Context) -> Tensor {
        let param = &self.list[id.0];
        let width = param.width();
        let mut rounded = context.scratch(param.value.len() / width, width);
        fake_quantize(context.isa(), scheme, &param.value, width, &mut rounded);
        rounded
    }

    /// The matrix of few bits at `id`, if it is one.
    pub(crate) fn quantized(&self, id: ParamId) -> Option<&Arc<QuantizedMatrix>> {
        self.list[id.0].quantized.as_ref()
    }

    /// The same packed for products: eight bits once and for all, fewer for this use.
    pub(crate) fn packed_int8(&self, id: ParamId, matrix: &QuantizedMatrix, isa: Isa) -> Int8Weight {
        if matrix.is_four_bit() {
            return Int8Weight::Expanded(matrix.expand(isa));
        }
        let once = &self.packed[id.0].int8;
        Int8Weight::Kept(Arc::clone(once.get_or_init(|| Arc::new(matrix.pack(isa)))))
    }

    /// True where any parameter is a matrix of few bits.
    pub const fn has_quantized(&self) -> bool {
        self.quantized
    }

    /// Frees what was made of the weights for products.
    pub fn release_packed(&mut self) {
        self.packed.fill_with(PackedOnce::default);
    }

    /// Removes the parameters from the `len`-th on, which nothing may use any more.
    pub fn truncate(&mut self, len: usize) {
        for param in self.list.drain(len.min(self.list.len())..) {
            self.by_name.remove(&param.name);
        }
        self.packed.truncate(len);
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
