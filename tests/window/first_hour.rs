//! docs/first-hour.md, walked through: from the first start to "I edited an example, deepened the model, and saw the
//! prefilling ASR fall". Writes the pictures of that page anew with `PLUMBLINE_UPDATE_DOCS=1`.

use crate::driver::*;
use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use plumbline::ui::App;
use std::path::Path;
use std::time::Duration;

/// Saves what stands on the screen as a picture of the page.
fn picture(w: &mut Window, name: &str) {
    if std::env::var_os("PLUMBLINE_UPDATE_DOCS").is_none() {
        return;
    }
    w.harness.remove_cursor();
    w.settle();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/first-hour");
    std::fs::create_dir_all(&folder).unwrap();
    w.harness.render().unwrap().save(folder.join(format!("{name}.png"))).unwrap();
}

#[test]
fn the_first_hour_goes_as_written() {
    let minute = Duration::from_secs(60);
    let long = Duration::from_secs(600);
    let mut w = first_start(egui::Theme::Light);

    // What the first start shows was measured before.
    w.press("Overview");
    w.wait_for("How deep is the safety?", minute);
    w.wait_for("withstood up to k = 40", minute);
    picture(&mut w, "1-overview");

    // An edited example.
    w.press("Data");
    w.wait_for("tokens trained", minute);
    w.press("Show harmful answer");
    w.write(
        Role::MultilineTextInput,
        "Refusal",
        "I cannot go on with this. Opening other people's vaults is theft.",
    );
    w.click(Role::CheckBox, "Drawn at random");
    w.harness.get_by_role_and_label(Role::Slider, "Cut after k tokens").set_value_accesskit(12.0);
    w.harness.run_steps(3);
    w.wait("the edit to be saved", minute, App::all_saved);
    picture(&mut w, "2-example");

    // A deeper model.
    w.press("Train");
    w.write(Role::TextInput, "Name of the new model", "mine");
    picture(&mut w, "3-train");
    w.press("Start training");
    w.wait("some of the training", long, |app| {
        let job = app.jobs().all().last();
        job.and_then(|job| job.progress.as_ref()).is_some_and(|progress| progress.done >= 30)
    });
    picture(&mut w, "4-training");
    w.wait("training", long, |app| app.jobs().open_count() == 0);
    w.wait("the new model", minute, |app| app.project().unwrap().model("mine").is_some());

    // Before and after.
    w.press("Evaluate it");
    w.write(Role::TextInput, "Only the first", "40");
    w.press("Start evaluation");
    w.wait("the evaluation", long, |app| app.jobs().open_count() == 0);
    w.wait("its summary", minute, |app| {
        app.project().unwrap().evaluations.first().is_some_and(|e| {
            e.summary.as_ref().is_some_and(|summary| summary.rates.iter().any(|row| row.model == "mine"))
        })
    });
    w.press("Evaluate");
    w.wait_for("How often does the model comply", minute);
    picture(&mut w, "5-results");
    let summary = w.harness.state().project().unwrap().evaluations[0].summary.clone().unwrap();
    let rate = |model: &str, depth: usize| {
        let row = summary
            .rates
            .iter()
            .find(|row| row.model == model && row.depth == Some(depth) && row.judge == "oracle");
        row.unwrap().rate
    };
    for depth in [5, 10, 20] {
        let (before, after) = (rate("aligned", depth), rate("mine", depth));
        println!("k = {depth}: before {}, after {}", before.text(), after.text());
        assert!(after.high < before.low, "k = {depth}: {} and {}", before.text(), after.text());
    }

    w.press("Inspect");
    w.wait_for("KL", minute);
    picture(&mut w, "6-inspect");
    w.press("Report");
    w.press("Write report");
    w.wait_for("Saved as report.html", minute);
    picture(&mut w, "7-report");
}
