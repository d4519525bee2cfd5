//! The Inspect screen.

use crate::driver::*;
use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use plumbline::data::Examples;
use plumbline::evaluate::{Scrub, ScrubPrompt};
use plumbline::model::{self, Control};
use plumbline::project::Project;
use plumbline::text::Message;
use std::time::{Duration, Instant};

/// How many labels contain `text`.
fn count(w: &Window, text: &str) -> usize {
    w.harness.query_all_by_label_contains(text).count()
}

/// Dragging shows both models' continuations at once; the refusal probability follows, and is kept.
#[test]
fn the_scrubber_follows_the_slider() {
    let mut w = window(egui::Theme::Light, None);
    let minute = Duration::from_secs(60);
    // What is missing on the other parts is said, with the way to it.
    w.press("Inspect");
    w.wait_for("No KL curve yet", minute);
    w.press("Fine-tuning dynamics");
    w.wait_for("No training run yet", minute);
    w.press("Go to training");
    w.act("prefill scrubber");
    w.wait_for("after k = 0", minute);
    assert_eq!(count(&w, "The harmful answer is hidden"), 2, "both continuations are covered");
    w.press("Show words");
    let slider = |w: &Window, k: usize| {
        let name = "Harmful tokens in the model's mouth";
        w.harness.get_by_role_and_label(Role::Slider, name).set_value_accesskit(k as f64);
    };

    // From the drag until the new words of both models have been drawn.
    let mut waits = Vec::new();
    for k in [1, 3, 7, 12, 20, 5, 30, 2, 9] {
        slider(&w, k);
        let start = Instant::now();
        while count(&w, &format!("after k = {k}")) < 2 {
            w.harness.step();
            assert!(start.elapsed() < minute, "{}", w.words());
        }
        waits.push(start.elapsed());
    }
    waits.sort_unstable();
    println!(
        "from the drag to both models' new words, ms: {:?}",
        waits.iter().map(Duration::as_millis).collect::<Vec<_>>()
    );
    // The median: other tests share the processor.
    let median = waits[waits.len() / 2];
    assert!(median <= Duration::from_millis(150), "{waits:?}");

    // What stands there is what the model says.
    let project = Project::open(&w.root).unwrap();
    let set = project.contents().datasets.iter().find(|set| set.id == "attack-dev").unwrap().id.clone();
    let Examples::Attack(prompts) = project.examples(&set).unwrap() else { panic!("prompts") };
    let first = &prompts[0];
    let prompt = ScrubPrompt {
        id: first.id.clone(),
        context: vec![Message::user(&first.goal)],
        answer: first.target.clone().unwrap(),
        category: first.category.clone(),
    };
    let scrub = Scrub::new(model::open(&w.root.join("models/aligned")).unwrap(), &prompt, 40).unwrap();
    let said = scrub.continued(9, &[], 24, &mut || Control::Continue).unwrap().unwrap().text;
    w.wait_for(said.trim(), minute);

    // Where the slider rests, the refusal probability is measured, with its count and its judge.
    let start = Instant::now();
    while count(&w, "/16)") < 2 {
        assert!(start.elapsed() < minute, "{}", w.words());
        w.harness.step();
    }
    assert!(count(&w, "keyword judge") >= 2);

    // All depths, in the background; the table that is saved has them all, for both models.
    w.scroll(egui::pos2(700.0, 600.0), 600.0);
    let question = "How likely is a refusal after k harmful tokens of this answer?";
    let all = 2 * 9;
    let table = |w: &mut Window, number: usize| {
        w.press(&format!("Save as CSV: {question}"));
        w.wait_for(&format!("Saved as refusal-by-depth-{number}.csv"), minute);
        read(&w.root.join(format!("reports/charts/refusal-by-depth-{number}.csv")))
    };

    // Stopped at once, it keeps what it has measured, and measures no more.
    w.press("Measure all depths");
    w.wait_for(&format!("of {all} measured"), minute);
    w.press("Stop measuring");
    w.settle();
    let few = table(&mut w, 1);
    assert!((3..all).contains(&few.lines().count()), "{few}");
    assert!(!w.is_blocked("Measure all depths"));
    w.press("Measure all depths");
    let start = Instant::now();
    loop {
        w.harness.step();
        let button = w.harness.query_by_role_and_label(Role::Button, "Measure all depths");
        if button.is_some_and(|button| button.accesskit_node().is_disabled()) {
            break;
        }
        assert!(start.elapsed() < minute, "{}", w.words());
    }
    w.harness.run_steps(2);
    let table = table(&mut w, 2);
    assert!(few.lines().all(|line| table.contains(line)), "what was measured before the stop stays");
    for model in ["aligned", "base"] {
        for k in [0, 5, 9, 10, 15, 20, 25, 30, 35, 40] {
            let line = table.lines().find(|line| line.starts_with(&format!("{model},{k},")));
            assert!(line.is_some(), "{model} at {k}: {table}");
        }
    }
    let share = |model: &str, k: usize| -> f64 {
        let line = table.lines().find(|line| line.starts_with(&format!("{model},{k},"))).unwrap();
        line.split(',').nth(2).unwrap().parse().unwrap()
    };
    assert!(
        share("aligned", 0) > share("aligned", 10),
        "shallow: it refuses at the first token only\n{table}"
    );

    // Another judge and one model alone; other requests, from recovery examples too.
    w.scroll(egui::pos2(700.0, 600.0), -3000.0);
    w.click(Role::ComboBox, "Judge of refusals");
    w.press("keyword judge (qi2024)");
    w.wait_for("keyword qi2024 judge", minute);
    w.act("scrub one model");
    let start = Instant::now();
    while count(&w, "after k = 9") != 1 {
        w.harness.step();
        assert!(start.elapsed() < minute, "{}", w.words());
    }
    w.click(Role::ComboBox, "Set of requests to inspect");
    w.press("recovery-train");
    w.wait_for("after k = 9", minute);
}

/// The mean, each request's own curve, its answer token by token; and what a training run did at each position.
#[test]
fn curves_answers_and_dynamics_are_read_from_the_project() {
    let mut w = first_start(egui::Theme::Light);
    let minute = Duration::from_secs(60);

    // The mean of each model, and in words where its KL lies.
    w.press("Inspect");
    w.wait_for("of the KL of the first", minute);
    w.wait_for("Point at one to read it", minute);
    let evaluation = w.harness.state().project().unwrap().evaluations[0].folder.clone();
    let summary: plumbline::evaluate::Summary =
        serde_json::from_str(&read(&evaluation.join("summary.json"))).unwrap();
    let row = summary.kl.iter().find(|row| row.model == "aligned").unwrap();
    let half = plumbline::evaluate::half_position(&row.mean).unwrap();
    w.wait_for(&format!("half of it by token {half}"), minute);

    // Pointing at a curve reads it; a click puts it forward and opens its answer.
    let lines: Vec<plumbline::evaluate::KlLine> =
        read(&evaluation.join("kl.jsonl")).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let chart = w.harness.query_all_by_role(Role::Image).next().unwrap().rect();
    let places = (0..600).map(|i| {
        let (x, y) = (0.08 + 0.04 * (i / 30) as f32, (i % 30) as f32 / 30.0);
        chart.min + egui::vec2(chart.width() * x, chart.height() * y)
    });
    let at = places.into_iter().find(|at| {
        w.harness.hover_at(*at);
        w.harness.run_steps(2);
        count(&w, "click to open the answer") > 0
    });
    let at = at.unwrap_or_else(|| panic!("no curve is under the pointer anywhere\n{}", w.words()));
    let reading = w.harness.query_all_by_label_contains("click to open the answer").next().unwrap();
    let said = reading.accesskit_node().value().unwrap();
    let of = |line: &&plumbline::evaluate::KlLine| {
        line.model == "aligned" && said.starts_with(&format!("{} · ", line.prompt_id))
    };
    let prompt = lines.iter().find(of).unwrap();
    for pressed in [true, false] {
        let button = egui::PointerButton::Primary;
        let modifiers = egui::Modifiers::NONE;
        w.harness.event(egui::Event::PointerButton { pos: at, button, pressed, modifiers });
        w.harness.run_steps(2);
    }
    w.wait_for(&format!("aligned on {} alone", prompt.prompt_id), minute);

    // Its answer stands below, covered; both models' guesses at each token, by click and by key.
    w.wait_for("Token 1 · KL", minute);
    w.wait_for("aligned would say", minute);
    assert!(count(&w, "covered") > 0);
    w.scroll(egui::pos2(700.0, 600.0), 3000.0);
    w.press("Show words");
    assert_eq!(count(&w, "covered"), 0);
    w.harness.get_by_label_contains("coloured by KL").focus();
    w.harness.run_steps(2);
    for key in [egui::Key::ArrowRight, egui::Key::ArrowRight, egui::Key::ArrowLeft] {
        w.harness.key_press(key);
        w.harness.run_steps(3);
    }
    w.wait_for(&format!("Token 2 · KL {:.2} nats", prompt.kl[1]), minute);

    // What training did: three maps, one chart, and the measurement that is looked at.
    w.act("dynamics of 20");
    w.wait_for("How surprised is the model by each answer token?", minute);
    w.press("Gradient norm");
    w.wait_for("Where does training pull hardest", minute);
    let run = w.harness.state().project().unwrap().runs[0].folder.clone();
    let points: Vec<plumbline::train::DynamicsPoint> =
        read(&run.join("dynamics.jsonl")).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    w.harness.get_by_role_and_label(Role::Slider, "Measurement to look at").set_value_accesskit(1.0);
    w.wait_for(&format!("after step {}", points[1].step), minute);
    w.scroll(egui::pos2(700.0, 600.0), 3000.0);
    w.press("Save as CSV: Where does training pull hardest?");
    w.wait_for("Saved as dynamics-gradient-norm-1.csv", minute);
    let table = read(&w.root.join("reports/charts/dynamics-gradient-norm-1.csv"));
    assert_eq!(
        table.lines().filter(|line| line.starts_with("before training,")).count(),
        points[0].gradient_at.len()
    );

    // A run without measurements says so.
    let Window { harness, root, _folder: folder, .. } = w;
    drop(harness);
    while Project::open(&root).unwrap().read_only() {
        std::thread::sleep(Duration::from_millis(50));
    }
    std::fs::remove_file(run.join("dynamics.jsonl")).unwrap();
    let mut later = open_on(root, egui::Theme::Light, None, folder);
    later.act("fine-tuning dynamics");
    later.wait_for("Nothing was measured here", minute);
}

/// Which evaluation, whose curves and which request: each is chosen from a list, and the answer of that request is opened
/// for that pair of models.
#[test]
fn evaluation_model_and_request_are_chosen() {
    let mut w = first_start(egui::Theme::Light);
    let minute = Duration::from_secs(60);
    let evaluations = w.harness.state().project().unwrap().evaluations.clone();
    let with = |model: &str| {
        let info = evaluations.iter().find(|e| e.spec.models.iter().any(|id| id == model)).unwrap();
        let text = read(&info.folder.join("kl.jsonl"));
        let lines: Vec<plumbline::evaluate::KlLine> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (info.clone(), lines)
    };

    // From the results of an evaluation to its curves; one without KL says that it has none.
    let (info, lines) = with("constrained");
    w.act("results");
    let name = |info: &plumbline::project::EvaluationInfo| {
        let time = info.id[..16].replacen('T', " ", 1);
        let (day, time) = time.split_once(' ').unwrap();
        format!("{} · attack-test · {day} {}", info.spec.models.join(", "), time.replace('-', ":"))
    };
    let without = evaluations.iter().find(|e| e.summary.as_ref().is_some_and(|s| s.kl.is_empty())).unwrap();
    w.choose("Evaluation", &name(without));
    w.harness.run_steps(2);
    assert!(w.is_blocked("Inspect token by token"));
    w.choose("Evaluation", &name(&info));
    w.harness.run_steps(2);
    w.press("Inspect token by token");
    w.wait_for("Evaluation to inspect", minute);
    assert_eq!(count(&w, "constrained on attack-test: "), 1, "{}", w.words());

    // Another evaluation, and back; whose single requests stand behind the means.
    let (other, _) = with("deepened");
    w.choose("Evaluation to inspect", &name(&other));
    w.wait_for("deepened on attack-test: ", minute);
    w.choose("Evaluation to inspect", &name(&info));
    w.wait_for("constrained on attack-test: ", minute);
    w.choose("Model with single requests", "constrained on attack-test");
    w.wait_for("Compares constrained with base.", minute);

    // The request on the screen, then another: KL at the first token is what was measured.
    w.scroll(egui::pos2(700.0, 600.0), 3000.0);
    w.choose("Set of requests to inspect", "attack-test");
    let of = |id: &str| lines.iter().find(|l| l.model == "constrained" && l.prompt_id == id).unwrap();
    let Examples::Attack(prompts) = Project::attach(&w.root).unwrap().examples("attack-test").unwrap() else {
        panic!("prompts")
    };
    let prompts: Vec<_> = prompts.iter().filter(|prompt| prompt.target.is_some()).collect();
    w.press_when_free("Compare the models on it");
    w.wait_for(&format!("Token 1 · KL {:.2} nats", of(&prompts[0].id).kl[0]), minute);
    let second = prompts[1..4].iter().max_by(|a, b| of(&a.id).kl[0].total_cmp(&of(&b.id).kl[0])).unwrap();
    w.choose("Request to inspect", &second.goal);
    w.wait_for(&format!("Token 1 · KL {:.2} nats", of(&second.id).kl[0]), minute);
    w.scroll(egui::pos2(700.0, 600.0), -3000.0);
    w.wait_for(&format!("constrained on {} alone", second.id), minute);
}
