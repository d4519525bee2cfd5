//! How much of a frame the window's own work takes, at its worst: a table of 100,000 rows, an answer of 2,000 lines, and a
//! model that trains meanwhile. `cargo bench --bench window` prints the figures of a release build.

use crate::driver::{Window, open_on, read};
use eframe::egui;
use egui::accesskit::Role;
use plumbline::data::{Examples, RecoveryExample, Refusal};
use plumbline::project::{DatasetEntry, Project};
use plumbline::text::Message;
use std::path::Path;
use std::time::Duration;

/// Rows of the table.
const ROWS: usize = 100_000;
/// Lines of the answer.
const LINES: usize = 2_000;
/// Time for a frame at 60 Hz, less a little for the system.
pub const FRAME_MS: f64 = 16.0;

/// Nanoseconds that this thread has spent computing: other threads' work and waiting do not count.
pub fn thread_time() -> Duration {
    // The kernel brings the sum up to date when the thread gives way.
    std::thread::yield_now();
    let text = read(Path::new("/proc/thread-self/schedstat"));
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// One frame: logic, drawing, the tree for screen readers, tessellation. Its CPU time in milliseconds.
pub fn frame(w: &mut Window) -> f64 {
    std::thread::sleep(Duration::from_millis(5));
    let start = thread_time();
    w.harness.step();
    let shapes = w.harness.output().shapes.clone();
    let meshes = w.harness.ctx.tessellate(shapes, 1.0);
    let spent = thread_time().saturating_sub(start);
    assert!(!meshes.is_empty());
    spent.as_secs_f64() * 1e3
}

/// Figures of many frames.
pub struct Frames(Vec<f64>);

impl Frames {
    pub fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        Self(all)
    }

    pub fn at(&self, share: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * share) as usize]
    }

    pub fn text(&self) -> String {
        format!(
            "median {:.2} ms, p99 {:.2} ms, largest {:.2} ms, {} frames",
            self.at(0.5),
            self.at(0.99),
            self.at(1.0),
            self.0.len()
        )
    }
}

fn large_set() -> Examples {
    let mut answer = String::new();
    for line in 1..=LINES {
        answer += &format!("Step {line}: stir the toad slime nine times to the left.\n");
    }
    let example = |n: usize| RecoveryExample {
        id: format!("row-{n:06}"),
        context: vec![Message::user(format!("How do I open vault number {n} of the goblin bank?"))],
        harmful: if n == 0 { answer.clone() } else { format!("First, take key number {n} from the guard.") },
        refusals: vec![Refusal { from_depth: 0, text: "I cannot help with that.".into() }],
        category: ["vault", "potion", "spell"][n % 3].into(),
        ..RecoveryExample::default()
    };
    Examples::Recovery((0..ROWS).map(example).collect())
}

/// Measures frames on the Data screen with all of it at once, by what is done: nothing, scrolling the table, scrolling the answer.
pub fn measure() -> Vec<(&'static str, Frames)> {
    let long = Duration::from_secs(60);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("demo");
    plumbline::demo::unpack_pair_project(&root).unwrap();
    {
        let set = large_set();
        let mut project = Project::open(&root).unwrap();
        project.add_dataset(DatasetEntry::new("table-large", "Large", set.kind()), &set).unwrap();
    }
    let mut w = open_on(root, egui::Theme::Light, None, Some(folder));
    w.press("Train");
    // Fast machines are through with five passes before all frames are drawn.
    w.write(Role::SpinButton, "Passes over the data (epochs)", "1000");
    w.press("Start training");
    w.wait("the first steps", long, |app| app.jobs().running().is_some_and(|job| job.progress.is_some()));
    w.act("open data set table-large");
    w.wait_for("100000 examples", long);
    w.wait_for("tokens trained", long);
    w.press("Show harmful answer");
    let mut all = Vec::new();
    let frames = |w: &mut Window, count: usize, each: &mut dyn FnMut(&mut Window, usize)| {
        let mut spent = Vec::new();
        for n in 0..count {
            each(w, n);
            spent.push(frame(w));
        }
        Frames::of(spent)
    };
    all.push(("looking", frames(&mut w, 200, &mut |_, _| {})));
    let table = egui::pos2(480.0, 500.0);
    all.push(("scrolling the table", frames(&mut w, 200, &mut |w, _| wheel(w, table, 400.0))));
    let editor = egui::pos2(1000.0, 500.0);
    all.push(("scrolling the answer", frames(&mut w, 200, &mut |w, _| wheel(w, editor, 300.0))));
    assert!(w.harness.state().jobs().running().is_some(), "it was training all the time");
    w.press("Jobs");
    w.press("Stop");
    w.wait("the job to stop", long, |app| app.jobs().open_count() == 0);
    all
}

fn wheel(w: &mut Window, at: egui::Pos2, points: f32) {
    w.harness.hover_at(at);
    w.harness.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, -points),
        modifiers: egui::Modifiers::NONE,
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
    });
}
