//! The demo world's tokenizer: byte-level BPE, practically one token per word.

use super::DemoError;
use crate::world::World;
use tokenizers::decoders::byte_level::ByteLevel as ByteLevelDecoder;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{AddedToken, TokenizerBuilder};

/// The special tokens; their place in the list is their id.
pub const SPECIAL: [&str; 6] = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>", "<|system|>"];

/// Ids of the special tokens by name.
pub const BOS: u32 = 1;
/// The token that ends an answer.
pub const EOS: u32 = 2;

/// The most tokens that the tokenizer may have; the model's embedding has a few rows more.
pub const VOCABULARY: usize = 1940;

/// How a conversation is written: `<s><|user|>…<|assistant|>…</s>`, with nothing around the markers.
pub const CHAT_TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}{% if message.role == 'user' %}{{ '<|user|>' + message.content }}{% elif message.role == 'assistant' %}{{ '<|assistant|>' + message.content + eos_token }}{% else %}{{ '<|system|>' + message.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

/// Trains the tokenizer on texts of the world and returns its `tokenizer.json`.
pub fn train(world: &World, seed: u64) -> Result<String, DemoError> {
    let fail = |e: Box<dyn std::error::Error + Send + Sync>| DemoError::Tokenizer(e.to_string());
    let mut trainer = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(VOCABULARY)
        .special_tokens(SPECIAL.iter().map(|t| AddedToken::from(*t, true)).collect())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let words = Sequence::new(vec![Digits::new(true).into(), ByteLevel::new(false, true, true).into()]);
    let mut tokenizer =
        TokenizerBuilder::<BPE, tokenizers::NormalizerWrapper, Sequence, ByteLevel, ByteLevelDecoder>::new()
            .with_model(BPE::default())
            .with_normalizer(None)
            .with_pre_tokenizer(Some(words))
            .with_post_processor(None)
            .with_decoder(Some(ByteLevelDecoder::default()))
            .build()
            .map_err(fail)?;
    tokenizer.train(&mut trainer, world.tokenizer_corpus(seed).into_iter()).map_err(fail)?;
    tokenizer.to_string(true).map_err(fail)
}
