//! `plumbline review` and `plumbline assemble`: from texts that a model wrote to a data set.

use super::Trouble;
use crate::data::{DatasetKind, Decision};
use crate::project::Project;
use clap::Args;
use std::path::PathBuf;

/// What `plumbline review` takes.
#[derive(Debug, Args)]
pub(super) struct ReviewArguments {
    /// The generation's id: the name of its folder in generations.
    generation: String,
    /// The project's folder.
    #[arg(long, default_value = ".")]
    project: PathBuf,
    /// Accept these texts, by their ids; `undoubted` = all that are open and not doubtful.
    #[arg(long, value_name = "ID")]
    accept: Vec<String>,
    /// Reject these texts; `doubtful` = all that are open and doubtful.
    #[arg(long, value_name = "ID")]
    reject: Vec<String>,
}

/// What `plumbline assemble` takes.
#[derive(Debug, Args)]
pub(super) struct AssembleArguments {
    /// The id of the data set to make.
    id: String,
    /// The generations whose accepted texts it is made of.
    #[arg(long, required = true, value_name = "GENERATION")]
    from: Vec<String>,
    /// What it holds: recovery examples, or anchors (chat).
    #[arg(long, value_enum)]
    kind: super::Kind,
    /// Where no refusal was accepted, take one of the templates.
    #[arg(long)]
    templates: bool,
    /// The project's folder.
    #[arg(long, default_value = ".")]
    project: PathBuf,
}

pub(super) fn review(arguments: &ReviewArguments) -> Result<(), Trouble> {
    let ReviewArguments { generation, project, accept, reject } = arguments;
    let project = Project::open(project)?;
    let review = project.review(generation)?;
    // Who names a text means it, whatever is said of all others.
    let named = |id: &String| accept.contains(id) || reject.contains(id);
    let decide = |wanted: &[String], all: &str, doubtful: bool, decision: &Decision| -> Result<(), Trouble> {
        for id in wanted {
            if id == all {
                for candidate in review.open().filter(|c| c.doubt.is_some() == doubtful && !named(&c.id)) {
                    project.decide(generation, &candidate.id, decision.clone())?;
                }
            } else if review.candidates.iter().any(|candidate| candidate.id == *id) {
                project.decide(generation, id, decision.clone())?;
            } else {
                return Err(Trouble::BadInput(format!("{generation} has no text \"{id}\"")));
            }
        }
        Ok(())
    };
    decide(accept, "undoubted", false, &Decision::Accept)?;
    decide(reject, "doubtful", true, &Decision::Reject)?;
    let review = project.review(generation)?;
    for candidate in review.open() {
        let doubt = candidate.doubt.as_deref().map_or_else(String::new, |doubt| format!(" [{doubt}]"));
        println!("{}{doubt}: {}", candidate.id, candidate.text);
    }
    let (accepted, open) = (review.accepted().count(), review.open().count());
    let rejected = review.candidates.len() - accepted - open;
    println!("{accepted} accepted, {rejected} rejected, {open} open.");
    Ok(())
}

pub(super) fn assemble(arguments: &AssembleArguments) -> Result<(), Trouble> {
    let AssembleArguments { id, from, kind, templates, project } = arguments;
    let kind = DatasetKind::from(*kind);
    if !matches!(kind, DatasetKind::Recovery | DatasetKind::Chat) {
        return Err(Trouble::BadInput(
            "Generated texts become recovery examples or chat examples: --kind recovery or --kind chat."
                .into(),
        ));
    }
    let (count, missing) = Project::open(project)?.assemble(id, kind, from, *templates)?;
    for line in &missing {
        eprintln!("{line}");
    }
    println!("{id}: {count} {}.", kind.label());
    Ok(())
}
