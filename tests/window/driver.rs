//! Drives the window by its labels.

use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use egui_kittest::{Harness, HarnessBuilder};
use plumbline::ui::{App, FilePicker, PickKind, Picked, Settings};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A dialog in which the same folder is always chosen.
pub struct Chooses(Option<PathBuf>);

impl FilePicker for Chooses {
    fn pick(&self, _title: &'static str, _kind: PickKind, done: Picked) {
        done(self.0.clone());
    }
}

/// The window on a demo project of its own.
pub struct Window {
    pub harness: Harness<'static, App>,
    pub root: PathBuf,
    pub config: tempfile::TempDir,
    pub _folder: Option<tempfile::TempDir>,
}

/// The demo project as it is on the first start, with its runs and evaluations.
pub fn first_start(theme: egui::Theme) -> Window {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("demo");
    open_on(root, theme, None, Some(folder))
}

/// The demo pair and its data sets without any run or evaluation: what a test makes is all there is.
pub fn window(theme: egui::Theme, chosen: Option<PathBuf>) -> Window {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("demo");
    plumbline::demo::unpack_pair_project(&root).unwrap();
    open_on(root, theme, chosen, Some(folder))
}

pub fn open_on(
    root: PathBuf,
    theme: egui::Theme,
    chosen: Option<PathBuf>,
    folder: Option<tempfile::TempDir>,
) -> Window {
    open_with(root, theme, chosen, folder, |builder| builder)
}

/// [`open_on`] with a harness of its own making.
pub fn open_with(
    root: PathBuf,
    theme: egui::Theme,
    chosen: Option<PathBuf>,
    folder: Option<tempfile::TempDir>,
    adapt: impl FnOnce(HarnessBuilder<App>) -> HarnessBuilder<App>,
) -> Window {
    note_commands();
    // What a model's card says of memory depends on the number of threads. The first window sets it; others find it set.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(2).build_global();
    let project_root = root.clone();
    // Somebody who has seen the tour.
    let config = tempfile::tempdir().unwrap();
    std::fs::write(config.path().join("preferences.toml"), "toured = true").unwrap();
    let config_folder = Some(config.path().to_owned());
    let builder = Harness::builder().with_size([1280.0, 800.0]).with_theme(theme).with_max_steps(64);
    let harness = adapt(builder).build_eframe(move |cc| {
        let picker = Box::new(Chooses(chosen));
        App::new(cc, Settings { project_root, demo: true, picker, config_folder }).unwrap()
    });
    let mut window = Window { harness, root, config, _folder: folder };
    window.wait("the demo project", Duration::from_secs(60), |app| app.project().is_some());
    window.press("Data");
    window
}

/// Set in the process in which a test runs alone.
const ALONE: &str = "PLUMBLINE_TEST_ALONE";

/// Whether this process was started for one test by [`alone`].
pub fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// Runs a test again in a process of its own with these variables: the environment belongs to a whole process, and other
/// tests share this one.
pub fn alone(test: &str, variables: &[(&str, &OsStr)]) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Writes the name of every command that is carried out to the file that PLUMBLINE_COMMANDS names: which of them do the
/// tests reach?
fn note_commands() {
    struct Notes(std::fs::File);
    impl log::Log for Notes {
        fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
            metadata.target() == "command"
        }
        fn log(&self, record: &log::Record<'_>) {
            if self.enabled(record.metadata()) {
                let line: String = record.args().to_string().chars().take(60).collect();
                let _ = std::io::Write::write_all(
                    &mut &self.0,
                    format!("{}\n", line.replace('\n', " ")).as_bytes(),
                );
            }
        }
        fn flush(&self) {}
    }
    let Some(file) = std::env::var_os("PLUMBLINE_COMMANDS") else { return };
    if let Ok(file) = std::fs::OpenOptions::new().create(true).append(true).open(file) {
        let _ = log::set_boxed_logger(Box::new(Notes(file)));
        log::set_max_level(log::LevelFilter::Debug);
    }
}

impl Window {
    /// Draws frames until `done`, as the event loop would.
    pub fn wait(&mut self, what: &str, limit: Duration, done: impl Fn(&App) -> bool) {
        let start = Instant::now();
        while !done(self.harness.state()) {
            assert!(start.elapsed() < limit, "waited {limit:?} for {what}:\n{}", self.words());
            std::thread::sleep(Duration::from_millis(20));
            self.harness.step();
        }
        self.harness.run_steps(3);
    }

    /// Draws frames until some widget's label contains `text`.
    pub fn wait_for(&mut self, text: &str, limit: Duration) {
        let start = Instant::now();
        while self.harness.query_all_by_label_contains(text).next().is_none() {
            assert!(start.elapsed() < limit, "waited {limit:?} for {text:?}:\n{}", self.words());
            std::thread::sleep(Duration::from_millis(20));
            self.harness.step();
        }
    }

    /// Every label on the screen, for messages of failed tests.
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        for node in self.harness.query_all_by(|node| node.label().is_some()) {
            words.push(format!("{node:?}"));
        }
        words.join("\n")
    }

    pub fn click(&mut self, role: Role, label: &str) {
        self.harness.get_by_role_and_label(role, label).click();
        self.harness.run_steps(3);
    }

    pub fn press(&mut self, label: &str) {
        self.click(Role::Button, label);
    }

    /// Takes a choice of a list.
    pub fn choose(&mut self, list: &str, choice: &str) {
        self.click(Role::ComboBox, list);
        let start = Instant::now();
        while self.harness.query_by_role_and_label(Role::Button, choice).is_none() {
            assert!(start.elapsed() < Duration::from_secs(60), "no {choice:?} in {list}:\n{}", self.words());
            std::thread::sleep(Duration::from_millis(20));
            self.harness.step();
        }
        self.press(choice);
    }

    pub fn is_blocked(&self, button: &str) -> bool {
        self.harness.get_by_role_and_label(Role::Button, button).accesskit_node().is_disabled()
    }

    /// Presses a button as soon as nothing speaks against it.
    pub fn press_when_free(&mut self, button: &str) {
        let start = Instant::now();
        while self.is_blocked(button) {
            assert!(start.elapsed() < Duration::from_secs(60), "{button:?} stays grey:\n{}", self.words());
            std::thread::sleep(Duration::from_millis(20));
            self.harness.step();
        }
        self.press(button);
    }

    /// Replaces the text of a field.
    pub fn write(&mut self, role: Role, label: &str, text: &str) {
        self.harness.get_by_role_and_label(role, label).click();
        self.harness.run_steps(2);
        self.harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
        self.harness.run_steps(2);
        self.harness.get_by_role_and_label(role, label).type_text(text);
        self.harness.run_steps(2);
    }

    /// Takes an action from the list of all, found by these words.
    pub fn act(&mut self, words: &str) {
        self.harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::K);
        self.harness.run_steps(3);
        self.harness.get_by_role_and_label(Role::TextInput, "What do you want to do?").type_text(words);
        self.harness.run_steps(3);
        self.harness.key_press(egui::Key::Enter);
        self.harness.run_steps(4);
    }

    /// Turns the wheel over `at`.
    pub fn scroll(&mut self, at: egui::Pos2, points: f32) {
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

    /// Scrolls the middle of the window until this stands in it, from the top on.
    pub fn reach(&mut self, role: Role, label: &str) {
        // Below it stand what is in the way, and the button that starts.
        let whole = self.harness.ctx.content_rect();
        let area = egui::Rect::from_min_max(egui::pos2(190.0, 180.0), whole.max - egui::vec2(0.0, 180.0));
        let middle = egui::pos2(700.0, 450.0);
        for scroll in std::iter::once(0.0).chain([-5_000.0]).chain([80.0; 30]) {
            if scroll != 0.0 {
                self.scroll(middle, scroll);
            }
            let found = self.harness.query_by_role_and_label(role, label);
            if found.is_some_and(|node| area.contains_rect(node.rect())) {
                return;
            }
        }
        panic!("{label:?} is nowhere:\n{}", self.words());
    }

    /// Waits until workers have answered and nothing moves any more.
    pub fn settle(&mut self) {
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(25));
            self.harness.step();
        }
        self.harness.run_ok();
    }

    /// Saves a picture of every screen, to be looked at.
    pub fn shots(&mut self, folder: &Path, name: &str) {
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

    pub fn folders(&self, group: &str) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.root.join(group)) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
    }
}

/// max |Δ| over all weights of two checkpoints.
pub fn largest_change(one: &Path, other: &Path) -> f32 {
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

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
