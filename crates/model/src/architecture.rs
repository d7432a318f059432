//! Encoder families as tables of facts. The layers in [`encoder`](crate::encoder) are shared; what tells one family
//! from another stands here: how its tensors are called, which parts it has, and how its head is built.

use filbert_engine::Activation;

/// The facts of a family of encoders with post-norm blocks, biases and learned positions.
#[derive(Debug, Clone, Copy)]
pub struct Architecture {
    /// The `model_type` of config.json.
    pub model_type: &'static str,
    /// Before every tensor of the encoder in a classifier's checkpoint; a bare encoder's has none.
    pub prefix: &'static str,
    /// Word embeddings, `[vocabulary, width]`.
    pub word: &'static str,
    /// Position embeddings, `[positions, width]`.
    pub position: &'static str,
    /// Token-type embeddings, `[types, width]`, where the family has them.
    pub token_type: Option<&'static str>,
    /// The position of a row's first token: 0, or one after the padding id.
    pub first_position: usize,
    /// The norm over the embeddings, without `.weight` and `.bias`.
    pub embedding_norm: &'static str,
    /// Before the number of a layer.
    pub layers: &'static str,
    /// The linear layers and norms of one layer, after its number.
    pub layer: LayerNames,
    /// The dense layer on the pooled row, with its activation, where the family's head has one.
    pub pooler: Option<(&'static str, Activation)>,
    /// The last linear layer, from the pooled row to the logits.
    pub classifier: &'static str,
    /// The class that Hugging Face loads such a classifier with.
    pub classifier_class: &'static str,
}

/// The names of one layer's parts.
#[derive(Debug, Clone, Copy)]
pub struct LayerNames {
    /// Queries, keys and values.
    pub query_key_value: [&'static str; 3],
    /// The linear layer after attention.
    pub attention_output: &'static str,
    /// The norm after attention.
    pub attention_norm: &'static str,
    /// The wide linear layer of the feed-forward block.
    pub intermediate: &'static str,
    /// The linear layer back to the width.
    pub output: &'static str,
    /// The norm after the feed-forward block.
    pub output_norm: &'static str,
}

/// BERT (Devlin et al. 2019), and with it MiniLM and bge, which are BERTs of other sizes.
pub const BERT: Architecture = Architecture {
    model_type: "bert",
    prefix: "bert.",
    word: "embeddings.word_embeddings.weight",
    position: "embeddings.position_embeddings.weight",
    token_type: Some("embeddings.token_type_embeddings.weight"),
    first_position: 0,
    embedding_norm: "embeddings.LayerNorm",
    layers: "encoder.layer.",
    layer: LayerNames {
        query_key_value: ["attention.self.query", "attention.self.key", "attention.self.value"],
        attention_output: "attention.output.dense",
        attention_norm: "attention.output.LayerNorm",
        intermediate: "intermediate.dense",
        output: "output.dense",
        output_norm: "output.LayerNorm",
    },
    pooler: Some(("pooler.dense", Activation::Tanh)),
    classifier: "classifier",
    classifier_class: "BertForSequenceClassification",
};
