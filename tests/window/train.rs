//! The Train screen.

use crate::driver::*;
use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
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
    w.write(Role::TextInput, "Step limit", "2");
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

/// β is painted by mouse, key and number; a drag is one step of undo; what it does to the data is measured; the run is
/// trained with it, laid beside another one, and used again.
#[test]
fn beta_is_painted_and_runs_are_compared() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    w.press("Train");
    w.click(Role::RadioButton, "Fine-tune on my data and keep it safe");
    w.click(Role::DisclosureTriangle, "The equation");
    w.wait_for("Qi et al. 2025, §4.1, equation 4", minute);
    w.press("Protection (β)");
    w.wait_for("64 answers", Duration::from_secs(120));
    let beta = |w: &Window, name: &str| {
        let bar = w.harness.get_by_role_and_label(Role::Slider, name);
        bar.accesskit_node().numeric_value().unwrap()
    };
    let third = "β of answer token 3";
    assert!((beta(&w, third) - 2.0).abs() < 1e-9 && (beta(&w, "β of later tokens") - 0.1).abs() < 1e-9);

    // A stroke with stops in it, across two bars, is taken back as one.
    let column = w.harness.get_by_role_and_label(Role::Slider, third).rect();
    let next = w.harness.get_by_role_and_label(Role::Slider, "β of answer token 4").rect();
    w.harness.hover_at(column.center());
    w.harness.run_steps(2);
    w.harness.drag_at(column.center());
    w.harness.run_steps(2);
    for y in [0.4, 0.2, 0.1] {
        w.harness.hover_at(egui::pos2(column.center().x, column.top() + y * column.height()));
        w.harness.run_steps(80);
    }
    let end = egui::pos2(next.center().x, next.bottom() - 2.0);
    w.harness.hover_at(end);
    w.harness.run_steps(4);
    w.harness.drop_at(end);
    w.harness.run_steps(4);
    assert!(beta(&w, third) > 4.0 && beta(&w, "β of answer token 4") < 0.02, "{}", w.words());
    w.act("undo");
    assert!((beta(&w, third) - 2.0).abs() < 1e-9 && (beta(&w, "β of answer token 4") - 2.0).abs() < 1e-9);
    w.act("redo");
    assert!(beta(&w, third) > 4.0);

    // Keys, presets, and exact numbers.
    w.press("Off");
    assert!((beta(&w, third) - 0.01).abs() < 1e-9);
    w.press("As in the paper");
    w.click(Role::Slider, third);
    w.harness.key_press(egui::Key::ArrowUp);
    w.harness.run_steps(3);
    assert!((beta(&w, third) - 2.2).abs() < 1e-9, "{}", beta(&w, third));
    w.write(Role::SpinButton, "β of answer token 3, exactly", "4");
    w.harness.key_press(egui::Key::Enter);
    w.harness.run_steps(3);
    assert!((beta(&w, third) - 4.0).abs() < 1e-9, "{}", beta(&w, third));

    // Two runs, the second one plain.
    let trained = |w: &mut Window, count: usize| {
        w.press("Start training");
        w.wait("the run", Duration::from_secs(300), |app| {
            app.jobs().all().len() == count && app.jobs().open_count() == 0
        });
    };
    w.write(Role::TextInput, "Step limit", "2");
    trained(&mut w, 1);
    w.wait_for("At which answer tokens does it change?", minute);
    w.click(Role::RadioButton, "Fine-tune plainly");
    w.write(Role::TextInput, "Step limit", "3");
    trained(&mut w, 2);
    let run =
        w.folders("runs").into_iter().find(|run| run.to_string_lossy().ends_with("-constrained")).unwrap();
    assert!(
        read(&run.join("spec.toml")).contains("drawn = [0.5, 2.0, 4.0]"),
        "{}",
        read(&run.join("spec.toml"))
    );
    w.wait("both runs", minute, |app| {
        let runs = &app.project().unwrap().runs;
        runs.len() == 2 && runs.iter().all(|run| run.manifest.is_done())
    });

    // Beside each other: their curves, and only the settings that differ.
    w.press("Compare runs");
    w.click(Role::CheckBox, "constrained");
    w.click(Role::CheckBox, "tuned");
    w.wait_for("Which run learns faster?", minute);
    let image = |w: &Window, name: &str| w.harness.query_by_role_and_label(Role::Image, name).is_some();
    assert!(image(&w, "Which run learns faster?"), "{}", w.words());
    let pane = egui::pos2(1000.0, 600.0);
    w.scroll(pane, 2000.0);
    w.wait_for("step limit", minute);
    assert!(w.harness.query_by_label("learning rate").is_none(), "both have the same");

    w.scroll(pane, -4000.0);
    // The settings of the first one come back into the form, and its weights into the chart.
    let again: Vec<_> = w.harness.query_all_by_label("Train again with these settings").collect();
    assert_eq!(again.len(), 2);
    again[1].click();
    w.harness.run_steps(4);
    let goal = w.harness.get_by_role_and_label(Role::RadioButton, "Fine-tune on my data and keep it safe");
    assert_eq!(goal.accesskit_node().toggled(), Some(egui::accesskit::Toggled::True));
    w.press("Protection (β)");
    assert!((beta(&w, third) - 4.0).abs() < 1e-9, "{}", beta(&w, third));
    w.scroll(pane, 2000.0);
    w.click(Role::ComboBox, "Beside it, the weights after a run");
    let choice = format!("constrained · {}", run.file_name().unwrap().to_string_lossy());
    w.press(&choice);
    w.wait_for("after constrained", Duration::from_secs(120));
}

/// What the model will see is shown with harmful words covered, and what keeps a run from beginning blocks its button.
#[test]
fn rows_are_shown_and_what_is_in_the_way_blocks() {
    let mut w = window(egui::Theme::Dark, None);
    let minute = Duration::from_secs(60);
    w.press("Train");
    w.press("What it sees");
    w.wait_for("Rows 1–3 of 32 in step 1", minute);
    let harmful = |w: &Window| w.harness.query_all_by_label_contains("harmful, not trained").next().is_some();
    let mut seen = harmful(&w);
    w.press("Next rows");
    w.wait_for("Rows 4–6 of 32", minute);
    seen |= harmful(&w);
    assert!(seen, "half of the examples are cut behind a harmful prefix");
    w.press("Rows before");
    w.press("Show harmful words");
    assert!(w.harness.query_by_label("Cover harmful words").is_some());

    w.press("Checks");
    w.wait_for("Memory: ready", minute);
    w.wait_for("Disk: ready", minute);
    w.click(Role::ComboBox, "Start from");
    w.press("base");
    w.wait_for("never taught to refuse", minute);
    assert!(w.harness.query_by_label("Model to start from: look at this").is_some());

    // A set that cannot be read is in the way until it is mended.
    let path = w.root.join("datasets/recovery-train.jsonl");
    let whole = read(&path);
    std::fs::write(&path, "{\"id\": 1}\n").unwrap();
    w.press("Check again");
    w.wait_for("in the way.", minute);
    let start = |w: &Window| {
        !w.harness.get_by_role_and_label(Role::Button, "Start training").accesskit_node().is_disabled()
    };
    w.harness.run_steps(3);
    assert!(!start(&w), "{}", w.words());
    std::fs::write(&path, whole).unwrap();
    w.press("Check again");
    w.wait_for("Yes", minute);
    w.harness.run_steps(3);
    assert!(start(&w), "{}", w.words());
}

/// The palette starts what the form would, from any screen; what is in the way is said there in the same words.
#[test]
fn the_palette_starts_a_run_unless_something_is_in_the_way() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    w.press("Train");
    w.write(Role::TextInput, "Step limit", "two");
    let problem = "The step limit must be a whole number, or empty for no limit.";
    w.wait_for(problem, minute);
    w.press("Models");
    assert!(w.harness.query_by_label_contains(problem).is_none());
    w.act("start training");
    assert!(w.harness.query_by_label_contains(problem).is_some(), "{}", w.words());
    w.harness.key_press(egui::Key::Escape);
    w.harness.run_steps(3);
    assert!(w.harness.state().jobs().all().is_empty() && w.folders("runs").is_empty());

    w.press("Train");
    w.write(Role::TextInput, "Step limit", "2");
    w.press("Models");
    w.act("start training");
    w.wait("the run", Duration::from_secs(300), |app| {
        app.jobs().all().len() == 1 && app.jobs().open_count() == 0
    });
    let run = w.folders("runs").remove(0);
    assert!(read(&run.join("spec.toml")).contains("max_steps = 2"));
    // It shows what it made.
    assert!(w.harness.query_by_role_and_label(Role::Button, "Start training").is_some(), "{}", w.words());
}

/// Without a look at the form, the palette starts it as it would be filled.
#[test]
fn the_palette_fills_the_form_of_a_run() {
    let mut w = window(egui::Theme::Light, None);
    w.act("start training");
    w.wait("the job", Duration::from_secs(60), |app| app.jobs().all().len() == 1);
    w.wait("its first step", Duration::from_secs(120), |app| {
        app.jobs().running().is_some_and(|job| job.progress.is_some())
    });
    w.press("Stop");
    w.wait("its end", Duration::from_secs(60), |app| app.jobs().open_count() == 0);
    let spec = read(&w.folders("runs").remove(0).join("spec.toml"));
    assert!(spec.contains("model = \"aligned\"") && spec.contains("data = \"recovery-train\""), "{spec}");
}

/// A run that was stopped goes on where it was; if what it was begun with has changed, the reason stands beside it.
#[test]
fn a_stopped_run_goes_on_unless_its_data_have_changed() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    w.press("Train");
    w.write(Role::TextInput, "Step limit", "40");
    w.press("Start training");
    w.wait("the first steps", minute, |app| app.jobs().running().is_some_and(|job| job.progress.is_some()));
    w.press("Stop");
    w.wait("the stop", minute, |app| app.jobs().open_count() == 0);
    w.wait("its end", minute, |app| {
        app.project().unwrap().runs.iter().any(|run| run.manifest.ended == "stopped")
    });

    let path = w.root.join("datasets/recovery-train.jsonl");
    let whole = read(&path);
    std::fs::write(&path, whole.split_once('\n').unwrap().1).unwrap();
    w.press("Compare runs");
    w.wait_for("has changed since: datasets/recovery-train.jsonl", minute);
    std::fs::write(&path, whole).unwrap();
    // Looking at the screen anew asks again.
    w.press("Train");
    let may =
        |w: &Window| !w.harness.get_by_role_and_label(Role::Button, "Go on").accesskit_node().is_disabled();
    for _ in 0..500 {
        w.harness.step();
        if may(&w) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(may(&w), "{}", w.words());
    w.press("Go on");
    w.wait("the end", Duration::from_secs(300), |app| {
        app.jobs().all().len() == 2 && app.jobs().open_count() == 0
    });
    let run = w.folders("runs").remove(0);
    assert_eq!(read(&run.join("metrics.jsonl")).lines().count(), 40);
    let manifest = read(&run.join("manifest.json"));
    assert!(manifest.contains("\"done\"") && manifest.contains("resumed"), "{manifest}");
}
