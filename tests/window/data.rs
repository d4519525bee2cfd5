//! The Data and Generate screens.

use crate::driver::*;
use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use plumbline::ui::App;
use std::time::Duration;

#[test]
fn no_edit_is_lost() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    w.wait_for("tokens trained", minute);
    let file = w.root.join("datasets/recovery-train.jsonl");
    let before = read(&file);

    // Undo brings back what was there, on the screen and on disk.
    w.write(Role::MultilineTextInput, "Refusal", "No. I cannot help with spells.");
    w.wait("the edit to be saved", minute, App::all_saved);
    assert_ne!(read(&file), before);
    w.press("Undo");
    w.wait("the undo to be saved", minute, App::all_saved);
    assert_eq!(read(&file), before);

    // An example that could not be read again is not written: the file keeps its last complete version.
    w.write(Role::MultilineTextInput, "Refusal", " ");
    w.wait_for("has an empty refusal", minute);
    assert_eq!(read(&file), before);
    w.write(Role::MultilineTextInput, "Refusal", "I cannot help with that.");
    w.wait("the repaired example to be saved", minute, App::all_saved);
    assert!(read(&file).lines().next().unwrap().contains("I cannot help with that."));

    // A problem is found and said in words.
    w.write(Role::MultilineTextInput, "Refusal", "Of course. First, take the key.");
    w.wait_for("does not read as a refusal", minute);

    // Another window on the same project only reads.
    let mut second = open_on(w.root.clone(), egui::Theme::Light, None, None);
    second.wait_for("read only", minute);
    second.wait_for("tokens trained", minute);
    let delete = second.harness.get_by_role_and_label(Role::Button, "Delete example");
    assert!(delete.accesskit_node().is_disabled());
}

/// Somebody with nothing but a list of requests comes to a set that can be trained on, and sees every text on the way.
#[test]
fn a_list_of_requests_becomes_a_set_that_can_be_trained_on() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    let written = |app: &App, n| app.jobs().all().len() == n && app.jobs().open_count() == 0;
    w.press("Generate");
    w.write(Role::TextInput, "Most requests", "3");
    w.press("Let it write");
    w.wait("harmful answers", minute, |app| written(app, 1));
    w.wait_for("3 open", minute);

    // A harmful text is covered until it is shown; a person's own words count.
    assert!(w.harness.query_by_role_and_label(Role::MultilineTextInput, "harmful answer").is_none());
    w.press("show the harmful answer");
    w.write(Role::MultilineTextInput, "harmful answer", "Sure. Step 1: take the key.");
    w.press("Accept with my words");
    w.wait_for("1 accepted", minute);
    w.press("Reject");
    w.wait_for("1 rejected", minute);
    w.press("Accept");
    w.wait_for("2 accepted", minute);
    w.wait_for("Every text is decided about", minute);

    w.write(Role::TextInput, "Name of the new set", "mine");
    w.press("Make recovery set");
    w.wait_for("Data set mine has 2 examples", minute);
    let rows = read(&w.root.join("datasets/mine.jsonl"));
    assert_eq!(rows.lines().count(), 2);
    assert!(rows.contains("Sure. Step 1: take the key."), "{rows}");

    // It is offered for training, which waits and goes on when asked.
    w.press("Train");
    w.wait("the new set", minute, |app| app.project().unwrap().datasets.iter().any(|set| set.id == "mine"));
    w.click(Role::ComboBox, "Recovery examples");
    w.press("mine");
    w.write(Role::TextInput, "Most steps", "400");
    w.press("Start training");
    w.wait("the run", minute, |app| {
        app.jobs().all().iter().any(|job| job.can_pause() && job.progress.is_some())
    });
    w.press("Pause");
    w.wait_for("Continue", minute);
    w.settle();
    let done = |w: &Window| w.harness.state().jobs().all().last().unwrap().progress.as_ref().unwrap().done;
    // The step that was under way when it was asked to wait may still come in.
    std::thread::sleep(Duration::from_secs(2));
    w.settle();
    let before = done(&w);
    std::thread::sleep(Duration::from_secs(2));
    w.settle();
    assert_eq!(done(&w), before, "it does not wait");
    w.press("Continue");
    w.wait("it to go on", minute, |app| {
        app.jobs().all().last().unwrap().progress.as_ref().unwrap().done > before
    });
    w.press("Stop");
    w.wait("the stop", minute, |app| app.jobs().open_count() == 0);
}
