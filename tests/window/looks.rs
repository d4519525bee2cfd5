//! Pictures of every screen.

use crate::driver::*;
use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::SnapshotResults;
use egui_kittest::kittest::Queryable as _;
use plumbline::ui::App;
use std::time::Duration;

/// Pictures of every screen as it stands on the first start. Rewritten by `UPDATE_SNAPSHOTS=1`.
#[test]
fn every_screen_looks_as_it_did() {
    let mut results = SnapshotResults::new();
    for (theme, name) in [(egui::Theme::Light, "light"), (egui::Theme::Dark, "dark")] {
        let mut w = first_start(theme);
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
