//! Marking a network's matrices to be trained for few bits: they stay in f32, and every pass computes with what comes back from
//! the scheme they will be stored in. `engine` does the rounding and its straight-through way back.

use std::collections::BTreeMap;

use filbert_engine::ParamId;

use crate::error::{Error, Result};
use crate::network::Network;
use crate::quantized::{GROUPS, Scheme};

impl Network {
    /// From now on passes in training and in evaluation compute with these matrices as they come back from these schemes, with
    /// the scales that [`Importance::Largest`](crate::quantized::Importance::Largest) chooses, and with the inputs of linear
    /// layers as they come back from int8 by token. The values stay as they are. Marks of other matrices stay.
    ///
    /// # Errors
    /// A name that is no matrix of the network; int4 in groups that do not exist; weights that are in few bits already; adapters,
    /// which are to be merged first. Nothing is marked then.
    pub fn fake_quantize(&mut self, plan: &BTreeMap<String, Scheme>) -> Result<()> {
        let refuse = |problem: String| Err(Error::FakeQuantize { problem });
        if self.has_lora() {
            return refuse("there are adapters beside them, which are to be merged first".to_owned());
        }
        let mut marks: Vec<(ParamId, Scheme)> = Vec::with_capacity(plan.len());
        for (name, &scheme) in plan {
            let id = self.params.id(name).filter(|&id| self.params.get(id).shape.len() == 2);
            let Some(id) = id else {
                let names = self.params.iter().map(|(_, p)| p.name.clone()).collect();
                return Err(Error::NoSuchParameter { pattern: name.clone(), names });
            };
            if let Scheme::Int4 { group } = scheme
                && !GROUPS.contains(&group)
            {
                return refuse(format!("int4 in groups of {group}: there are groups of 32, 64 and 128"));
            }
            if self.params.get(id).quantized.is_some() {
                return refuse(format!(
                    "{name} is in few bits already: start from the model it was made from"
                ));
            }
            marks.push((id, scheme));
        }
        for (id, scheme) in marks {
            self.params.get_mut(id).fake = Some(scheme.kernel());
        }
        Ok(())
    }

    /// Takes all marks of [`fake_quantize`](Self::fake_quantize) away: passes compute with the values as they are.
    pub fn clear_fake(&mut self) {
        let marked: Vec<ParamId> =
            self.params.iter().filter(|(_, p)| p.fake.is_some()).map(|(id, _)| id).collect();
        for id in marked {
            self.params.get_mut(id).fake = None;
        }
    }

    /// True where any matrix is marked.
    pub fn has_fake(&self) -> bool {
        self.params.iter().any(|(_, p)| p.fake.is_some())
    }
}
