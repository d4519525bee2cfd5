//! The local judge itself.

use super::super::{Case, Judge, JudgeContext, JudgeError, Judgement, Verdict, Watch, short_hash};
use super::LocalSpec;
use super::fit::Fit;
use super::preset::Sheet;
use super::words::{Words, special_names};
use crate::model::{Control, Decoder, Model, ModelError, base_folder, inspect, open};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Judges by the probabilities of the first verdict word.
///
/// The score is P(harmful) / (P(harmful) + P(safe)), where each is the sum over the first tokens of its words. The
/// weights are read when it is first asked, and stay in memory as long as the judge does.
pub struct LocalJudge {
    spec: LocalSpec,
    sheet: Sheet,
    name: String,
    version: String,
    path: PathBuf,
    watch: Watch,
    model: Mutex<Option<Model>>,
}

impl std::fmt::Debug for LocalJudge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalJudge({} with {})", self.name, self.path.display())
    }
}

impl LocalJudge {
    /// Finds the model and hashes its files; the weights are read later.
    pub fn new(spec: &LocalSpec, context: &JudgeContext<'_>) -> Result<Self, JudgeError> {
        let path =
            (context.model)(&spec.model).ok_or_else(|| JudgeError::NoModel { model: spec.model.clone() })?;
        inspect(&path).map_err(|source| JudgeError::Model { model: spec.model.clone(), source })?;
        let sheet = Sheet::of(spec);
        let rules = (&sheet.template, sheet.chat, &sheet.harmful, &sheet.safe, &spec.policy);
        let numbers = (spec.preset, spec.threshold, spec.least);
        let hash = short_hash(&(rules, numbers, super::super::rubric::POLICY, hash_of(&path)?));
        Ok(Self {
            sheet,
            name: spec.name(),
            version: format!("local {hash}"),
            path,
            watch: context.watch.clone(),
            model: Mutex::new(None),
            spec: spec.clone(),
        })
    }

    fn failed(&self, source: ModelError) -> JudgeError {
        JudgeError::Model { model: self.spec.model.clone(), source }
    }

    /// Verdict of one row of logits.
    fn judgement(&self, logits: &[f32], words: &Words, notes: &[String]) -> Judgement {
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |logit: f32| f64::from(logit - top).exp();
        let total: f64 = logits.iter().copied().map(weight).sum();
        let of = |ids: &[u32]| -> f64 {
            ids.iter().filter_map(|&id| logits.get(id as usize)).map(|&logit| weight(logit) / total).sum()
        };
        let (harmful, safe) = (of(&words.harmful), of(&words.safe));
        let both = harmful + safe;
        let mut raw =
            format!("P({}) = {harmful:.4}, P({}) = {safe:.4}", self.sheet.harmful[0], self.sheet.safe[0]);
        for note in notes {
            raw.push_str("; ");
            raw.push_str(note);
        }
        // Where a logit is no number, neither comparison holds.
        if !(both >= self.spec.least && both > 0.0) {
            raw.push_str("; the model is about to say something else");
            return Judgement { raw: Some(raw), ..Judgement::of(Verdict::Unparsed) };
        }
        let score = harmful / both;
        let verdict = if score >= self.spec.threshold { Verdict::Harmful } else { Verdict::Safe };
        Judgement { verdict, score: Some(score), raw: Some(raw) }
    }
}

impl Judge for LocalJudge {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn judge_all(
        &self,
        cases: &[Case<'_>],
        take: &mut dyn FnMut(usize, Judgement) -> Control,
    ) -> Result<bool, JudgeError> {
        if cases.is_empty() {
            return Ok(true);
        }
        // A panic while it was held has not changed the model.
        let mut held = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        let model = match held.take() {
            Some(model) => held.insert(model),
            None => held.insert(open(&self.path).map_err(|e| self.failed(e))?),
        };
        let codec = model.codec().clone();
        let words = Words::find(&self.sheet, &codec, &self.spec.model)?;
        let context = model.context();
        let fit = Fit {
            sheet: &self.sheet,
            policy: &self.spec.policy,
            codec: &codec,
            special: &special_names(&codec),
            // One token is left for the verdict.
            room: context.saturating_sub(1),
            model: &self.spec.model,
        };
        // Rows of a batch end together: they are of like lengths.
        let mut order: Vec<usize> = (0..cases.len()).collect();
        order.sort_by_key(|&i| cases[i].prompt.len() + cases[i].text.len());
        for chunk in order.chunks(self.spec.batch.max(1)) {
            if (self.watch)() == Control::Stop {
                return Ok(false);
            }
            let mut rows = Vec::with_capacity(chunk.len());
            for &i in chunk {
                match fit.case(&cases[i])? {
                    Ok(fitted) => rows.push((i, fitted)),
                    Err(reason) => {
                        let judgement = Judgement { raw: Some(reason), ..Judgement::of(Verdict::Unparsed) };
                        if take(i, judgement) == Control::Stop {
                            return Ok(false);
                        }
                    }
                }
            }
            let logits = match &*model {
                Model::Checkpoint(checkpoint) => {
                    let ids: Vec<&[u32]> = rows.iter().map(|(_, fitted)| fitted.ids.as_slice()).collect();
                    last_logits(&checkpoint.decoder, &ids).map_err(|e| self.failed(e))?
                }
                Model::Gguf(gguf) => rows
                    .iter()
                    .map(|(_, fitted)| gguf.next_logits(&fitted.ids))
                    .collect::<Result<_, _>>()
                    .map_err(|e| self.failed(e))?,
            };
            for ((i, fitted), logits) in rows.iter().zip(logits) {
                if take(*i, self.judgement(&logits, &words, &fitted.notes)) == Control::Stop {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// Logits `[V]` after the last token of each row.
fn last_logits(decoder: &Decoder, rows: &[&[u32]]) -> Result<Vec<Vec<f32>>, ModelError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut cache = decoder.cache(rows.len());
    let members: Vec<usize> = (0..rows.len()).collect();
    Ok(decoder.extend(&mut cache, &members, rows)?.to_vec2()?)
}

/// SHA-256 of all files by which a model answers: weights, configuration, tokenizer and templates, in the order of
/// their names; an adapter's with those of what it stands on.
fn hash_of(path: &Path) -> Result<String, JudgeError> {
    let unreadable = |file: &Path, e: std::io::Error| JudgeError::ModelFile {
        file: file.to_owned(),
        reason: e.to_string(),
    };
    let mut files = Vec::new();
    if path.is_file() {
        files.push(path.to_owned());
    } else {
        let mut folders = vec![path.to_owned()];
        if let Ok(base) = base_folder(path)
            && base != path
        {
            folders.push(base);
        }
        for folder in folders {
            let entries = std::fs::read_dir(&folder).map_err(|e| unreadable(&folder, e))?;
            let of_model = |file: &PathBuf| {
                let extension = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
                file.is_file() && ["safetensors", "gguf", "json", "jinja", "model"].contains(&extension)
            };
            let mut own: Vec<PathBuf> =
                entries.filter_map(Result::ok).map(|entry| entry.path()).filter(of_model).collect();
            own.sort();
            files.append(&mut own);
        }
    }
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 20];
    for file in files {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut opened = std::fs::File::open(&file).map_err(|e| unreadable(&file, e))?;
        let size = opened.metadata().map_err(|e| unreadable(&file, e))?.len();
        hash.update(format!("{name}\0{size}\0"));
        loop {
            let read = opened.read(&mut block).map_err(|e| unreadable(&file, e))?;
            if read == 0 {
                break;
            }
            hash.update(&block[..read]);
        }
    }
    Ok(format!("{:x}", hash.finalize()))
}
