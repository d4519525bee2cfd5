//! The window itself: palette, projects, preferences, faults.

use crate::driver::*;
use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use std::time::Duration;

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

/// What remains of the palette: sizes, focus, terms, diagnostics, problems, an answer token by token.
#[test]
fn every_remaining_action_is_found_and_does_what_it_says() {
    let minute = Duration::from_secs(60);
    let mut w = first_start(egui::Theme::Light);
    let kept = |w: &Window| read(&w.config.path().join("preferences.toml"));
    w.act("smaller");
    assert!(kept(&w).contains("scale = 0.9"), "{}", kept(&w));
    w.act("usual size");
    w.act("larger");
    assert!(kept(&w).contains("scale = 1.1"), "{}", kept(&w));
    w.act("usual size");
    assert!(kept(&w).contains("scale = 1.0"), "{}", kept(&w));

    w.press("Overview");
    w.click(Role::Link, "What is: Safety depth");
    w.wait_for("The largest tested k", minute);
    w.harness.key_press(egui::Key::Escape);
    w.harness.run_steps(3);
    assert!(
        w.harness.query_by_label_contains("The largest tested k").is_none(),
        "Escape closes the glossary"
    );
    w.act("copy diagnostics");
    w.wait_for("The diagnostics are in the clipboard", minute);
    w.press("Close this message");
    assert!(w.harness.query_by_label_contains("are in the clipboard").is_none());

    w.act("put deepened in focus");
    w.act("compare with aligned");
    w.press("Models");
    w.act("put aligned in focus");
    w.act("compare with base");

    w.press("Data");
    w.wait_for("tokens trained", minute);
    w.act("open data set anchor-train");
    w.wait_for("have problems", minute);
    w.act("next problem");
    w.wait_for("the same", minute);

    // From an evaluation to single requests, to one answer.
    w.press("Evaluate");
    w.press("Results");
    w.press("Inspect token by token");
    w.wait_for("Evaluation to inspect", minute);
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

/// The demo project lies in the person's own folder for data, and can be opened from another project and from one that
/// could not be opened.
#[test]
#[cfg(target_os = "linux")]
fn the_demo_project_is_opened_from_elsewhere() {
    if !is_alone() {
        // Where data belong stands in the environment.
        let data = tempfile::tempdir().unwrap();
        alone(
            "application::the_demo_project_is_opened_from_elsewhere",
            &[("XDG_DATA_HOME", data.path().as_os_str())],
        );
        let demo = plumbline::project::Project::open(&data.path().join("plumbline/demo")).unwrap();
        assert_eq!(demo.evaluations().len(), 3);
        return;
    }
    let minute = Duration::from_secs(60);
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    drop(plumbline::project::Project::create(&other, "Other").unwrap());
    let demo = plumbline::ui::demo_project_folder().unwrap();
    assert!(!demo.exists());
    let mut w = open_on(other.clone(), egui::Theme::Light, None, None);
    let is_open = |app: &plumbline::ui::App, root: &std::path::Path| {
        app.project().is_some_and(|project| project.root == root)
    };
    w.press("Settings");
    w.press("Open the demo project");
    w.wait("the demo project", minute, |app| is_open(app, &demo));
    w.press("Overview");
    w.wait_for("How deep is the safety", minute);

    w.press("Settings");
    w.press(&format!("Open {}", other.display()));
    w.wait("the other project", minute, |app| is_open(app, &other));
    w.write(Role::TextInput, "Folder of another project", folder.path().to_str().unwrap());
    w.press("Open project");
    w.wait_for("The project could not be opened", minute);
    w.press("Open the demo project");
    w.wait("the demo project again", minute, |app| is_open(app, &demo));
}

/// What was made is shown by the system's file manager, for which a script stands that notes what it is told to open; and
/// where nothing can be shown, the window says why.
#[test]
#[cfg(target_os = "linux")]
fn folders_are_shown_in_the_file_manager() {
    use std::os::unix::fs::PermissionsExt as _;
    const PROGRAM: &str = "xdg-open";
    if !is_alone() {
        // Where programs are stands in the environment.
        let programs = tempfile::tempdir().unwrap();
        let script = programs.path().join(PROGRAM);
        std::fs::write(&script, "#!/bin/sh\nprintf '%s\\n' \"$1\" >> \"$PATH/shown\"\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
        alone("application::folders_are_shown_in_the_file_manager", &[("PATH", programs.path().as_os_str())]);
        return;
    }
    let minute = Duration::from_secs(60);
    let programs = std::path::PathBuf::from(std::env::var_os("PATH").unwrap());
    let mut w = first_start(egui::Theme::Light);
    let mut wanted = String::new();
    let mut shows = |w: &mut Window, folder: &std::path::Path| {
        wanted += &format!("{}\n", folder.display());
        let shown = programs.join("shown");
        w.wait("the file manager", minute, |_| std::fs::read_to_string(&shown).is_ok_and(|s| s == wanted));
    };
    let show = "Show in folder";

    // The project, a model, the run that made one.
    w.press("Settings");
    w.scroll(egui::pos2(700.0, 500.0), 2000.0);
    w.press(show);
    let root = w.root.clone();
    shows(&mut w, &root);
    w.press("Models");
    w.scroll(egui::pos2(700.0, 500.0), -9000.0);
    w.press("More about base");
    w.press(show);
    shows(&mut w, &root.join("models/base"));
    w.scroll(egui::pos2(700.0, 500.0), 9000.0);
    let made = w.harness.query_all_by_label_contains("Show the run").last().unwrap();
    let run = made.accesskit_node().label().unwrap().replace("Show the run ", "");
    made.click();
    w.harness.run_steps(3);
    shows(&mut w, &root.join("runs").join(run));

    // A file is shown by its folder, as long as that is there.
    w.press("Data");
    w.wait_for("tokens trained", minute);
    w.press("Export…");
    w.press("Export");
    w.wait_for("Saved as recovery-train.jsonl", minute);
    w.press(show);
    let exports = root.join("exports");
    shows(&mut w, &exports);
    std::fs::remove_dir_all(&exports).unwrap();
    w.press(show);
    w.wait_for(&format!("{} is not there any more.", exports.display()), minute);

    // A system without such a program.
    std::fs::remove_file(programs.join(PROGRAM)).unwrap();
    w.press("Settings");
    w.scroll(egui::pos2(700.0, 500.0), 2000.0);
    w.press(show);
    w.wait_for("This system has no file manager that could be opened", minute);
    assert!(w.harness.query_by_label_contains(&format!("The folder is {}.", root.display())).is_some());
}
