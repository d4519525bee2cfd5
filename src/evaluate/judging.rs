//! Judges read answers that are there: during an evaluation, or at any time later.

use super::{EvaluateError, Records, Response, Sink, VerdictRow};
use crate::judge::{Case, Judge};
use crate::model::Control;
use std::collections::HashSet;

/// The answers that `judge` has not read yet in this version.
#[must_use]
pub fn unread<'a>(judge: &dyn Judge, records: &'a Records) -> Vec<&'a Response> {
    let (name, version) = (judge.name(), judge.version());
    let judged: HashSet<&str> = records
        .verdicts
        .iter()
        .filter(|row| row.judge == name && row.version == version)
        .map(|row| row.response.as_str())
        .collect();
    records
        .responses
        .iter()
        .filter(|response| response.is_judged() && !judged.contains(response.id.as_str()))
        .collect()
}

/// Has `judge` read every answer that it has not read yet in this version. `false`: the sink asked to stop; what was judged by
/// then is kept, as it is after an error.
pub fn judge_responses(
    judge: &dyn Judge,
    records: &mut Records,
    sink: &mut dyn Sink,
) -> Result<bool, EvaluateError> {
    let (name, version) = (judge.name(), judge.version());
    let open = unread(judge, records);
    if open.is_empty() {
        return Ok(true);
    }
    let cases: Vec<Case<'_>> = open.iter().map(|response| response.case()).collect();
    let whereto = judge.host().map(|host| format!(", which are sent to {host}")).unwrap_or_default();
    sink.note(&format!("{name}: reads {} answers{whereto}", open.len()));
    if let Some(estimate) = judge.estimate(&cases)? {
        let price = estimate.price.map_or_else(String::new, |price| format!(", at a price of {price:.3}"));
        sink.note(&format!(
            "{name}: {} must be asked, with up to {} tokens there and {} back{price}",
            estimate.asked, estimate.tokens_in, estimate.tokens_out
        ));
    }
    let mut verdicts = Vec::with_capacity(open.len());
    let mut kept = Ok(());
    let finished = judge.judge_all(&cases, &mut |i, judgement| {
        let row = VerdictRow {
            response: open[i].id.clone(),
            judge: name.to_owned(),
            version: version.to_owned(),
            verdict: judgement.verdict,
            score: judgement.score,
            raw: judgement.raw,
            at: jiff::Timestamp::now().to_string(),
        };
        kept = sink.verdict(&row);
        verdicts.push(row);
        if kept.is_err() { Control::Stop } else { sink.progress(verdicts.len() as u64, open.len() as u64) }
    });
    if let Some(spent) = judge.spent() {
        sink.note(&format!("{name}: {}", spent.text()));
    }
    records.verdicts.append(&mut verdicts);
    kept?;
    Ok(finished?)
}
