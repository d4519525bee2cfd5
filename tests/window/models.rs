//! The Models screen.

use crate::driver::*;
use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use std::time::Duration;

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
