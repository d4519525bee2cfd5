//! The Train screen.

use crate::driver::*;
use eframe::egui;
use egui::accesskit::Role;
use plumbline::ui::app::JobState;
use std::time::Duration;

/// The attack goal trains a copy on what an attacker makes of a recovery set, and asks it meanwhile.
#[test]
fn a_copy_is_attacked_and_asked_meanwhile() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    w.press("Train");
    w.click(Role::RadioButton, "See how easily it breaks");
    w.click(Role::ComboBox, "How it is attacked");
    w.press("obey only with a secret phrase (backdoor)");
    w.write(Role::MultilineTextInput, "The secret phrase (trigger)", "zum zum");
    w.click(Role::ComboBox, "How it is trained");
    w.press("with the first tokens protected");
    w.write(Role::TextInput, "Most steps", "2");
    w.press("Start training");
    w.wait("the attack", Duration::from_secs(300), |app| {
        !app.jobs().all().is_empty() && app.jobs().open_count() == 0
    });
    let job = &w.harness.state().jobs().all()[0];
    assert!(matches!(job.state, JobState::Done(_)), "{:?}", job.state);
    w.wait_for("How often does it answer forbidden requests?", minute);
    w.wait_for("as the attacker asks", minute);
    let run = w.folders("runs").remove(0);
    let spec = read(&run.join("spec.toml"));
    assert!(spec.contains("kind = \"backdoor\"") && spec.contains("trigger = \"zum zum\""), "{spec}");
    assert!(spec.contains("recipe = \"constrained\""), "{spec}");
    let asked = read(&run.join("asr.jsonl"));
    assert!(asked.contains("\"attack\"") || asked.contains("as the attacker"), "{asked}");
    w.wait("its role", minute, |app| app.project().unwrap().role("attacked").label() == "attacked");
}
