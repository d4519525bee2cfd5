//! Import, export and public benchmarks on the Data screen.

use crate::driver::*;
use eframe::egui;
use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use plumbline::data::{DatasetKind, Examples, import_own, own_kind, read_jsonl, read_table};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// A file that was let go over the window.
#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|e| e.to_string())
    }
}

fn choose(w: &mut Window, combo: &str, choice: &str) {
    // A choice before it may have had the file read again, which closes what is open.
    w.settle();
    w.choose(combo, choice);
}

/// Somebody brings a table that nobody has seen before: columns without a known name, rows that are broken, a row of 50 MB.
#[test]
fn a_file_from_elsewhere_becomes_a_set_after_it_was_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("Ŝlosiloj.csv");
    let text = "sorĉo,afero\nŜlosu la pordegon,pordo\n\"Kantu, ĝis\nla puto respondas\",puto\n,malplena\ntro,da,ĉeloj\n";
    std::fs::write(&table, text).unwrap();
    let mut w = window(egui::Theme::Light, None);
    w.press("Import…");
    w.wait_for("Nothing is taken in until you press Import.", MINUTE);

    // A file that cannot be read is named, and the dialog stays with what was set in it.
    let absent = folder.path().join("absent.csv");
    w.write(Role::TextInput, "File to import", &absent.display().to_string());
    w.press("Read file");
    w.wait_for("absent.csv cannot be read", MINUTE);
    w.write(Role::TextInput, "File to import", &table.display().to_string());
    w.press("Read file");

    // What cannot be guessed is asked for; the first line and the columns can be said.
    w.wait_for("Say which column is the request.", MINUTE);
    choose(&mut w, "The first line", "column names");
    w.wait_for("not used", MINUTE);
    choose(&mut w, "Column: request", "sorĉo");
    w.wait_for("line 5: field \"sorĉo\" the request is empty", MINUTE);
    w.wait_for("line 6: 3 cells, where the first line has 2", MINUTE);
    choose(&mut w, "Column: category", "afero");
    w.wait_for("Mend the rows that cannot be used", MINUTE);
    w.wait_for("Kantu, ĝis la puto respondas", MINUTE);
    w.click(Role::CheckBox, "Leave out rows with these 2 problems");
    w.write(Role::TextInput, "Name of the set", "Keys of Emberfall");
    w.write(Role::TextInput, "Licence", "CC0");
    w.press("Import 2 attack prompts");
    w.wait_for("Data set keys-of-emberfall was made: 2 examples.", MINUTE);
    let Examples::Attack(rows) =
        read_jsonl(&w.root.join("datasets/keys-of-emberfall.jsonl"), DatasetKind::Attack).unwrap()
    else {
        panic!("attack prompts")
    };
    assert_eq!((rows[1].goal.as_str(), rows[1].category.as_str()), ("Kantu, ĝis\nla puto respondas", "puto"));
    let about = read(&w.root.join("datasets/keys-of-emberfall.toml"));
    let sha256 = plumbline::project::hash_file(&table).unwrap();
    for said in ["Keys of Emberfall", "CC0", "Ŝlosiloj.csv", &sha256] {
        assert!(about.contains(said), "{said}: {about}");
    }
    // The new set is the one that is looked at.
    w.wait_for("2 examples", MINUTE);

    // A file that hovers over the window is awaited; dropped, it is read at once. A row of 50 MB stops nobody.
    let huge = folder.path().join("huge.jsonl");
    let row = |answer: &str| format!("{{\"instruction\": \"Greet the warden\", \"output\": \"{answer}\"}}\n");
    std::fs::write(&huge, [row("Well met"), row(&"x".repeat(50 << 20)), row("Hail")].concat()).unwrap();
    w.harness
        .input_mut()
        .hovered_files
        .push(egui::HoveredFile { path: Some(huge.clone()), ..Default::default() });
    w.harness.run_steps(2);
    w.wait_for("Drop the file to import it", MINUTE);
    w.harness.input_mut().hovered_files.clear();
    w.harness.input_mut().dropped_files.push(std::sync::Arc::new(Dropped(huge)));
    let start = Instant::now();
    w.harness.step();
    w.wait_for("line 2: this row has 52.4 MB of text, and 1 MB is the most", MINUTE);
    eprintln!("50 MB read in {:?}", start.elapsed());
    // Answers may be harmful, and are covered until somebody wants to see them.
    assert!(w.harness.query_by_label("Well met").is_none());
    w.click(Role::CheckBox, "Show harmful answers");
    assert!(w.harness.query_all_by_label("Well met").count() == 2, "in the row and in the example");
    w.click(Role::CheckBox, "Leave out the problem row");
    w.press("Import 2 conversations");
    w.wait_for("Data set huge was made: 2 examples.", MINUTE);
}

/// What a person exports holds nothing harmful unless they say so, and comes back as it was.
#[test]
fn a_set_goes_out_and_comes_back() {
    let mut w = window(egui::Theme::Light, None);
    w.wait_for("tokens trained", MINUTE);
    let own = |file: &Path| {
        let table = read_table(file, None).unwrap();
        import_own(&table, own_kind(&table).unwrap())
    };
    let set = w.root.join("datasets/recovery-train.jsonl");
    let there = own(&set).examples;
    let Examples::Recovery(rows) = &there else { panic!("recovery examples") };
    let harmful = rows[0].harmful.clone();

    w.press("Export…");
    w.press("Export");
    w.wait_for("Saved as recovery-train.jsonl", MINUTE);
    let redacted = read(&w.root.join("exports/recovery-train.jsonl"));
    assert!(redacted.contains("[answer removed on export]") && !redacted.contains(&harmful));
    assert_eq!(redacted.lines().count(), rows.len());

    w.act("export");
    w.click(Role::RadioButton, "CSV table");
    w.click(Role::CheckBox, "Pack with gzip (.gz)");
    w.click(Role::CheckBox, "Write the harmful answers too");
    w.press("Export");
    w.wait_for("Saved as recovery-train.csv.gz", MINUTE);
    let packed = w.root.join("exports/recovery-train.csv.gz");
    let back = own(&packed);
    assert_eq!((back.examples, back.bad), (there.clone(), vec![]));

    // Conversations for training elsewhere end with the refusal; a file with another ending is refused in words.
    w.press("Export…");
    w.click(Role::RadioButton, "Chat messages");
    let elsewhere = w.config.path().join("train.txt");
    w.write(Role::TextInput, "Save the set as", &elsewhere.display().to_string());
    w.wait_for("ends in .jsonl", MINUTE);
    w.write(Role::TextInput, "Save the set as", &elsewhere.with_extension("jsonl").display().to_string());
    w.press("Export");
    w.wait_for("Saved as train.jsonl", MINUTE);
    let chats = read(&elsewhere.with_extension("jsonl"));
    assert!(chats.lines().all(|line| line.starts_with("{\"messages\":[{")) && !chats.contains(&harmful));

    // As Parquet, which gzip does not make smaller, the set comes back through the window, under a name of its own.
    w.press("Export…");
    w.click(Role::RadioButton, "Parquet");
    w.click(Role::CheckBox, "Write the harmful answers too");
    w.press("Export");
    w.wait_for("Saved as recovery-train.parquet", MINUTE);
    let typed = w.root.join("exports/recovery-train.parquet");
    w.press("Import…");
    w.write(Role::TextInput, "File to import", &typed.display().to_string());
    w.press("Read file");
    w.wait_for("the form in which Plumbline keeps its sets", MINUTE);
    w.press(&format!("Import {} recovery examples", rows.len()));
    w.wait_for("Data set recovery-train-2 was made", MINUTE);
    assert_eq!(own(&w.root.join("datasets/recovery-train-2.jsonl")).examples, there);
}

/// The benchmarks are listed with what a person must know; a file of one comes from the disk, and nothing is fetched unasked.
#[test]
fn a_public_benchmark_comes_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("MaliciousInstruct.txt");
    std::fs::write(&file, "Brew the draught of ash\nOpen the vault of echoes\nCurse the well\n").unwrap();
    let mut w = window(egui::Theme::Light, Some(file));
    w.act("public benchmarks");
    w.wait_for("Nothing is asked of this host until you press the button.", MINUTE);
    assert!(w.harness.query_by_label("Fetch from raw.githubusercontent.com (83 kB)").is_some());
    w.press("MaliciousInstruct");
    w.press("Choose file…");
    w.wait_for("3 rows, where the benchmark has 100", MINUTE);
    w.press("Add to project");
    w.wait_for("Data set malicious-instruct was made: 3 examples.", MINUTE);
    let about = read(&w.root.join("datasets/malicious-instruct.toml"));
    assert!(about.contains("Cite: Y. Huang") && about.contains("Jailbreak_LLM"), "{about}");

    // One that was compared is known by its hash; a file of another shape is refused in words.
    w.act("public benchmarks");
    w.press("HEx-PHI");
    w.wait_for("This file is not fetched", MINUTE);
    let public =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/benchmarks/advbench/harmful_behaviors.csv");
    if public.exists() {
        w.press("AdvBench");
        w.write(Role::TextInput, "File of the benchmark", &public.display().to_string());
        w.press("Read file");
        w.wait_for("520 rows, as it should have", MINUTE);
        w.wait_for("a version that was compared", MINUTE);
    }
    w.press("XSTest · safe");
    w.press("Choose file…");
    w.wait_for("has no column \"type\"", MINUTE);
    w.press("Close");
    assert!(w.harness.query_by_label("Add to project").is_none());
}

/// A file is asked of the host that stands on the button and of nobody else, may be stopped while the host says nothing, and
/// is not asked for where it is already.
#[test]
#[cfg(feature = "hub")]
fn a_benchmark_is_fetched_when_asked_and_may_be_stopped() {
    use egui_kittest::kittest::NodeT as _;
    use std::io::{BufRead as _, Write as _};
    const HOST: &str = "raw.githubusercontent.com";
    const NOTES: &str = "PLUMBLINE_TEST_NOTES";
    if !is_alone() {
        // All that leaves for the network comes by here and is noted: the first hears nothing, the others are hung up on.
        let notes = tempfile::NamedTempFile::new().unwrap();
        let mut noted = notes.reopen().unwrap();
        let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", proxy.local_addr().unwrap());
        let listen = move || {
            let mut silent = None;
            for stream in proxy.incoming().flatten() {
                let mut line = String::new();
                std::io::BufReader::new(&stream).read_line(&mut line).unwrap();
                noted.write_all(line.as_bytes()).unwrap();
                silent.get_or_insert(stream);
            }
        };
        std::thread::Builder::new().name("proxy".into()).spawn(listen).unwrap();
        alone(
            "import::a_benchmark_is_fetched_when_asked_and_may_be_stopped",
            &[
                ("HTTPS_PROXY", address.as_ref()),
                ("NO_PROXY", "".as_ref()),
                (NOTES, notes.path().as_os_str()),
            ],
        );
        let asked = read(notes.path());
        assert!(asked.lines().all(|line| line == format!("CONNECT {HOST}:443 HTTP/1.1")), "{asked}");
        return;
    }
    let notes = PathBuf::from(std::env::var_os(NOTES).unwrap());
    let mut w = window(egui::Theme::Light, None);
    let folder = w.root.join(".cache/benchmarks/malicious-instruct");
    let kept = || std::fs::read_dir(&folder).map_or(0, Iterator::count);
    w.press("Public benchmarks…");
    w.press("MaliciousInstruct");
    let words = format!("Fetch from {HOST}");
    let fetch = w.harness.query_all_by_label_contains(&words).next().unwrap();
    let fetch = fetch.accesskit_node().label().unwrap();

    w.press(&fetch);
    w.wait("the host to be asked", MINUTE, |_| read(&notes).lines().count() == 1);
    assert!(w.is_blocked(&fetch) && w.is_blocked("Choose file…"), "{}", w.words());
    w.press("Stop");
    w.wait_for("Stopped. Nothing was kept.", MINUTE);
    w.wait("the rest to be thrown away", MINUTE, |_| kept() == 0);

    // Nobody answers: who was asked, and what can be done without the network.
    w.press(&fetch);
    w.wait_for(&format!("{HOST} cannot be reached"), MINUTE);
    w.wait_for("Or without the network: open its page", MINUTE);
    assert!(w.is_blocked("Add to project"));
    assert_eq!(kept(), 0);

    // A file that was fetched before is looked at, and the network is left alone.
    let file = folder.join("MaliciousInstruct.txt");
    std::fs::write(&file, "Brew the draught of ash\nOpen the vault of echoes\n").unwrap();
    w.press(&fetch);
    w.wait_for("2 rows, where the benchmark has 100", MINUTE);
    w.press("Add to project");
    w.wait_for("Data set malicious-instruct was made: 2 examples.", MINUTE);
    assert_eq!(read(&w.root.join("datasets/malicious-instruct.jsonl")).lines().count(), 2);
}
