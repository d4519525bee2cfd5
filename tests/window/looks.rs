//! Pictures of every screen.

use crate::driver::*;
use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::SnapshotResults;
use egui_kittest::kittest::Queryable as _;
use plumbline::ui::App;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Estimates come from evaluations on the same kind of device: pictures should not depend on which that is.
fn made_on_this_device(root: &Path) {
    use plumbline::model::device;
    for entry in std::fs::read_dir(root.join("evaluations")).unwrap() {
        let folder = entry.unwrap().path();
        let mut manifest = plumbline::project::Manifest::load(&folder).unwrap();
        manifest.device = device::name(&device::pick());
        manifest.save(&folder).unwrap();
    }
}

/// Pictures of every screen as it stands on the first start. Rewritten by `UPDATE_SNAPSHOTS=1`.
#[test]
fn every_screen_looks_as_it_did() {
    let mut results = SnapshotResults::new();
    let wide = egui::vec2(1280.0, 800.0);
    // The smallest window that there is.
    let small = egui::vec2(1100.0, 700.0);
    for (theme, size, name) in [
        (egui::Theme::Light, wide, "light"),
        (egui::Theme::Dark, wide, "dark"),
        (egui::Theme::Light, small, "light-small"),
        (egui::Theme::Dark, small, "dark-small"),
    ] {
        // Settings shows the project's folder, which has to be the same each time.
        let root = PathBuf::from("target/looks/demo");
        let _ = std::fs::remove_dir_all(&root);
        plumbline::demo::unpack(&root).unwrap();
        made_on_this_device(&root);
        let mut w = open_with(root, theme, None, None, |builder| builder.with_size(size));
        let minute = Duration::from_secs(60);
        w.wait_for("tokens trained", minute);
        w.harness.remove_cursor();
        for screen in plumbline::ui::app::Screen::ALL.map(plumbline::ui::app::Screen::name) {
            w.press(screen);
            if screen == "Train" {
                // A light on a tab says how the checks have ended: they take a moment.
                w.press("Checks");
                w.wait_for("but look at", minute);
                w.press("How it works");
            }
            if screen == "Report" {
                // The path that is proposed is that of this project, wherever it lies.
                w.write(Role::TextInput, "Save the report as", "/home/you/report.html");
                w.press(screen);
            }
            w.harness.remove_cursor();
            w.settle();
            results.add(w.harness.try_snapshot(format!("{}-{name}", screen.to_lowercase())));
        }
        // In the smaller window the slider lies below what is in sight.
        if size == small {
            continue;
        }
        // The editor with a fixed cut and the harmful answer shown.
        w.press("Data");
        w.press("Show harmful answer");
        w.click(Role::CheckBox, "Drawn at random");
        w.wait_for("Cut after k tokens", minute);
        w.harness.get_by_role_and_label(Role::Slider, "Cut after k tokens").set_value_accesskit(12.0);
        w.harness.run_steps(3);
        w.wait("the edit to be saved", minute, App::all_saved);
        w.harness.remove_cursor();
        w.settle();
        results.add(w.harness.try_snapshot(format!("data-cut-{name}")));
    }
}
