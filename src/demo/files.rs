//! The files beside the weights of the demo pair.

use super::DemoError;
use super::tokenizer::{BOS, CHAT_TEMPLATE, EOS, SPECIAL};
use serde_json::json;
use std::path::Path;

/// Writes config, tokenizer and template of a model of the pair.
pub fn write_companions(folder: &Path, tokenizer_json: &str) -> Result<(), DemoError> {
    let config = json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": 1984,
        "hidden_size": 128,
        "intermediate_size": 352,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 32,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_position_embeddings": 512,
        "tie_word_embeddings": true,
        "attention_bias": false,
        "mlp_bias": false,
        "pad_token_id": 0,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "torch_dtype": "bfloat16",
    });
    let tokenizer_config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": SPECIAL[0],
        "bos_token": SPECIAL[1],
        "eos_token": SPECIAL[2],
        "model_max_length": 512,
        "chat_template": CHAT_TEMPLATE,
    });
    let generation_config = json!({ "bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": 0 });
    let write = |name: &str, text: String| {
        let file = folder.join(name);
        std::fs::write(&file, text).map_err(|e| DemoError::Unwritable { file, reason: e.to_string() })
    };
    std::fs::create_dir_all(folder)
        .map_err(|e| DemoError::Unwritable { file: folder.to_owned(), reason: e.to_string() })?;
    write("config.json", format!("{config:#}\n"))?;
    write("tokenizer_config.json", format!("{tokenizer_config:#}\n"))?;
    write("generation_config.json", format!("{generation_config:#}\n"))?;
    write("tokenizer.json", format!("{tokenizer_json}\n"))
}
