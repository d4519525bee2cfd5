//! `plumbline check`: a data set, and everything that is wrong with it.

use super::Trouble;
use crate::data::{DataError, DatasetKind, Examples, read_jsonl};
use crate::model;
use crate::train::check_rows;
use std::path::Path;

pub(super) fn check(file: &Path, kind: DatasetKind, model: Option<&Path>) -> Result<(), Trouble> {
    let examples = read_jsonl(file, kind).map_err(|error| match &error {
        DataError::BadRows { rows, .. } => {
            for row in rows {
                eprintln!("{}, {row}", file.display());
            }
            let lines = rows.iter().map(|row| row.line).collect::<std::collections::BTreeSet<_>>().len();
            Trouble::BadInput(format!("{} has {lines} bad {}.", file.display(), plural(lines, "line")))
        }
        _ => Trouble::BadInput(error.to_string()),
    })?;
    let findings = model.map_or(Ok(0), |folder| findings(&examples, folder))?;
    if findings > 0 {
        return Err(Trouble::BadInput(format!("{findings} {} found.", plural(findings, "problem"))));
    }
    println!("{}: {} {}, nothing wrong.", file.display(), examples.len(), kind.label());
    Ok(())
}

/// Prints what makes rows useless for the model in `folder`, and counts it.
fn findings(examples: &Examples, folder: &Path) -> Result<usize, Trouble> {
    if !matches!(examples, Examples::Recovery(_) | Examples::Chat(_)) {
        return Err(Trouble::BadInput(
            "--model only checks sets that are trained on, recovery and chat. Leave it out for other kinds."
                .into(),
        ));
    }
    let card = model::inspect(folder).map_err(|e| Trouble::BadInput(e.to_string()))?;
    let codec = model::codec(folder).map_err(|e| Trouble::BadInput(e.to_string()))?;
    let findings = check_rows(examples, &codec, card.context, &[]);
    for finding in &findings {
        eprintln!("row {} ({}): {}", finding.row, finding.id, finding.message);
    }
    Ok(findings.len())
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}
