//! The Data and Generate screens.

use crate::driver::*;
#[cfg(target_os = "linux")]
use crate::fluid::{FRAME_MS, Frames, frame as frame_time};
use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use plumbline::data::{AttackPrompt, ChatExample, DatasetKind, RecoveryExample, Refusal, UtilityItem};
use plumbline::data::{Example, Examples, REFUSAL_TEMPLATES, parse_jsonl};
use plumbline::project::{DatasetEntry, Project};
use plumbline::text::Message;
use plumbline::ui::App;
use std::collections::BTreeSet;
use std::time::Duration;

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

/// Somebody with nothing but a list of requests comes to a set that can be trained on, and sees every text on the way.
#[test]
fn a_list_of_requests_becomes_a_set_that_can_be_trained_on() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    let written = |app: &App, n| app.jobs().all().len() == n && app.jobs().open_count() == 0;
    w.press("Generate");
    w.write(Role::TextInput, "Only the first", "3");
    w.press("Start writing");
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
    w.write(Role::TextInput, "Step limit", "400");
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

const AREA: Role = Role::MultilineTextInput;
const MINUTE: Duration = Duration::from_secs(60);

/// What stands on the disk once every edit is there.
fn saved(w: &mut Window, set: &str) -> Vec<Example> {
    w.wait("the edit to be saved", MINUTE, App::all_saved);
    let folder = w.root.join("datasets");
    let kind = plumbline::project::Project::attach(&w.root).unwrap().dataset(set).unwrap().kind;
    let bytes = std::fs::read(folder.join(format!("{set}.jsonl"))).unwrap();
    parse_jsonl(&bytes, kind).unwrap().into_rows()
}

fn has(app: &App, set: &str) -> bool {
    app.project().unwrap().datasets.iter().any(|entry| entry.id == set)
}

fn recovery(row: &Example) -> &RecoveryExample {
    let Example::Recovery(row) = row else { panic!("{row:?}") };
    row
}

/// Parts of an example are added and taken out, problems are mended by a button, and every kind of set is edited with the
/// same care.
#[test]
fn every_kind_is_edited_and_mended() {
    let mut w = window(egui::Theme::Light, None);
    w.wait_for("tokens trained", MINUTE);
    let side = egui::pos2(1000.0, 500.0);
    let start = saved(&mut w, "recovery-train");

    // A turn that came before, and several refusals by depth.
    w.press("Add turn");
    w.write(AREA, "Earlier request 1", "Good day");
    w.write(AREA, "Earlier answer 1", "Good day to you.");
    let rows = saved(&mut w, "recovery-train");
    let said: Vec<&str> = recovery(&rows[0]).context.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(said, ["Good day", "Good day to you.", start[0].request()]);
    w.press("Add refusal");
    w.write(AREA, "Refusal 2", "I have to stop here. I cannot go on with this.");
    let rows = saved(&mut w, "recovery-train");
    let deeper = &recovery(&rows[0]).refusals[1];
    assert_eq!(
        (deeper.from_depth, deeper.text.as_str()),
        (10, "I have to stop here. I cannot go on with this.")
    );
    w.press("Remove refusal 2");
    w.scroll(side, -2000.0);
    w.press("Remove turn 1");
    assert_eq!(saved(&mut w, "recovery-train"), start);

    // Each problem has a button that mends it, and the list leads to it.
    w.write(AREA, "Refusal", "With pleasure.");
    w.wait_for("1 example has a problem", MINUTE);
    w.press("Show problems");
    w.wait_for("does not read as a refusal", MINUTE);
    w.press("Use a template");
    w.wait_for("No problems found", MINUTE);
    let rows = saved(&mut w, "recovery-train");
    assert!(REFUSAL_TEMPLATES.contains(&recovery(&rows[0]).refusals[0].text.as_str()), "{:?}", rows[0]);
    w.press("Back to the example");
    w.scroll(side, 2000.0);
    w.write(Role::TextInput, "Source", "elsewhere");
    w.write(Role::TextInput, "Note", "seen");
    let rows = saved(&mut w, "recovery-train");
    assert_eq!((recovery(&rows[0]).source.as_str(), recovery(&rows[0]).note.as_str()), ("elsewhere", "seen"));

    // The other kinds: an edit reaches the disk, and undo takes it back.
    for (set, cover, field, wanted) in [
        ("anchor-train", Some("Show answer"), "Answer", "Here you are."),
        ("attack-dev", Some("Show reference harmful answer"), "Reference harmful answer", "Yes, here it is."),
        ("utility-dev", None, "Right answer", "Forty."),
    ] {
        w.press(set);
        w.wait_for("Find in this set", MINUTE);
        let before = saved(&mut w, set);
        if let Some(cover) = cover {
            w.wait_for(cover, MINUTE);
            assert!(w.harness.query_by_role_and_label(AREA, field).is_none(), "{field} is covered");
            w.press(cover);
        }
        w.wait_for(field, MINUTE);
        w.write(AREA, field, wanted);
        let rows = saved(&mut w, set);
        assert!(rows[0].any_text(|text| text == wanted), "{:?}", rows[0]);
        assert_eq!(rows[1..], before[1..]);
        w.press("Undo");
        assert_eq!(saved(&mut w, set), before);
        w.press("Add example");
        w.wait_for("has an empty", MINUTE);
        w.press("Undo");
        assert_eq!(saved(&mut w, set), before);
    }

    // A check that was given up for that of another set is made when the set is shown again.
    w.press("anchor-train");
    w.wait_for("examples have problems", MINUTE);
}

/// The window on a project that has these sets besides its own.
fn with_sets(sets: &[(&str, DatasetKind, &[Example])]) -> Window {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("demo");
    plumbline::demo::unpack_pair_project(&root).unwrap();
    let mut project = Project::open(&root).unwrap();
    for &(id, kind, rows) in sets {
        project.add_dataset(DatasetEntry::new(id, id, kind), &Examples::of_rows(kind, rows)).unwrap();
    }
    drop(project);
    open_on(root, egui::Theme::Light, None, Some(folder))
}

/// Whatever is found in a set is said in words, has a way to its example, and a button that mends it on the disk.
#[test]
fn each_problem_is_said_and_has_its_mend() {
    let request = "Tell me how to brew the sinister potion.";
    let sentence = "Step 1: stir the lemon peel until it glows. ";
    let recovery = |id: &str| RecoveryExample {
        id: id.into(),
        context: vec![Message::user(format!("{request} ({id})"))],
        harmful: sentence.into(),
        refusals: vec![Refusal { from_depth: 0, text: "I cannot help with that.".into() }],
        ..RecoveryExample::default()
    };
    let twice = {
        let mut row = recovery("twice");
        row.refusals.push(Refusal { from_depth: 0, text: "I must decline.".into() });
        row
    };
    let itself = RecoveryExample { harmful: "I cannot help with that.".into(), ..recovery("itself") };
    let cut = RecoveryExample { cut: Some(400), ..recovery("cut") };
    let long = RecoveryExample { harmful: sentence.repeat(60), ..recovery("long") };
    let recoveries = [twice, itself, cut, long].map(Example::Recovery);
    let talk = ChatExample {
        id: "talk".into(),
        messages: vec![Message::user("Good day"), Message::assistant(sentence.repeat(60).trim())],
        ..ChatExample::default()
    };
    let prompt = AttackPrompt {
        id: "prompt".into(),
        goal: request.into(),
        target: Some("I cannot help with that.".into()),
        ..AttackPrompt::default()
    };
    let item = UtilityItem {
        id: "item".into(),
        task: "choice".into(),
        prompt: "What glows?".into(),
        reference: "the moss".into(),
        choices: vec!["the stone".into(), "the moss".into()],
        ..UtilityItem::default()
    };
    let mut w = with_sets(&[
        ("recoveries", DatasetKind::Recovery, &recoveries),
        ("talks", DatasetKind::Chat, &[Example::Chat(talk)]),
        ("prompts", DatasetKind::Attack, &[Example::Attack(prompt)]),
        ("items", DatasetKind::Utility, &[Example::Utility(item)]),
    ]);
    let label = |w: &Window, words: &str| {
        let found = w.harness.query_all_by_label_contains(words).next();
        found.unwrap_or_else(|| panic!("{words:?}:\n{}", w.words())).accesskit_node().label().unwrap()
    };

    // From an entry of the list to its example, and back.
    w.press("recoveries");
    w.wait_for("4 examples have problems", MINUTE);
    w.press("Show problems");
    w.press("Edit example 3");
    let field = w.harness.get_by_role_and_label(AREA, "Request");
    assert_eq!(field.value().as_deref(), Some(format!("{request} (cut)").as_str()));
    w.press("Show problems");

    // Each mend reaches the disk; an example that was taken out is not there any more.
    let row = |w: &mut Window, id: &str| {
        let rows = saved(w, "recoveries");
        rows.iter().find(|row| row.id() == id).map(|row| self::recovery(row).clone())
    };
    w.wait_for("Two refusals begin at token 0; only one of them is used.", MINUTE);
    w.press("Remove this refusal");
    assert_eq!(row(&mut w, "twice").unwrap().refusals.len(), 1);
    w.wait_for("The cut is after 400 tokens, but the harmful answer has ", MINUTE);
    let mend = label(&w, "Set the cut to 1");
    w.press(&mend);
    let depth = row(&mut w, "cut").unwrap().cut.unwrap();
    assert_eq!(mend, format!("Set the cut to {depth}"));
    w.wait_for("2 examples have problems", MINUTE);
    w.wait_for("With request, harmful answer and refusal the example has up to ", MINUTE);
    let mend = label(&w, "Set the cut to ");
    w.press(&mend);
    assert_eq!(mend, format!("Set the cut to {}", row(&mut w, "long").unwrap().cut.unwrap()));
    w.wait_for("The harmful answer is itself a refusal.", MINUTE);
    w.press("Delete this example");
    assert_eq!(row(&mut w, "itself"), None);
    w.wait_for("No problems found", MINUTE);

    // What is begun and left empty cannot be saved, and is mended from the list too.
    w.press("Back to the example");
    let before = saved(&mut w, "recoveries");
    for (part, words, mend) in [
        ("Add turn", "An earlier turn is empty.", "Remove earlier turns"),
        ("Add refusal", "The refusal from token 10 on is empty.", "Remove this refusal"),
    ] {
        w.press(part);
        w.wait_for("1 example has a problem", MINUTE);
        w.press("Show problems");
        w.wait_for(words, MINUTE);
        w.press(mend);
        w.wait_for("No problems found", MINUTE);
        assert_eq!(saved(&mut w, "recoveries"), before);
        w.press("Back to the example");
    }

    for (set, words, mend) in [
        ("talks", "The conversation has ", "Shorten the answer"),
        ("prompts", "The reference harmful answer is itself a refusal.", "Remove this answer"),
        ("items", "The right answer is none of the letters of the 2 choices.", "Set the answer to B"),
    ] {
        w.act(&format!("open data set {set}"));
        w.wait_for("1 example has a problem", MINUTE);
        w.press("Show problems");
        w.wait_for(words, MINUTE);
        w.press(mend);
        w.wait_for("No problems found", MINUTE);
        match &saved(&mut w, set)[0] {
            Example::Chat(row) => {
                let said = &row.messages[1].content;
                assert!(said.ends_with("glows.") && sentence.repeat(60).starts_with(said), "{said}");
            }
            Example::Attack(row) => assert_eq!(row.target, None),
            Example::Utility(row) => assert_eq!(row.reference, "B"),
            Example::Recovery(row) => panic!("{row:?}"),
        }
    }
}

/// Source, cut and refusal of several recovery examples are set at once; a split keeps categories together.
#[test]
fn recovery_examples_are_edited_together_and_split_by_category() {
    let mut w = window(egui::Theme::Light, None);
    w.wait_for("tokens trained", MINUTE);
    let start = saved(&mut w, "recovery-train");
    for (row, modifiers) in [(2, egui::Modifiers::NONE), (4, egui::Modifiers::SHIFT)] {
        let label = format!("Example {row}");
        w.harness.get_by_role_and_label(Role::Button, &label).click_modifiers(modifiers);
        w.harness.run_steps(3);
    }
    w.wait_for("3 examples selected", MINUTE);
    let rows = |w: &mut Window| {
        let rows = saved(w, "recovery-train");
        assert!(rows[0] == start[0] && rows[4..] == start[4..], "only what is selected changes");
        rows[1..4].iter().map(|row| recovery(row).clone()).collect::<Vec<_>>()
    };
    w.write(Role::TextInput, "Source for all", "the old library");
    w.press("Set source");
    w.wait_for("3 of 3 were changed", MINUTE);
    assert!(rows(&mut w).iter().all(|row| row.source == "the old library"));
    w.harness.get_by_role_and_label(Role::SpinButton, "Cut after k tokens").set_value_accesskit(7.0);
    w.harness.run_steps(3);
    w.press("Set cut");
    assert!(rows(&mut w).iter().all(|row| row.cut == Some(7)));
    w.press("Cut at random");
    assert!(rows(&mut w).iter().all(|row| row.cut.is_none()));
    w.press("Replace refusals by templates");
    for row in rows(&mut w) {
        let said: Vec<_> = row.refusals.iter().map(|one| (one.from_depth, one.text.as_str())).collect();
        assert_eq!(said, [(0, plumbline::data::refusal_template(&row.id))]);
    }

    w.act("split set");
    w.choose("What stays together", "examples of one category");
    w.press("Split set");
    let parts = ["recovery-train-a", "recovery-train-b"];
    w.wait("the parts", MINUTE, |app| parts.iter().all(|part| has(app, part)));
    let whole = saved(&mut w, "recovery-train");
    let [one, other] = parts.map(|part| saved(&mut w, part));
    assert!(!one.is_empty() && !other.is_empty() && one.len() + other.len() == whole.len());
    let categories =
        |rows: &[Example]| -> BTreeSet<String> { rows.iter().map(|row| row.category().to_owned()).collect() };
    assert!(categories(&one).is_disjoint(&categories(&other)));
}

/// Many rows are selected and edited at once, and sets are made, split, copied, renamed and deleted.
#[test]
fn many_examples_and_whole_sets() {
    let mut w = window(egui::Theme::Light, None);
    w.press("anchor-train");
    w.wait_for("512 examples", MINUTE);
    let start = saved(&mut w, "anchor-train");
    let row = |w: &mut Window, n: usize, modifiers| {
        let label = format!("Example {n}");
        w.harness.get_by_role_and_label(Role::Button, &label).click_modifiers(modifiers);
        w.harness.run_steps(3);
    };
    row(&mut w, 2, egui::Modifiers::NONE);
    row(&mut w, 4, egui::Modifiers::SHIFT);
    row(&mut w, 6, egui::Modifiers::COMMAND);
    w.wait_for("4 examples selected", MINUTE);
    w.write(Role::TextInput, "Category for all", "small talk");
    w.press("Set category");
    w.wait_for("4 of 4 were changed", MINUTE);
    let rows = saved(&mut w, "anchor-train");
    let changed: Vec<usize> = (0..rows.len()).filter(|&i| rows[i] != start[i]).collect();
    assert_eq!(changed, [1, 2, 3, 5]);
    assert!(changed.iter().all(|&i| rows[i].category() == "small talk"));
    w.press("Delete example");
    assert_eq!(saved(&mut w, "anchor-train").len(), 508);
    w.press("Undo");
    w.press("Undo");
    assert_eq!(saved(&mut w, "anchor-train"), start, "two steps, two undos");

    // What is found is selected, and what repeats another goes.
    w.write(Role::TextInput, "Find in this set", "SUNNY SPELL");
    let hits =
        start.iter().filter(|row| row.any_text(|text| text.to_lowercase().contains("sunny spell"))).count();
    assert!(hits > 1);
    w.wait_for(&format!("{hits} of 512"), MINUTE);
    w.press("Select all");
    w.wait_for(&format!("{hits} examples selected"), MINUTE);
    w.press("Clear the filter");
    w.press("Select one");
    w.wait_for("examples have problems", MINUTE);
    w.press("Set actions");
    w.press_when_free("Delete duplicates");
    let rows = saved(&mut w, "anchor-train");
    assert!(rows.len() < 512, "{}", rows.len());
    w.wait_for("No problems found", MINUTE);

    // A split is two new sets, the same each time; the set stays.
    for names in [["one", "other"], ["one-again", "other-again"]] {
        w.act("split set");
        w.write(Role::TextInput, "Name of the first part", names[0]);
        w.write(Role::TextInput, "Name of the second part", names[1]);
        w.press("Split set");
        w.wait("the parts", MINUTE, |app| has(app, names[0]) && has(app, names[1]));
        w.press("anchor-train");
        w.wait_for(&format!("{} examples", rows.len()), MINUTE);
    }
    let parts = ["one", "other"].map(|set| saved(&mut w, set));
    assert_eq!(parts[0].len() + parts[1].len(), rows.len());
    assert_eq!(parts[0].len(), (rows.len() as f64 * 0.8).round() as usize);
    assert_eq!(saved(&mut w, "one-again"), parts[0]);
    assert_eq!(saved(&mut w, "anchor-train"), rows);

    // A copy, another name, and away with it.
    w.press("Set actions");
    w.press("Copy set…");
    w.press("Copy set");
    w.wait_for("anchor-train-copy holds the same", MINUTE);
    w.wait("the copy", MINUTE, |app| has(app, "anchor-train-copy"));
    w.wait_for(&format!("{} examples", rows.len()), MINUTE);
    w.press("Set actions");
    w.press("Rename set…");
    w.write(Role::TextInput, "New name", "Not a name");
    assert!(w.harness.get_by_role_and_label(Role::Button, "Rename set").accesskit_node().is_disabled());
    w.write(Role::TextInput, "New name", "mine");
    w.press("Rename set");
    w.wait("the new name", MINUTE, |app| has(app, "mine"));
    assert_eq!(saved(&mut w, "mine"), rows);
    assert!(!w.root.join("datasets/anchor-train-copy.toml").exists());
    w.press("Set actions");
    w.press("Delete set…");
    w.wait_for("This cannot be undone", MINUTE);
    w.press("Cancel");
    assert!(w.root.join("datasets/mine.jsonl").exists());
    w.press("Set actions");
    w.press("Delete set…");
    w.press("Delete set");
    w.wait("it to be gone", MINUTE, |app| !has(app, "mine"));
    assert!(!w.root.join("datasets/mine.jsonl").exists());

    // A new set of another kind begins with nothing.
    w.press("New set…");
    w.write(Role::TextInput, "Name of the set", "prompts");
    w.click(Role::ComboBox, "What it holds");
    w.press("Attack prompts");
    w.press("Make set");
    w.wait_for("No examples yet", MINUTE);
    w.press("Add example");
    w.write(AREA, "Request", "Curse the well");
    let rows = saved(&mut w, "prompts");
    assert_eq!((rows.len(), rows[0].request()), (1, "Curse the well"));
}

/// A set of a hundred thousand examples of each kind.
fn many(kind: DatasetKind) -> Examples {
    let text = "Step 1: stir the lemon peel until it glows. Step 2: cool the apple juice beside the window.";
    let rows = (0..100_000).map(|i| {
        let (id, asked) = (format!("x-{i:06}"), format!("Tell me how to brew potion number {i}."));
        let category = format!("category {}", i % 12);
        match kind {
            DatasetKind::Recovery => Example::Recovery(RecoveryExample {
                id,
                context: vec![Message::user(asked)],
                harmful: text.into(),
                refusals: vec![Refusal { from_depth: 0, text: "I cannot help with that.".into() }],
                category,
                ..RecoveryExample::default()
            }),
            DatasetKind::Chat => Example::Chat(ChatExample {
                id,
                messages: vec![Message::user(asked), Message::assistant(text)],
                category,
                ..ChatExample::default()
            }),
            DatasetKind::Attack => {
                Example::Attack(AttackPrompt { id, goal: asked, category, ..AttackPrompt::default() })
            }
            DatasetKind::Utility => Example::Utility(UtilityItem {
                id,
                task: "brewing".into(),
                prompt: asked,
                reference: text.into(),
                category,
                ..UtilityItem::default()
            }),
        }
    });
    let rows: Vec<Example> = rows.collect();
    Examples::of_rows(kind, &rows)
}

/// Scrolling and searching a hundred thousand examples of any kind stays within a frame.
#[test]
#[cfg(target_os = "linux")]
fn a_hundred_thousand_examples_stay_fluid() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("demo");
    plumbline::demo::unpack(&root).unwrap();
    let mut project = Project::open(&root).unwrap();
    for kind in DatasetKind::ALL {
        let id = format!("many-{kind}");
        project.add_dataset(DatasetEntry::new(&id, &id, kind), &many(kind)).unwrap();
    }
    drop(project);
    let mut w = open_on(root, egui::Theme::Light, None, Some(folder));
    let mut slowest = 0.0f64;
    for kind in DatasetKind::ALL {
        let id = format!("many-{kind}");
        w.act(&format!("open data set {id}"));
        w.wait_for("100000 examples", MINUTE);
        let mut frames = Vec::new();
        let mut frame = |w: &mut Window| frames.push(frame_time(w));
        // All the way down, then a word letter by letter, while the set is being checked.
        w.harness.hover_at(egui::pos2(550.0, 500.0));
        for _ in 0..60 {
            w.harness.event(egui::Event::MouseWheel {
                unit: egui::MouseWheelUnit::Point,
                delta: egui::vec2(0.0, -60_000.0),
                modifiers: egui::Modifiers::NONE,
                phase: egui::TouchPhase::Move,
                source: egui::MouseWheelSource::Unknown,
            });
            frame(&mut w);
        }
        w.harness.get_by_role_and_label(Role::TextInput, "Find in this set").click();
        for letter in "number 4321".chars() {
            w.harness.event(egui::Event::Text(letter.to_string()));
            for _ in 0..8 {
                frame(&mut w);
            }
        }
        w.wait_for("11 of 100000", MINUTE);
        w.press("Clear the filter");
        let frames = Frames::of(frames);
        println!("100,000 {kind} examples, scrolling and typing in find: {}", frames.text());
        slowest = slowest.max(frames.at(0.99));
    }
    assert!(slowest < FRAME_MS, "p99 is {slowest} ms");
}
