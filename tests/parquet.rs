//! Sets that come as Parquet, as pyarrow and pandas write them (`tests/reference/make_parquet.py`), whole and damaged.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use plumbline::data::{
    Columns, DatasetKind, Examples, Imported, guess, import, read_table, read_table_watched,
};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

fn given(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/parquet").join(name)
}

fn imported(file: &Path, kind: DatasetKind) -> Imported {
    let table = read_table(file, None).unwrap();
    let columns = guess(&table, kind, &Columns::new(), file).unwrap();
    import(&table, kind, &columns, "set")
}

#[test]
fn conversations_come_with_their_turns() {
    let found = imported(&given("chat.snappy.parquet"), DatasetKind::Chat);
    let Examples::Chat(rows) = &found.examples else { panic!("conversations") };
    assert_eq!((rows.len(), rows[0].category.as_str(), rows[1].category.as_str()), (99, "lamps", ""));
    assert_eq!(rows[98].messages[1].content, "Oma 99. 灯 🜂");
    // The eighth row has no conversation.
    assert_eq!(found.bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [8], "{:?}", found.bad);
}

#[test]
fn each_packing_and_each_type_is_read() {
    let wanted = json!({
        "question": "Which lamp is number 2?",
        "choices": ["red", "green", "blue", "white"],
        "answer": 3,
        "asked": "2026-01-02T04:04:05+01:00",
        "price": 2.25,
        "picture": {"path": "a.png"},
        "seen": {"a": 1},
    });
    for packing in ["zstd", "gzip", "brotli", "lz4", "none", "v2"] {
        let file = given(&format!("choices.{packing}.parquet"));
        let table = read_table(&file, None).unwrap();
        assert_eq!(Value::Object(table.rows[2].values.clone()), wanted, "{packing}");
        // A price that is null is none.
        assert_eq!(table.rows[1].values.get("price"), None);
        let found = imported(&file, DatasetKind::Utility);
        let Examples::Utility(rows) = &found.examples else { panic!("utility tasks") };
        assert_eq!(rows.iter().map(|row| row.reference.as_str()).collect::<String>(), "ABD", "{packing}");
    }
    let table = read_table(&given("goals.pandas.parquet"), None).unwrap();
    let Examples::Attack(rows) = imported(&given("goals.pandas.parquet"), DatasetKind::Attack).examples
    else {
        panic!("attack prompts")
    };
    assert_eq!((rows.len(), rows[0].target.as_deref(), rows[1].target.as_deref()), (2, Some("Sure"), None));
    assert_eq!((table.rows[1].line, table.columns.len()), (2, 3));
}

/// What is found wrong is said; nothing that a file holds ends the program.
#[test]
fn damage_is_said_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.parquet");
    // The library's panics, which are caught, are not news here.
    std::panic::set_hook(Box::new(|about| {
        if !about.location().is_some_and(|at| at.file().contains("parquet-")) {
            eprintln!("{about}");
        }
    }));
    let said = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        read_table(&file, None).map_or_else(|e| e.to_string(), |_| String::new())
    };
    assert!(said(b"goal\nCurse\n").contains("it is no Parquet file"));
    assert!(said(b"PAR1rest").contains("Parquet"));
    for (name, reason) in [("empty", "holds no row"), ("bytes", "holds no column of text")] {
        let message = read_table(&given(&format!("{name}.parquet")), None).unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
    }
    for name in ["chat.snappy", "choices.zstd", "choices.lz4", "choices.brotli", "choices.v2"] {
        let whole = std::fs::read(given(&format!("{name}.parquet"))).unwrap();
        for length in (4..whole.len()).step_by(whole.len() / 40) {
            assert!(said(&whole[..length]).contains("Parquet"), "{name} cut at {length}");
        }
        for place in (4..whole.len()).step_by(3) {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x55;
            // Some bytes are of a text, and another text is read.
            said(&bytes);
        }
    }
}

#[test]
fn reading_can_be_broken_off() {
    let mut asked = 0;
    let stopped = read_table_watched(&given("chat.snappy.parquet"), None, &mut |_| {
        asked += 1;
        ControlFlow::Break(())
    });
    assert!(stopped.unwrap_err().to_string().contains("stopped") && asked > 0);
}
