//! `plumbline judges`: what judges are worth: blind tables for people to label, their labels back, and how judges compare.

use super::Trouble;
use crate::evaluate::{REFERENCE, Records, Response, calibrate};
use crate::judge::calibration::{calibration_sample, probe_cases, probe_report};
use crate::judge::{Case, Drawn, JudgeContext, JudgeSpec, Label, SystemKeys, Verdict, verdict_of};
use crate::model::Control;
use crate::project::Project;
use crate::stats::{SampleSizeError, design_effect, n_paired, n_per_group, with_design_effect};
use clap::Subcommand;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What to do about judges.
#[derive(Debug, Subcommand)]
pub(super) enum JudgesCommand {
    /// Write a table of answers, drawn by chance, for a person to label. It names neither model nor attack nor judge.
    Sample {
        /// The evaluation's id.
        evaluation: String,
        /// The CSV file to write.
        file: PathBuf,
        /// How many answers.
        #[arg(long, default_value_t = 100)]
        n: usize,
        /// Which ones are drawn.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Instead of chance: those on which judges differ, the most telling first. They show where judges err, not how often.
        #[arg(long)]
        disputed: bool,
        /// The project's folder.
        #[arg(long, default_value = ".")]
        project: PathBuf,
    },
    /// Read a labelled table back: harmful, safe, refused or unclear in the column verdict.
    Labels {
        /// The evaluation's id.
        evaluation: String,
        /// The CSV file.
        file: PathBuf,
        /// Who labelled.
        #[arg(long)]
        author: String,
        /// The project's folder.
        #[arg(long, default_value = ".")]
        project: PathBuf,
    },
    /// Compare each judge of an evaluation with the labels, and correct its rates for its errors.
    Report {
        /// The evaluation's id.
        evaluation: String,
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
        /// The project's folder.
        #[arg(long, default_value = ".")]
        project: PathBuf,
    },
    /// How many prompts it takes to tell two rates apart, with 80 % power in a test at 5 %.
    Needed {
        /// The one rate, such as 0.30; with --paired the share of prompts that go from safe to harmful.
        first: f64,
        /// The other rate; with --paired the share that go the other way.
        second: f64,
        /// The same prompts for both models.
        #[arg(long)]
        paired: bool,
        /// Prompts that share a cluster, where they come in clusters.
        #[arg(long, default_value_t = 1.0)]
        cluster: f64,
        /// How alike outcomes in a cluster are: the intraclass correlation, 0 to 1.
        #[arg(long, default_value_t = 0.0)]
        correlation: f64,
    },
    /// Try judges on answers whose verdicts are known: a refusal that then complies, a harmless paragraph, a harmful answer to
    /// another request.
    Probe {
        /// A TOML file with `judges = [...]`, as in an evaluation's spec.
        file: PathBuf,
        /// Answers of each kind.
        #[arg(long, default_value_t = 20)]
        each: usize,
        /// The project whose models may judge.
        #[arg(long)]
        project: Option<PathBuf>,
    },
}

pub(super) fn run(command: JudgesCommand) -> Result<(), Trouble> {
    match command {
        JudgesCommand::Sample { evaluation, file, n, seed, disputed, project } => {
            sample(&Project::open(&project)?, &evaluation, &file, (n, seed, disputed))
        }
        JudgesCommand::Labels { evaluation, file, author, project } => {
            labels(&Project::open(&project)?, &evaluation, &file, &author)
        }
        JudgesCommand::Report { evaluation, json, project } => {
            report(&Project::open(&project)?, &evaluation, json)
        }
        JudgesCommand::Needed { first, second, paired, cluster, correlation } => {
            let bad = |e: SampleSizeError| Trouble::BadInput(e.to_string());
            let n = if paired { n_paired(first, second) } else { n_per_group(first, second) }.map_err(bad)?;
            let n = with_design_effect(n, design_effect(cluster, correlation).map_err(bad)?);
            println!("{n} prompts{}", if paired { ", asked of both models" } else { " for each model" });
            Ok(())
        }
        JudgesCommand::Probe { file, each, project } => probe(&file, each, project.as_deref()),
    }
}

/// An answer's name in a blind table: says nothing of what it is.
fn blind(response: &str) -> String {
    let mut hash = format!("{:x}", Sha256::digest(response.as_bytes()));
    hash.truncate(12);
    hash
}

fn judged(records: &Records) -> impl Iterator<Item = &Response> {
    records.responses.iter().filter(|response| response.is_judged() && response.model != REFERENCE)
}

fn sample(
    project: &Project,
    evaluation: &str,
    file: &Path,
    (n, seed, disputed): (usize, u64, bool),
) -> Result<(), Trouble> {
    let records = project.records(evaluation)?;
    let by_id: HashMap<&str, &Response> = judged(&records).map(|r| (r.id.as_str(), r)).collect();
    let labels = project.labels(evaluation)?;
    let chosen: Vec<String> = if disputed {
        let summary = project.evaluation(evaluation)?.summary.unwrap_or_default();
        calibrate(&records, &summary, &labels, seed)
            .next
            .into_iter()
            .take(n)
            .map(|item| item.response)
            .collect()
    } else {
        let open: Vec<&str> = judged(&records)
            .map(|r| r.id.as_str())
            .filter(|id| labels.iter().all(|label| label.response != *id))
            .collect();
        calibration_sample(&open, n, seed).into_iter().map(str::to_owned).collect()
    };
    let drawn = if disputed { Drawn::Disputed } else { Drawn::ByChance };
    if chosen.is_empty() {
        return Err(Trouble::BadInput(format!("{evaluation} has no answers left to label")));
    }
    if file.exists() {
        return Err(Trouble::BadInput(format!("{} is there already; choose another name", file.display())));
    }
    let failed =
        |e: &dyn std::fmt::Display| Trouble::Failed(format!("{} cannot be written: {e}", file.display()));
    let mut table = csv::Writer::from_path(file).map_err(|e| failed(&e))?;
    let head = ["id", "request", "words put before the answer", "answer", "verdict", "reason", "drawn"];
    table.write_record(head).map_err(|e| failed(&e))?;
    for response in chosen.iter().filter_map(|id| by_id.get(id.as_str())) {
        let cells = [&response.prompt, &response.prefill, &response.text].map(|text| inert(text));
        let [request, before, answer] = cells;
        let row = [
            blind(&response.id),
            request,
            before,
            answer,
            String::new(),
            String::new(),
            drawn.word().to_owned(),
        ];
        table.write_record(row).map_err(|e| failed(&e))?;
    }
    table.flush().map_err(|e| failed(&e))?;
    println!(
        "{} answers are in {}. Write harmful, safe, refused or unclear into the column verdict, judging only the answer itself, and bring it back with: plumbline judges labels {evaluation} {} --author NAME",
        chosen.len(),
        file.display(),
        file.display()
    );
    Ok(())
}

/// A cell that no spreadsheet runs as a formula.
fn inert(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

#[derive(Deserialize)]
struct Row {
    id: String,
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    reason: String,
    drawn: String,
}

fn labels(project: &Project, evaluation: &str, file: &Path, author: &str) -> Result<(), Trouble> {
    let records = project.records(evaluation)?;
    let by_name: HashMap<String, &str> = judged(&records).map(|r| (blind(&r.id), r.id.as_str())).collect();
    let wrong = |line: u64, reason: &str| {
        Trouble::BadInput(format!("{}, row {line}: {reason}. Nothing was taken over.", file.display()))
    };
    let mut table = csv::Reader::from_path(file)
        .map_err(|e| Trouble::BadInput(format!("{} cannot be read: {e}", file.display())))?;
    let (mut found, mut empty) = (Vec::new(), 0);
    for (index, row) in table.deserialize::<Row>().enumerate() {
        let line = index as u64 + 2;
        let row = row.map_err(|e| wrong(line, &e.to_string()))?;
        if row.verdict.trim().is_empty() {
            empty += 1;
            continue;
        }
        let verdict = verdict_of(&row.verdict).ok_or_else(|| {
            wrong(
                line,
                &format!("\"{}\" is no verdict: write harmful, safe, refused or unclear", row.verdict),
            )
        })?;
        let response = by_name
            .get(row.id.trim())
            .ok_or_else(|| wrong(line, "no answer of this evaluation has its id"))?;
        found.push(Label {
            response: (*response).to_owned(),
            verdict,
            author: author.to_owned(),
            reason: row.reason,
            drawn: Drawn::of(&row.drawn)
                .ok_or_else(|| wrong(line, "the column drawn must stay as it was written"))?,
            at: jiff::Timestamp::now().to_string(),
            withdrawn: false,
        });
    }
    project.add_labels(evaluation, &found)?;
    println!("{} labels by {author} were taken over; {empty} rows have none.", found.len());
    Ok(())
}

fn report(project: &Project, evaluation: &str, json: bool) -> Result<(), Trouble> {
    let info = project.evaluation(evaluation)?;
    let (records, labels) = (project.records(evaluation)?, project.labels(evaluation)?);
    let found = calibrate(&records, &info.summary.unwrap_or_default(), &labels, info.spec.seed);
    if json {
        let text = serde_json::to_string_pretty(&found).map_err(|e| Trouble::Failed(e.to_string()))?;
        println!("{text}");
        return Ok(());
    }
    if labels.is_empty() {
        println!(
            "Nobody has labelled answers of {evaluation} yet: plumbline judges sample {evaluation} FILE.csv"
        );
    }
    for judge in &found.judges {
        println!("{}: {}", judge.judge, judge.agreement.text());
        for (what, rate) in judge.corrected.iter().filter(|_| judge.agreement.n > 0) {
            match rate {
                Ok(rate) => println!("  {what}: {}", rate.text()),
                Err(why) => println!("  {what}: {why}"),
            }
        }
    }
    for (first, second, agreement) in &found.people {
        println!("{first} and {second}: {}", agreement.text());
    }
    if found.disputed > 0 {
        println!(
            "{} labels are of answers chosen because judges differ: they say where judges err, and are in no figure above.",
            found.disputed
        );
    }
    if !found.next.is_empty() {
        println!(
            "On {} answers the judges differ: plumbline judges sample {evaluation} FILE.csv --disputed",
            found.next.len()
        );
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judges {
    judges: Vec<JudgeSpec>,
}

fn probe(file: &Path, each: usize, project: Option<&Path>) -> Result<(), Trouble> {
    let bad = |e: &dyn std::fmt::Display| Trouble::BadInput(format!("{}: {e}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|e| bad(&e))?;
    let Judges { judges } = toml::from_str(&text).map_err(|e| bad(&e))?;
    let project = project.map(Project::open).transpose()?;
    let model = |id: &str| project.as_ref().and_then(|project| project.model_folder(id).ok());
    let watch = Arc::new(|| Control::Continue);
    let context = JudgeContext { cache: None, keys: &SystemKeys, model: &model, watch };
    let known = probe_cases(each.max(1), 0);
    let cases: Vec<Case<'_>> = known
        .iter()
        .map(|case| Case {
            prompt: &case.prompt,
            category: &case.category,
            prefill: "",
            prefill_is_refusal: false,
            text: &case.text,
        })
        .collect();
    for spec in &judges {
        let judge = spec.build(&context).map_err(|e| Trouble::BadInput(e.to_string()))?;
        let mut verdicts: Vec<(&str, Verdict)> = Vec::new();
        let judged = judge.judge_all(&cases, &mut |i, judgement| {
            verdicts.push((known[i].id.as_str(), judgement.verdict));
            Control::Continue
        });
        println!("{} (version {})", judge.name(), judge.version());
        println!("{}", probe_report(&known, &verdicts).text());
        judged.map_err(|e| Trouble::Failed(e.to_string()))?;
    }
    Ok(())
}
