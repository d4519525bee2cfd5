//! The window, driven by its accessibility labels, and what the project folder then holds.

#![allow(
    clippy::unwrap_used,
    clippy::duration_suboptimal_units,
    reason = "a test stops where something is not there"
)]

use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use egui_kittest::{Harness, SnapshotResults};
use plumbline::ui::app::JobState;
use plumbline::ui::{App, FilePicker, PickKind, Picked, Settings};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A dialog in which the same folder is always chosen.
struct Chooses(Option<PathBuf>);

impl FilePicker for Chooses {
    fn pick(&self, _title: &'static str, _kind: PickKind, done: Picked) {
        done(self.0.clone());
    }
}

/// The window on a demo project of its own.
struct Window {
    harness: Harness<'static, App>,
    root: PathBuf,
    config: tempfile::TempDir,
    _folder: Option<tempfile::TempDir>,
}

fn window(theme: egui::Theme, chosen: Option<PathBuf>) -> Window {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("demo");
    open_on(root, theme, chosen, Some(folder))
}

fn open_on(
    root: PathBuf,
    theme: egui::Theme,
    chosen: Option<PathBuf>,
    folder: Option<tempfile::TempDir>,
) -> Window {
    // What a model's card says of memory depends on the number of threads. The first window sets it; others find it set.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(2).build_global();
    let project_root = root.clone();
    // Somebody who has seen the tour.
    let config = tempfile::tempdir().unwrap();
    std::fs::write(config.path().join("preferences.toml"), "toured = true").unwrap();
    let config_folder = Some(config.path().to_owned());
    let harness =
        Harness::builder().with_size([1280.0, 800.0]).with_theme(theme).with_max_steps(64).build_eframe(
            move |cc| {
                let picker = Box::new(Chooses(chosen));
                App::new(cc, Settings { project_root, demo: true, picker, config_folder }).unwrap()
            },
        );
    let mut window = Window { harness, root, config, _folder: folder };
    window.wait("the demo project", Duration::from_secs(60), |app| app.project().is_some());
    window.press("Data");
    window
}

impl Window {
    /// Draws frames until `done`, as the event loop would.
    fn wait(&mut self, what: &str, limit: Duration, done: impl Fn(&App) -> bool) {
        let start = Instant::now();
        while !done(self.harness.state()) {
            assert!(start.elapsed() < limit, "waited {limit:?} for {what}:\n{}", self.words());
            std::thread::sleep(Duration::from_millis(20));
            self.harness.step();
        }
        self.harness.run_steps(3);
    }

    /// Draws frames until some widget's label contains `text`.
    fn wait_for(&mut self, text: &str, limit: Duration) {
        let start = Instant::now();
        while self.harness.query_all_by_label_contains(text).next().is_none() {
            assert!(start.elapsed() < limit, "waited {limit:?} for {text:?}:\n{}", self.words());
            std::thread::sleep(Duration::from_millis(20));
            self.harness.step();
        }
    }

    /// Every label on the screen, for messages of failed tests.
    fn words(&self) -> String {
        let mut words = Vec::new();
        for node in self.harness.query_all_by(|node| node.label().is_some()) {
            words.push(format!("{node:?}"));
        }
        words.join("\n")
    }

    fn click(&mut self, role: Role, label: &str) {
        self.harness.get_by_role_and_label(role, label).click();
        self.harness.run_steps(3);
    }

    fn press(&mut self, label: &str) {
        self.click(Role::Button, label);
    }

    /// Replaces the text of a field.
    fn write(&mut self, role: Role, label: &str, text: &str) {
        self.harness.get_by_role_and_label(role, label).click();
        self.harness.run_steps(2);
        self.harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
        self.harness.run_steps(2);
        self.harness.get_by_role_and_label(role, label).type_text(text);
        self.harness.run_steps(2);
    }

    /// Takes an action from the list of all, found by these words.
    fn act(&mut self, words: &str) {
        self.harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::K);
        self.harness.run_steps(3);
        self.harness.get_by_role_and_label(Role::TextInput, "What do you want to do?").type_text(words);
        self.harness.run_steps(3);
        self.harness.key_press(egui::Key::Enter);
        self.harness.run_steps(4);
    }

    /// Turns the wheel over `at`.
    fn scroll(&mut self, at: egui::Pos2, points: f32) {
        self.harness.hover_at(at);
        self.harness.event(egui::Event::MouseWheel {
            unit: egui::MouseWheelUnit::Point,
            delta: egui::vec2(0.0, -points),
            modifiers: egui::Modifiers::NONE,
            phase: egui::TouchPhase::Move,
            source: egui::MouseWheelSource::Unknown,
        });
        self.harness.run_steps(8);
    }

    /// Waits until workers have answered and nothing moves any more.
    fn settle(&mut self) {
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(25));
            self.harness.step();
        }
        self.harness.run_ok();
    }

    /// Saves a picture of every screen, to be looked at.
    fn shots(&mut self, folder: &Path, name: &str) {
        self.harness.set_render_cursor(false);
        for screen in ["Overview", "Data", "Models", "Train", "Evaluate", "Inspect", "Report", "Jobs"] {
            self.press(screen);
            self.harness.remove_cursor();
            std::thread::sleep(Duration::from_millis(300));
            self.harness.run_steps(4);
            let file = folder.join(format!("{name}-{}.png", screen.to_lowercase()));
            self.harness.render().unwrap().save(file).unwrap();
        }
    }

    fn folders(&self, group: &str) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.root.join(group)) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
    }
}

/// max |Δ| over all weights of two checkpoints.
fn largest_change(one: &Path, other: &Path) -> f32 {
    let load = |folder: &Path| plumbline::model::load(folder).unwrap().decoder.weights();
    let mut largest = 0.0f32;
    for ((name, a), (_, b)) in load(one).into_iter().zip(load(other)) {
        let change = (a - b)
            .unwrap()
            .abs()
            .unwrap()
            .flatten_all()
            .unwrap()
            .max(0)
            .unwrap()
            .to_scalar::<f32>()
            .unwrap();
        assert!(change.is_finite(), "{name}");
        largest = largest.max(change);
    }
    largest
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

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
    w.write(Role::TextInput, "Most steps", "6");
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

#[test]
fn a_folder_that_is_no_model_is_refused_in_words() {
    let broken = tempfile::tempdir().unwrap();
    let mut w = window(egui::Theme::Light, Some(broken.path().to_owned()));
    let minute = Duration::from_secs(60);
    w.press("Models");
    w.press("Add model from folder…");
    let button = w.harness.get_by_role_and_label(Role::Button, "Add model");
    assert!(button.accesskit_node().is_disabled(), "nothing to add yet");

    // Nothing there: the dialog's choice stands in the field, and stays there after the error.
    w.press("Choose folder…");
    w.harness.run_steps(4);
    w.press("Add model");
    w.wait_for("config.json", minute);
    let field = w.harness.get_by_role_and_label(Role::TextInput, "Folder of the model");
    assert_eq!(field.value().as_deref(), Some(broken.path().to_str().unwrap()));

    // Weights cut short.
    let good = w.root.join("models/base");
    for entry in std::fs::read_dir(&good).unwrap() {
        let file = entry.unwrap().path();
        std::fs::copy(&file, broken.path().join(file.file_name().unwrap())).unwrap();
    }
    let weights = broken.path().join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    w.press("Add model");
    w.wait_for("model.safetensors", minute);

    // An architecture that nobody here knows.
    std::fs::write(&weights, &bytes).unwrap();
    let config = broken.path().join("config.json");
    let text = read(&config);
    std::fs::write(
        &config,
        text.replace("LlamaForCausalLM", "MambaForCausalLM").replace("\"llama\"", "\"mamba\""),
    )
    .unwrap();
    w.press("Add model");
    w.wait_for("Mamba", minute);

    // Mended, it is added under the name that was written.
    std::fs::write(&config, text).unwrap();
    w.write(Role::TextInput, "Name of the model", "My copy");
    w.press("Add model");
    w.wait("the model", minute, |app| app.project().unwrap().model("my-copy").is_some());
    w.wait_for("Added as my-copy.", minute);
}

/// Nanoseconds that this thread has spent computing: other threads' work and waiting do not count.
fn thread_time() -> Duration {
    // The kernel brings the sum up to date when the thread gives way.
    std::thread::yield_now();
    let text = read(Path::new("/proc/thread-self/schedstat"));
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// The window's own work stays within a frame while a model trains; closing asks; stopping keeps what is there.
#[test]
#[cfg(target_os = "linux")]
fn the_window_stays_fluid_while_a_model_trains() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    w.press("Train");
    w.write(Role::TextInput, "Most steps", "100000");
    w.press("Start training");
    w.wait("the first steps", minute, |app| app.jobs().running().is_some_and(|job| job.progress.is_some()));
    let mut frames = Vec::new();
    for screen in ["Train", "Overview", "Data", "Models", "Evaluate", "Inspect", "Report", "Jobs", "Settings"]
    {
        w.press(screen);
        for _ in 0..60 {
            std::thread::sleep(Duration::from_millis(5));
            let start = thread_time();
            w.harness.step();
            let shapes = w.harness.output().shapes.clone();
            let meshes = w.harness.ctx.tessellate(shapes, 1.0);
            frames.push(thread_time().saturating_sub(start));
            assert!(!meshes.is_empty());
        }
    }
    frames.sort_unstable();
    let at = |share: f64| frames[((frames.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "CPU time of a frame while training, logic + ui + AccessKit + tessellation: median {:.2} ms, p99 {:.2} ms, \
         largest {:.2} ms, {} frames",
        at(0.5),
        at(0.99),
        at(1.0),
        frames.len()
    );
    assert!(at(0.99) < 16.0, "p99 is {:.2} ms", at(0.99));
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

/// Every action is found by a few letters, and taken by a key.
#[test]
fn the_palette_finds_actions_and_the_glossary_explains_terms() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    w.act("attack-test");
    assert!(w.harness.query_by_label("What do you want to do?").is_none(), "it closes");
    w.wait_for("Find in this set", minute);
    let row = w.harness.get_by_role_and_label(Role::Button, "attack-test");
    assert_eq!(row.accesskit_node().toggled(), Some(egui::accesskit::Toggled::True));

    // Dark colours are remembered for the next window.
    w.act("dark");
    let kept = read(&w.config.path().join("preferences.toml"));
    assert!(kept.contains("theme = \"dark\""), "{kept}");

    w.harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::G);
    w.harness.run_steps(3);
    w.wait_for("Safety depth", minute);
    w.write(Role::TextInput, "Find a term", "kappa");
    w.wait_for("two judges agree", minute);
}

/// A new project is made, is empty in plain words on every screen, and the demo's folder can be opened again.
#[test]
fn a_project_is_made_and_another_opened_from_settings() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("mine");
    w.press("Settings");
    let field = "Folder of another project";
    w.write(Role::TextInput, field, root.to_str().unwrap());
    w.write(Role::TextInput, "Title, if the project is new", "Mine");
    w.press("Make project");
    w.wait("the new project", minute, |app| app.project().is_some_and(|project| project.title == "Mine"));
    assert!(root.join("project.toml").is_file());
    for screen in plumbline::ui::app::Screen::ALL {
        w.press(screen.name());
        w.settle();
    }
    w.press("Overview");
    w.wait_for("Next: add a model", minute);

    // A folder without a project is refused in words, and the way back stands on the screen.
    w.press("Settings");
    w.write(Role::TextInput, field, folder.path().to_str().unwrap());
    w.press("Open project");
    w.wait_for("holds no project", minute);
    w.press(&format!("Open {}", root.display()));
    w.wait("the way back", minute, |app| app.project().is_some_and(|project| project.title == "Mine"));
    assert!(read(&w.config.path().join("preferences.toml")).contains("mine"));
}

/// An edit that waits to be written reaches the disk before another project is opened, and settings have undo too.
#[test]
fn leaving_a_project_loses_no_edit() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    drop(plumbline::project::Project::create(&other, "Other").unwrap());

    w.press("Train");
    w.click(Role::RadioButton, "Fine-tune plainly");
    w.harness.run_steps(30);
    w.act("undo");
    let goal = w.harness.get_by_role_and_label(Role::RadioButton, "Make the safety deeper");
    assert_eq!(goal.accesskit_node().toggled(), Some(egui::accesskit::Toggled::True));

    w.press("Settings");
    w.write(Role::TextInput, "Folder of another project", other.to_str().unwrap());
    w.press("Data");
    w.wait_for("tokens trained", minute);
    w.write(Role::MultilineTextInput, "Refusal", "No. I will not lose this.");
    w.press("Settings");
    w.press("Open project");
    w.wait("the other project", minute, |app| app.project().is_some_and(|project| project.title == "Other"));
    assert!(read(&w.root.join("datasets/recovery-train.jsonl")).contains("I will not lose this."));
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

/// Pictures of every screen as it stands on the first start. Rewritten by `UPDATE_SNAPSHOTS=1`.
#[test]
fn every_screen_looks_as_it_did() {
    let mut results = SnapshotResults::new();
    for (theme, name) in [(egui::Theme::Light, "light"), (egui::Theme::Dark, "dark")] {
        let mut w = window(theme, None);
        let minute = Duration::from_secs(60);
        w.wait_for("tokens trained", minute);
        w.harness.remove_cursor();
        // Settings shows the project's folder, which is another one each time.
        let screens = plumbline::ui::app::Screen::ALL.map(plumbline::ui::app::Screen::name);
        for screen in screens.into_iter().filter(|screen| *screen != "Settings") {
            w.press(screen);
            w.harness.remove_cursor();
            w.settle();
            results.add(w.harness.try_snapshot(format!("{}-{name}", screen.to_lowercase())));
        }
        // The editor with a fixed cut and the harmful answer shown.
        w.press("Data");
        w.press("Show harmful answer");
        w.click(Role::CheckBox, "Drawn at random");
        w.harness.get_by_role_and_label(Role::Slider, "Cut after k tokens").set_value_accesskit(12.0);
        w.harness.run_steps(3);
        w.wait("the edit to be saved", minute, App::all_saved);
        w.harness.remove_cursor();
        w.settle();
        results.add(w.harness.try_snapshot(format!("data-cut-{name}")));
    }
}
