//! The thread that owns the project.

use super::{
    ModelView, Reply, Request, Snapshot, Strip, StripKind, StripRequest, StripToken, Waker, panic_text,
};
use crate::data::{self, Decision, Examples, RecoveryExample, Review};
use crate::model;
use crate::project::{ModelEntry, ModelRole, Project, id_from_title};
use crate::text::Codec;
use crate::ui::screens::Change;
use crossbeam_channel::{Receiver, Sender};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Starts the thread.
pub(super) fn spawn(
    requests: Receiver<Request>,
    replies: Sender<Reply>,
    waker: Waker,
) -> std::io::Result<()> {
    std::thread::Builder::new().name("loader".into()).spawn(move || {
        let mut room = Room::default();
        while let Ok(first) = requests.recv() {
            let mut batch = vec![first];
            batch.extend(requests.try_iter());
            for request in newest_strip_only(batch) {
                let reply = catch_unwind(AssertUnwindSafe(|| room.answer(request))).unwrap_or_else(|panic| {
                    Reply::Trouble(format!("Reading the project broke off: {}", panic_text(panic.as_ref())))
                });
                if replies.send(reply).is_err() {
                    return;
                }
                waker();
            }
        }
    })?;
    Ok(())
}

/// While somebody types or drags, strips are asked for faster than they are made: the last one is wanted.
fn newest_strip_only(mut batch: Vec<Request>) -> Vec<Request> {
    if let Some(last) = batch.iter().rposition(|r| matches!(r, Request::Strip(_))) {
        let mut index = 0;
        batch.retain(|request| {
            let keep = index == last || !matches!(request, Request::Strip(_));
            index += 1;
            keep
        });
    }
    batch
}

#[derive(Default)]
struct Room {
    project: Option<Project>,
    codecs: HashMap<PathBuf, Codec>,
    /// Recovery sets as edited, including changes that could not be written yet.
    edited: HashMap<String, Vec<RecoveryExample>>,
}

const NOT_OPEN: &str = "No project is open.";

impl Room {
    fn answer(&mut self, request: Request) -> Reply {
        match request {
            Request::Open { root, demo } => Reply::Project(self.open(&root, demo)),
            Request::Refresh => Reply::Project(self.refresh()),
            Request::Examples(set) => {
                let result = self.examples(&set);
                Reply::Examples { set, result }
            }
            Request::Save { set, changes, serial } => {
                let result = self.save(&set, changes);
                Reply::Saved { set, serial, result }
            }
            Request::Strip(request) => Reply::Strip { serial: request.serial, result: self.strip(&request) },
            Request::Review(generation) => {
                let result = self.review(&generation, &[]);
                Reply::Review { generation, result }
            }
            Request::Decide { generation, decisions } => {
                let result = self.review(&generation, &decisions);
                Reply::Review { generation, result }
            }
            Request::Assemble { id, kind, from, templates } => {
                let made = match self.project.as_mut() {
                    Some(project) => project.assemble(&id, kind, &from, templates).map_err(|e| e.to_string()),
                    None => Err(NOT_OPEN.to_owned()),
                };
                Reply::Assembled(made.map(|(count, missing)| (id, count, missing)))
            }
            Request::AddModel { folder, title, role } => {
                Reply::ModelAdded(self.add_model(&folder, &title, role))
            }
        }
    }

    fn open(&mut self, root: &Path, demo: bool) -> Result<Snapshot, String> {
        // The old project lets go of its lock before the same folder is opened again.
        self.project = None;
        self.edited.clear();
        if demo && !root.join("project.toml").exists() {
            unpack_demo(root)?;
        }
        let project = Project::open(root).map_err(|e| e.to_string())?;
        let snapshot = snapshot(&project);
        self.project = Some(project);
        Ok(snapshot)
    }

    fn refresh(&mut self) -> Result<Snapshot, String> {
        let project = self.project.as_mut().ok_or(NOT_OPEN)?;
        project.reload().map_err(|e| e.to_string())?;
        Ok(snapshot(project))
    }

    fn examples(&mut self, set: &str) -> Result<Examples, String> {
        if let Some(edited) = self.edited.get(set) {
            return Ok(Examples::Recovery(edited.clone()));
        }
        let examples = self.project.as_ref().ok_or(NOT_OPEN)?.examples(set).map_err(|e| e.to_string())?;
        if let Examples::Recovery(rows) = &examples {
            self.edited.insert(set.to_owned(), rows.clone());
        }
        Ok(examples)
    }

    fn save(&mut self, set: &str, changes: Vec<Change>) -> Result<(), String> {
        if !self.edited.contains_key(set) {
            self.examples(set)?;
        }
        let rows = self.edited.get_mut(set).ok_or_else(|| format!("{set} is not a recovery set."))?;
        for change in changes {
            change.apply(rows);
        }
        if let Some(incomplete) = rows.iter().find_map(incomplete) {
            return Err(incomplete);
        }
        let project = self.project.as_mut().ok_or(NOT_OPEN)?;
        // Moved in and out, so that a large set is not copied for each save.
        let examples = Examples::Recovery(std::mem::take(rows));
        let result = project.save_examples(set, &examples).map_err(|e| e.to_string());
        if let Examples::Recovery(back) = examples {
            *rows = back;
        }
        result
    }

    /// Writes decisions down and reads the texts again.
    fn review(&self, generation: &str, decisions: &[(String, Decision)]) -> Result<Review, String> {
        let project = self.project.as_ref().ok_or(NOT_OPEN)?;
        for (candidate, decision) in decisions {
            project.decide(generation, candidate, decision.clone()).map_err(|e| e.to_string())?;
        }
        project.review(generation).map_err(|e| e.to_string())
    }

    fn strip(&mut self, request: &StripRequest) -> Result<Strip, String> {
        let codec = match self.codecs.get(&request.folder) {
            Some(codec) => codec,
            None => {
                let codec = model::codec(&request.folder).map_err(|e| e.to_string())?;
                self.codecs.entry(request.folder.clone()).or_insert(codec)
            }
        };
        make_strip(codec, request).map_err(|e| e.to_string())
    }

    fn add_model(&mut self, folder: &Path, title: &str, role: ModelRole) -> Result<String, String> {
        let folder = std::path::absolute(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        // Loading it whole now finds what headers cannot show: cut files, tensors that do not fit, small vocabularies.
        model::open(&folder).map_err(|e| e.to_string())?;
        let project = self.project.as_mut().ok_or(NOT_OPEN)?;
        let id = free_id(id_from_title(title, "model"), |id| project.model(id).is_some());
        let entry = ModelEntry {
            id: id.clone(),
            title: title.trim().to_owned(),
            role,
            location: folder,
            parent: None,
            note: String::new(),
        };
        project.add_model(entry).map_err(|e| e.to_string())?;
        Ok(id)
    }
}

/// Unpacks the demo project beside its place and moves it there, so that an interrupted first start leaves nothing
/// half made in the way of the next.
fn unpack_demo(root: &Path) -> Result<(), String> {
    let fail = |e: &std::io::Error| {
        format!(
            "The demo project cannot be unpacked to {}: {e}. Free some space, or check that you may write there.",
            root.display()
        )
    };
    let parent = root.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|e| fail(&e))?;
    let beside = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(parent).map_err(|e| fail(&e))?;
    let made = beside.path().join("demo");
    crate::demo::unpack(&made).map_err(|e| e.to_string())?;
    std::fs::rename(&made, root).map_err(|e| fail(&e))
}

/// Why an example cannot be written yet: a file with an empty required field could not be read again.
fn incomplete(example: &RecoveryExample) -> Option<String> {
    let field = if example.context.is_empty() || example.context.iter().any(|m| m.content.trim().is_empty()) {
        "request"
    } else if example.harmful.trim().is_empty() {
        "harmful answer"
    } else if example.refusals.is_empty() || example.refusals.iter().any(|r| r.text.trim().is_empty()) {
        "refusal"
    } else {
        return None;
    };
    Some(format!(
        "Example {} has an empty {field}. Fill it in or delete the example; until then the file keeps its last complete version.",
        example.id
    ))
}

fn snapshot(project: &Project) -> Snapshot {
    let models = project
        .models()
        .iter()
        .map(|entry| {
            let folder = project.model_folder(&entry.id).unwrap_or_else(|_| entry.location.clone());
            let card = model::inspect(&folder).map_err(|e| e.to_string());
            ModelView { entry: entry.clone(), folder, card }
        })
        .collect();
    let mut evaluations = project.evaluations();
    evaluations.sort_by(|a, b| b.id.cmp(&a.id));
    Snapshot {
        root: project.root().to_owned(),
        title: project.title().to_owned(),
        read_only: project.read_only(),
        models,
        datasets: project.datasets(),
        evaluations,
        generations: project.generations(),
    }
}

fn make_strip(codec: &Codec, request: &StripRequest) -> Result<Strip, crate::text::TextError> {
    let example = &request.example;
    let harmful_len = codec.answer(&example.harmful)?.len();
    let depth = match example.cut {
        Some(cut) => cut.min(harmful_len),
        None => request.depths.draw(0, &example.id, request.epoch, harmful_len),
    };
    let refusal = example.refusal_at(depth).map_or("", |refusal| refusal.text.as_str());
    let row = codec.recovery(&example.context, &example.harmful, refusal, depth)?;
    let answer = row.answers.first().map_or(row.ids.len(), |range| range.start);
    let tokens = codec
        .tokenizer
        .pieces(&row.ids)
        .into_iter()
        .enumerate()
        .map(|(index, text)| {
            let kind = if row.weights[index] > 0.0 {
                StripKind::Trained
            } else if index >= answer {
                StripKind::Harmful
            } else {
                StripKind::Context
            };
            StripToken { text, kind }
        })
        .collect();
    let problems = data::check_recovery(example, codec, request.context_limit);
    Ok(Strip { tokens, trained: row.trained(), harmful_len, depth, problems })
}

/// `id`, or `id` with the first number that makes it new.
fn free_id(id: String, taken: impl Fn(&str) -> bool) -> String {
    if !taken(&id) {
        return id;
    }
    (2..).map(|n| format!("{id}-{n}")).find(|id| !taken(id)).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DepthDistribution;

    #[test]
    fn a_taken_id_gets_a_number() {
        assert_eq!(free_id("tuned".into(), |_| false), "tuned");
        assert_eq!(free_id("base".into(), |id| id == "base" || id == "base-2"), "base-3");
    }

    #[test]
    fn of_waiting_strips_only_the_last_is_made_and_nothing_else_is_lost() {
        let strip = |serial| {
            Request::Strip(StripRequest {
                serial,
                folder: PathBuf::new(),
                context_limit: 9,
                example: RecoveryExample::default(),
                epoch: 0,
                depths: DepthDistribution::default(),
            })
        };
        let kept = newest_strip_only(vec![strip(1), Request::Refresh, strip(2), strip(3), Request::Refresh]);
        let serials: Vec<u64> = kept
            .iter()
            .filter_map(|r| if let Request::Strip(s) = r { Some(s.serial) } else { None })
            .collect();
        assert_eq!((kept.len(), serials), (3, vec![3]));
    }

    #[test]
    fn an_example_with_an_empty_field_is_not_written() {
        let mut example = RecoveryExample {
            id: "own-1".into(),
            context: vec![crate::text::Message::user("How do I open the vault?")],
            harmful: "First, take the key.".into(),
            refusals: vec![data::Refusal { from_depth: 0, text: "I cannot help.".into() }],
            ..RecoveryExample::default()
        };
        assert_eq!(incomplete(&example), None);
        example.refusals[0].text = "  ".into();
        let why = incomplete(&example).unwrap();
        assert!(why.contains("own-1") && why.contains("refusal"), "{why}");
        example.harmful.clear();
        assert!(incomplete(&example).unwrap().contains("harmful answer"));
    }

    #[test]
    fn an_interrupted_first_start_does_not_block_the_next() {
        let folder = tempfile::tempdir().unwrap();
        // What a killed unpacking leaves behind.
        std::fs::create_dir_all(folder.path().join(".unpacking-abc/demo/models")).unwrap();
        let root = folder.path().join("demo");
        unpack_demo(&root).unwrap();
        assert!(Project::open(&root).is_ok());
    }
}
