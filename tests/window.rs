//! The window, driven by its accessibility labels, and what the project folder then holds.

use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotOptions};
use plumbline::ui::{App, FilePicker, Picked, Settings};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A dialog in which the same folder is always chosen.
struct Chooses(Option<PathBuf>);

impl FilePicker for Chooses {
    fn pick_folder(&self, done: Picked) {
        done(self.0.clone());
    }
}

/// The window on a demo project of its own.
struct Window {
    harness: Harness<'static, App>,
    root: PathBuf,
    _folder: tempfile::TempDir,
}

fn window(theme: egui::Theme, chosen: Option<PathBuf>) -> Window {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("demo");
    let project_root = root.clone();
    let harness =
        Harness::builder().with_size([1280.0, 800.0]).with_theme(theme).with_max_steps(64).build_eframe(
            move |cc| {
                let picker = Box::new(Chooses(chosen));
                App::new(cc, Settings { project_root, demo: true, picker }).unwrap()
            },
        );
    let mut window = Window { harness, root, _folder: folder };
    window.wait("the demo project", Duration::from_secs(60), |app| app.project().is_some());
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

    /// Saves a picture of every screen, to be looked at.
    fn shots(&mut self, folder: &Path, name: &str) {
        for screen in ["Data", "Models", "Train", "Evaluate", "Inspect", "Jobs"] {
            self.press(screen);
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
    let weights = std::fs::read(runs[0].join("model/model.safetensors")).unwrap();
    let parent = std::fs::read(w.root.join("models/aligned/model.safetensors")).unwrap();
    assert_ne!(weights, parent, "training changes the weights");

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
    for row in &summary.rates {
        assert_eq!(row.rate.n, 2);
        let text = row.rate.text();
        let shown = w.harness.query_all_by_label(text.as_str()).count();
        assert!(shown > 0, "{text} is not on the screen:\n{}", w.words());
    }
    w.harness.get_by_role_and_label(
        Role::Image,
        "How deep is the safety? KL between each model and base, by answer token",
    );
    if let Ok(folder) = std::env::var("PLUMBLINE_SHOTS") {
        w.shots(Path::new(&folder), "results");
    }
}
