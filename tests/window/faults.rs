//! What goes wrong outside the window: files of a newer version, folders that vanish, jobs that fail, other scripts.

use crate::driver::*;
use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::HarnessBuilder;
use egui_kittest::kittest::Queryable as _;
use plumbline::ui::App;
use plumbline::ui::app::JobState;
use std::time::Duration;

/// A project of a newer Plumbline is refused in words and left as it is, and other projects can be opened.
#[test]
fn a_project_of_a_newer_version_is_refused_and_left_alone() {
    let minute = Duration::from_secs(60);
    let mut w = window(egui::Theme::Light, None);
    let folder = tempfile::tempdir().unwrap();
    let newer = folder.path().join("newer");
    drop(plumbline::project::Project::create(&newer, "Newer").unwrap());
    let file = newer.join("project.toml");
    let text = read(&file);
    let format = text.lines().find(|line| line.starts_with("format")).unwrap().to_owned();
    let text = text.replace(&format, "format_version = 99");
    std::fs::write(&file, &text).unwrap();
    w.press("Settings");
    w.write(Role::TextInput, "Folder of another project", newer.to_str().unwrap());
    w.press("Open project");
    w.wait_for("Update Plumbline to open the project; nothing was changed", minute);
    assert_eq!(read(&file), text);
    w.press("Open the project again");
    w.wait_for("nothing was changed", minute);
    w.press(&format!("Open {}", w.root.display()));
    w.wait("the way back", minute, |app| app.project().is_some_and(|project| project.models.len() == 2));
}

/// The project's folder vanishes while it is open: an edit says that it cannot be saved, is kept, and is written once the
/// folder is back.
#[test]
fn a_folder_that_vanishes_loses_no_edit() {
    let minute = Duration::from_secs(60);
    let mut w = window(egui::Theme::Light, None);
    w.wait_for("tokens trained", minute);
    let away = w.root.with_extension("away");
    std::fs::rename(&w.root, &away).unwrap();
    w.write(Role::MultilineTextInput, "Refusal", "No. This edit is kept.");
    w.wait_for("Save again", minute);
    for screen in plumbline::ui::app::Screen::ALL {
        w.press(screen.name());
        w.settle();
    }
    // Nothing was made at the old place that could be taken for the project.
    assert!(!w.root.join("project.toml").exists());
    std::fs::remove_dir_all(&w.root).ok();
    std::fs::rename(&away, &w.root).unwrap();
    w.press("Data");
    w.press("Save again");
    w.wait("the edit to be saved", minute, App::all_saved);
    assert!(read(&w.root.join("datasets/recovery-train.jsonl")).contains("This edit is kept."));
}

/// A job that fails says why, what it had made stays, and the next one can begin.
#[test]
fn a_job_that_fails_says_why_and_the_next_can_begin() {
    let minute = Duration::from_secs(60);
    let mut w = window(egui::Theme::Light, None);
    let weights = w.root.join("models/aligned/model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    w.press("Train");
    w.write(Role::TextInput, "Step limit", "2");
    std::fs::write(&weights, &bytes[..1000]).unwrap();
    w.press("Start training");
    w.wait("the failure", minute, |app| {
        app.jobs().all().first().is_some_and(|job| matches!(job.state, JobState::Failed(_)))
    });
    w.press("Jobs");
    w.wait_for("model.safetensors", minute);
    std::fs::write(&weights, &bytes).unwrap();
    w.press("Train");
    w.press("Start training");
    w.wait("the next one", Duration::from_secs(300), |app| {
        app.jobs().all().len() == 2 && app.jobs().open_count() == 0
    });
    assert!(matches!(w.harness.state().jobs().all()[1].state, JobState::Done(_)));
    w.press("Jobs");
    w.press("Open result");
    w.wait_for("Memory to run", minute);
}

/// Arabic, Hebrew, Chinese, Japanese, Korean and Devanagari go through an edit and the disk unchanged.
#[test]
fn other_scripts_are_kept_as_written() {
    const SENTENCES: &str = "لا أستطيع المساعدة في ذلك. · אני לא יכול לעזור בזה. · 我不能帮忙。· お手伝いできません。· 도울 수 없습니다. · मैं मदद नहीं कर सकता।";
    let minute = Duration::from_secs(60);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("demo");
    plumbline::demo::unpack_pair_project(&root).unwrap();
    // Which fonts a machine has is its own affair: without any, boxes are drawn.
    let mut w = open_with(root, egui::Theme::Light, None, Some(folder), HarnessBuilder::allow_missing_glyphs);
    w.wait_for("tokens trained", minute);
    w.write(Role::MultilineTextInput, "Refusal", SENTENCES);
    w.wait("the edit to be saved", minute, App::all_saved);
    let file = read(&w.root.join("datasets/recovery-train.jsonl"));
    assert!(file.lines().next().unwrap().contains(SENTENCES));
    let field = w.harness.get_by_role_and_label(Role::MultilineTextInput, "Refusal");
    assert_eq!(field.value().as_deref(), Some(SENTENCES));
}
