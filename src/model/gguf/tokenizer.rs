//! The tokenizer that a GGUF file describes, as a `tokenizer.json`.
//!
//! Two kinds are known: byte-level BPE with merges (`gpt2`) and SentencePiece's BPE with scores (`llama`). The words
//! of the first are cut by a rule that the file only names (`tokenizer.ggml.pre`); a rule that is not known here is
//! refused, since another one would give other tokens.

use super::header::integer;
use candle_core::quantized::gguf_file::{Content, Value};
use serde_json::{Value as Json, json};
use std::cmp::Reverse;
use std::collections::HashMap;

/// What a token is (`tokenizer.ggml.token_type`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Other,
}

/// The cut rules that are known, with the names that converters gave them.
const RULES: [(&[&str], Rule); 4] = [
    (&["gpt-2"], Rule::Gpt2),
    (&["smollm"], Rule::DigitsThenGpt2),
    (&["llama-bpe", "llama3", "llama-v3"], Rule::Llama3),
    (&["qwen2"], Rule::Qwen2),
];

/// How a text is cut into words before merges.
#[derive(Clone, Copy)]
enum Rule {
    Gpt2,
    DigitsThenGpt2,
    Llama3,
    Qwen2,
}

/// The token list of a file.
pub(super) struct Vocabulary<'a> {
    content: &'a Content,
    /// Text of each token; the place is the id.
    pub(super) tokens: Vec<&'a str>,
    kinds: Vec<Kind>,
}

impl<'a> Vocabulary<'a> {
    /// The token list, or `None` where the file has none.
    pub(super) fn of(content: &'a Content) -> Option<Self> {
        let Some(Value::Array(tokens)) = content.metadata.get("tokenizer.ggml.tokens") else { return None };
        let tokens = tokens
            .iter()
            .map(|token| if let Value::String(text) = token { Some(text.as_str()) } else { None })
            .collect::<Option<Vec<_>>>()?;
        let kinds = match content.metadata.get("tokenizer.ggml.token_type") {
            Some(Value::Array(kinds)) => kinds.iter().map(kind).collect(),
            _ => Vec::new(),
        };
        Some(Self { content, tokens, kinds })
    }

    /// Whether the token is one that no text spells, such as an end-of-turn marker.
    pub(super) fn is_control(&self, id: u32) -> bool {
        self.kind(id as usize) == Kind::Control
    }

    /// The id under a key such as `tokenizer.ggml.eos_token_id`.
    pub(super) fn special(&self, key: &str) -> Option<u32> {
        let id = integer(self.content.metadata.get(&format!("tokenizer.ggml.{key}"))?)?;
        u32::try_from(id).ok().filter(|&id| (id as usize) < self.tokens.len())
    }

    /// The switch under a key such as `tokenizer.ggml.add_bos_token`.
    pub(super) fn switch(&self, key: &str) -> Option<bool> {
        match self.content.metadata.get(&format!("tokenizer.ggml.{key}")) {
            Some(&Value::Bool(on)) => Some(on),
            _ => None,
        }
    }

    /// The `tokenizer.json`, or why there can be none.
    pub(super) fn to_json(&self) -> Result<Json, String> {
        let parts = match self.text("model") {
            Some("gpt2") => self.byte_level()?,
            Some("llama") => self.sentence_piece()?,
            Some(other) => {
                return Err(format!("its tokenizer is of the kind \"{other}\" (gpt2 and llama are known)"));
            }
            None => return Err("it names no kind of tokenizer".to_owned()),
        };
        let mut tokenizer =
            json!({ "version": "1.0", "truncation": null, "padding": null, "post_processor": null });
        tokenizer["added_tokens"] = self.added_tokens();
        for (name, part) in parts {
            tokenizer[name] = part;
        }
        Ok(tokenizer)
    }

    fn kind(&self, id: usize) -> Kind {
        self.kinds.get(id).copied().unwrap_or(Kind::Normal)
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        match self.content.metadata.get(&format!("tokenizer.ggml.{key}")) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Tokens that are found in a text before it is cut.
    fn added_tokens(&self) -> Json {
        // Phi-3's markers swallow the white space behind them; the format has no place for that.
        let phi3 = matches!(self.content.metadata.get("general.architecture"), Some(Value::String(a)) if a == "phi3");
        let plain = ["bos_token_id", "eos_token_id", "unknown_token_id", "padding_token_id"]
            .map(|key| self.special(key));
        let added = (0..self.tokens.len()).filter_map(|id| {
            let kind = self.kind(id);
            matches!(kind, Kind::Unknown | Kind::Control | Kind::UserDefined).then(|| {
                let rstrip = phi3 && kind == Kind::Control && !plain.contains(&Some(id as u32));
                json!({
                    "id": id, "content": self.tokens[id], "single_word": false, "lstrip": false,
                    "rstrip": rstrip, "normalized": false, "special": kind != Kind::UserDefined,
                })
            })
        });
        added.collect()
    }

    /// Ids by text; where two tokens have the same text, the first has it.
    fn ids(&self) -> serde_json::Map<String, Json> {
        let mut ids = serde_json::Map::new();
        for (id, token) in self.tokens.iter().enumerate() {
            ids.entry(*token).or_insert(id.into());
        }
        ids
    }

    fn listed_merges(&self) -> Option<Vec<Json>> {
        match self.content.metadata.get("tokenizer.ggml.merges") {
            Some(Value::Array(merges)) => Some(
                merges
                    .iter()
                    .filter_map(
                        |merge| if let Value::String(pair) = merge { pair.split_once(' ') } else { None },
                    )
                    .map(|(left, right)| json!([left, right]))
                    .collect(),
            ),
            _ => None,
        }
    }

    /// Byte-level BPE (Radford et al. 2019).
    fn byte_level(&self) -> Result<Vec<(&'static str, Json)>, String> {
        let merges = self.listed_merges().ok_or("its tokenizer lists no merges")?;
        let known =
            || RULES.iter().flat_map(|(names, _)| names.iter().copied()).collect::<Vec<_>>().join(", ");
        let pre = self.text("pre").ok_or_else(|| {
            format!("it does not name the rule by which its tokenizer cuts words (known: {})", known())
        })?;
        let rule =
            RULES.iter().find(|(names, _)| names.contains(&pre)).map(|(_, rule)| *rule).ok_or_else(|| {
                format!(
                    "its tokenizer cuts words by the rule \"{pre}\", which is not known here (known: {})",
                    known()
                )
            })?;
        let byte_level = |use_regex: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex });
        let split = |digits: &str| {
            let pattern = format!(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            );
            json!([
                { "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false },
                byte_level(false),
            ])
        };
        let cuts = match rule {
            Rule::Gpt2 => json!([byte_level(true)]),
            Rule::DigitsThenGpt2 => {
                json!([{ "type": "Digits", "individual_digits": true }, byte_level(true)])
            }
            Rule::Llama3 => split(r"\p{N}{1,3}"),
            Rule::Qwen2 => split(r"\p{N}"),
        };
        let normalizer = if matches!(rule, Rule::Qwen2) { json!({ "type": "NFC" }) } else { Json::Null };
        Ok(vec![
            ("normalizer", normalizer),
            ("pre_tokenizer", json!({ "type": "Sequence", "pretokenizers": cuts })),
            ("decoder", byte_level(true)),
            (
                "model",
                json!({
                    "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                    "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                    // Llama 3 takes a word that is a token as it is, merges or not.
                    "ignore_merges": matches!(rule, Rule::Llama3),
                    "vocab": self.ids(), "merges": merges,
                }),
            ),
        ])
    }

    /// SentencePiece's BPE with byte fallback (Kudo & Richardson 2018), whose scores order the merges.
    fn sentence_piece(&self) -> Result<Vec<(&'static str, Json)>, String> {
        let merges = match self.listed_merges().filter(|merges| !merges.is_empty()) {
            Some(merges) => merges,
            None => self.merges_by_score()?,
        };
        let unknown = self.special("unknown_token_id").or_else(|| {
            (0..self.tokens.len()).find(|&id| self.kind(id) == Kind::Unknown).map(|id| id as u32)
        });
        let space = json!({ "String": " " });
        let mark = json!({ "String": "▁" });
        let mut normalizers = vec![json!({ "type": "Replace", "pattern": space, "content": "▁" })];
        let mut decoders = vec![
            json!({ "type": "Replace", "pattern": mark, "content": " " }),
            json!({ "type": "ByteFallback" }),
            json!({ "type": "Fuse" }),
        ];
        if self.switch("add_space_prefix").unwrap_or(true) {
            normalizers.insert(0, json!({ "type": "Prepend", "prepend": "▁" }));
            decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
        }
        Ok(vec![
            ("normalizer", json!({ "type": "Sequence", "normalizers": normalizers })),
            ("pre_tokenizer", Json::Null),
            ("decoder", json!({ "type": "Sequence", "decoders": decoders })),
            (
                "model",
                json!({
                    "type": "BPE", "dropout": null, "unk_token": unknown.map(|id| self.tokens[id as usize]),
                    "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": true,
                    "byte_fallback": true, "ignore_merges": false, "vocab": self.ids(), "merges": merges,
                }),
            ),
        ])
    }

    /// Every way to put a token together from two others, best score first, as `transformers` converts the format;
    /// among equal scores the longer left part first.
    fn merges_by_score(&self) -> Result<Vec<Json>, String> {
        let scores = match self.content.metadata.get("tokenizer.ggml.scores") {
            Some(Value::Array(scores)) if scores.len() == self.tokens.len() => scores,
            _ => return Err("its tokenizer lists neither merges nor a score for each token".to_owned()),
        };
        let normal = |id: usize| matches!(self.kind(id), Kind::Normal | Kind::UserDefined);
        let ids: HashMap<&str, usize> =
            self.tokens.iter().enumerate().filter(|(id, _)| normal(*id)).map(|(id, t)| (*t, id)).collect();
        let mut merges = Vec::new();
        for (id, token) in self.tokens.iter().enumerate().filter(|(id, _)| normal(*id)) {
            let Value::F32(score) = scores[id] else {
                return Err("its tokenizer's scores are not floats".to_owned());
            };
            let mut pairs: Vec<(usize, usize, &str, &str)> = token
                .char_indices()
                .skip(1)
                .filter_map(|(at, _)| {
                    let (left, right) = token.split_at(at);
                    Some((*ids.get(left)?, *ids.get(right)?, left, right))
                })
                .collect();
            pairs.sort_unstable();
            merges.extend(pairs.into_iter().map(|(_, _, left, right)| (score, left, right)));
        }
        let length = |text: &str| Reverse(text.chars().count());
        merges.sort_by(|a, b| {
            b.0.total_cmp(&a.0)
                .then_with(|| length(a.1).cmp(&length(b.1)))
                .then_with(|| length(a.2).cmp(&length(b.2)))
        });
        Ok(merges.into_iter().map(|(_, left, right)| json!([left, right])).collect())
    }
}

fn kind(value: &Value) -> Kind {
    match integer(value) {
        Some(1) => Kind::Normal,
        Some(2) => Kind::Unknown,
        Some(3) => Kind::Control,
        Some(4) => Kind::UserDefined,
        _ => Kind::Other,
    }
}
