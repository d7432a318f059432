//! From f32 weights to the tensors that hold them in few bits.

use std::collections::BTreeMap;
use std::path::Path;

use filbert_engine::quant::{Fit, Int4, Int8, Nf4, QuantError};

use super::{SCALE_OFFSET, SCALE_SCALES, SCALES, Scheme, part};
use crate::error::{Error, Result};
use crate::safetensors::{Data, Dtype, Tensor};

/// How scales are chosen where a scheme has a choice.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Importance {
    /// The largest value of a row or group becomes the largest code: what training for few bits computes with.
    Largest,
    /// The least squared error.
    #[default]
    Equal,
    /// The least squared error, in which a column of a named weight counts as much as the mean square of the input that it
    /// multiplies.
    Known(BTreeMap<String, Vec<f32>>),
}

impl Importance {
    fn fit(&self, name: &str) -> Fit<'_> {
        match self {
            Self::Largest => Fit::Largest,
            Self::Equal => Fit::Search { importance: None },
            Self::Known(columns) => Fit::Search { importance: columns.get(name).map(Vec::as_slice) },
        }
    }
}

/// The tensors of a matrix in few bits.
///
/// # Errors
/// Weights that are not finite, or too large for the scheme; `path` is the file that errors name.
pub fn encode(
    name: &str,
    scheme: Scheme,
    values: &[f32],
    (rows, columns): (usize, usize),
    importance: &Importance,
    path: &Path,
) -> Result<Vec<Tensor<'static>>> {
    let bad = |error: QuantError| Error::BadQuantized {
        file: path.to_path_buf(),
        problem: format!("{name}: {error}"),
    };
    let tensor = |part_name: Option<&str>, shape: Vec<usize>, dtype, bytes| Tensor {
        name: part_name.map_or_else(|| name.to_owned(), |p| part(name, p)),
        shape,
        data: Data::Bytes(dtype, bytes),
    };
    let floats = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    Ok(match scheme {
        Scheme::Int8 => {
            let Int8 { codes, scales } = Int8::encode(values, columns, importance.fit(name)).map_err(bad)?;
            let codes = codes.into_iter().map(|x| x as u8).collect();
            vec![
                tensor(None, vec![rows, columns], Dtype::I8, codes),
                tensor(Some(SCALES), vec![rows], Dtype::F32, floats(&scales)),
            ]
        }
        Scheme::Int4 { group } => {
            let Int4 { codes, scales } = Int4::encode(values, group, importance.fit(name)).map_err(bad)?;
            let groups = scales.len();
            let scales = scales.into_iter().flat_map(u16::to_le_bytes).collect();
            vec![
                tensor(None, vec![codes.len()], Dtype::U8, codes),
                tensor(Some(SCALES), vec![groups], Dtype::F16, scales),
            ]
        }
        Scheme::Nf4 => {
            let Nf4 { codes, scale_codes, offset, scale_scales } = Nf4::encode(values).map_err(bad)?;
            vec![
                tensor(None, vec![codes.len()], Dtype::U8, codes),
                tensor(Some(SCALES), vec![scale_codes.len()], Dtype::U8, scale_codes),
                tensor(Some(SCALE_SCALES), vec![scale_scales.len()], Dtype::F32, floats(&scale_scales)),
                tensor(Some(SCALE_OFFSET), vec![1], Dtype::F32, floats(&[offset])),
            ]
        }
    })
}
