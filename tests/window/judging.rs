//! Judging again, labelling by hand, and what a judge is worth.

use crate::driver::*;
use eframe::egui;
use egui::Key;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use plumbline::evaluate::{Records, Summary};
use plumbline::judge::calibration::calibration_sample;
use plumbline::judge::{Label, Verdict, standing};
use plumbline::project::Project;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

#[path = "../common/judge_server.rs"]
mod judge_server;

use judge_server::Answer;

const MINUTE: Duration = Duration::from_mins(1);

/// A tiny evaluation of one model by the keyword judge; gives its folder.
fn evaluated(w: &mut Window) -> PathBuf {
    w.press("Evaluate");
    let ids: Vec<String> =
        w.harness.state().project().unwrap().models.iter().map(|model| model.entry.id.clone()).collect();
    for id in ids.iter().filter(|id| *id != "aligned") {
        w.click(Role::CheckBox, id);
    }
    w.write(Role::TextInput, "Only the first", "3");
    w.press("Start evaluation");
    w.wait("the evaluation", Duration::from_mins(5), |app| {
        !app.jobs().all().is_empty() && app.jobs().open_count() == 0
    });
    w.wait("its summary", MINUTE, |app| {
        app.project().unwrap().evaluations.first().is_some_and(|e| e.summary.is_some())
    });
    w.folders("evaluations").remove(0)
}

/// How many answers judges read in an evaluation: those of models and what attacks left of reference answers.
fn answers(w: &Window, folder: &std::path::Path) -> usize {
    let id = folder.file_name().unwrap().to_string_lossy().into_owned();
    let records = Project::attach(&w.root).unwrap().records(&id).unwrap();
    records.responses.iter().filter(|response| response.is_judged()).count()
}

fn verdict_judges(folder: &std::path::Path) -> BTreeSet<String> {
    let summary: Summary = serde_json::from_str(&read(&folder.join("summary.json"))).unwrap();
    summary.rates.iter().map(|row| row.judge.clone()).collect()
}

/// Scrolls the right side down until some label contains the words.
fn look_for(w: &mut Window, words: &str) {
    for _ in 0..30 {
        if w.harness.query_all_by_label_contains(words).next().is_some() {
            return;
        }
        w.scroll(egui::pos2(900.0, 500.0), 150.0);
    }
    panic!("{words:?} is nowhere:\n{}", w.words());
}

/// Other judges read the answers; nothing leaves the machine before somebody has agreed to it; probes tell judges apart.
#[test]
fn other_judges_read_the_answers_and_nothing_is_sent_unasked() {
    let server = judge_server::Server::new(|_| judge_server::says("It complies.\nSCORE: 5"));
    let mut w = window(egui::Theme::Light, None);
    let folder = evaluated(&mut w);
    assert_eq!(verdict_judges(&folder), BTreeSet::from(["oracle".to_owned()]));

    let n = answers(&w, &folder);
    w.act("judge again");
    w.wait_for("keyword judge (gcg)", MINUTE);
    assert!(w.is_blocked("Start judging"), "no judge is ticked");
    w.click(Role::CheckBox, "keyword judge");
    w.click(Role::CheckBox, "keyword judge (gcg)");
    w.wait_for(&format!("keyword gcg: reads {n} answers"), MINUTE);
    w.press("Start judging");
    w.wait("the judges", MINUTE, |app| app.jobs().all().len() == 2 && app.jobs().open_count() == 0);
    w.wait_for(&format!("keyword gcg: has read all {n} answers"), MINUTE);
    assert_eq!(verdict_judges(&folder), ["keyword", "keyword gcg", "oracle"].map(str::to_owned).into());
    w.settle();
    assert!(w.is_blocked("Start judging"), "they have read everything");

    // A server on this machine is asked without a question.
    w.click(Role::CheckBox, "A model at an endpoint");
    w.write(Role::TextInput, "Address", &server.url);
    w.write(Role::TextInput, "Model there", "m");
    w.wait_for("the answers stay on it", MINUTE);
    w.wait_for(&format!("rubric by m: reads {n} answers"), MINUTE);
    w.press("Start judging");
    w.wait("the rubric", MINUTE, |app| app.jobs().all().len() == 3 && app.jobs().open_count() == 0);
    w.wait_for(&format!("rubric by m: has read all {n} answers"), MINUTE);
    assert!(!server.requests().is_empty() && verdict_judges(&folder).contains("rubric by m"));

    // Another machine's key is looked for in its own variable, and only there.
    w.write(Role::TextInput, "Address", "https://judge.example/v1");
    w.click(Role::ComboBox, "Key");
    w.press("in an environment variable");
    w.wait_for("variable PLUMBLINE_KEY_JUDGE_EXAMPLE is not set", MINUTE);
    assert!(w.is_blocked("Start judging"));
    w.click(Role::ComboBox, "Key");
    w.press("it needs none");
    w.wait_for("are asked of judge.example", MINUTE);

    // Whatever would leave the machine is listed first, and refusing sends nothing.
    w.press("Start judging");
    w.wait_for("These answers would leave this machine", MINUTE);
    for words in ["They would be sent to judge.example", "you gave no price", "Names of models, attacks"] {
        assert!(w.harness.query_all_by_label_contains(words).next().is_some(), "{words}:\n{}", w.words());
    }
    w.press("Send nothing");
    w.settle();
    assert!(w.harness.query_by_label_contains("would leave this machine").is_none());
    assert_eq!(w.harness.state().jobs().all().len(), 3, "nothing was started");
    w.press("Start judging");
    w.press("Send them");
    w.wait("the job that was agreed to", MINUTE, |app| app.jobs().all().len() == 4);
    if w.harness.query_by_role_and_label(Role::Button, "Stop").is_some() {
        w.press("Stop");
    }
    w.wait("its end", MINUTE, |app| app.jobs().open_count() == 0);

    // Probes: judges on answers whose verdict is known.
    w.act("probes");
    w.click(Role::CheckBox, "A model at an endpoint");
    w.click(Role::CheckBox, "oracle judge");
    w.wait_for("oracle: reads 60 answers", MINUTE);
    w.press("Try the judges");
    look_for(&mut w, "It qualifies");
    w.scroll(egui::pos2(900.0, 500.0), -5_000.0);
    look_for(&mut w, "It does not qualify");

    // Trying a slow judge is stopped: most of the probes are never asked about.
    let slow = judge_server::Server::new(|_| {
        Answer::Late(Duration::from_millis(200), Box::new(judge_server::says("It declines.\nSCORE: 1")))
    });
    w.scroll(egui::pos2(900.0, 500.0), -5_000.0);
    for judge in ["oracle judge", "keyword judge", "keyword judge (gcg)", "A model at an endpoint"] {
        w.click(Role::CheckBox, judge);
    }
    w.write(Role::TextInput, "Address", &slow.url);
    w.wait_for("rubric by m: reads 60 answers", MINUTE);
    w.reach(Role::Button, "Try the judges");
    w.press("Try the judges");
    w.wait_for("of 60 read", MINUTE);
    w.wait("the first probe", MINUTE, |_| !slow.requests().is_empty());
    w.press("Stop trying");
    w.wait_for("Try the judges", MINUTE);
    look_for(&mut w, "Stopped before it had read all of them.");
    assert!(slow.requests().len() < 60, "{}", slow.requests().len());
}

/// Two people label the same answers by keys, blind; every label is on the disk at once, and can be taken back.
#[test]
fn labels_by_keys_reach_the_disk_and_say_what_judges_are_worth() {
    let mut w = window(egui::Theme::Light, None);
    let folder = evaluated(&mut w);
    let id = folder.file_name().unwrap().to_string_lossy().into_owned();
    w.act("judge again");
    w.wait_for("keyword judge (gcg)", MINUTE);
    w.click(Role::CheckBox, "keyword judge (gcg)");
    w.wait_for("keyword gcg: reads", MINUTE);
    w.press("Start judging");
    w.wait("the judge", MINUTE, |app| app.jobs().all().len() == 2 && app.jobs().open_count() == 0);

    // Without a name nobody labels.
    w.act("label by hand");
    w.write(Role::TextInput, "Your name", "Ada");
    w.press("Use this name");
    w.wait_for("0 of 15 labelled", MINUTE);
    assert!(read(&w.config.path().join("preferences.toml")).contains("author = \"Ada\""));

    // The answers come in the order in which the library draws them.
    let Records { responses, verdicts, .. } = Project::attach(&w.root).unwrap().records(&id).unwrap();
    let judged: Vec<&str> =
        responses.iter().filter(|r| r.is_judged() && r.model == "aligned").map(|r| r.id.as_str()).collect();
    let order = calibration_sample(&judged, judged.len(), 0);
    let prompt = |id: &str| responses.iter().find(|r| r.id == id).unwrap().prompt.clone();
    w.wait_for(&prompt(order[0]), MINUTE);

    // A covered answer cannot be labelled; shown ones are, by one key each.
    let file = folder.join("labels.jsonl");
    let lines = || -> Vec<Label> {
        let Ok(text) = std::fs::read_to_string(&file) else { return Vec::new() };
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let press = |w: &mut Window, keys: &[Key]| {
        for key in keys {
            w.harness.key_press(*key);
            w.harness.run_steps(3);
        }
    };
    press(&mut w, &[Key::Num1]);
    w.settle();
    assert!(lines().is_empty());
    w.write(Role::TextInput, "Why", "it gives steps");
    w.harness.key_press(Key::Enter);
    w.harness.run_steps(3);
    press(&mut w, &[Key::S, Key::Num1, Key::S, Key::Num3]);
    w.wait_for("2 of 15 labelled", MINUTE);
    w.settle();
    let said: Vec<(String, Verdict)> = lines().into_iter().map(|l| (l.response, l.verdict)).collect();
    let wanted = [(order[0], Verdict::Harmful), (order[1], Verdict::Unparsed)];
    assert_eq!(said, wanted.map(|(id, verdict)| (id.to_owned(), verdict)));
    assert_eq!((lines()[0].author.as_str(), lines()[0].reason.as_str()), ("Ada", "it gives steps"));

    // Undo takes the last one back, on the disk too; it is open again, and covered.
    press(&mut w, &[Key::U]);
    w.wait_for("1 of 15 labelled", MINUTE);
    w.wait_for("this is the 2nd", MINUTE);
    w.wait("the undo on disk", MINUTE, plumbline::ui::App::all_saved);
    assert!(lines().len() == 3 && lines()[2].withdrawn && standing(lines()).len() == 1);
    press(&mut w, &[Key::J]);
    w.wait_for("this is the 3rd", MINUTE);
    press(&mut w, &[Key::K, Key::K]);
    w.wait_for("this is the 1st", MINUTE);

    // Everything, as the oracle sees it, but for one answer on which this person differs.
    let oracle = |id: &str| {
        let row = verdicts.iter().find(|row| row.judge == "oracle" && row.response == id).unwrap();
        if row.verdict.is_harmful() { Key::Num1 } else { Key::Num2 }
    };
    let other = |key| if key == Key::Num1 { Key::Num2 } else { Key::Num1 };
    for (at, id) in order.iter().enumerate() {
        let key = if at == 3 { other(oracle(id)) } else { oracle(id) };
        press(&mut w, &[Key::S, key]);
    }
    w.wait_for("15 of 15 labelled", MINUTE);
    w.wait("all labels on disk", MINUTE, plumbline::ui::App::all_saved);
    assert_eq!(standing(lines()).iter().map(|l| &l.response).collect::<BTreeSet<_>>().len(), 15);

    // What the judges are worth, in figures with their counts.
    w.act("agreement");
    w.wait_for("κ", MINUTE);
    w.wait_for("agree on 14 of 15", MINUTE);
    look_for(&mut w, "more labels are needed");
    look_for(&mut w, "Corrected");

    // A second person.
    w.press("Settings");
    w.write(Role::TextInput, "Your name", "Ben");
    w.harness.key_press(Key::Enter);
    w.harness.run_steps(3);
    w.act("label by hand");
    w.wait_for("0 of 15 labelled", MINUTE);
    for id in &order[..6] {
        press(&mut w, &[Key::S, oracle(id)]);
    }
    w.wait_for("6 of 15 labelled", MINUTE);
    w.act("agreement");
    look_for(&mut w, "Ada and Ben");

    // Where judges and people differ, and what each said.
    w.act("disagreements");
    w.wait_for("on which judges and people differ", MINUTE);
    w.wait_for("oracle: ", MINUTE);
    w.wait("every label on disk", MINUTE, plumbline::ui::App::all_saved);
    let before = lines().len();
    press(&mut w, &[Key::S, Key::Num2]);
    w.wait("the label on disk", MINUTE, plumbline::ui::App::all_saved);
    assert_eq!(lines().len(), before + 1);
    let last = lines().pop().unwrap();
    assert_eq!((last.author.as_str(), last.drawn.word()), ("Ben", "disputed"));

    // Another answer of the list is opened by its row: the label is given to that one.
    let shown = Some(egui::accesskit::Toggled::True);
    let rows = w.harness.query_all_by(|node| {
        node.role() == Role::Button && node.label().is_some_and(|label| label.starts_with("Answer "))
    });
    let rows: Vec<_> = rows.collect();
    let now = rows.iter().find(|row| row.accesskit_node().toggled() == shown).unwrap();
    let asked = |label: &str| label.split_once(": ").unwrap().1.to_owned();
    let before = asked(&now.accesskit_node().label().unwrap());
    let names = rows.iter().map(|row| row.accesskit_node().label().unwrap());
    let other = names.into_iter().find(|name| asked(name) != before).unwrap();
    w.press(&other);
    let row = w.harness.get_by_role_and_label(Role::Button, &other);
    assert_eq!(row.accesskit_node().toggled(), shown);
    press(&mut w, &[Key::S, Key::Num1]);
    w.wait("its label on disk", MINUTE, plumbline::ui::App::all_saved);
    let last = lines().pop().unwrap();
    assert_eq!((prompt(&last.response), last.verdict), (asked(&other), Verdict::Harmful));
}

/// An evaluation that goes on, perhaps a stranger's, sends its answers nowhere before somebody agrees to the host.
#[test]
fn going_on_asks_before_answers_leave_the_machine() {
    use plumbline::evaluate::EvaluateSpec;
    use plumbline::job::JobSpec;
    use plumbline::judge::{EndpointSpec, JudgeSpec, RubricSpec};
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("demo");
    plumbline::demo::unpack(&root).unwrap();
    let stopped = {
        let project = Project::open(&root).unwrap();
        project.evaluations().into_iter().find(|e| e.spec.models.len() == 2).unwrap()
    };
    let endpoint = EndpointSpec {
        url: "https://judge.invalid/v1".into(),
        model: "some-model".into(),
        ..EndpointSpec::default()
    };
    let rubric = JudgeSpec::Rubric(Box::new(RubricSpec { endpoint, ..RubricSpec::default() }));
    let spec = EvaluateSpec { judges: vec![rubric], ..stopped.spec.clone() };
    std::fs::write(stopped.folder.join("spec.toml"), JobSpec::Evaluate(spec).to_toml().unwrap()).unwrap();
    let manifest = plumbline::project::Manifest { ended: "stopped".into(), ..stopped.manifest.clone() };
    manifest.save(&stopped.folder).unwrap();

    let mut w = open_on(root, egui::Theme::Light, None, Some(folder));
    w.press("Jobs");
    w.wait_for("Not finished on an earlier day", MINUTE);
    w.press("Go on");
    w.wait_for("judge.invalid", MINUTE);
    w.press("Keep them here");
    w.settle();
    assert!(w.harness.state().jobs().all().is_empty(), "nothing was started");
    w.press("Go on");
    w.wait_for("judge.invalid", MINUTE);
    w.press("Send and go on");
    w.wait("the job", MINUTE, |app| app.jobs().all().len() == 1);
}

/// An evaluation whose judge is behind an endpoint: on this machine it is asked at once, elsewhere only after consent.
#[test]
fn an_evaluation_asks_before_its_answers_leave_the_machine() {
    let server = judge_server::Server::new(|_| judge_server::says("It complies.\nSCORE: 5"));
    let mut w = window(egui::Theme::Light, None);
    w.press("Evaluate");
    w.click(Role::CheckBox, "base");
    w.write(Role::TextInput, "Only the first", "1");
    w.click(Role::CheckBox, "A model at an endpoint");
    w.wait_for("Name the model that judges, as the endpoint calls it.", MINUTE);
    w.reach(Role::TextInput, "Address");
    w.write(Role::TextInput, "Address", &server.url);
    w.write(Role::TextInput, "Model there", "m");
    w.reach(Role::SpinButton, "Price of a million tokens there");
    w.write(Role::SpinButton, "Price of a million tokens there", "1");
    w.harness.key_press(Key::Enter);
    w.harness.run_steps(3);
    w.wait_for("the answers stay on it", MINUTE);
    w.reach(Role::DisclosureTriangle, "Advanced: how the endpoint is asked");
    w.click(Role::DisclosureTriangle, "Advanced: how the endpoint is asked");
    w.reach(Role::SpinButton, "Spend at most (0 = no limit)");
    w.write(Role::SpinButton, "Spend at most (0 = no limit)", "2.5");
    w.harness.key_press(Key::Enter);
    w.harness.run_steps(3);
    w.wait_for("rubric by m: reads up to 10 answers", MINUTE);
    w.press("Start evaluation");
    w.wait("the evaluation", Duration::from_mins(5), |app| {
        app.jobs().all().len() == 1 && app.jobs().open_count() == 0
    });
    let folder = w.folders("evaluations").remove(0);
    assert!(!server.requests().is_empty() && verdict_judges(&folder).contains("rubric by m"));
    let spec = read(&folder.join("spec.toml"));
    assert!(spec.contains("budget = 2.5") && spec.contains(&server.url), "{spec}");

    // Another machine: without its key nothing starts, and what is missing is said.
    w.act("evaluate: what to run");
    w.wait_for("Models × attacks", MINUTE);
    w.reach(Role::TextInput, "Address");
    w.write(Role::TextInput, "Address", "https://judge.example/v1");
    w.reach(Role::ComboBox, "Key");
    w.click(Role::ComboBox, "Key");
    w.press("in an environment variable");
    w.wait_for("variable PLUMBLINE_KEY_JUDGE_EXAMPLE is not set", MINUTE);
    w.harness.run_steps(3);
    assert!(w.is_blocked("Start evaluation"));
    w.reach(Role::ComboBox, "Key");
    w.click(Role::ComboBox, "Key");
    w.press("it needs none");
    w.wait_for("which go to judge.example", MINUTE);
    w.harness.run_steps(3);
    w.press("Start evaluation");
    w.wait_for("These answers would leave this machine", MINUTE);
    for words in ["They would be sent to judge.example", "no more than 2.5 is spent", "up to 10 answers"] {
        assert!(w.harness.query_all_by_label_contains(words).next().is_some(), "{words}:\n{}", w.words());
    }
    w.press("Keep them here");
    w.settle();
    assert_eq!(w.harness.state().jobs().all().len(), 1, "nothing was started");
    // The palette asks too.
    w.press("Models");
    w.act("start evaluation");
    w.wait_for("They would be sent to judge.example", MINUTE);
    w.press("Send and start");
    w.wait("the job that was agreed to", MINUTE, |app| app.jobs().all().len() == 2);
    if w.harness.query_by_role_and_label(Role::Button, "Stop").is_some() {
        w.press("Stop");
    }
    w.wait("its end", MINUTE, |app| app.jobs().open_count() == 0);
}
