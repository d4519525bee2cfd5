//! Files from elsewhere: public benchmarks as they are published (skipped where they are absent), the shapes of fine-tuning
//! sets, and the traps of each.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use plumbline::data::{
    AttackPrompt, ChatExample, Columns, DataError, DatasetKind, Examples, Field, Imported, guess, import,
    read_table,
};
use plumbline::text::Role;
use std::path::{Path, PathBuf};

fn read(file: &Path, kind: DatasetKind) -> Result<Imported, DataError> {
    let table = read_table(file, None)?;
    let columns = guess(&table, kind, &Columns::new(), file)?;
    Ok(import(&table, kind, &columns, "set"))
}

fn written(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

fn chats(name: &str, text: &str) -> Vec<ChatExample> {
    let (_keep, file) = written(name, text);
    let found = read(&file, DatasetKind::Chat).unwrap();
    assert_eq!(found.bad, [], "{text}");
    let Examples::Chat(rows) = found.examples else { panic!("conversations") };
    rows
}

fn attacks(name: &str, text: &str) -> Vec<AttackPrompt> {
    let (_keep, file) = written(name, text);
    let found = read(&file, DatasetKind::Attack).unwrap();
    assert_eq!(found.bad, [], "{text}");
    let Examples::Attack(rows) = found.examples else { panic!("attack prompts") };
    rows
}

fn said(row: &ChatExample) -> Vec<(Role, &str)> {
    row.messages.iter().map(|m| (m.role, m.content.as_str())).collect()
}

const QUESTION: [(Role, &str); 2] = [(Role::User, "Who?"), (Role::Assistant, "Oma.")];

#[test]
fn public_benchmarks_come_with_all_their_rows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/benchmarks");
    let mut seen = 0;
    for (file, kind, rows, with_target, first) in [
        ("advbench/harmful_behaviors.csv", DatasetKind::Attack, 520, 520, "set-0001"),
        ("harmbench/harmbench_standard_200.csv", DatasetKind::Attack, 200, 0, ""),
        ("jailbreakbench/harmful-behaviors.csv", DatasetKind::Attack, 100, 100, ""),
        ("jailbreakbench/benign-behaviors.goal-only.csv", DatasetKind::Attack, 100, 0, ""),
        ("xstest/xstest_prompts.csv", DatasetKind::Attack, 450, 0, ""),
        ("gsm8k/test.jsonl", DatasetKind::Utility, 1319, 1319, ""),
        ("gsm8k/test.jsonl", DatasetKind::Chat, 1319, 1319, ""),
    ] {
        let path = root.join(file);
        if !path.exists() {
            eprintln!("SKIPPED: {} is not there", path.display());
            continue;
        }
        seen += 1;
        let found = read(&path, kind).unwrap();
        assert_eq!(found.bad, [], "{file}");
        assert_eq!(found.examples.len(), rows, "{file}");
        assert!(first.is_empty() || found.examples.id(0) == Some(first), "{file}");
        match &found.examples {
            Examples::Attack(prompts) => {
                assert_eq!(prompts.iter().filter(|p| p.target.is_some()).count(), with_target, "{file}");
                assert!(prompts.iter().all(|p| p.goal.len() > 5), "{file}");
            }
            Examples::Utility(items) => {
                assert!(items.iter().all(|item| item.reference.contains("####")), "{file}");
            }
            _ => {}
        }
    }
    eprintln!("{seen} files read");
}

#[test]
fn the_shapes_of_fine_tuning_sets_are_known() {
    let alpaca = r#"[{"instruction": "Who?", "input": "", "output": "Oma."},
        {"instruction": "Add.", "input": "1 2", "output": "3", "system": "Be short.", "history": [["Hi", "Hello"]]}]"#;
    let rows = chats("a.json", alpaca);
    assert_eq!(said(&rows[0]), QUESTION);
    assert_eq!(
        said(&rows[1]),
        [
            (Role::System, "Be short."),
            (Role::User, "Hi"),
            (Role::Assistant, "Hello"),
            (Role::User, "Add.\n\n1 2"),
            (Role::Assistant, "3"),
        ]
    );
    for (name, text) in [
        (
            "openai.jsonl",
            r#"{"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Oma."}]}"#,
        ),
        ("array.jsonl", r#"[{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Oma."}]"#),
        (
            "share.json",
            r#"[{"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Oma."}]}]"#,
        ),
        (
            "parts.jsonl",
            r#"{"messages": [{"role": "user", "content": [{"type": "text", "value": "Who?"}]}, {"role": "assistant", "content": "Oma."}]}"#,
        ),
        ("samsum.json", "[\n{\"dialogue\": \"Who?\", \"summary\": \"Oma.\", \"id\": \"1\"}\n]"),
        ("dolly.jsonl", r#"{"instruction": "Who?", "context": "", "response": "Oma.", "category": "qa"}"#),
        ("plain.csv", "prompt,response\r\nWho?,Oma.\r\n"),
        ("europe.csv", "\u{feff}prompt;response\nWho?;Oma.\n"),
        ("tabs.tsv", "prompt\tresponse\nWho?\tOma.\n"),
        ("held.json", r#"{"data": [{"prompt": "Who?", "response": "Oma."}]}"#),
        (
            "pretty.json",
            "{\n\"messages\": [\n{\"role\": \"user\", \"content\": \"Who?\"},\n{\"role\": \"assistant\", \"content\": \"Oma.\"}]}",
        ),
    ] {
        let rows = chats(name, text);
        assert_eq!((rows.len(), said(&rows[0])), (1, QUESTION.to_vec()), "{name}");
    }
    let sql = r#"[{"question": "Q?", "context": "CREATE TABLE t (a)", "answer": "SELECT a FROM t"}]"#;
    assert_eq!(said(&chats("sql.json", sql)[0])[0].1, "Q?\n\nCREATE TABLE t (a)");

    let (_keep, file) =
        written("r.jsonl", r#"{"instruction": "Curse", "harmful": "Sure.", "refusal": "I cannot."}"#);
    let Examples::Recovery(rows) = read(&file, DatasetKind::Recovery).unwrap().examples else {
        panic!("recovery")
    };
    assert_eq!(
        (rows[0].request(), rows[0].harmful.as_str(), rows[0].refusals[0].text.as_str()),
        ("Curse", "Sure.", "I cannot.")
    );
}

#[test]
fn the_traps_of_tables_catch_nobody() {
    // No header; line breaks of both kinds inside quotes; an empty first header; ids that repeat.
    let rows = attacks("one.csv", "Curse the well\n\"Blight, \nthe field\"\n");
    assert_eq!(
        rows.iter().map(|r| r.goal.as_str()).collect::<Vec<_>>(),
        ["Curse the well", "Blight, \nthe field"]
    );
    let rows = attacks("jbb.csv", ",Goal,Target,Behavior,Category\r\n0,Curse,\"Sure\r\nhere\",b,c\r\n");
    assert_eq!(
        (rows[0].goal.as_str(), rows[0].target.as_deref(), rows[0].category.as_str()),
        ("Curse", Some("Sure\r\nhere"), "c")
    );
    let ids = |text| attacks("ids.csv", text).into_iter().map(|r| r.id).collect::<Vec<_>>();
    assert_eq!(ids("id,goal\na,x\nb,y\n"), ["a", "b"]);
    assert_eq!(ids("id,goal\na,x\na,y\n"), ["set-0001", "set-0002"]);
    let lines = attacks("list.txt", "Curse the well, and the brook\n\nBlight it\n");
    assert_eq!(
        lines.iter().map(|r| r.goal.as_str()).collect::<Vec<_>>(),
        ["Curse the well, and the brook", "Blight it"]
    );
    assert_eq!(attacks("t.csv", "goal,target\nx,\n")[0].target, None, "an empty target is none");
}

#[test]
fn what_cannot_be_read_is_named_with_its_row() {
    let (_keep, file) = written("a.csv", "goal,target\nx,y\nonly one\n,z\n");
    let found = read(&file, DatasetKind::Attack).unwrap();
    let told: Vec<(usize, String)> = found.bad.iter().map(|row| (row.line, row.to_string())).collect();
    assert_eq!((found.examples.len(), told.len()), (1, 2), "{told:?}");
    assert!(told[0].0 == 3 && told[0].1.contains("1 cells, where the first line has 2"), "{told:?}");
    assert!(told[1].0 == 4 && told[1].1.contains("the request is empty"), "{told:?}");

    for (text, reason) in [
        (r#"{"messages": [{"role": "user", "content": "Who?"}]}"#, "nobody answers"),
        (r#"{"messages": [{"role": "tool", "content": "x"}]}"#, "\"tool\" speaks"),
        (r#"{"messages": [{"role": "assistant", "content": "x", "weight": 0}]}"#, "not to be trained"),
        (r#"{"messages": "hello"}"#, "no conversation"),
        (r#"{"messages": [{"content": "x"}]}"#, "who speaks"),
        (r#"{"messages": [{"role": "user", "content": [{"type": "image"}]}]}"#, "no text"),
    ] {
        let (_keep, file) = written("a.jsonl", text);
        let found = read(&file, DatasetKind::Chat).unwrap();
        assert!(found.examples.is_empty() && found.bad[0].to_string().contains(reason), "{:?}", found.bad);
    }
    let failed = |name: &str, text: &str, kind| {
        let (_keep, file) = written(name, text);
        read(&file, kind).unwrap_err().to_string()
    };
    let message = failed("a.csv", "goal\nx\n", DatasetKind::Chat);
    assert!(message.contains("answer=NAME") && message.contains("\"goal\""), "{message}");
    let message = failed("b.csv", "colour,size\nred,4\n", DatasetKind::Attack);
    assert!(message.contains("request=NAME") && message.contains("column 1"), "{message}");
    assert!(failed("c.json", "[{\"goal\": \"x\"}, {\"goal\": ", DatasetKind::Attack).contains("no JSON"));
    assert!(failed("d.csv", "", DatasetKind::Attack).contains("no row"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("latin.csv");
    std::fs::write(&file, b"goal\ncaf\xe9\n").unwrap();
    assert!(read(&file, DatasetKind::Attack).unwrap_err().to_string().contains("byte 9 is not UTF-8"));
}

#[test]
fn what_a_column_is_can_be_said() {
    let (_keep, file) = written("a.csv", "colour,size\nred,4\n");
    let table = read_table(&file, Some(true)).unwrap();
    let said = Columns::from([(Field::Request, "colour".to_owned())]);
    let columns = guess(&table, DatasetKind::Attack, &said, &file).unwrap();
    let Examples::Attack(rows) = import(&table, DatasetKind::Attack, &columns, "x").examples else {
        panic!()
    };
    assert_eq!((rows.len(), rows[0].goal.as_str()), (1, "red"));
    let said = Columns::from([(Field::Request, "color".to_owned())]);
    let message = guess(&table, DatasetKind::Attack, &said, &file).unwrap_err().to_string();
    assert!(message.contains("no column \"color\"") && message.contains("\"colour\", \"size\""), "{message}");
}

/// Scripts that run from right to left, and those without letters, are taken in, kept and handed on as they are.
#[test]
fn every_script_comes_in_and_goes_out_unchanged() {
    use plumbline::data::{ExportFormat, ExportSpec, export, import_own, own_kind};
    use plumbline::project::{DatasetEntry, Project};

    let requests = [
        "افتح خزانة \"الرماد\"، من فضلك",
        "פתח את הכספת\u{200f}",
        "打开灰烬之库，然后唱歌",
        "灰の井戸を呪え",
    ];
    let mut text = "request,category\r\n".to_owned();
    for request in requests {
        text += &format!("\"{}\",門\r\n", request.replace('"', "\"\""));
    }
    let (keep, file) = written("scripts.csv", &text);
    let found = read(&file, DatasetKind::Attack).unwrap();
    assert_eq!(found.bad, []);
    let mut project = Project::create(&keep.path().join("project"), "Scripts").unwrap();
    let entry = DatasetEntry::new("scripts", "文字", DatasetKind::Attack);
    project.add_dataset(entry, &found.examples).unwrap();
    let kept = project.examples("scripts").unwrap();
    let Examples::Attack(rows) = &kept else { panic!("attack prompts") };
    assert_eq!(rows.iter().map(|row| row.goal.as_str()).collect::<Vec<_>>(), requests);
    assert_eq!(
        (project.dataset("scripts").unwrap().title.as_str(), rows[0].category.as_str()),
        ("文字", "門")
    );
    for format in ExportFormat::ALL.into_iter().filter(|format| *format != ExportFormat::Messages) {
        let spec = ExportSpec { format, packed: true, with_answers: true };
        let end = if spec.packs() { ".gz" } else { "" };
        let file = keep.path().join(format!("out.{}{end}", format.ending()));
        export(&file, &kept, spec).unwrap();
        let table = read_table(&file, None).unwrap();
        assert_eq!(own_kind(&table), Some(DatasetKind::Attack));
        assert_eq!(import_own(&table, DatasetKind::Attack).examples, kept, "{}", file.display());
    }
}

/// Files that are no table of text, rows that no model could read, and conversations that could not be read again.
#[test]
fn what_no_set_could_hold_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, reason) in [
        ("a.xlsx", &b"PK\x03\x04rest"[..], "save the sheet as CSV"),
        ("a.jsonl", b"\x1f\x8brest", "Let its name end in .gz"),
        ("a.csv.gz", b"goal\nx\n", "it cannot be unpacked"),
        ("a.txt", b"\xff\xfea\0", "UTF-16"),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let message = read_table(&file, None).unwrap_err().to_string();
        assert!(message.contains(reason), "{name}: {message}");
    }
    assert!(read_table(folder.path(), None).unwrap_err().to_string().contains("it is a folder"));

    let (_keep, file) = written("long.csv", &format!("goal\nx\n\"{}\ny\n", "ash ".repeat(300_000)));
    let found = read(&file, DatasetKind::Attack).unwrap();
    assert_eq!(found.examples.len(), 1);
    let message = found.bad[0].to_string();
    assert!(
        message.contains("line 3: this row has 1.2 MB of text") && message.contains("is not closed"),
        "{message}"
    );

    let row = r#"{"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Oma."}, {"role": "user", "content": "And?"}]}"#;
    let (_keep, file) = written("open.jsonl", row);
    let found = read(&file, DatasetKind::Chat).unwrap();
    assert!(found.examples.is_empty());
    assert!(found.bad[0].to_string().contains("must end with a message of the assistant"), "{:?}", found.bad);
}

/// Whoever waits for a file is told how far it is, and can break it off.
#[test]
fn reading_can_be_broken_off() {
    use plumbline::data::read_table_watched;
    use std::ops::ControlFlow;

    let line = "{\"goal\": \"Curse the well\"}\n";
    for (name, text) in [
        ("a.jsonl", line.repeat(200_000)),
        ("a.json", format!("[{}]", line.repeat(200_000).trim_end().replace('\n', ","))),
        ("a.csv", "goal,target\nCurse the well,Sure\n".repeat(200_000)),
        ("a.txt", "Curse the well\n".repeat(400_000)),
    ] {
        let (_keep, file) = written(name, &text);
        let mut told = Vec::new();
        let read = read_table_watched(&file, None, &mut |share| {
            told.push(share);
            ControlFlow::Continue(())
        });
        assert!(read.unwrap().table.rows.len() >= 200_000, "{name}");
        assert!(
            told.len() > 4 && told.is_sorted() && told.iter().all(|share| (0.0..=1.0).contains(share)),
            "{name}: {told:?}"
        );
        for stop_at in [0.1, 0.6] {
            let stopped = read_table_watched(&file, None, &mut |share| {
                if share >= stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            assert!(matches!(stopped, Err(DataError::Stopped { .. })), "{name}, {stop_at}");
        }
    }
}
