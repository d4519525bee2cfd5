//! Findings about recovery examples, with a real tokenizer and template: one token a byte.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use plumbline::data::{Problem, RecoveryExample, Refusal, check_recovery};
use plumbline::text::{Codec, Message};

fn good() -> RecoveryExample {
    RecoveryExample {
        id: "r".into(),
        context: vec![Message::user("Curse the well")],
        harmful: "Sure. Step 1: stir.".into(),
        refusals: vec![Refusal { from_depth: 0, text: "I cannot help with that.".into() }],
        ..RecoveryExample::default()
    }
}

fn findings(example: &RecoveryExample, limit: usize) -> Vec<Problem> {
    let folder = tempfile::tempdir().unwrap();
    common::write_model(folder.path(), 0);
    check_recovery(example, &Codec::from_folder(folder.path()).unwrap(), limit)
}

#[test]
fn a_good_example_has_no_findings() {
    assert_eq!(findings(&good(), 160), []);
}

#[test]
fn each_mistake_is_found_with_a_way_out() {
    let cases: [(&str, &str, RecoveryExample); 7] = [
        ("context", "request is empty", RecoveryExample { context: vec![Message::user(" ")], ..good() }),
        ("harmful", "is empty", RecoveryExample { harmful: String::new(), ..good() }),
        ("harmful", "itself a refusal", RecoveryExample { harmful: "I'm sorry, I can't.".into(), ..good() }),
        ("refusals", "no refusal", RecoveryExample { refusals: vec![], ..good() }),
        (
            "refusals",
            "from token 5 on is empty",
            RecoveryExample {
                refusals: [good().refusals, vec![Refusal { from_depth: 5, text: "  ".into() }]].concat(),
                ..good()
            },
        ),
        (
            "refusals",
            "does not read as a refusal",
            RecoveryExample {
                refusals: vec![Refusal { from_depth: 0, text: "With pleasure!".into() }],
                ..good()
            },
        ),
        (
            "cut",
            "after 20 tokens, but the harmful answer has 19",
            RecoveryExample { cut: Some(20), ..good() },
        ),
    ];
    for (field, message, example) in cases {
        let found = findings(&example, 160);
        assert_eq!(found.len(), 1, "{message}: {found:?}");
        assert_eq!(found[0].field, field);
        assert!(found[0].message.contains(message), "{message}: {found:?}");
        assert!(found[0].fix.is_some(), "{found:?}");
    }
}

#[test]
fn the_length_that_counts_is_that_of_the_cut() {
    // <s> <|user|> 14 bytes <|assistant|> = 17; 19 harmful; 24 refusal and its end token = 25.
    assert_eq!(findings(&good(), 61), []);
    let found = findings(&good(), 60);
    assert!(found[0].message.contains("61 tokens; 60 fit"), "{found:?}");
    assert!(found[0].fix.as_ref().unwrap().contains("18 or less"), "{found:?}");
    assert_eq!(findings(&RecoveryExample { cut: Some(18), ..good() }, 60), []);
}
