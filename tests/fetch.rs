//! `plumbline fetch` against a server on this machine that plays the Hub: environment, output, exit codes, projects.

#![cfg(feature = "hub")]
#![allow(clippy::unwrap_used, reason = "a test stops where something is not there")]

#[path = "common/hub_server.rs"]
mod hub_server;

use hub_server::{COMMIT, Fault, Hub, HubFile, REPO};
use plumbline::project::Project;
use plumbline::{demo, model};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TOKEN: &str = "hf_harmlesstesttoken";

/// The demo base, as the Hub would hold it.
fn demo_base() -> Vec<HubFile> {
    let folder = tempfile::tempdir().unwrap();
    demo::unpack_pair(folder.path()).unwrap();
    std::fs::read_dir(folder.path().join("models/base"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            HubFile { large: name.ends_with(".safetensors"), bytes: std::fs::read(&path).unwrap(), name }
        })
        .collect()
}

/// Runs the command with an environment in which the playing Hub is the Hub.
fn plumbline(hub: &Hub, home: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plumbline"));
    for name in
        ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE"]
    {
        command.env_remove(name);
    }
    // No keyring: the test must not depend on what somebody keeps there.
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
    command.env("HF_ENDPOINT", &hub.endpoint).env("HF_HOME", home).env("HF_TOKEN", TOKEN);
    command.envs(variables.iter().copied()).arg("fetch").args(arguments);
    let output = command.output().unwrap();
    for text in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(text).contains(TOKEN), "the token is shown");
    }
    output
}

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn refused(output: &Output, code: i32, words: &[&str]) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    for word in words {
        assert!(error.contains(word), "{error:?} does not say {word:?}");
    }
}

#[test]
fn a_model_is_fetched_into_a_project_and_loads_through_the_links() {
    let hub = Hub::new(demo_base());
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    let folder = place.path().join("project");
    Project::create(&folder, "Tales").unwrap();
    let project = folder.to_str().unwrap();

    let printed = lines(&plumbline(&hub, &home, &[], &[REPO, "--project", project]));
    assert_eq!(printed[0], format!("{REPO} at {COMMIT}"));
    let snapshot = PathBuf::from(&printed[1]);
    assert_eq!(snapshot, home.join("hub/models--fairy--tale/snapshots").join(COMMIT));
    assert!(printed[2].contains("\"tale\""), "{printed:?}");
    assert!(hub.requests().iter().all(|request| request.storage || request.token.is_some()));

    model::check_links(&snapshot).unwrap();
    let opened = Project::open(&folder).unwrap();
    let entry = opened.model("tale").unwrap();
    assert_eq!((entry.title.as_str(), &entry.location), ("tale", &snapshot));
    assert!(entry.note.contains(REPO) && entry.note.contains(COMMIT), "{}", entry.note);
    opened.load_model("tale").unwrap();
    drop(opened);

    // Once more, it is the same model; and no token is written anywhere.
    plumbline(&hub, &home, &[], &[REPO, "--project", project, "--offline"]);
    assert_eq!(Project::open(&folder).unwrap().models().len(), 1);
    let written = std::fs::read_to_string(folder.join("project.toml")).unwrap();
    assert!(!written.contains(TOKEN));
}

#[test]
fn json_ends_with_folder_and_commit() {
    let hub = Hub::new(demo_base());
    let home = tempfile::tempdir().unwrap();
    let printed = lines(&plumbline(&hub, home.path(), &[], &[REPO, "--revision", "v1", "--json"]));
    let events: Vec<Value> = printed.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (done, progress) = events.split_last().unwrap();
    assert!(!progress.is_empty() && progress.iter().all(|event| event["event"] == "progress"));
    assert_eq!((&done["event"], &done["commit"]), (&"done".into(), &COMMIT.into()));
    assert!(Path::new(done["folder"].as_str().unwrap()).join("config.json").is_file());
}

#[test]
fn the_environment_says_where_the_cache_is_and_that_nobody_is_asked() {
    let hub = Hub::new(demo_base());
    let place = tempfile::tempdir().unwrap();
    let cache = place.path().join("elsewhere");
    let variables = [("HF_HUB_CACHE", cache.to_str().unwrap()), ("HF_HUB_OFFLINE", "1")];
    let offline = plumbline(&hub, place.path(), &variables, &[REPO]);
    refused(&offline, 1, &["is offline", "elsewhere", "HF_HUB_OFFLINE"]);
    assert!(hub.requests().is_empty());
    let printed = lines(&plumbline(&hub, place.path(), &variables[..1], &[REPO]));
    assert!(Path::new(&printed[1]).starts_with(&cache));
    assert_eq!(lines(&plumbline(&hub, place.path(), &variables, &[REPO])), printed);
}

#[test]
fn exit_codes_tell_a_wrong_name_from_a_hub_in_trouble() {
    let hub = Hub::new(demo_base());
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| plumbline(&hub, home.path(), &[], arguments);
    refused(&run(&["tale"]), 2, &["\"tale\" is not a model of the Hub"]);
    refused(&run(&["fairy/tail"]), 2, &["has no model fairy/tail"]);
    refused(&run(&[REPO, "--revision", "v2"]), 2, &["no revision \"v2\""]);
    refused(&run(&[REPO, "--project", "/nowhere"]), 2, &["/nowhere holds no project"]);
    let gated = Hub::with(demo_base(), true, |request| {
        if request.path.starts_with("/api") { Fault::None } else { Fault::Status(403, Some("GatedRepo")) }
    });
    refused(
        &plumbline(&gated, home.path(), &[], &[REPO]),
        1,
        &["Agree and access", "environment variable HF_TOKEN"],
    );
    assert_eq!(hub.count(|request| request.storage), 0);
}
