//! Whether a run fits into the memory that is free, said before it begins rather than by the system that ends it.

use super::JobError;
use crate::model::{
    self, Config, LoraConfig, MemoryEstimate, ModelError, TargetModules, Work, readable_size,
};
use crate::train::TrainSpec;

/// What a run needs of the memory that is free, in words, or what is short; `None` where it is not known.
pub(super) fn memory_of(
    config: &Config,
    spec: &TrainSpec,
    lengths: &[usize],
) -> Option<Result<String, String>> {
    let free = available_memory()?;
    match shortage(config, spec, lengths, free) {
        Ok(Some(message)) => Some(Err(message)),
        Ok(None) => {
            let rows = rows_at_once(spec, lengths);
            let work = spec.lora.as_ref().map_or(Work::TrainAll, |lora| Work::TrainAdapter(lora.config()));
            let need =
                model::estimate(config, &work, rows, mean_length(lengths, rows), spec.checkpointing).ok()?;
            Some(Ok(format!(
                "About {} is needed, and {} can be had.",
                readable_size(need.total()),
                readable_size(free)
            )))
        }
        Err(e) => {
            log::warn!("the memory of the run cannot be estimated: {e}");
            None
        }
    }
}

/// Rows of the largest step that are in memory together.
fn rows_at_once(spec: &TrainSpec, lengths: &[usize]) -> usize {
    let all = lengths.len().max(1);
    spec.rows_at_once.unwrap_or(all).min(all)
}

/// Tokens of the longest `rows` rows, on average: rows of unequal length take what as many of their mean length take.
fn mean_length(lengths: &[usize], rows: usize) -> usize {
    let longest = &lengths[..rows.min(lengths.len())];
    longest.iter().sum::<usize>().div_ceil(longest.len().max(1))
}

/// Memory that can still be had, in bytes; `None` where the system does not say.
#[must_use]
pub fn available_memory() -> Option<u64> {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    Some(system.available_memory()).filter(|bytes| *bytes > 0)
}

/// Refuses a run that needs more memory than there is. `held` is what it needs that is loaded already; `lengths` are the tokens
/// of the rows of its largest step, the longest first.
pub(super) fn refuse_what_does_not_fit(
    config: &Config,
    spec: &TrainSpec,
    lengths: &[usize],
    held: u64,
) -> Result<(), JobError> {
    let Some(free) = available_memory() else { return Ok(()) };
    match shortage(config, spec, lengths, free + held) {
        Ok(None) => Ok(()),
        Ok(Some(message)) => Err(JobError::Memory(message)),
        Err(e) => {
            // An estimate that cannot be made is no reason not to try.
            log::warn!("the memory of the run cannot be estimated: {e}");
            Ok(())
        }
    }
}

/// What to say where `free` bytes are not enough.
fn shortage(
    config: &Config,
    spec: &TrainSpec,
    lengths: &[usize],
    free: u64,
) -> Result<Option<String>, ModelError> {
    let rows = rows_at_once(spec, lengths);
    let mean = |rows: usize| mean_length(lengths, rows);
    let work = || spec.lora.as_ref().map_or(Work::TrainAll, |lora| Work::TrainAdapter(lora.config()));
    let need = |work: &Work, rows, checkpointing| -> Result<MemoryEstimate, ModelError> {
        model::estimate(config, work, rows, mean(rows), checkpointing)
    };
    let asked = need(&work(), rows, spec.checkpointing)?;
    if asked.total() <= free {
        return Ok(None);
    }
    let parts = asked.parts();
    let parts = parts
        .iter()
        .map(|(name, bytes)| format!("{name} {}", readable_size(*bytes)))
        .collect::<Vec<_>>()
        .join(", ");
    let mut ways = Vec::new();
    let mut way = |words: &str, need: MemoryEstimate| {
        let fits = if need.total() <= free { "" } else { ", still too much" };
        ways.push(format!("{words} ({}{fits})", readable_size(need.total())));
    };
    if rows > 1 {
        let fewer =
            (1..rows).rev().find(|r| need(&work(), *r, spec.checkpointing).is_ok_and(|n| n.total() <= free));
        let fewer = fewer.unwrap_or(1);
        way(
            &format!("work through {fewer} of {rows} rows at once (rows_at_once)"),
            need(&work(), fewer, spec.checkpointing)?,
        );
    }
    if !spec.checkpointing {
        way("turn gradient checkpointing on", need(&work(), rows, true)?);
    }
    if spec.lora.is_none() {
        let adapter = Work::TrainAdapter(LoraConfig::new(8, 16.0, TargetModules::AllLinear));
        way("train an adapter instead of all weights", need(&adapter, rows, spec.checkpointing)?);
    }
    Ok(Some(format!(
        "it needs about {} of memory ({parts}) for {rows} rows of {} tokens at once, and {} can be had. Close \
         other programs, or: {}.",
        readable_size(asked.total()),
        mean(rows),
        readable_size(free),
        ways.join("; ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{LoraSpec, Recipe};

    fn config() -> Config {
        let json = r#"{"architectures": ["LlamaForCausalLM"], "vocab_size": 32000, "hidden_size": 512,
            "intermediate_size": 1376, "num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 8,
            "max_position_embeddings": 2048}"#;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), json).unwrap();
        Config::from_folder(folder.path()).unwrap()
    }

    #[test]
    fn a_run_that_fits_is_let_through_and_another_is_told_what_to_lower() {
        let spec = TrainSpec { batch: 32, ..TrainSpec::preset(Recipe::Sft) };
        assert_eq!(shortage(&config(), &spec, &[512; 32], 1 << 40).unwrap(), None);
        let message = shortage(&config(), &spec, &[512; 32], 1_500_000_000).unwrap().unwrap();
        for words in [
            "weights",
            "optimiser",
            "1.5 GB can be had",
            "of 32 rows at once",
            "checkpointing on",
            "train an adapter",
        ] {
            assert!(message.contains(words), "{words}: {message}");
        }
        let lora =
            TrainSpec { lora: Some(LoraSpec::default()), checkpointing: true, rows_at_once: Some(1), ..spec };
        let message = shortage(&config(), &lora, &[512; 32], 1 << 20).unwrap().unwrap();
        assert!(!message.contains("train an adapter") && !message.contains("checkpointing on"), "{message}");
    }
}
