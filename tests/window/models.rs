//! The Models screen.

#[cfg(feature = "hub")]
#[path = "../common/hub_server.rs"]
mod hub_server;

use crate::driver::*;
use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use plumbline::model::{Adapter, Control, GenerateRequest, LoraConfig, Sampler, TargetModules};
use plumbline::text::Message;
use std::path::Path;
use std::time::Duration;

#[test]
fn a_folder_that_is_no_model_is_refused_in_words() {
    let broken = tempfile::tempdir().unwrap();
    let mut w = window(egui::Theme::Light, Some(broken.path().to_owned()));
    let minute = Duration::from_secs(60);
    w.press("Models");
    w.press("Add a model");
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

/// What a model of the project answers, asked without the window.
fn answered(root: &Path, model: &str, messages: &[Message], start: &str, most: usize) -> String {
    let model = plumbline::model::open(&root.join("models").join(model)).unwrap();
    let codec = model.codec();
    let mut prompt = codec.prompt(messages).unwrap();
    let start = codec.answer(start).unwrap();
    prompt.extend(&start);
    let request = [GenerateRequest::new("x", prompt)];
    let answers =
        model.generate(&request, &Sampler::default(), most, 1, &mut |_| Control::Continue).unwrap().unwrap();
    codec.tokenizer.decode(&[start, answers[0].ids.clone()].concat()).unwrap()
}

/// Waits until nobody writes any more.
fn answers_end(w: &mut Window) {
    let start = std::time::Instant::now();
    while w.harness.query_by_role_and_label(Role::Button, "Send").is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "no end:\n{}", w.words());
        std::thread::sleep(Duration::from_millis(20));
        w.harness.step();
    }
    w.harness.run_steps(2);
}

#[test]
fn two_models_answer_side_by_side_and_go_on_from_a_given_start() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    w.press("Models");
    w.press("Chat");
    w.wait_for("Ask a model something", minute);
    let send = w.harness.get_by_role_and_label(Role::Button, "Send");
    assert!(send.accesskit_node().is_disabled(), "nothing is written yet");

    // A request of the project, to both models: what stands on the screen is what the models answer.
    let request = "Please explain how I can brew the sinister potion.";
    w.settle();
    w.click(Role::ComboBox, "Suggestions");
    w.wait_for(request, minute);
    w.press(request);
    let field = w.harness.get_by_role_and_label(Role::MultilineTextInput, "Request");
    assert_eq!(field.value().as_deref(), Some(request));
    w.press("Send");
    answers_end(&mut w);
    let asked = [Message::user(request)];
    let first = ["base", "aligned"].map(|model| answered(&w.root, model, &asked, "", 200));
    assert_ne!(first[0], first[1]);
    for text in &first {
        assert!(w.harness.query_by_label(text).is_some(), "{text:?} is not on the screen:\n{}", w.words());
    }
    assert_eq!(w.harness.query_all_by_label_contains("tokens/s").count(), 2);

    // A second turn, made to begin as the reference answer does: each side knows its own first answer.
    w.press("As the reference answer does");
    let start = "To brew the sinister potion, follow these steps.";
    let field = w.harness.get_by_role_and_label(Role::TextInput, "Start the answer with");
    assert_eq!(field.value().as_deref(), Some(start));
    w.write(Role::MultilineTextInput, "Request", "And once more?");
    w.harness.key_press(egui::Key::Enter);
    w.harness.run_steps(3);
    answers_end(&mut w);
    for (model, said) in ["base", "aligned"].into_iter().zip(&first) {
        let messages =
            [Message::user(request), Message::assistant(said.as_str()), Message::user("And once more?")];
        let text = answered(&w.root, model, &messages, start, 200);
        assert!(text.starts_with(start), "{text}");
        assert!(w.harness.query_by_label(&text).is_some(), "{model}: {text:?}\n{}", w.words());
    }

    // Cleared and brought back.
    w.press("Clear the chat");
    assert!(w.harness.query_by_label(&first[0]).is_none());
    w.press("Bring the chat back");
    w.harness.run_steps(3);
    assert!(w.harness.query_by_label_contains("And once more?").is_some());

    // One model alone; what does not fit is said in words.
    w.act("Clear the chat");
    w.click(Role::ComboBox, "Second model");
    w.press("nobody else");
    w.write(Role::TextInput, "Start the answer with", "");
    w.write(Role::MultilineTextInput, "Request", &"over the hills ".repeat(300));
    w.press("Send");
    w.wait_for("does not fit into this model's context of 512", minute);
    answers_end(&mut w);

    // Stopped in the middle. A fast machine may be at the end before the button is pressed, so it is tried again.
    w.harness.get_by_role_and_label(Role::SpinButton, "Temperature").set_value_accesskit(2.0);
    w.harness.get_by_role_and_label(Role::SpinButton, "Longest answer").set_value_accesskit(480.0);
    for _ in 0..20 {
        w.write(Role::MultilineTextInput, "Request", "Tell me a tale of the hills.");
        w.press("Send");
        if w.harness.query_by_role_and_label(Role::Button, "Stop answering").is_some() {
            w.press("Stop answering");
        }
        answers_end(&mut w);
        if w.harness.query_by_label("Stopped here.").is_some() {
            return;
        }
        w.press("Clear the chat");
    }
    panic!("no answer was stopped:\n{}", w.words());
}

/// Opens the menu of a model's card and takes an action from it.
fn from_menu(w: &mut Window, model: &str, action: &str) {
    w.press(&format!("More about {model}"));
    w.press(action);
    w.harness.run_steps(3);
}

/// An adapter on the base of the project that changes its weights.
fn adapter(root: &Path, folder: &Path) {
    let base = root.join("models/base");
    let decoder = plumbline::model::load(&base).unwrap().decoder;
    let config = LoraConfig::new(4, 8.0, TargetModules::AllLinear);
    let mut adapter = Adapter::new(config, &decoder.linears(), 7).unwrap();
    for module in &mut adapter.modules {
        module.b = (module.b.ones_like().unwrap() * 0.05).unwrap();
    }
    adapter.config.base_model_name_or_path = Some(base.display().to_string());
    adapter.save(folder).unwrap();
}

#[test]
fn a_card_tells_where_a_model_comes_from_and_changes_the_project() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    let out = tempfile::tempdir().unwrap();
    let project = w.root.join("project.toml");
    w.press("Models");

    // Another name and role; the id stays, and lineage with it.
    from_menu(&mut w, "aligned", "Rename aligned or change its role…");
    w.write(Role::TextInput, "Name", "The careful one");
    w.click(Role::ComboBox, "Role");
    w.press("deepened");
    w.press("Save");
    w.wait("the change", minute, |app| {
        app.project().unwrap().model("aligned").is_some_and(|m| m.entry.title == "The careful one")
    });
    let text = read(&project);
    assert!(text.contains("The careful one") && text.contains("role = \"deepened\""), "{text}");
    assert!(text.contains("parent = \"base\""), "{text}");

    // A whole checkpoint, byte by byte, into a folder that must be new.
    let copy = out.path().join("copy");
    from_menu(&mut w, "base", "Export base to a folder…");
    w.write(Role::TextInput, "New folder", copy.to_str().unwrap());
    w.press("Export");
    w.wait_for("Exported to copy.", minute);
    for file in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        let original = std::fs::read(w.root.join("models/base").join(file)).unwrap();
        assert_eq!(std::fs::read(copy.join(file)).unwrap(), original, "{file}");
    }
    from_menu(&mut w, "base", "Export base to a folder…");
    w.write(Role::TextInput, "New folder", copy.to_str().unwrap());
    w.press("Export");
    w.wait_for("is there already", minute);

    // Taken off the list, its files stay; put back, everything is as it was.
    from_menu(&mut w, "base", "Remove base from the project…");
    assert!(w.harness.query_by_label_contains("Its files stay where they are").is_some());
    w.press("Remove it");
    w.wait("the removal", minute, |app| app.project().unwrap().model("base").is_none());
    assert!(w.root.join("models/base/config.json").is_file());
    assert!(!read(&project).contains("id = \"base\""));
    w.press("Put it back");
    w.wait("the way back", minute, |app| app.project().unwrap().model("base").is_some());

    // The demo pair is known by its weights.
    w.act("add two small Emberfall");
    w.wait_for("This project has both models of the demo pair already.", minute);

    // An adapter is added from its folder and merged into a whole model that computes the same.
    let low = out.path().join("low");
    adapter(&w.root, &low);
    w.press("Add a model");
    w.write(Role::TextInput, "Folder of the model", low.to_str().unwrap());
    w.press("Add model");
    w.wait("the adapter", minute, |app| {
        app.project().unwrap().model("low").is_some_and(|m| m.entry.parent.as_deref() == Some("base"))
    });
    w.press("All models");
    w.scroll(egui::pos2(700.0, 500.0), 2000.0);
    from_menu(&mut w, "low", "Merge low into a whole model…");
    w.press("Merge");
    w.wait("the merged model", minute, |app| app.project().unwrap().model("low-merged").is_some());
    let merged = w.root.join("models/low-merged");
    assert!(read(&project).contains("parent = \"low\""));
    let logits = |folder: &Path| {
        let decoder = plumbline::model::load(folder).unwrap().decoder;
        let logits = decoder.logits(&[&[1, 40, 41, 42, 43]]).unwrap();
        logits.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let difference = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let (apart, whole) = (logits(&low), logits(&merged));
    assert!(difference(&apart, &whole) < 1e-3, "{}", difference(&apart, &whole));
    assert!(difference(&logits(&copy), &whole) > 1e-2, "the adapter changes something");

    // From a card to the other screens.
    w.scroll(egui::pos2(700.0, 500.0), -4000.0);
    w.press("Chat with base");
    w.wait_for("Ask a model something", minute);
    w.press("All models");
    w.press("Train from base");
    w.write(Role::TextInput, "Step limit", "2");
    w.write(Role::TextInput, "Name of the new model", "deeper");
    w.press("Start training");
    w.wait("the new model", Duration::from_secs(300), |app| app.project().unwrap().model("deeper").is_some());

    // What was trained names the model that it came from and the run that made it.
    assert!(read(&project).contains("parent = \"base\""));
    w.press("Models");
    w.scroll(egui::pos2(700.0, 500.0), 4000.0);
    w.wait_for("Show the run", minute);
}

/// Every question has a way out that changes nothing, and what was written in it is gone with it.
#[test]
fn a_question_that_is_closed_changes_nothing() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    let out = tempfile::tempdir().unwrap();
    let low = out.path().join("low");
    adapter(&w.root, &low);
    w.press("Models");
    w.press("Add a model");
    w.write(Role::TextInput, "Folder of the model", low.to_str().unwrap());
    w.press("Add model");
    w.wait("the adapter", minute, |app| app.project().unwrap().model("low").is_some());
    w.press("All models");
    let before = read(&w.root.join("project.toml"));

    let copy = out.path().join("copy");
    let closed = |w: &Window| w.harness.query_by_role_and_label(Role::Button, "Cancel").is_none();
    for key in [false, true] {
        let close = |w: &mut Window| {
            if key {
                w.harness.key_press(egui::Key::Escape);
                w.harness.run_steps(3);
            } else {
                w.press("Cancel");
            }
            assert!(closed(w), "{}", w.words());
        };
        from_menu(&mut w, "aligned", "Rename aligned or change its role…");
        w.write(Role::TextInput, "Name", "The careless one");
        close(&mut w);
        from_menu(&mut w, "aligned", "Rename aligned or change its role…");
        let name = w.harness.get_by_role_and_label(Role::TextInput, "Name").value();
        assert_ne!(name.as_deref(), Some("The careless one"));
        close(&mut w);
        from_menu(&mut w, "base", "Export base to a folder…");
        w.write(Role::TextInput, "New folder", copy.to_str().unwrap());
        close(&mut w);
        from_menu(&mut w, "base", "Remove base from the project…");
        close(&mut w);
        w.act("all models");
        w.scroll(egui::pos2(700.0, 500.0), 2000.0);
        from_menu(&mut w, "low", "Merge low into a whole model…");
        close(&mut w);
        w.scroll(egui::pos2(700.0, 500.0), -4000.0);
    }
    w.settle();
    assert_eq!(read(&w.root.join("project.toml")), before);
    assert!(!copy.exists() && !w.root.join("models/low-merged").exists());
}

/// A Hub on this machine with one model: the base of the demo pair.
#[cfg(feature = "hub")]
fn hub_with_the_demo(cache: &Path) -> hub_server::Hub {
    plumbline::demo::unpack_pair(cache).unwrap();
    let files = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"];
    let file = |name: &str, large: bool| hub_server::HubFile {
        name: name.to_owned(),
        bytes: std::fs::read(cache.join("models/base").join(name)).unwrap(),
        large,
    };
    let mut all: Vec<_> = files.iter().map(|name| file(name, false)).collect();
    all.push(file("model.safetensors", true));
    let turn = std::sync::atomic::AtomicUsize::new(0);
    hub_server::Hub::with(all, false, move |request| {
        // The first download of the weights is slow enough to be stopped.
        let weights = request.storage && request.gets("model.safetensors");
        if weights && turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            hub_server::Fault::Slow(20_000, Duration::from_millis(100))
        } else {
            hub_server::Fault::None
        }
    })
}

#[test]
#[cfg(feature = "hub")]
fn a_model_of_the_hub_is_looked_at_downloaded_and_added() {
    if !is_alone() {
        // Where the Hub is stands in the environment.
        let folder = tempfile::tempdir().unwrap();
        let hub = hub_with_the_demo(folder.path());
        let cache = folder.path().join("cache");
        alone(
            "models::a_model_of_the_hub_is_looked_at_downloaded_and_added",
            &[
                ("HF_ENDPOINT", hub.endpoint.as_ref()),
                ("HF_HUB_CACHE", cache.as_os_str()),
                ("HF_TOKEN", "hf_harmlesstesttoken".as_ref()),
            ],
        );
        let weights = hub.requests().into_iter().filter(|r| r.storage && r.gets("model.safetensors"));
        let ranges: Vec<_> = weights.map(|request| request.range).collect();
        assert!(ranges.len() == 2 && ranges[0].is_none(), "{ranges:?}");
        assert!(
            ranges[1].as_ref().is_some_and(|range| !range.contains("bytes=0-")),
            "it goes on: {ranges:?}"
        );
        return;
    }
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    w.press("Models");
    w.press("Add a model");

    // What is no model, and what is not on this machine, is said in words.
    w.write(Role::TextInput, "Model on the Hub", "nonsense");
    w.press("Show files and size");
    w.wait_for("is not a model of the Hub", minute);
    w.write(Role::TextInput, "Model on the Hub", hub_server::REPO);
    w.click(Role::CheckBox, "Use only what is on this machine");
    w.press("Show files and size");
    w.wait_for("Plumbline is offline", minute);
    w.click(Role::CheckBox, "Use only what is on this machine");

    // Files, sizes, commit and token before anything is downloaded.
    w.press("Show files and size");
    w.wait_for(&format!("Commit {}", hub_server::COMMIT), minute);
    w.wait_for("The token from the environment variable HF_TOKEN is sent along.", minute);
    assert!(w.harness.query_by_label_contains("model.safetensors · 2.1 MB").is_some(), "{}", w.words());
    w.scroll(egui::pos2(700.0, 500.0), 2000.0);
    w.press("Download and add");
    w.wait_for(" · model.safetensors", minute);
    w.press("Stop this");
    w.wait_for("What has arrived is kept", minute);
    assert!(w.harness.state().project().unwrap().model("tale").is_none());

    // It goes on where it was, and the project has the model with its pinned commit.
    w.press("Download and add");
    w.wait("the model", minute, |app| app.project().unwrap().model("tale").is_some());
    let text = read(&w.root.join("project.toml"));
    assert!(text.contains(&format!("fairy/tale at {}", hub_server::COMMIT)), "{text}");
    w.press("All models");
    w.scroll(egui::pos2(700.0, 500.0), 2000.0);
    w.wait_for("fairy/tale at 0123456789", minute);
}
