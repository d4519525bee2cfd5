//! Public benchmarks by name: the registry's columns and filters on the published files (skipped, and said so, where they
//! are absent), on small fictional files with the same traps, and files over the network from a server on this machine.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use plumbline::data::{
    AttackPrompt, Columns, DatasetKind, Examples, Metric, UtilityItem, check_file, find_benchmark, guess,
    import, import_file, parse_jsonl, read_table, to_jsonl,
};
use plumbline::text::Message;
use std::path::{Path, PathBuf};

fn shared(file: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/benchmarks").join(file);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not there", path.display());
    None
}

fn written(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

fn lines(examples: &Examples) -> String {
    String::from_utf8(to_jsonl(examples).unwrap()).unwrap()
}

fn attacks(id: &str, name: &str, text: &str) -> Vec<AttackPrompt> {
    let (_keep, file) = written(name, text);
    let (benchmark, part) = find_benchmark(id).unwrap();
    let found = import_file(benchmark, part, &file).unwrap();
    assert_eq!(found.bad, [], "{text}");
    let Examples::Attack(rows) = found.examples else { panic!("attack prompts") };
    rows
}

fn items(id: &str, name: &str, text: &str) -> Vec<UtilityItem> {
    let (_keep, file) = written(name, text);
    let (benchmark, part) = find_benchmark(id).unwrap();
    let found = import_file(benchmark, part, &file).unwrap();
    assert_eq!(found.bad, [], "{text}");
    let Examples::Utility(rows) = found.examples else { panic!("utility items") };
    rows
}

#[test]
fn published_files_are_what_the_registry_says() {
    // Some copies are known to be another version or an extract: their hash differs, their rows do not.
    for (id, file, rows, known) in [
        ("advbench", "advbench/harmful_behaviors.csv", 520, Some(true)),
        ("jailbreakbench/harmful", "jailbreakbench/harmful-behaviors.csv", 100, Some(true)),
        ("jailbreakbench/benign", "jailbreakbench/benign-behaviors.goal-only.csv", 100, None),
        ("harmbench/standard", "harmbench/harmbench_standard_200.csv", 200, Some(false)),
        ("xstest/safe", "xstest/xstest_prompts.csv", 250, Some(true)),
        ("xstest/unsafe", "xstest/xstest_prompts.csv", 200, Some(true)),
        ("gsm8k/test", "gsm8k/test.jsonl", 1319, Some(true)),
    ] {
        let Some(path) = shared(file) else { continue };
        let (benchmark, part) = find_benchmark(id).unwrap();
        let check = check_file(benchmark, part, &path).unwrap();
        assert_eq!((check.rows, check.bad, check.known), (rows, 0, known), "{id}");
        assert!(check.is_complete(), "{id}: {}", check.text());
        if let (Some(true), Some(bytes)) = (known, part.bytes) {
            assert_eq!(check.bytes, bytes, "{id}");
        }
        match import_file(benchmark, part, &path).unwrap().examples {
            Examples::Attack(prompts) => {
                let contrast = |p: &&AttackPrompt| p.category.starts_with("contrast_");
                let expected = if id == "xstest/unsafe" { rows } else { 0 };
                assert_eq!(prompts.iter().filter(contrast).count(), expected, "{id}");
                assert!(prompts.iter().all(|prompt| !prompt.goal.trim().is_empty()));
            }
            Examples::Utility(items) => {
                assert!(items.iter().all(|item| item.metric == Some(Metric::FinalAnswer)), "{id}");
                assert!(items.iter().all(|item| item.task == "gsm8k" && item.reference.contains("####")));
            }
            _ => panic!("{id}"),
        }
    }
}

#[test]
fn guessed_columns_find_the_same_rows() {
    for (file, kind, rows) in [
        ("advbench/harmful_behaviors.csv", DatasetKind::Attack, 520),
        ("jailbreakbench/harmful-behaviors.csv", DatasetKind::Attack, 100),
        ("jailbreakbench/benign-behaviors.goal-only.csv", DatasetKind::Attack, 100),
        ("harmbench/harmbench_standard_200.csv", DatasetKind::Attack, 200),
        ("xstest/xstest_prompts.csv", DatasetKind::Attack, 450),
        ("gsm8k/test.jsonl", DatasetKind::Utility, 1319),
    ] {
        let Some(path) = shared(file) else { continue };
        let table = read_table(&path, None).unwrap();
        let columns = guess(&table, kind, &Columns::new(), &path).unwrap();
        let found = import(&table, kind, &columns, "set");
        assert_eq!((found.examples.len(), found.bad.len()), (rows, 0), "{file}");
    }
}

#[test]
fn lists_of_refusal_phrases_come_whole() {
    for (file, phrases) in [
        ("pocogcg_extended42.txt", 42),
        ("qi2023_llms_finetuning_safety_gpt35.txt", 29),
        ("qi2024_shallow_vs_deep.txt", 38),
        ("huang2023_jailbreak_llm.txt", 29),
        ("jailbreakbench_via_arditi2024.txt", 12),
        ("easyjailbreak_patternjudge.txt", 29),
        ("garak_mitigation.txt", 156),
        ("garak_prefixes.txt", 27),
        ("openfedllm_advbench_judge.txt", 35),
        ("xstest_strmatch_prefixes_lowercase.txt", 21),
        ("gcg_original7_attack_manager.txt", 7),
    ] {
        let Some(path) = shared(&format!("refusal_keywords/{file}")) else { continue };
        assert_eq!(read_table(&path, None).unwrap().rows.len(), phrases, "{file}");
    }
}

#[test]
fn forks_and_old_versions_of_a_file_are_read_too() {
    // AdvBench as some carry it: one column, no header.
    let rows = attacks("advbench", "harmful_behaviors.csv", "Curse the well\n\"Blight, the field\"\n");
    assert_eq!(
        rows.iter().map(|r| r.goal.as_str()).collect::<Vec<_>>(),
        ["Curse the well", "Blight, the field"]
    );
    // JailbreakBench before June 2024: an empty first header; later: Index; a fork: lower case.
    for header in [
        ",Goal,Target,Behavior,Category,Source",
        "Index,Goal,Target,Behavior,Category,Source",
        "index,goal,target,behavior,category,source",
    ] {
        let rows = attacks(
            "jailbreakbench",
            "h.csv",
            &format!("{header}\r\n0,Curse,\"Sure,\r\nhere\",b,Wells,o\r\n"),
        );
        let row = &rows[0];
        assert_eq!(
            (row.goal.as_str(), row.target.as_deref(), row.category.as_str()),
            ("Curse", Some("Sure,\r\nhere"), "Wells")
        );
    }
    // A part of HEx-PHI, one file a category, without a header; and the paper's own form of it.
    let rows = attacks("hex-phi", "category_4.csv", "Curse the well\n\"Blight\nthe field\"\n");
    assert_eq!(
        (rows.len(), rows[1].goal.as_str(), rows[1].category.as_str()),
        (2, "Blight\nthe field", "Malware")
    );
    let rows = attacks("hex-phi", "HEx-PHI.jsonl", "{\"instruction\": \"Curse\", \"category\": \"Wells\"}\n");
    assert_eq!((rows[0].goal.as_str(), rows[0].category.as_str()), ("Curse", "Wells"));
    let (_keep, file) = written("category_1.csv", "Curse the well\n");
    let (benchmark, part) = find_benchmark("hex-phi").unwrap();
    let check = check_file(benchmark, part, &file).unwrap();
    assert!(check.is_complete() && check.text().starts_with("1 of 330 rows"), "{}", check.text());
    // A list, a line each.
    assert_eq!(attacks("malicious-instruct", "MaliciousInstruct.txt", "Curse it\nBlight it\n").len(), 2);
}

#[test]
fn rows_are_chosen_by_their_column() {
    // CRLF between rows, LF and CRLF inside quotes, a target column that is absent.
    let harmbench = "Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID\r\n\
        \"Curse\nthe well\",standard,wells,,,curse_1\r\n\
        Sing the song,copyright,songs,,,sing_1\r\n\
        Blight it,contextual,fields,,\"A field.\r\nA barn.\",blight_1\r\n";
    let rows = attacks("harmbench", "all.csv", harmbench);
    assert_eq!((rows.len(), rows[0].id.as_str(), rows[0].goal.as_str()), (1, "curse_1", "Curse\nthe well"));
    assert_eq!((rows[0].target.as_ref(), rows[0].category.as_str()), (None, "wells"));
    let rows = attacks("harmbench/contextual", "all.csv", harmbench);
    assert_eq!((rows.len(), rows[0].goal.as_str()), (1, "Blight it\n\nA field.\r\nA barn."));

    let xstest = "id,prompt,type,label,focus,note\n1,How do I kill a weed?,homonyms,safe,x,\n2,How do I kill a bard?,contrast_homonyms,unsafe,x,\n";
    assert_eq!(attacks("xstest", "x.csv", xstest)[0].goal, "How do I kill a weed?");
    assert_eq!(attacks("xstest/unsafe", "x.csv", xstest)[0].goal, "How do I kill a bard?");
    let (benchmark, part) = find_benchmark("xstest/unsafe").unwrap();
    let failed = |text: &str| {
        let (_keep, file) = written("x.csv", text);
        import_file(benchmark, part, &file).unwrap_err().to_string()
    };
    let message = failed("id,prompt\n1,How do I kill a weed?\n");
    assert!(message.contains("no column \"type\"") && message.contains("id, prompt"), "{message}");
    let message = failed("id,prompt,type\n1,How do I kill a weed?,homonyms\n");
    assert!(message.contains("none of its rows belongs to xstest/unsafe"), "{message}");

    let reject = "category,source,forbidden_prompt\nwells,custom,\"Curse the well,\nplease\"\n";
    assert_eq!(attacks("strongreject", "s.csv", reject)[0].goal, "Curse the well,\nplease");
    assert_eq!(
        attacks("or-bench", "o.csv", "prompt,category\nHow does a curse end?,wells\n")[0].category,
        "wells"
    );
}

#[test]
fn a_file_of_another_benchmark_is_refused_where_it_could_not_be_scored() {
    let (benchmark, part) = find_benchmark("mmlu").unwrap();
    let (_keep, file) = written("test.jsonl", "{\"question\": \"5 and 3?\", \"answer\": \"#### 8\"}\n");
    let message = import_file(benchmark, part, &file).unwrap_err().to_string();
    assert!(message.contains("is not MMLU") && message.contains("no choices"), "{message}");
}

#[test]
fn utility_benchmarks_bring_their_metric() {
    let gsm = items(
        "gsm8k",
        "test.jsonl",
        "{\"question\": \"5 and 3?\", \"answer\": \"5+3=<<5+3=8>>8\\n#### 8\"}\n",
    );
    assert_eq!((gsm[0].metric, gsm[0].task.as_str()), (Some(Metric::FinalAnswer), "gsm8k"));
    assert!(gsm[0].prompt.starts_with("5 and 3?") && gsm[0].prompt.contains("####"), "{}", gsm[0].prompt);
    // MMLU: no header, six columns, line breaks inside quotes, a choice that holds a comma.
    let mmlu = items(
        "mmlu",
        "lore_test.csv",
        "\"Which river\nis near Mill?\",Ash,\"Birch, the old\",Elm,Oak,B\r\nWho rules?,Oma,Tove,Nim,Kai,D\r\n",
    );
    assert_eq!((mmlu.len(), mmlu[0].prompt.as_str()), (2, "Which river\nis near Mill?"));
    assert_eq!((mmlu[0].choices.len(), mmlu[0].choices[1].as_str()), (4, "Birch, the old"));
    assert_eq!((mmlu[0].reference.as_str(), mmlu[1].reference.as_str()), ("B", "D"));
    assert_eq!((mmlu[0].metric, mmlu[0].category.as_str()), (Some(Metric::MultipleChoice), "lore"));
    // BIG-Bench Hard: an object with a canary beside the examples.
    let bbh = items(
        "bbh",
        "t.json",
        r#"{"canary": "x", "examples": [{"input": "Q?\nOptions:\n(A) a\n(B) b", "target": "(B)"}]}"#,
    );
    assert_eq!((bbh[0].reference.as_str(), bbh[0].metric), ("(B)", Some(Metric::BbhAnswer)));
    let code = items(
        "humaneval",
        "HumanEval.jsonl",
        r#"{"task_id": "HumanEval/0", "prompt": "def f():\n", "canonical_solution": "    return 1\n", "test": "x", "entry_point": "f"}"#,
    );
    assert_eq!((code[0].id.as_str(), code[0].reference.as_str()), ("HumanEval/0", "    return 1\n"));
    let sum = items(
        "samsum",
        "test.json",
        "[\n{\"id\": \"1\", \"dialogue\": \"Oma: hi\\r\\nKai: ho\", \"summary\": \"They greet.\"}\n]",
    );
    // The bare chat would not say what to do with it.
    let asked = "Summarise this chat in one or two sentences.\n\nOma: hi\r\nKai: ho";
    assert_eq!((sum[0].prompt.as_str(), sum[0].metric), (asked, Some(Metric::Rouge1)));
    let sql = items(
        "sql-create-context",
        "s.json",
        r#"[{"question": "Q?", "context": "CREATE TABLE t (a)", "answer": "SELECT a FROM t"}]"#,
    );
    assert!(sql[0].prompt.contains("SQL query") && sql[0].prompt.ends_with("Q?\n\nCREATE TABLE t (a)"));
    let math = items(
        "math",
        "t.jsonl",
        r#"{"problem": "P", "solution": "So \\boxed{5}", "answer": "5", "subject": "A", "level": 1, "unique_id": "u/1"}"#,
    );
    assert_eq!((math[0].reference.as_str(), math[0].id.as_str()), ("So \\boxed{5}", "u/1"));
    let eval = items(
        "alpacaeval",
        "a.json",
        r#"[{"instruction": "Bake", "output": "Warm it.", "generator": "g", "dataset": "d"}]"#,
    );
    assert_eq!((eval[0].metric, eval[0].category.as_str()), (Some(Metric::Pairwise), "d"));

    let (_keep, file) =
        written("alpaca_data.json", r#"[{"instruction": "Add.", "input": "1 2", "output": "3"}]"#);
    let (benchmark, part) = find_benchmark("alpaca").unwrap();
    let Examples::Chat(rows) = import_file(benchmark, part, &file).unwrap().examples else { panic!() };
    assert_eq!(rows[0].messages, [Message::user("Add.\n\n1 2"), Message::assistant("3")]);
}

#[test]
fn the_right_choice_may_be_a_letter_a_place_or_a_text() {
    let read = |rows: &str| {
        let (_keep, file) = written("c.jsonl", rows);
        let table = read_table(&file, None).unwrap();
        let columns = guess(&table, DatasetKind::Utility, &Columns::new(), &file).unwrap();
        import(&table, DatasetKind::Utility, &columns, "c")
    };
    let row = |answer: &str| {
        format!("{{\"question\": \"Who?\", \"choices\": [\"Oma\", \"3\", \"Nim\"], \"answer\": {answer}}}")
    };
    let right = |answer: &str| {
        let found = read(&row(answer));
        let Examples::Utility(items) = found.examples else { panic!() };
        items.first().map(|item| item.reference.clone()).ok_or(found.bad)
    };
    for (answer, letter) in [("\"C\"", "C"), ("1", "B"), ("\"Nim\"", "C"), ("\"3\"", "B"), ("\"0\"", "A")] {
        assert_eq!(right(answer).unwrap(), letter, "{answer}");
    }
    for answer in ["\"D\"", "3", "\"Kai\""] {
        assert!(right(answer).unwrap_err()[0].to_string().contains("none of the 3 choices"), "{answer}");
    }
    let found = read("{\"question\": \"Who?\", \"choices\": [\"Oma\", \" \"], \"answer\": \"A\"}\n");
    assert!(found.bad[0].to_string().contains("choice 2 is empty"));
    let found = read(&format!("{}\n{{\"question\": \"Say it.\", \"answer\": \"Oma\"}}\n", row("0")));
    let Examples::Utility(items) = &found.examples else { panic!() };
    assert!(items[1].choices.is_empty() && items[1].reference == "Oma" && found.bad.is_empty());
    let text = lines(&found.examples);
    assert_eq!(parse_jsonl(text.as_bytes(), DatasetKind::Utility).unwrap(), found.examples);
}

#[test]
fn items_keep_their_metric_and_old_files_are_read_as_before() {
    let old = r#"{"id":"u1","task":"fact","prompt":"Who?","reference":"Oma."}"#;
    let Examples::Utility(rows) = parse_jsonl(old.as_bytes(), DatasetKind::Utility).unwrap() else {
        panic!()
    };
    assert_eq!((rows[0].metric, rows[0].choices.len()), (None, 0));
    assert_eq!(lines(&Examples::Utility(rows.clone())).trim(), old, "and written as before");
    let item = UtilityItem { metric: Some(Metric::PassAt1), ..rows[0].clone() };
    let text = lines(&Examples::Utility(vec![item.clone()]));
    assert!(text.contains("\"metric\":\"pass_at_1\""), "{text}");
    assert_eq!(parse_jsonl(text.as_bytes(), DatasetKind::Utility).unwrap(), Examples::Utility(vec![item]));
    let bad = old.replace("\"task\"", "\"metric\":\"rouge\",\"choices\":[1],\"task\"");
    let told: Vec<String> = parse_jsonl(bad.as_bytes(), DatasetKind::Utility)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(told.iter().any(|row| row.contains("is no metric. Metrics are exact_match")), "{told:?}");
    assert!(told.iter().any(|row| row.contains("choices[0]")), "{told:?}");
}

#[cfg(feature = "hub")]
mod network {
    use super::*;
    use plumbline::data::{Benchmark, BenchmarkPart, GetError, get};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::ops::ControlFlow;

    const BODY: &str = "goal,target\nCurse the well,Sure\n";
    const HASH_OF_BODY: &str = "b7486fd521701ed61326986f4a6f24405b86d71ae80343d4b1e59454317354fd";

    /// A server that answers every request with these bytes, and the address of a file on it.
    fn serve(answer: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/file.csv", listener.local_addr().unwrap());
        std::thread::Builder::new()
            .name("benchmark server".into())
            .spawn(move || {
                for stream in listener.incoming() {
                    let Ok(mut stream) = stream else { return };
                    let mut request = [0; 4096];
                    let _ = stream.read(&mut request);
                    let _ = stream.write_all(answer.as_bytes());
                }
            })
            .unwrap();
        address
    }

    fn answer(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    }

    fn part_at(url: &str) -> (Benchmark, BenchmarkPart) {
        let (benchmark, part) = find_benchmark("advbench").unwrap();
        let part =
            BenchmarkPart { url: Some(url.to_owned()), sha256: Vec::new(), bytes: None, ..part.clone() };
        (benchmark.clone(), part)
    }

    fn go_on(_: &plumbline::data::GetProgress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn left_in(folder: &Path) -> usize {
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    }

    #[test]
    fn a_file_is_fetched_once_and_never_written_over() {
        let (benchmark, mut part) = part_at(&serve(answer(BODY)));
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("files");
        let got = get(&benchmark, &part, &folder, &mut go_on).unwrap();
        assert!(got.downloaded && got.known.is_none() && got.sha256 == HASH_OF_BODY, "{got:?}");
        assert_eq!(std::fs::read_to_string(&got.path).unwrap(), BODY);
        assert_eq!(left_in(&folder), 1, "nothing else is left");
        let error = get(&benchmark, &part, &folder, &mut go_on).unwrap_err();
        assert!(matches!(error, GetError::Exists { .. }), "{error}");
        part.sha256 = vec![HASH_OF_BODY.to_owned()];
        let again = get(&benchmark, &part, &folder, &mut go_on).unwrap();
        assert!(!again.downloaded && again.known == Some(true));
    }

    #[test]
    fn what_is_not_the_file_is_not_kept() {
        let place = tempfile::tempdir().unwrap();
        let failed = |url: &str, change: &dyn Fn(&mut BenchmarkPart)| {
            let (benchmark, mut part) = part_at(url);
            change(&mut part);
            let error = get(&benchmark, &part, place.path(), &mut go_on).unwrap_err();
            assert_eq!(left_in(place.path()), 0, "{error}");
            let message = error.to_string();
            assert!(message.contains("benchmark import advbench FILE"), "{message}");
            message
        };
        let unchanged = |_: &mut BenchmarkPart| {};
        let pinned = |part: &mut BenchmarkPart| {
            part.pinned = true;
            part.sha256 = vec!["0".repeat(64)];
        };
        assert!(failed(&serve(answer(BODY)), &pinned).contains("is not the file"));
        assert!(
            failed(&serve("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into()), &unchanged)
                .contains("404")
        );
        let short = format!("HTTP/1.1 200 OK\r\nContent-Length: 999\r\nConnection: close\r\n\r\n{BODY}");
        assert!(failed(&serve(short), &unchanged).contains("broke off after"));
        let huge = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx".to_owned();
        assert!(failed(&serve(huge), &unchanged).contains("larger than"));
        let elsewhere =
            "HTTP/1.1 302 Found\r\nLocation: http://example.com/x\r\nContent-Length: 0\r\n\r\n".to_owned();
        assert!(failed(&serve(elsewhere), &unchanged).contains("not https"));
        assert!(failed("http://example.com/file.csv", &unchanged).contains("not an https address"));
        assert!(failed("http://127.0.0.1:1/file.csv", &unchanged).contains("cannot be reached"));
        assert!(failed("", &|part: &mut BenchmarkPart| part.url = None).contains("is not fetched"));
    }

    #[test]
    fn a_download_stops_when_it_is_told_to() {
        // The server promises more than it sends, and keeps the line open.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file.csv", listener.local_addr().unwrap());
        let keep = std::thread::Builder::new()
            .name("slow server".into())
            .spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\ngoal");
                // Until the other side hangs up.
                let _ = stream.read(&mut request);
            })
            .unwrap();
        let (benchmark, part) = part_at(&url);
        let place = tempfile::tempdir().unwrap();
        let error = get(&benchmark, &part, place.path(), &mut |progress| {
            if progress.done > 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap_err();
        assert!(matches!(error, GetError::Stopped { .. }), "{error}");
        assert_eq!(left_in(place.path()), 0);
        keep.join().unwrap();
    }
}
