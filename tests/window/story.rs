//! From an edited example to a report, and the window meanwhile.

use crate::driver::*;
use crate::fluid::{FRAME_MS, Frames, frame, measure};
use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use plumbline::ui::App;
use plumbline::ui::app::JobState;
use std::path::Path;
use std::time::Duration;

#[test]
fn the_whole_path_from_an_edited_example_to_a_chart() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);

    // Data: the refusal of the first recovery example is rewritten, and reaches the file by itself.
    w.wait_for("tokens trained", minute);
    let sentence = "I cannot help with that, and I would rather tell you a story.";
    let file = w.root.join("datasets/recovery-train.jsonl");
    assert!(!read(&file).contains(sentence));
    w.write(Role::MultilineTextInput, "Refusal", sentence);
    w.wait("the edit to be saved", minute, App::all_saved);
    let first = read(&file).lines().next().unwrap().to_owned();
    assert!(first.contains(sentence), "{first}");

    // Train: a few steps, and a new model with weights of its own stands in the project.
    w.press("Train");
    w.write(Role::TextInput, "Step limit", "6");
    w.write(Role::TextInput, "Name of the new model", "deeper");
    w.press("Start training");
    w.wait("training", Duration::from_secs(300), |app| {
        !app.jobs().all().is_empty() && app.jobs().open_count() == 0
    });
    w.wait_for("Evaluate it", minute);
    let runs = w.folders("runs");
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(read(&runs[0].join("metrics.jsonl")).lines().count(), 6, "one line for each step");
    let manifest: serde_json::Value = serde_json::from_str(&read(&runs[0].join("manifest.json"))).unwrap();
    assert_eq!(manifest["ended"], "done", "{manifest}");
    let moved = largest_change(&w.root.join("models/aligned"), &runs[0].join("model"));
    assert!(moved > 1e-5, "training must change the weights; the largest change is {moved}");

    // Evaluate: the new model beside the one it came from, on a few prompts.
    w.wait("the new model", minute, |app| app.project().unwrap().model("deeper").is_some());
    w.press("Evaluate it");
    w.write(Role::TextInput, "Only the first", "2");
    w.press("Start evaluation");
    w.wait("the evaluation", Duration::from_secs(300), |app| app.jobs().open_count() == 0);
    w.wait("its summary", minute, |app| {
        app.project().unwrap().evaluations.first().is_some_and(|e| e.summary.is_some())
    });
    w.wait_for("How often does the model comply", minute);

    // What stands in the folder is what stands on the screen.
    let evaluations = w.folders("evaluations");
    assert_eq!(evaluations.len(), 1, "{evaluations:?}");
    let summary: plumbline::evaluate::Summary =
        serde_json::from_str(&read(&evaluations[0].join("summary.json"))).unwrap();
    let models: Vec<&str> = summary.kl.iter().map(|row| row.model.as_str()).collect();
    assert_eq!(models, ["aligned", "deeper"]);
    assert_eq!(summary.rates.len(), 2 * 5, "two models at five depths");
    let mut wanted: Vec<String> = summary.rates.iter().map(|row| row.rate.text()).collect();
    assert!(summary.rates.iter().all(|row| row.rate.n == 2), "{:?}", summary.rates);
    let chart = "How deep is the safety? KL between each model and base, by answer token";
    let mut chart_seen = false;
    for _ in 0..20 {
        wanted.retain(|text| w.harness.query_all_by_label(text.as_str()).next().is_none());
        chart_seen |= w.harness.query_by_role_and_label(Role::Image, chart).is_some();
        w.scroll(egui::pos2(900.0, 500.0), 200.0);
    }
    assert!(wanted.is_empty(), "not on the screen: {wanted:?}");
    assert!(chart_seen, "{chart}");

    // The results are handed on: a page, a picture and a table, all in the project.
    w.press("Report");
    w.wait_for("What the report holds", minute);
    w.press("Write report");
    w.wait_for("Saved as report.html", minute);
    let page = read(&w.root.join("reports/report.html"));
    assert!(summary.rates.iter().all(|row| page.contains(&row.rate.text())), "a rate is missing");
    assert_eq!(page.matches("<svg ").count(), 2);
    w.press("Evaluate");
    w.scroll(egui::pos2(900.0, 500.0), -10_000.0);
    w.press("Save as PNG: How often does the model comply after k harmful tokens?");
    w.wait_for("Saved as prefill-oracle-1.png", minute);
    w.press("Save as CSV: How often does the model comply after k harmful tokens?");
    w.wait_for("Saved as prefill-oracle-1.csv", minute);
    let table = read(&w.root.join("reports/charts/prefill-oracle-1.csv"));
    assert!(table.starts_with("series,x,y,low,high"), "{table}");
    if let Ok(folder) = std::env::var("PLUMBLINE_SHOTS") {
        w.shots(Path::new(&folder), "results");
    }
}

/// The window's own work stays within a frame while a model trains; closing asks; stopping keeps what is there.
#[test]
#[cfg(target_os = "linux")]
fn the_window_stays_fluid_while_a_model_trains() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    w.press("Train");
    w.write(Role::TextInput, "Step limit", "100000");
    w.press("Start training");
    w.wait("the first steps", minute, |app| app.jobs().running().is_some_and(|job| job.progress.is_some()));
    let mut frames = Vec::new();
    for screen in ["Train", "Overview", "Data", "Models", "Evaluate", "Inspect", "Report", "Jobs", "Settings"]
    {
        w.press(screen);
        for _ in 0..60 {
            frames.push(frame(&mut w));
        }
    }
    let frames = Frames::of(frames);
    println!("CPU time of a frame while training, logic + ui + AccessKit + tessellation: {}", frames.text());
    assert!(frames.at(0.99) < FRAME_MS, "{}", frames.text());
    assert!(w.harness.state().jobs().running().is_some(), "it was training all the time");

    // Closing asks first, and the job goes on.
    let events = |w: &mut Window| {
        let input = w.harness.input_mut();
        std::mem::take(&mut input.viewports.entry(egui::ViewportId::ROOT).or_default().events)
    };
    w.harness
        .input_mut()
        .viewports
        .entry(egui::ViewportId::ROOT)
        .or_default()
        .events
        .push(egui::ViewportEvent::Close);
    w.harness.step();
    let commands = &w.harness.output().viewport_output[&egui::ViewportId::ROOT].commands;
    assert!(commands.contains(&egui::ViewportCommand::CancelClose), "{commands:?}");
    events(&mut w);
    w.wait_for("A job is still running", minute);
    w.press("Keep running");
    assert!(w.harness.query_by_label("A job is still running").is_none());
    assert!(w.harness.state().jobs().running().is_some());

    w.press("Jobs");
    w.press("Stop");
    w.wait("the job to stop", minute, |app| app.jobs().open_count() == 0);
    assert!(matches!(w.harness.state().jobs().all()[0].state, JobState::Stopped(_)));

    // Another day, another window: the run is still offered, and goes on.
    let Window { harness, root, _folder: folder, .. } = w;
    drop(harness);
    // The first window's threads let go of the project when they end.
    while plumbline::project::Project::open(&root).unwrap().read_only() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut later = open_on(root, egui::Theme::Light, None, folder);
    later.press("Jobs");
    later.wait_for("Not finished on an earlier day", minute);
    later.press("Go on");
    later.wait("it to go on", minute, |app| {
        let job = app.jobs().all().last();
        if let Some(JobState::Failed(why)) = job.map(|job| &job.state) {
            panic!("{why}");
        }
        job.is_some_and(|job| job.progress.is_some())
    });
    later.press("Stop");
    later.wait("the second stop", minute, |app| app.jobs().open_count() == 0);
    later.press("Go on");
    later.wait("the third beginning", minute, |app| {
        app.jobs().all().last().is_some_and(|job| job.progress.is_some() && job.is_open())
    });
    // Quitting stops it and keeps what there is.
    later.act("quit");
    later.wait_for("A job is still running", minute);
    later.press("Stop and quit");
    later.wait("the last stop", minute, |app| app.jobs().open_count() == 0);
}

/// The same with everything at its largest at once.
#[test]
#[cfg(target_os = "linux")]
fn the_window_stays_fluid_with_everything_at_its_largest() {
    for (what, frames) in measure() {
        println!("{what}: {}", frames.text());
        assert!(frames.at(0.99) < FRAME_MS, "{what}: {}", frames.text());
    }
}

/// The first start begins with five steps, each on its screen; it can be skipped and taken again.
#[test]
fn the_tour_leads_through_five_screens() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    w.act("take the tour");
    for (step, title) in [
        "How deep is the safety?",
        "Examples that begin badly and recover",
        "Make the safety deeper",
        "Attack it, before and after",
        "Look inside one answer",
    ]
    .into_iter()
    .enumerate()
    {
        w.wait_for(&format!("step {} of 5", step + 1), minute);
        w.wait_for(title, minute);
        w.press(if step == 4 { "End the tour" } else { "Next step" });
    }
    assert!(w.harness.query_by_label_contains("of 5").is_none(), "it has ended");
    w.act("take the tour");
    w.press("Skip the tour");
    assert!(w.harness.query_by_label_contains("of 5").is_none(), "it was skipped");
}
