//! The files beside the weights that make a folder a checkpoint: what is copied, exported and fetched with it.

/// What Plumbline and `transformers` read besides the weights, where it is there.
pub(super) const COMPANIONS: [&str; 11] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
];
