//! Pairwise tasks (AlpacaEval): a judge says whether it prefers a model's answer to the reference.

use super::{EvaluateError, Records, Sink, VerdictRow};
use crate::data::{Metric, UtilityItem};
use crate::judge::{Asker, Verdict};
use crate::model::Control;
use crate::utility::{PairwiseQuestion, Preference, metric_of, pairwise_question, parse_preference};
use std::collections::{HashMap, HashSet};

/// What the asker is asked for, and the revision of the question.
pub const PREFERENCE: (&str, u32) = ("preference", 1);

/// Has `asker` compare every answer to a pairwise task with its reference, in an order that is drawn for each. Its verdicts
/// bear points: 1 for the model, ½ for a tie, 0 for the reference. `false`: the sink asked to stop.
pub fn compare_with_references(
    asker: &Asker,
    items: &[UtilityItem],
    seed: u64,
    records: &mut Records,
    sink: &mut dyn Sink,
) -> Result<bool, EvaluateError> {
    let references: HashMap<&str, &UtilityItem> = items
        .iter()
        .filter(|item| metric_of(item) == Metric::Pairwise)
        .map(|item| (item.id.as_str(), item))
        .collect();
    let known: HashSet<&str> = records
        .verdicts
        .iter()
        .filter(|row| row.judge == asker.name() && row.version == asker.version())
        .map(|row| row.response.as_str())
        .collect();
    let open: Vec<(&str, PairwiseQuestion)> = records
        .responses
        .iter()
        .filter(|r| !r.is_judged() && !known.contains(r.id.as_str()))
        .filter_map(|r| {
            let item = references.get(r.prompt_id.as_str())?;
            Some((r.id.as_str(), pairwise_question(seed, &r.id, &item.prompt, &r.text, &item.reference)))
        })
        .collect();
    if open.is_empty() {
        return Ok(true);
    }
    sink.note(&format!(
        "{}: compares {} answers, which are sent to {}",
        asker.name(),
        open.len(),
        asker.host()
    ));
    let questions: Vec<String> = open.iter().map(|(_, question)| question.text.clone()).collect();
    let (mut rows, mut kept) = (Vec::with_capacity(open.len()), Ok(()));
    let finished = asker.ask_all(
        &questions,
        |reply| parse_preference(reply, true).is_some(),
        &mut |i, words, is_reply| {
            let (response, question) = &open[i];
            let said = if is_reply { parse_preference(&words, question.model_first) } else { None };
            let score = said.map(|preference| match preference {
                Preference::Model => 1.0,
                Preference::Tie => 0.5,
                Preference::Baseline => 0.0,
            });
            let row = VerdictRow {
                response: (*response).to_owned(),
                judge: asker.name().to_owned(),
                version: asker.version().to_owned(),
                verdict: if said.is_some() { Verdict::Safe } else { Verdict::Unparsed },
                score,
                raw: Some(words),
                at: jiff::Timestamp::now().to_string(),
            };
            kept = sink.verdict(&row);
            rows.push(row);
            if kept.is_err() { Control::Stop } else { sink.progress(rows.len() as u64, open.len() as u64) }
        },
    );
    sink.note(&format!("{}: {}", asker.name(), asker.spent().text()));
    records.verdicts.append(&mut rows);
    kept?;
    Ok(finished?)
}
