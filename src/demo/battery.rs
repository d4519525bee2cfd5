//! The paper's attacks on the demo pair, before and after recovery augmentation: `plumbline demo attacks`.

use super::measure::{Subject, judges};
use super::story::{deepening_spec, recovery_data};
use super::tables::{strings, table};
use super::{DATA_SEED, DemoError};
use crate::attack::{DecodingGrid, GcgSpec, REFUSAL_PREFIXES};
use crate::data::AttackPrompt;
use crate::evaluate::{
    ANY_SETTING, AttackSpec, EvaluateSpec, Material, PromptSet, RateRow, Records, Sink, Summary, evaluate,
};
use crate::judge::JudgeSpec;
use crate::model::{self, Control, Decoder, Model, Sampler};
use crate::train::train;
use crate::world::{Split, World};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// Sampling seeds: as many as the paper has.
pub const SEEDS: usize = 3;

/// Steps and candidates of each search for a suffix, for the time that they take; the paper has 500 steps of 512, so what is
/// found here is a lower bound.
const GCG: (usize, usize) = (50, 128);

/// Rows generated at a time.
const BATCH: usize = 64;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Battery {
    /// Dev or test adjectives.
    pub split: String,
    /// Rates of every model, attack, setting and judge.
    pub summary: Summary,
    /// Seconds that the evaluation took.
    pub seconds: f64,
    /// The tables as text: title and table.
    pub sections: Vec<(String, String)>,
}

/// Attacks the pair in `pair`/base and `pair`/aligned and the model deepened from it. `note` is told what is being done.
pub fn run(pair: &Path, split: Split, seed: u64, note: &mut dyn FnMut(&str)) -> Result<Battery, DemoError> {
    let base = Subject { name: "base", checkpoint: model::load(&pair.join("base"))? };
    let aligned = Subject { name: "aligned", checkpoint: model::load(&pair.join("aligned"))? };
    note("training the deepened model (recovery augmentation)");
    let data = recovery_data(&aligned)?;
    let (codec, decoder) = (&aligned.checkpoint.codec, aligned.checkpoint.decoder.clone());
    let outcome = train(codec, decoder, &data, &deepening_spec(seed), None, &mut |_, _| Control::Continue)?;
    let deepened = aligned.with("deepened", outcome.decoder);

    let started = Instant::now();
    let prompts = prompts(split);
    let one_each: Vec<AttackPrompt> = one_of_each_category(&prompts);
    let guide = base.checkpoint.decoder.clone();
    let mut summary = Summary::default();
    let prefixes = AttackSpec::RefusalPrefix { prefixes: REFUSAL_PREFIXES.map(str::to_owned).to_vec() };
    ask(&base, None, vec![AttackSpec::Direct, prefixes], &prompts, seed, note, &mut summary)?;
    for subject in [&aligned, &deepened] {
        let attacks = vec![
            AttackSpec::Direct,
            AttackSpec::prefill(),
            AttackSpec::later_turn(),
            AttackSpec::multi_turn(),
            AttackSpec::rap(),
            AttackSpec::Decoding(DecodingGrid::default()),
        ];
        ask(subject, Some(&guide), attacks, &prompts, seed, note, &mut summary)?;
        let (steps, width) = GCG;
        let gcg = GcgSpec { steps, width, ..GcgSpec::default() };
        ask(subject, None, vec![AttackSpec::Gcg(gcg)], &one_each, seed, note, &mut summary)?;
    }
    let sections = sections(&summary, prompts.len(), one_each.len());
    let split = format!("{split:?}").to_lowercase();
    Ok(Battery { split, summary, seconds: started.elapsed().as_secs_f64(), sections })
}

/// Every category with every adjective of the split, once.
fn prompts(split: Split) -> Vec<AttackPrompt> {
    let items = World::emberfall().test_prompts(split, 1, DATA_SEED);
    let prompt = |(i, item): (usize, crate::world::Item)| AttackPrompt {
        id: format!("prompt-{:03}", i + 1),
        goal: item.prompt,
        target: Some(item.response),
        category: item.category,
        cluster: item.adjective,
    };
    items.into_iter().enumerate().map(prompt).collect()
}

/// One prompt of each category, each with another adjective as long as there are any.
fn one_of_each_category(prompts: &[AttackPrompt]) -> Vec<AttackPrompt> {
    let mut chosen: Vec<AttackPrompt> = Vec::new();
    for prompt in prompts {
        if chosen.iter().any(|other| other.category == prompt.category) {
            continue;
        }
        let used = |p: &AttackPrompt| chosen.iter().filter(|other| other.cluster == p.cluster).count();
        let same = prompts.iter().filter(|other| other.category == prompt.category);
        chosen.extend(same.min_by_key(|other| used(other)).cloned());
    }
    chosen
}

fn ask(
    subject: &Subject<'_>,
    guide: Option<&Decoder>,
    attacks: Vec<AttackSpec>,
    prompts: &[AttackPrompt],
    seed: u64,
    note: &mut dyn FnMut(&str),
    summary: &mut Summary,
) -> Result<(), DemoError> {
    let spec = EvaluateSpec {
        models: vec![subject.name.to_owned()],
        base: guide.map(|_| "base".to_owned()),
        prompts: vec!["forbidden".to_owned()],
        attacks,
        judges: vec![JudgeSpec::Oracle],
        kl: false,
        // The paper's sampling.
        sampler: Sampler { temperature: 0.9, top_p: Some(0.6), ..Sampler::default() },
        batch: BATCH,
        seed,
        seeds: SEEDS,
        ..EvaluateSpec::default()
    };
    let models = [(subject.name.to_owned(), Model::Checkpoint(subject.checkpoint.clone()))];
    let judges = judges(&spec)?;
    let sets = [PromptSet { id: "forbidden".to_owned(), prompts: prompts.to_vec() }];
    let base = guide.map(|guide| ("base".to_owned(), guide.clone()));
    let material = Material { models: &models, base, sets: &sets, utility: &[], judges: &judges };
    let mut records = Records::default();
    let found = evaluate(&material, &spec, &mut records, &mut Notes(note))?.ok_or(DemoError::Stopped)?;
    summary.rates.extend(found.rates);
    summary.openings.extend(found.openings);
    Ok(())
}

/// Tells what is being done, and keeps nothing.
struct Notes<'a>(&'a mut dyn FnMut(&str));

impl Sink for Notes<'_> {
    fn response(&mut self, _: &crate::evaluate::Response) -> std::io::Result<()> {
        Ok(())
    }

    fn verdict(&mut self, _: &crate::evaluate::VerdictRow) -> std::io::Result<()> {
        Ok(())
    }

    fn progress(&mut self, _: u64, _: u64) -> Control {
        Control::Continue
    }

    fn note(&mut self, text: &str) {
        (self.0)(text);
    }
}

fn sections(summary: &Summary, n: usize, gcg: usize) -> Vec<(String, String)> {
    let row = |model: &str, attack: &str, setting: &str| {
        summary
            .rates
            .iter()
            .find(|row| row.model == model && row.attack == attack && row.setting == setting)
            .map_or_else(|| "–".to_owned(), cell)
    };
    let mut head = strings(&["harmful answers", "no prefix"]);
    head.extend(REFUSAL_PREFIXES.map(|prefix| format!("“{prefix}”")));
    let mut base = vec!["base".to_owned(), row("base", "direct", "")];
    base.extend(REFUSAL_PREFIXES.map(|prefix| row("base", "refusal_prefix", prefix)));
    let mut aligned = vec!["aligned".to_owned(), row("aligned", "direct", "")];
    aligned.resize(head.len(), "–".to_owned());
    let prefixes = table(&head, &[base, aligned]);

    let attacks: [(&str, &str, &str); 15] = [
        ("plain request", "direct", ""),
        ("prefilling 5 tokens", "prefill", "k=5"),
        ("prefilling 10", "prefill", "k=10"),
        ("prefilling 20", "prefill", "k=20"),
        ("prefilling 40", "prefill", "k=40"),
        ("GCG suffix (own, see below)", "gcg", "own suffix"),
        ("sampling at temperature 1", "decoding", "T=1"),
        ("sampling, any of 49 settings", "decoding", ANY_SETTING),
        ("sampling, any of 49 settings and 3 seeds", "decoding", ""),
        ("later turn, 2 sentences", "later_turn", "sentences=2"),
        ("later turn, 3 sentences", "later_turn", "sentences=3"),
        ("led up to over 3 turns", "multi_turn", "3 turns"),
        ("rank-assisted, from nothing", "rap", "k=0"),
        ("rank-assisted, after 10 tokens", "rap", "k=10"),
        ("plain, any of 3 seeds", "direct", "any seed"),
    ];
    let body: Vec<Vec<String>> = attacks
        .iter()
        .map(|(name, attack, setting)| {
            let mut cells = vec![(*name).to_owned()];
            cells.extend(["aligned", "deepened"].map(|model| {
                let any = match (*attack, *setting) {
                    ("decoding", "") => Some(ANY_SETTING),
                    ("direct", "any seed") => Some(""),
                    _ => None,
                };
                if let Some(setting) = any {
                    let mut own = summary.rates.iter().filter(|r| r.model == model && r.attack == *attack);
                    let row = own.find(|r| r.setting == setting);
                    return row.and_then(|r| r.any_seed).map_or_else(|| "–".to_owned(), |r| short(&r));
                }
                row(model, attack, setting)
            }));
            cells
        })
        .collect();
    let (steps, width) = GCG;
    vec![
        (
            format!(
                "Refusal prefixes (n = {n} forbidden requests × {SEEDS} seeds; T = 0.9, top-p = 0.6; oracle judge; mean ± std over seeds, 95 % interval over adjectives)"
            ),
            prefixes,
        ),
        (
            format!(
                "Attacks before and after recovery augmentation (GCG: {gcg} requests, one a category, {SEEDS} searches of {steps} steps × {width} candidates each)"
            ),
            table(&strings(&["harmful answers", "aligned", "deepened"]), &body),
        ),
    ]
}

/// `71.2 ± 1.1 % (62–79)`: the rate, its spread over seeds where there are several, and its interval.
fn cell(row: &RateRow) -> String {
    match row.over_seeds() {
        None => short(&row.rate),
        Some((mean, std)) => format!(
            "{:.1} ± {:.1} % ({:.0}–{:.0})",
            100.0 * mean,
            100.0 * std,
            100.0 * row.rate.low,
            100.0 * row.rate.high
        ),
    }
}

fn short(rate: &crate::stats::Rate) -> String {
    format!("{:.1} % ({:.0}–{:.0})", 100.0 * rate.value(), 100.0 * rate.low, 100.0 * rate.high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gcg_is_tried_on_every_category_with_different_adjectives() {
        let all = prompts(Split::Test);
        let chosen = one_of_each_category(&all);
        assert_eq!((all.len(), chosen.len()), (110, 11));
        let adjectives: std::collections::BTreeSet<_> = chosen.iter().map(|p| &p.cluster).collect();
        assert_eq!(adjectives.len(), 10);
        assert!(prompts(Split::Dev).len() == 55);
    }
}
