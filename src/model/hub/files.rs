//! Which files of a repository make a checkpoint, and which of them a folder lacks.

use super::HubError;
use crate::model::companions::COMPANIONS;
use serde_json::Value;
use std::path::Path;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// What is fetched besides the companions.
const ALSO: [&str; 2] = ["adapter_config.json", INDEX];

/// Any of these is a tokenizer.
const TOKENIZERS: [&str; 3] = ["tokenizer.json", "tokenizer.model", "vocab.json"];

/// The files to fetch, of those that the repository lists: the companions first, then the weights.
///
/// Only files at the top of the repository belong to its checkpoint; folders hold other formats of it. Where the
/// whole weights stand in `model.safetensors`, shards beside it would be the same once more, and so are Mistral's
/// `consolidated` files.
pub(super) fn wanted(repo: &str, listed: &[String]) -> Result<Vec<String>, HubError> {
    let has = |name: &str| listed.iter().any(|file| file == name);
    let mut weights: Vec<String> = listed
        .iter()
        .filter(|file| is_plain(file) && file.ends_with(".safetensors") && !file.starts_with("consolidated"))
        .filter(|file| !has(SINGLE) || !is_shard(file))
        .cloned()
        .collect();
    weights.sort();
    if weights.is_empty() {
        let ending = |ends: &[&str]| -> Vec<String> {
            listed.iter().filter(|file| ends.iter().any(|end| file.ends_with(end))).cloned().collect()
        };
        let gguf = ending(&[".gguf"]);
        if !gguf.is_empty() {
            return Err(HubError::OnlyGguf { repo: repo.to_owned(), found: gguf });
        }
        let pickle = ending(&[".bin", ".pt", ".pth"]).into_iter().next();
        let found = pickle.map_or_else(String::new, |name| format!(" (but {name})"));
        return Err(HubError::NoWeights { repo: repo.to_owned(), found });
    }
    let companions =
        COMPANIONS.iter().chain(&ALSO).filter(|name| has(name) && (**name != INDEX || !has(SINGLE)));
    Ok(companions.map(|name| (*name).to_owned()).chain(weights).collect())
}

/// The files of a checkpoint folder by name, in order.
pub(super) fn present(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    names
}

/// What a checkpoint folder lacks of the files that a model cannot do without.
pub(super) fn missing(folder: &Path) -> Vec<String> {
    let has = |name: &str| folder.join(name).is_file();
    let mut missing = Vec::new();
    if !has("config.json") && !has("adapter_config.json") {
        missing.push("config.json".to_owned());
    }
    if !TOKENIZERS.iter().any(|name| has(name)) && !has("adapter_config.json") {
        missing.push(TOKENIZERS[0].to_owned());
    }
    if has(SINGLE) || has("adapter_model.safetensors") {
        return missing;
    }
    match shards(&folder.join(INDEX)) {
        Some(shards) => missing.extend(shards.into_iter().filter(|name| !has(name))),
        None => missing.push(SINGLE.to_owned()),
    }
    missing
}

/// The shards that an index names; `None` if there is no index that can be read.
fn shards(index: &Path) -> Option<Vec<String>> {
    let value: Value = serde_json::from_slice(&std::fs::read(index).ok()?).ok()?;
    let mut names: Vec<String> =
        value["weight_map"].as_object()?.values().filter_map(Value::as_str).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    Some(names)
}

/// Whether a name is a file at the top of the repository, and nothing that leads elsewhere.
fn is_plain(name: &str) -> bool {
    is_path(name) && !name.contains('/')
}

/// Whether a name is a path that stays below its folder, on any system.
pub(super) fn is_path(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    name.split('/').all(part) && !name.contains(['\\', ':', '\0'])
}

/// `model-00001-of-00003.safetensors`
fn is_shard(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix("model-")
        .and_then(|rest| rest.strip_suffix(".safetensors"))
        .and_then(|rest| rest.split_once("-of-"))
        .is_some_and(|(number, count)| digits(number) && digits(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(listed: &[&str]) -> Result<Vec<String>, String> {
        let listed: Vec<String> = listed.iter().map(|&name| name.to_owned()).collect();
        wanted("owner/name", &listed).map_err(|e| e.to_string())
    }

    #[test]
    fn a_checkpoint_is_config_tokenizer_template_and_safetensors() {
        let listed = [
            ".gitattributes",
            "README.md",
            "chat_template.jinja",
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "modeling_own.py",
            "onnx/model.safetensors",
            "original/consolidated.00.pth",
            "pytorch_model.bin",
            "tokenizer.json",
            "../outside.safetensors",
            "name-Q4_K_M.gguf",
        ];
        let expected = [
            "config.json",
            "tokenizer.json",
            "chat_template.jinja",
            "model.safetensors.index.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
        ];
        assert_eq!(choose(&listed).unwrap(), expected);
    }

    #[test]
    fn the_same_weights_are_not_fetched_twice() {
        let listed = [
            "config.json",
            "consolidated.safetensors",
            "model-00001-of-00001.safetensors",
            "model.safetensors",
            "model.safetensors.index.json",
        ];
        assert_eq!(choose(&listed).unwrap(), ["config.json", "model.safetensors"]);
    }

    #[test]
    fn a_repository_without_safetensors_says_what_to_do() {
        let error = choose(&["config.json", "pytorch_model.bin"]).unwrap_err();
        assert!(error.contains("pytorch_model.bin") && error.contains("save_pretrained"), "{error}");
        let error = choose(&["a-Q4_K_M.gguf", "a-Q8_0.gguf"]).unwrap_err();
        assert!(error.contains("--file") && error.contains("a-Q8_0.gguf"), "{error}");
        assert!(choose(&["README.md"]).unwrap_err().contains("holds no safetensors"));
    }

    #[test]
    fn what_is_missing_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(missing(folder.path()), ["config.json", "tokenizer.json", "model.safetensors"]);
        write("config.json", "{}");
        write("tokenizer.json", "{}");
        write(
            INDEX,
            r#"{"weight_map": {"a": "m1.safetensors", "b": "m2.safetensors", "c": "m1.safetensors"}}"#,
        );
        write("m1.safetensors", "");
        assert_eq!(missing(folder.path()), ["m2.safetensors"]);
        write("m2.safetensors", "");
        assert!(missing(folder.path()).is_empty());
    }

    #[test]
    fn names_that_lead_elsewhere_are_not_paths() {
        for bad in
            ["", "/etc/x.gguf", "../x.gguf", "a/../x.gguf", "a//x.gguf", "a\\x.gguf", "C:x.gguf", "./x"]
        {
            assert!(!is_path(bad), "{bad}");
        }
        assert!(is_path("folder/x.gguf"));
    }
}
