//! Judges read answers that are there: during an evaluation, or at any time later.

use super::{EvaluateError, Records, Response, Sink, VerdictRow};
use crate::judge::{Judge, Judgement};
use crate::model::Control;
use std::collections::HashSet;

/// Has `judge` read every answer that it has not read yet in this version. `false`: the sink asked to stop; what was judged by
/// then is kept.
pub fn judge_responses(
    judge: &dyn Judge,
    records: &mut Records,
    sink: &mut dyn Sink,
) -> Result<bool, EvaluateError> {
    let (name, version) = (judge.name().to_owned(), judge.version().to_owned());
    let judged: HashSet<&str> = records
        .verdicts
        .iter()
        .filter(|row| row.judge == name && row.version == version)
        .map(|row| row.response.as_str())
        .collect();
    let open: Vec<&Response> = records
        .responses
        .iter()
        .filter(|response| response.is_judged() && !judged.contains(response.id.as_str()))
        .collect();
    if open.is_empty() {
        return Ok(true);
    }
    sink.note(&format!("{name}: reads {} answers", open.len()));
    let mut verdicts = Vec::with_capacity(open.len());
    let mut stopped = false;
    for response in &open {
        let Judgement { verdict, score } = judge.judge(&response.case());
        let row = VerdictRow {
            response: response.id.clone(),
            judge: name.clone(),
            version: version.clone(),
            verdict,
            score,
            at: jiff::Timestamp::now().to_string(),
        };
        sink.verdict(&row)?;
        verdicts.push(row);
        if sink.progress(verdicts.len() as u64, open.len() as u64) == Control::Stop {
            stopped = true;
            break;
        }
    }
    records.verdicts.append(&mut verdicts);
    Ok(!stopped)
}
