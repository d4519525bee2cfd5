//! Whether the window's tests, all together, send every command.

use crate::driver::read;
use plumbline::ui::app::Command;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The group of a command and its name, without what it carries.
fn kind(text: &str) -> String {
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).take(2).collect();
    words.join(" ")
}

#[test]
#[ignore = "looks at what the other tests have sent: test.sh runs it after them"]
fn every_command_was_sent() {
    let file = std::env::var_os("PLUMBLINE_COMMANDS").expect("PLUMBLINE_COMMANDS names the file of commands");
    let sent: BTreeSet<String> = read(&PathBuf::from(file)).lines().map(kind).collect();
    let all: BTreeSet<String> =
        Command::samples().iter().map(|command| kind(&format!("{command:?}"))).collect();
    let missing: Vec<&String> = all.difference(&sent).collect();
    assert!(missing.is_empty(), "no test of the window sends {missing:?}");
}
