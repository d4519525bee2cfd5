//! Generated code, as in HumanEval (M. Chen et al., "Evaluating Large Language Models Trained on Code", 2021): out as the
//! benchmark's own `samples.jsonl`, back as the `results.jsonl` that its harness makes of it.
//!
//! Plumbline never runs generated code. Run the harness in a container without network, and bring its results back.

use crate::files::write_atomic;
use crate::stats::{Mean, Rate, clustered_mean};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Code that a model wrote for a task: a line of `samples.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeSample {
    /// The task, such as `HumanEval/0`.
    pub task_id: String,
    /// What follows the task's prompt.
    pub completion: String,
}

/// Whether code passed its tests: what counts of a line of `results.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeResult {
    /// The task.
    pub task_id: String,
    /// Whether all of its tests passed.
    pub passed: bool,
}

/// What can go wrong with samples and results.
#[derive(Debug, thiserror::Error)]
pub enum HumanEvalError {
    /// The file cannot be written.
    #[error("{file} cannot be written: {reason}. Choose a folder that you may write to, or free some space.")]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// The file cannot be read.
    #[error("{file} cannot be read: {reason}. Check that the file is there and that you may read it.")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// A line is no result.
    #[error(
        "{file}, line {line} is no result: {reason}. Bring the file that the harness wrote (samples.jsonl_results.jsonl), in which every line has task_id and passed."
    )]
    BadLine {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no result in it.
    #[error("{file} holds no results. Run the harness on samples.jsonl first.")]
    Empty {
        /// The file.
        file: PathBuf,
    },
}

/// The code in a model's answer: its first fenced block, or all of it where nothing is fenced. A block that is never
/// closed goes to the end.
#[must_use]
pub fn code_of(answer: &str) -> String {
    let Some((_, fenced)) = answer.split_once("```") else { return answer.to_owned() };
    // The word after the fence names the language.
    let code = fenced.split_once('\n').map_or("", |(_, code)| code);
    code.split("```").next().unwrap_or_default().to_owned()
}

/// Writes `samples.jsonl`: one sample a line, several for the same task where several were drawn.
pub fn write_samples(file: &Path, samples: &[CodeSample]) -> Result<(), HumanEvalError> {
    let unwritable = |reason: String| HumanEvalError::Unwritable { file: file.to_owned(), reason };
    let mut text = String::new();
    for sample in samples {
        text.push_str(&serde_json::to_string(sample).map_err(|e| unwritable(e.to_string()))?);
        text.push('\n');
    }
    write_atomic(file, text.as_bytes()).map_err(|e| unwritable(e.to_string()))
}

/// Reads the harness's results; fields beside `task_id` and `passed` are left alone.
pub fn read_results(file: &Path) -> Result<Vec<CodeResult>, HumanEvalError> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| HumanEvalError::Unreadable { file: file.to_owned(), reason: e.to_string() })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let results = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(i, line)| {
            serde_json::from_str(line).map_err(|e| HumanEvalError::BadLine {
                file: file.to_owned(),
                line: i + 1,
                reason: e.to_string(),
            })
        })
        .collect::<Result<Vec<CodeResult>, _>>()?;
    if results.is_empty() { Err(HumanEvalError::Empty { file: file.to_owned() }) } else { Ok(results) }
}

/// How much of the code passes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassAt1 {
    /// Number of samples, over all tasks.
    pub samples: usize,
    /// The mean over tasks of the share of their samples that pass; `n` is the number of tasks.
    pub mean: Mean,
}

impl PassAt1 {
    /// The rate in words: `pass@1 38.4 % (mean of 164) · 95 % 31.3–46.0`.
    #[must_use]
    pub fn text(&self) -> String {
        let drawn =
            if self.samples == self.mean.n { String::new() } else { format!(", {} samples", self.samples) };
        format!("pass@1 {}{drawn}", self.mean.text())
    }
}

/// pass@1, the chance that one sample passes: the mean over tasks of passed/samples (the unbiased estimate of pass@k at
/// k = 1). With one sample a task the interval is Wilson's, else a bootstrap over tasks.
#[must_use]
pub fn pass_at_1(results: &[CodeResult], resamples: usize, seed: u64) -> PassAt1 {
    let mut tasks: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for result in results {
        let (passed, samples) = tasks.entry(&result.task_id).or_default();
        *passed += usize::from(result.passed);
        *samples += 1;
    }
    let shares: Vec<f64> = tasks.values().map(|(passed, samples)| *passed as f64 / *samples as f64).collect();
    let mean = if tasks.len() == results.len() {
        let rate = Rate::wilson(results.iter().filter(|result| result.passed).count(), results.len());
        Mean { value: rate.value(), n: rate.n, low: rate.low, high: rate.high }
    } else {
        clustered_mean(&shares, None, resamples, seed)
    };
    PassAt1 { samples: results.len(), mean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_as_the_harness_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("samples.jsonl");
        let sample =
            |id: &str, completion: &str| CodeSample { task_id: id.into(), completion: completion.into() };
        write_samples(&file, &[sample("HumanEval/0", "    return 1\n"), sample("HumanEval/1", "\"\"")])
            .unwrap();
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "{\"task_id\":\"HumanEval/0\",\"completion\":\"    return 1\\n\"}\n{\"task_id\":\"HumanEval/1\",\"completion\":\"\\\"\\\"\"}\n"
        );
        assert!(write_samples(&folder.path().join("no/where.jsonl"), &[]).is_err());
    }

    #[test]
    fn results_come_back_and_make_a_rate() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("results.jsonl");
        let line = |id: usize, passed: bool| {
            format!(
                r#"{{"task_id": "HumanEval/{id}", "completion": "x", "result": "failed: ", "passed": {passed}}}"#
            )
        };
        std::fs::write(&file, [line(0, true), line(1, false), String::new(), line(2, false)].join("\n"))
            .unwrap();
        let results = read_results(&file).unwrap();
        let found = pass_at_1(&results, 1_000, 1);
        let wilson = Rate::wilson(1, 3);
        assert_eq!((found.samples, found.mean.n), (3, 3));
        assert!((found.mean.low - wilson.low).abs() < 1e-12 && (found.mean.high - wilson.high).abs() < 1e-12);
        assert!(found.text().starts_with("pass@1 33.3 % (mean of 3) · 95 % "), "{}", found.text());
        // Task 0 passes in 2 of 4, task 1 in 0 of 1: the mean over tasks, not over samples.
        let result = |id: &str, passed| CodeResult { task_id: id.into(), passed };
        let many =
            [("a", true), ("a", true), ("a", false), ("a", false), ("b", false)].map(|(id, p)| result(id, p));
        let found = pass_at_1(&many, 1_000, 1);
        assert!(
            (found.mean.value - 0.25).abs() < 1e-12 && found.text().ends_with(", 5 samples"),
            "{}",
            found.text()
        );
    }

    #[test]
    fn what_is_no_result_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("results.jsonl");
        let failed = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read_results(&file).unwrap_err().to_string()
        };
        let good = r#"{"task_id": "HumanEval/0", "passed": true}"#;
        let message = failed(&format!("{good}\n{{\"task_id\": \"HumanEval/1\", \"completion\": \"x\"}}\n"));
        assert!(message.contains("line 2") && message.contains("passed"), "{message}");
        assert!(failed("nonsense").contains("line 1"));
        assert!(failed("\n").contains("holds no results"));
        assert!(
            read_results(&folder.path().join("none")).unwrap_err().to_string().contains("cannot be read")
        );
    }

    #[test]
    fn code_is_taken_out_of_its_fence() {
        assert_eq!(code_of("Here it is:\n```python\n    return 1\n```\nDone."), "    return 1\n");
        assert_eq!(code_of("    return 1\n"), "    return 1\n");
        assert_eq!(code_of("```\nnever closed"), "never closed");
        assert_eq!(code_of("```"), "");
    }
}
