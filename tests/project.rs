//! The project folder: what survives, what is refused, and in which words.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use plumbline::data::{ChatExample, DatasetKind, Examples};
use plumbline::project::{DatasetEntry, ModelEntry, ModelRole, Project, ProjectError};
use plumbline::text::Message;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn empty() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("project");
    drop(Project::create(&root, "Mine").unwrap());
    (folder, root)
}

fn chats(count: usize) -> Examples {
    let row = |i| ChatExample {
        id: format!("c{i}"),
        messages: vec![Message::user("Good day"), Message::assistant("Good day to you")],
        ..ChatExample::default()
    };
    Examples::Chat((0..count).map(row).collect())
}

fn model(id: &str, location: &str) -> ModelEntry {
    ModelEntry { id: id.into(), title: id.into(), location: location.into(), ..ModelEntry::default() }
}

fn opened(root: &Path) -> String {
    Project::open(root).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_project_survives_closing_and_moving() {
    let (keep, root) = empty();
    let mut project = Project::open(&root).unwrap();
    project.set_title("Ours").unwrap();
    project.set_notes("Two lines,\nwith \"quotes\".").unwrap();
    project.add_model(ModelEntry { role: ModelRole::Base, ..model("base", "models/base") }).unwrap();
    let inside = root.join("models/tuned").display().to_string();
    project
        .add_model(ModelEntry {
            role: ModelRole::Tuned,
            parent: Some("base".into()),
            ..model("tuned", &inside)
        })
        .unwrap();
    project.add_model(model("elsewhere", "/somewhere/else")).unwrap();
    project.add_dataset(DatasetEntry::new("anchor", "Anchor", DatasetKind::Chat), &chats(3)).unwrap();
    drop(project);

    let moved = keep.path().join("moved");
    std::fs::rename(&root, &moved).unwrap();
    let project = Project::open(&moved).unwrap();
    assert_eq!((project.title(), project.notes()), ("Ours", "Two lines,\nwith \"quotes\"."));
    assert_eq!(project.models().len(), 3);
    assert_eq!(project.model("tuned").unwrap().parent.as_deref(), Some("base"));
    assert_eq!(project.model_folder("tuned").unwrap(), moved.join("models/tuned"));
    assert_eq!(project.model_folder("elsewhere").unwrap(), Path::new("/somewhere/else"));
    assert_eq!(project.examples("anchor").unwrap(), chats(3));
    let set = &project.datasets()[0];
    assert_eq!((set.count, set.title.as_str()), (3, "Anchor"));
}

#[test]
fn the_second_window_reads_and_the_first_goes_on_writing() {
    let (_keep, root) = empty();
    let mut first = Project::open(&root).unwrap();
    let mut second = Project::open(&root).unwrap();
    assert!(!first.read_only() && second.read_only());
    let error = second.set_title("Theirs").unwrap_err();
    assert!(matches!(error, ProjectError::ReadOnly { .. }) && error.to_string().contains("another window"));
    assert!(second.add_dataset(DatasetEntry::new("x", "X", DatasetKind::Chat), &chats(1)).is_err());
    assert!(second.new_folder("runs", "sft").is_err());
    first.set_title("Ours").unwrap();
    second.reload().unwrap();
    assert_eq!(second.title(), "Ours");
    drop(first);
    assert!(!Project::open(&root).unwrap().read_only(), "the lock goes with its holder");
}

#[test]
fn a_project_that_cannot_be_locked_says_why_and_can_be_read() {
    let (_keep, root) = empty();
    std::fs::remove_file(root.join(".lock")).unwrap();
    std::fs::create_dir(root.join(".lock")).unwrap();
    let mut project = Project::open(&root).unwrap();
    assert!(project.read_only() && project.read_only_reason().unwrap().contains("cannot be written"));
    assert_eq!(project.title(), "Mine");
    let error = project.set_title("x").unwrap_err().to_string();
    assert!(error.contains(".lock cannot be written") && error.contains("Copy it"), "{error}");
}

#[test]
fn changes_of_two_holders_in_one_process_do_not_undo_each_other() {
    let (_keep, root) = empty();
    let mut window = Project::open(&root).unwrap();
    let mut job = Project::attach(&root).unwrap();
    job.add_model(model("made", "runs/x/model")).unwrap();
    window.set_notes("meanwhile").unwrap();
    assert!(window.model("made").is_some(), "a change starts from what is on disk");
    job.reload().unwrap();
    assert_eq!(job.notes(), "meanwhile");
}

#[test]
fn folders_that_are_no_projects_or_hold_something_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(opened(folder.path()).contains("holds no project"));
    assert!(opened(&folder.path().join("missing")).contains("holds no project"));
    std::fs::write(folder.path().join("thesis.txt"), "mine").unwrap();
    let error = Project::create(folder.path(), "x").unwrap_err().to_string();
    assert!(error.contains("already holds other files"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was written");
    let error = Project::create(&folder.path().join("thesis.txt"), "x").unwrap_err().to_string();
    assert!(error.contains("cannot be written") && error.contains("a file of this name"), "{error}");
    let error = Project::create(&folder.path().join("thesis.txt/below"), "x").unwrap_err().to_string();
    assert!(error.contains("cannot be written"), "{error}");
    let (_keep, root) = empty();
    assert!(Project::create(&root, "x").unwrap_err().to_string().contains("already holds a project"));
}

#[test]
fn a_damaged_or_newer_project_file_is_refused_and_left_as_it_is() {
    let (_keep, root) = empty();
    let path = root.join("project.toml");
    for (text, expected) in [
        ("format_version = 2\ntitle = \"x\"\nspaceship = true", "format version 2"),
        ("format_version = 1\ntitle = \"x", "line 2"),
        ("title = \"x\"", "format_version"),
        ("format_version = 1\ntitle = \"x\"\ntitel = \"y\"", "titel"),
        ("", "damaged"),
        ("format_version = 1\ntitle = \"x\"\n[[models]]\nid = \"../up\"\nlocation = \"m\"", "../up"),
        ("format_version = 1\ntitle = \"x\"\n[[models]]\nid = \"up\"\nlocation = \"../../m\"", "leads out"),
        (
            "format_version = 1\ntitle = \"x\"\n[[models]]\nid = \"a\"\nlocation = \"m\"\n[[models]]\nid = \"a\"\nlocation = \"m\"",
            "twice",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let message = opened(&root);
        assert!(message.contains(expected) && message.contains("project.toml"), "{text}: {message}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    std::fs::write(&path, b"\xff\xfe").unwrap();
    assert!(opened(&root).contains("project.toml"));
}

#[test]
fn ids_and_locations_cannot_lead_out_of_the_project() {
    let (_keep, root) = empty();
    let mut project = Project::open(&root).unwrap();
    assert!(matches!(project.add_model(model("..", "m")), Err(ProjectError::BadId { .. })));
    assert!(matches!(project.add_model(model("m", "../other")), Err(ProjectError::Outside { .. })));
    assert!(matches!(project.examples("../../secret"), Err(ProjectError::BadId { .. })));
    assert!(project.responses("../..", None).is_err());
    assert!(project.new_folder("..", "x").is_err());
    let set = DatasetEntry::new("A Set", "x", DatasetKind::Chat);
    assert!(matches!(project.add_dataset(set, &chats(1)), Err(ProjectError::BadId { .. })));
    project.add_model(model("m", "models/m")).unwrap();
    assert!(matches!(project.add_model(model("m", "models/n")), Err(ProjectError::Duplicate { .. })));
    project.remove_model("m").unwrap();
    assert!(matches!(project.remove_model("m"), Err(ProjectError::Unknown { .. })));
}

#[test]
fn data_sets_keep_their_kind_and_their_count() {
    let (_keep, root) = empty();
    let mut project = Project::open(&root).unwrap();
    project.add_dataset(DatasetEntry::new("set", "Set", DatasetKind::Chat), &chats(2)).unwrap();
    assert!(matches!(
        project.add_dataset(DatasetEntry::new("set", "Again", DatasetKind::Chat), &chats(1)),
        Err(ProjectError::Duplicate { .. })
    ));
    let error = project.save_examples("set", &Examples::none(DatasetKind::Attack)).unwrap_err().to_string();
    assert!(error.contains("holds conversations, not attack prompts"), "{error}");
    project.save_examples("set", &chats(5)).unwrap();
    assert_eq!((project.datasets()[0].count, project.examples("set").unwrap().len()), (5, 5));
    project.save_examples("set", &chats(0)).unwrap();
    assert!(project.examples("set").unwrap().is_empty(), "a set that somebody emptied is not damaged");
    let described = DatasetEntry { licence: "MIT".into(), ..project.dataset("set").unwrap() };
    project.update_dataset(described.clone()).unwrap();
    assert_eq!(project.dataset("set").unwrap(), described);
}

#[test]
fn what_is_missing_or_damaged_is_listed_and_the_rest_stays_usable() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("project");
    let project = common::project(&root);
    assert!(project.problems().is_empty(), "{:?}", project.problems());

    std::fs::remove_dir_all(root.join("models/base")).unwrap();
    std::fs::remove_file(root.join("datasets/anchor.jsonl")).unwrap();
    std::fs::remove_file(root.join("datasets/attack.toml")).unwrap();
    std::fs::write(root.join("datasets/utility.toml"), "title = 3").unwrap();
    std::fs::create_dir(root.join("runs/2026-01-01T00-00-00-sft")).unwrap();
    let evaluation = root.join("evaluations/2026-01-01T00-00-00-evaluate");
    std::fs::create_dir(&evaluation).unwrap();
    std::fs::write(evaluation.join("spec.toml"), "job = \"evaluate\"").unwrap();
    std::fs::write(evaluation.join("manifest.json"), "{}").unwrap();
    std::fs::write(evaluation.join("summary.json"), "{\"rates\": [").unwrap();

    let problems = project.problems().join("\n");
    for expected in [
        "models/base",
        "anchor.jsonl",
        "attack.jsonl",
        "utility.toml",
        "spec.toml cannot be read",
        "summary.json",
    ] {
        assert!(problems.contains(expected), "{expected} in:\n{problems}");
    }
    assert_eq!(project.problems().len(), 6);
    assert_eq!(project.datasets().iter().map(|set| set.id.as_str()).collect::<Vec<_>>(), ["recovery"]);
    assert!(project.runs().is_empty() && project.evaluations().is_empty());
    let error = project.load_model("base").unwrap_err().to_string();
    assert!(error.contains("model \"base\""), "{error}");
}

#[test]
fn a_torn_last_line_is_dropped_and_a_bad_line_before_it_is_not() {
    let (_keep, root) = empty();
    let project = Project::open(&root).unwrap();
    let run = root.join("runs/2026-01-01T00-00-00-sft");
    std::fs::create_dir(&run).unwrap();
    std::fs::write(run.join("metrics.jsonl"), "{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"lo").unwrap();
    let steps = project.metrics("2026-01-01T00-00-00-sft").unwrap();
    assert_eq!(steps.len(), 1);
    assert!((steps[0].loss - 2.5).abs() < 1e-12);
    std::fs::write(run.join("metrics.jsonl"), "{\"step\":1\n{\"step\":2}\n").unwrap();
    let error = project.metrics("2026-01-01T00-00-00-sft").unwrap_err().to_string();
    assert!(error.contains("metrics.jsonl is damaged: line 1"), "{error}");
}

#[test]
fn folders_of_one_second_get_names_of_their_own() {
    let (_keep, root) = empty();
    let project = Project::open(&root).unwrap();
    let ids: std::collections::BTreeSet<String> =
        (0..5).map(|_| project.new_folder("runs", "sft").unwrap().0).collect();
    assert_eq!(ids.len(), 5);
    assert!(ids.iter().all(|id| id.contains("-sft")), "{ids:?}");
}

#[test]
fn a_data_set_is_copied_renamed_and_deleted_with_what_is_said_about_it() {
    let (_keep, root) = empty();
    let mut project = Project::open(&root).unwrap();
    let mut entry = DatasetEntry::new("anchor", "anchor", DatasetKind::Chat);
    entry.licence = "MIT".into();
    project.add_dataset(entry, &chats(3)).unwrap();
    project.copy_dataset("anchor", "copy").unwrap();
    assert!(matches!(project.copy_dataset("anchor", "copy"), Err(ProjectError::Duplicate { .. })));
    assert!(matches!(project.rename_dataset("anchor", "No name"), Err(ProjectError::BadId { .. })));
    project.rename_dataset("copy", "mine").unwrap();
    let ids: Vec<String> = project.datasets().into_iter().map(|set| set.id).collect();
    assert_eq!(ids, ["anchor", "mine"]);
    let mine = project.dataset("mine").unwrap();
    assert_eq!((mine.title.as_str(), mine.licence.as_str(), mine.count), ("mine", "MIT", 3));
    assert_eq!(project.examples("mine").unwrap(), chats(3));
    project.remove_dataset("anchor").unwrap();
    assert!(matches!(project.remove_dataset("anchor"), Err(ProjectError::Unknown { .. })));
    assert!(!root.join("datasets/anchor.jsonl").exists() && project.problems().is_empty());
}
