//! log π of the aligned model at every trained token: computed once for a model and its rows, and kept under their hash.

use super::JobError;
use super::folder::{Desk, keep};
use crate::files;
use crate::model::{Decoder, device};
use crate::project::Project;
use crate::train::{Rows, TrainSpec, TrainingData, reference_log_probs};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Adds the reference of the constrained objective to the data: from the project's cache, or computed and put there.
pub(super) fn add_reference(
    project: &Project,
    spec: &TrainSpec,
    decoder: &Decoder,
    data: &mut TrainingData,
    desk: &mut Desk,
) -> Result<(), JobError> {
    let Rows::Chat(rows) = &data.rows else { return Ok(()) };
    let path = project.root().join(".cache").join(format!("reference-{}.f32", key(spec, data, desk)));
    let lengths: Vec<usize> = rows.iter().map(|(_, row)| row.cut(spec.max_tokens).trained()).collect();
    if let Some(values) = read(&path, &lengths) {
        desk.note("The probabilities of the model before training are known from an earlier run")?;
        data.reference = Some(values);
        return Ok(());
    }
    desk.note("Computing the probabilities of the model before training")?;
    let at_once = spec.rows_at_once.unwrap_or(spec.batch);
    let values = reference_log_probs(decoder, rows, spec.max_tokens, at_once)?;
    let bytes: Vec<u8> = values.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    let kept = project.cache_folder().and_then(|_| files::write_atomic(&path, &bytes));
    if let Err(e) = kept {
        let error = keep(&path, &e);
        desk.note(format!("The probabilities are not kept for other runs: {error}"))?;
    }
    data.reference = Some(values);
    Ok(())
}

/// A name for all that the values depend on: the model's files, the rows as they are trained on, and what computes them.
fn key(spec: &TrainSpec, data: &TrainingData, desk: &Desk) -> String {
    let mut sum = Sha256::new();
    sum.update(format!(
        "{}\n{}\n{}\n{}\n",
        env!("CARGO_PKG_VERSION"),
        device::name(&device::pick()),
        spec.max_tokens,
        // How many rows go together decides about the last digits.
        spec.rows_at_once.unwrap_or(spec.batch)
    ));
    for (name, hash) in desk.manifest.hashes.iter().filter(|(name, _)| name.starts_with("models/")) {
        sum.update(format!("{name} {hash}\n"));
    }
    if let Rows::Chat(rows) = &data.rows {
        for (_, row) in rows {
            sum.update((row.ids.len() as u64).to_le_bytes());
            for (id, weight) in row.ids.iter().zip(&row.weights) {
                sum.update(id.to_le_bytes());
                sum.update(weight.to_le_bytes());
            }
        }
    }
    sum.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The values of rows of these lengths; `None` if they are not there, or not whole.
fn read(path: &PathBuf, lengths: &[usize]) -> Option<Vec<Vec<f32>>> {
    let bytes = std::fs::read(path).ok()?;
    let (values, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() || values.len() != lengths.iter().sum::<usize>() {
        return None;
    }
    let mut values = values.iter().map(|bytes| f32::from_le_bytes(*bytes));
    Some(lengths.iter().map(|n| values.by_ref().take(*n).collect()).collect())
}
