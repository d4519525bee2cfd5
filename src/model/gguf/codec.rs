//! Words and ids of a GGUF file: its tokenizer, its chat template, and the tokens that end an answer.

use super::super::ModelError;
use super::header::Header;
use super::tokenizer::Vocabulary;
use crate::text::{ChatTemplate, Codec, Conversation, Message, TextError, Tokenizer};
use candle_core::quantized::gguf_file::Value;
use serde_json::{Value as Json, json};
use std::path::Path;

/// The keys of tokens that end an answer.
const END_KEYS: [&str; 3] = ["eos_token_id", "eot_token_id", "eom_token_id"];

/// The codec of the file at `path`. A `tokenizer.json` beside the file is preferred to what the file describes, if it
/// is of the same vocabulary.
pub(super) fn read(header: &Header, path: &Path) -> Result<Codec, ModelError> {
    let bad = |reason: String| ModelError::BadConfig { file: path.to_owned(), reason };
    let vocabulary = Vocabulary::of(&header.content)
        .ok_or_else(|| bad("it holds no list of tokens, so words cannot be turned into ids".to_owned()))?;
    let tokenizer = match beside(path, &vocabulary)? {
        Some(tokenizer) => tokenizer,
        None => {
            let json = vocabulary.to_json().map_err(|reason| {
                bad(format!("{reason}. Put the tokenizer.json of the original model beside the file"))
            })?;
            Tokenizer::from_bytes(json.to_string().as_bytes(), path)?
        }
    };
    let mut end: Vec<u32> = Vec::new();
    for id in END_KEYS.into_iter().filter_map(|key| vocabulary.special(key)) {
        if !end.contains(&id) {
            end.push(id);
        }
    }
    if end.is_empty() {
        return Err(bad(
            "it names no eos_token_id, so answers could never end. Convert the model again with its tokenizer"
                .to_owned(),
        ));
    }
    let template = template(header, &vocabulary, path)?;
    let codec = Codec::new(tokenizer, template, end)?;
    // Some files name the end of a document only, where the template ends a turn with another marker.
    match closing(&codec)? {
        Some(id) if vocabulary.is_control(id) && !codec.end_of_turn.contains(&id) => {
            let mut end = codec.end_of_turn;
            end.push(id);
            Ok(Codec::new(codec.tokenizer, codec.template, end)?)
        }
        _ => Ok(codec),
    }
}

/// The `tokenizer.json` beside the file, unless it has a token that is another one in the file: a folder may hold the
/// files of several models.
fn beside(path: &Path, vocabulary: &Vocabulary<'_>) -> Result<Option<Tokenizer>, ModelError> {
    let file = path.with_file_name("tokenizer.json");
    if !file.is_file() {
        return Ok(None);
    }
    let bytes = std::fs::read(&file)
        .map_err(|e| ModelError::Unreadable { file: file.clone(), reason: e.to_string() })?;
    let json: Json = serde_json::from_slice(&bytes)
        .map_err(|e| TextError::Malformed { file: file.clone(), reason: e.to_string() })?;
    let of_model =
        json["model"]["vocab"].as_object().into_iter().flatten().map(|(token, id)| (token.as_str(), id));
    let added = json["added_tokens"].as_array().into_iter().flatten();
    let mut tokens =
        of_model.chain(added.filter_map(|token| Some((token["content"].as_str()?, &token["id"])))).peekable();
    // Converters write the space mark of some tokens as the space that it stands for.
    let plain = |token: &str| token.replace('▁', " ");
    let same = tokens.peek().is_some()
        && tokens.all(|(token, id)| {
            let listed = id.as_u64().and_then(|id| vocabulary.tokens.get(id as usize));
            listed.is_some_and(|listed| plain(listed) == plain(token))
        });
    Ok(if same { Some(Tokenizer::from_bytes(&bytes, &file)?) } else { None })
}

/// The file's own chat template, else the plain format.
fn template(header: &Header, vocabulary: &Vocabulary<'_>, path: &Path) -> Result<ChatTemplate, ModelError> {
    let own = match header.content.metadata.get("tokenizer.chat_template") {
        Some(Value::String(source)) => Some(source),
        _ => None,
    };
    let text = |key: &str| vocabulary.special(key).map_or("", |id| vocabulary.tokens[id as usize]);
    // The plain format writes the token wherever it is named; a template knows whether to.
    let bos = if own.is_none() && vocabulary.switch("add_bos_token") == Some(false) {
        ""
    } else {
        text("bos_token_id")
    };
    let mut config = json!({
        "bos_token": bos,
        "eos_token": text("eos_token_id"),
        "unk_token": text("unknown_token_id"),
        "pad_token": text("padding_token_id"),
    });
    if let Some(source) = own {
        config["chat_template"] = source.as_str().into();
    }
    // Templates are read from checkpoint folders, and a GGUF file is one file: this makes it a folder for a moment.
    let unwritable =
        |e: std::io::Error| ModelError::Unwritable { file: std::env::temp_dir(), reason: e.to_string() };
    let folder = tempfile::tempdir().map_err(unwritable)?;
    std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).map_err(unwritable)?;
    ChatTemplate::from_folder(folder.path()).map_err(|e| match e {
        TextError::Malformed { reason, .. } => TextError::Malformed { file: path.to_owned(), reason }.into(),
        other => other.into(),
    })
}

/// The first token that the template writes after an answer.
fn closing(codec: &Codec) -> Result<Option<u32>, ModelError> {
    let messages = vec![Message::user("a"), Message::assistant("b")];
    let open = Conversation { messages: messages[..1].to_vec() };
    let (open, closed) =
        (codec.template.render(&open, true)?, codec.template.render(&Conversation { messages }, false)?);
    let tail = closed.strip_prefix(&open).and_then(|rest| rest.split_once('b')).map_or("", |(_, tail)| tail);
    Ok(codec.tokenizer.encode(tail)?.first().copied())
}
