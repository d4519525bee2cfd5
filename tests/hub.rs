//! Fetching models from a server on this machine that plays the Hub, on good days and on bad ones.

#![cfg(feature = "hub")]
#![allow(clippy::unwrap_used, reason = "a test stops where something is not there")]

#[path = "common/hub_server.rs"]
mod hub_server;

use hub_server::{COMMIT, Fault, Hub, HubFile, REPO, Request};
use plumbline::model::hub::{
    FetchedModel, HubError, HubModel, HubOptions, HubProgress, HubToken, fetch, look,
};
use plumbline::model::{Control, check_links};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const TOKEN: &str = "hf_harmlesstesttoken";
const WEIGHTS: &str = "model.safetensors";

fn file(name: &str, bytes: impl Into<Vec<u8>>, large: bool) -> HubFile {
    HubFile { name: name.to_owned(), bytes: bytes.into(), large }
}

/// A tiny checkpoint, and files that do not belong to it.
fn checkpoint() -> Vec<HubFile> {
    let weights: Vec<u8> = (0..100_000_u32).map(|i| (i.wrapping_mul(i) % 251) as u8).collect();
    vec![
        file(".gitattributes", "*.safetensors lfs", false),
        file("README.md", "# A tale", false),
        file("config.json", r#"{"architectures": ["LlamaForCausalLM"]}"#, false),
        file(WEIGHTS, weights, true),
        file("pytorch_model.bin", "pickle", true),
        file("tale-Q4_K_M.gguf", "GGUF of the tale", true),
        file("tokenizer.json", "{\"model\": {}}", false),
        file("tokenizer_config.json", "", false),
    ]
}

const FETCHED: [&str; 4] = ["config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json"];

struct Place {
    _keep: tempfile::TempDir,
    options: HubOptions,
}

impl Place {
    fn new(hub: &Hub) -> Self {
        let keep = tempfile::tempdir().unwrap();
        let options = HubOptions {
            endpoint: hub.endpoint.clone(),
            cache: keep.path().join("hub"),
            token: Some(HubToken::new(TOKEN, "the test").unwrap()),
            offline: false,
            patience: Duration::from_secs(20),
        };
        Self { _keep: keep, options }
    }

    fn without_token(hub: &Hub) -> Self {
        let mut place = Self::new(hub);
        place.options.token = None;
        place
    }

    fn fetch(&self, model: &HubModel) -> Result<FetchedModel, HubError> {
        fetch(model, &self.options, &mut |_| Control::Continue)
    }

    /// The message of a fetch that must not succeed. None may hold the token.
    fn refused(&self, model: &HubModel) -> String {
        let error = self.fetch(model).unwrap_err();
        assert!(!format!("{error:?} {error}").contains(TOKEN));
        error.to_string()
    }

    fn root(&self) -> PathBuf {
        self.options.cache.join("models--fairy--tale")
    }

    fn partial(&self, hub: &Hub, name: &str) -> PathBuf {
        self.root().join("blobs").join(format!("{}.incomplete", hub.file(name).etag()))
    }
}

fn tale() -> HubModel {
    HubModel::new(REPO)
}

fn at(revision: &str) -> HubModel {
    HubModel { revision: Some(revision.to_owned()), ..tale() }
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Everything that belongs to the checkpoint is there, byte for byte, and opens through the links.
fn assert_whole(fetched: &FetchedModel, hub: &Hub) {
    assert_eq!(names(&fetched.folder), FETCHED.map(str::to_owned).into());
    for name in FETCHED {
        assert_eq!(fs::read(fetched.folder.join(name)).unwrap(), hub.file(name).bytes, "{name}");
    }
    check_links(&fetched.folder).unwrap();
}

fn says(error: &str, words: &[&str]) {
    for word in words {
        assert!(error.contains(word), "{error:?} does not say {word:?}");
    }
}

/// A fault for the storage's answer when the weights are fetched; `turn` counts those.
fn on_weights(fault: impl Fn(usize) -> Fault + Send + Sync + 'static) -> impl Fn(&Request) -> Fault {
    let turn = AtomicUsize::new(0);
    move |request| {
        if request.storage && request.gets(WEIGHTS) {
            fault(turn.fetch_add(1, Ordering::SeqCst))
        } else {
            Fault::None
        }
    }
}

#[test]
fn a_checkpoint_arrives_in_the_layout_of_pythons_cache_and_is_not_fetched_twice() {
    let hub = Hub::new(checkpoint());
    let place = Place::new(&hub);
    let mut last = HubProgress::default();
    let fetched = fetch(&tale(), &place.options, &mut |progress| {
        assert!(progress.bytes_done >= last.bytes_done && progress.files_done >= last.files_done);
        last = progress.clone();
        Control::Continue
    })
    .unwrap();
    assert_whole(&fetched, &hub);
    let total: usize = FETCHED.iter().map(|name| hub.file(name).bytes.len()).sum();
    assert_eq!(fetched.commit, COMMIT);
    assert_eq!(fetched.downloaded, total as u64);
    assert_eq!((last.files_done, last.files), (4, 4));
    assert_eq!((last.bytes_done, last.bytes), (total as u64, total as u64));

    assert_eq!(fetched.folder, place.root().join("snapshots").join(COMMIT));
    assert_eq!(names(&place.root()), ["blobs", "refs", "snapshots"].map(str::to_owned).into());
    assert_eq!(fs::read_to_string(place.root().join("refs/main")).unwrap(), COMMIT);
    assert_eq!(names(&place.root().join("blobs")), FETCHED.map(|name| hub.file(name).etag()).into());
    #[cfg(unix)]
    for name in FETCHED {
        let link = fs::read_link(fetched.folder.join(name)).unwrap();
        assert_eq!(link, Path::new("../../blobs").join(hub.file(name).etag()));
    }
    for left in ["README.md", "pytorch_model.bin", "tale-Q4_K_M.gguf"] {
        assert_eq!(hub.count(|request| request.path.ends_with(left)), 0, "{left} was asked for");
    }

    let before = hub.requests().len();
    let again = place.fetch(&tale()).unwrap();
    assert_eq!(again, FetchedModel { downloaded: 0, ..fetched });
    assert_eq!(hub.requests().len(), before + 1, "only what main stands for is asked again");
}

#[test]
fn a_look_tells_files_and_sizes_and_fetches_nothing() {
    let hub = Hub::new(checkpoint());
    let place = Place::new(&hub);
    let see = |place: &Place| look(&tale(), &place.options, &mut |_| Control::Continue).unwrap();
    let contents = see(&place);
    assert_eq!(contents.commit, COMMIT);
    let named: BTreeSet<String> = contents.files.iter().map(|file| file.name.clone()).collect();
    assert_eq!(named, FETCHED.map(str::to_owned).into());
    for file in &contents.files {
        assert_eq!((file.size, file.here), (hub.file(&file.name).bytes.len() as u64, false), "{file:?}");
    }
    assert_eq!(hub.count(|request| request.storage || request.gets(WEIGHTS)), 0);
    assert!(!place.root().exists());

    // What is there is told to be, also without a connection.
    place.fetch(&tale()).unwrap();
    assert!(see(&place).files.iter().all(|file| file.here));
    let mut offline = place;
    offline.options.offline = true;
    assert!(
        see(&offline)
            .files
            .iter()
            .all(|file| file.here && file.size == hub.file(&file.name).bytes.len() as u64)
    );
}

#[test]
fn a_revision_is_pinned() {
    let hub = Hub::new(checkpoint());
    let place = Place::new(&hub);
    let fetched = place.fetch(&at("v1")).unwrap();
    assert_whole(&fetched, &hub);
    assert_eq!(fetched.commit, COMMIT);
    assert_eq!(fs::read_to_string(place.root().join("refs/v1")).unwrap(), COMMIT);

    // The commit names the same files, and a commit is no branch to be noted.
    let pinned = place.fetch(&at(COMMIT)).unwrap();
    assert_eq!((pinned.folder, pinned.downloaded), (fetched.folder, 0));
    assert_eq!(names(&place.root().join("refs")), ["v1".to_owned()].into());
    let page = format!("https://huggingface.co/{REPO}/tree/v1");
    assert_eq!(page.parse::<HubModel>().unwrap(), at("v1"));
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let hub = Hub::new(checkpoint());
    Place::new(&hub).fetch(&tale()).unwrap();
    let (storage, own): (Vec<_>, Vec<_>) = hub.requests().into_iter().partition(|request| request.storage);
    assert!(storage.iter().any(|request| request.gets(WEIGHTS)));
    for request in storage {
        assert_eq!(request.token, None, "{request:?}");
    }
    for request in own {
        assert_eq!(request.token.as_deref(), Some(&*format!("Bearer {TOKEN}")), "{request:?}");
    }
    // Without one, none is sent, and none is written anywhere.
    let hub = Hub::new(checkpoint());
    Place::without_token(&hub).fetch(&tale()).unwrap();
    assert_eq!(hub.count(|request| request.token.is_some()), 0);
}

#[test]
fn a_file_that_was_cut_off_goes_on_where_it_stopped() {
    let hub = Hub::with(
        checkpoint(),
        false,
        on_weights(|turn| if turn == 0 { Fault::Cut(30_000) } else { Fault::None }),
    );
    let place = Place::new(&hub);
    says(&place.refused(&tale()), &[WEIGHTS, "was cut off after 30000 of 100000 bytes", "Fetch again"]);
    assert_eq!(fs::read(place.partial(&hub, WEIGHTS)).unwrap(), hub.file(WEIGHTS).bytes[..30_000]);
    let fetched = place.fetch(&tale()).unwrap();
    assert_whole(&fetched, &hub);
    assert_eq!(fetched.downloaded, 70_000);
    let ranges: Vec<_> =
        hub.requests().into_iter().filter(|r| r.storage && r.gets(WEIGHTS)).map(|r| r.range).collect();
    assert_eq!(ranges, [None, Some("bytes=30000-99999".to_owned())]);
    assert!(!place.partial(&hub, WEIGHTS).exists());
}

#[test]
fn a_server_that_cannot_go_on_sends_the_whole_again() {
    let fault = |turn| if turn == 0 { Fault::Cut(30_000) } else { Fault::IgnoreRange };
    let hub = Hub::with(checkpoint(), false, on_weights(fault));
    let place = Place::new(&hub);
    place.fetch(&tale()).unwrap_err();
    let fetched = place.fetch(&tale()).unwrap();
    assert_whole(&fetched, &hub);
    assert_eq!(fetched.downloaded, 100_000);
}

#[test]
fn a_wrong_hash_is_refused_and_deleted() {
    for name in [WEIGHTS, "config.json"] {
        let turn = AtomicUsize::new(0);
        let hub = Hub::with(checkpoint(), false, move |request| {
            let contents = request.gets(name) && (request.storage || name != WEIGHTS);
            if contents && turn.fetch_add(1, Ordering::SeqCst) == 0 { Fault::Corrupt } else { Fault::None }
        });
        let place = Place::new(&hub);
        let error = place.refused(&tale());
        let kind = if name == WEIGHTS { "sha256" } else { "git sha1" };
        says(&error, &[name, kind, &hub.file(name).etag(), "was deleted", "fetch again"]);
        assert!(!place.partial(&hub, name).exists());
        assert!(!place.root().join("blobs").join(hub.file(name).etag()).exists());
        assert!(!place.root().join("snapshots").join(COMMIT).join(name).exists());
        assert_whole(&place.fetch(&tale()).unwrap(), &hub);
    }
}

#[test]
fn what_an_earlier_fetch_left_is_checked_too() {
    let hub = Hub::new(checkpoint());
    let place = Place::new(&hub);
    let partial = place.partial(&hub, WEIGHTS);
    fs::create_dir_all(partial.parent().unwrap()).unwrap();
    fs::write(&partial, [7; 5000]).unwrap();
    says(&place.refused(&tale()), &[WEIGHTS, "sha256"]);
    // Longer than the file, it cannot be its beginning.
    fs::write(&partial, vec![7; 200_000]).unwrap();
    assert_whole(&place.fetch(&tale()).unwrap(), &hub);
    // Whole, it needs no byte more.
    let place = Place::new(&hub);
    let partial = place.partial(&hub, WEIGHTS);
    fs::create_dir_all(partial.parent().unwrap()).unwrap();
    fs::write(&partial, &hub.file(WEIGHTS).bytes).unwrap();
    let before = hub.count(|request| request.storage && request.gets(WEIGHTS));
    assert_whole(&place.fetch(&tale()).unwrap(), &hub);
    assert_eq!(hub.count(|request| request.storage && request.gets(WEIGHTS)), before);
}

#[test]
fn more_than_was_announced_is_not_taken() {
    let hub = Hub::with(checkpoint(), false, on_weights(|_| Fault::TooLong));
    let place = Place::new(&hub);
    says(&place.refused(&tale()), &[WEIGHTS, "size more than 100000 instead of 100000"]);
    assert!(!place.root().join("blobs").join(hub.file(WEIGHTS).etag()).exists());
}

#[test]
fn a_slow_fetch_reports_and_stops_at_once() {
    // At this pace the weights would take 50 s.
    let slow = Fault::Slow(1000, Duration::from_millis(500));
    let hub =
        Hub::with(checkpoint(), false, on_weights(move |turn| if turn == 0 { slow } else { Fault::None }));
    let place = Place::new(&hub);
    let begin = Instant::now();
    let mut calls = 0;
    let error = fetch(&tale(), &place.options, &mut |progress| {
        let weights = progress.file == WEIGHTS && progress.bytes_done > 2000;
        calls += usize::from(progress.file == WEIGHTS);
        if weights { Control::Stop } else { Control::Continue }
    })
    .unwrap_err();
    assert!(matches!(error, HubError::Stopped { .. }), "{error}");
    says(&error.to_string(), &[REPO, "was stopped", "is kept"]);
    assert!(calls > 5, "the watcher is asked while nothing arrives too: {calls}");
    assert!(begin.elapsed() < Duration::from_secs(25), "{:?}", begin.elapsed());
    let kept = fs::metadata(place.partial(&hub, WEIGHTS)).unwrap().len();
    assert!((1000..10_000).contains(&kept), "{kept}");
    let fetched = place.fetch(&tale()).unwrap();
    assert_whole(&fetched, &hub);
    assert_eq!(fetched.downloaded, 100_000 - kept);
}

#[test]
fn a_silent_hub_can_be_stopped_and_is_given_up() {
    for storage in [false, true] {
        let hub = Hub::with(checkpoint(), false, move |request| {
            if request.storage == storage { Fault::Silent } else { Fault::None }
        });
        let mut place = Place::new(&hub);
        let begin = Instant::now();
        let stopped = fetch(&tale(), &place.options, &mut |_| {
            if begin.elapsed() > Duration::from_millis(300) { Control::Stop } else { Control::Continue }
        });
        assert!(matches!(stopped, Err(HubError::Stopped { .. })), "{stopped:?}");
        assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
        place.options.patience = Duration::from_millis(400);
        says(&place.refused(&tale()), &["127.0.0.1 has sent nothing for 0.4 seconds", "Fetch again"]);
    }
    // Silent in the middle of a file: what has arrived is kept.
    let hub = Hub::with(checkpoint(), false, on_weights(|_| Fault::Slow(1000, Duration::from_mins(1))));
    let mut place = Place::new(&hub);
    place.options.patience = Duration::from_millis(400);
    says(&place.refused(&tale()), &["has sent nothing for 0.4 seconds", "Fetch again"]);
    assert_eq!(fs::metadata(place.partial(&hub, WEIGHTS)).unwrap().len(), 1000);
}

/// The message when every request is answered so.
fn always(status: u16, code: Option<&'static str>, token: bool) -> String {
    let hub = Hub::with(checkpoint(), false, move |_| Fault::Status(status, code));
    let place = if token { Place::new(&hub) } else { Place::without_token(&hub) };
    place.refused(&tale())
}

#[test]
fn a_token_that_is_missing_or_refused_is_told() {
    let places = ["HF_TOKEN", "keyring", "HF_TOKEN_PATH"];
    let missing = always(401, Some("RepoNotFound"), false);
    says(&missing, &[REPO, "no token was sent"]);
    says(&missing, &places);
    let refused = always(401, None, true);
    says(&refused, &[REPO, "does not accept the token from the test", "make a new one"]);
    says(&refused, &places);
    says(&always(403, None, true), &[REPO, "denies access", "settings/tokens", "the token from the test"]);
}

#[test]
fn a_gated_model_says_what_to_click() {
    // The Hub shows the listing of a gated model to everybody, and its files to those with access.
    let cases = [(401, Some("GatedRepo"), false), (403, Some("GatedRepo"), true), (403, None, true)];
    for (status, code, token) in cases {
        let hub = Hub::with(checkpoint(), true, move |request| {
            if request.path.starts_with("/api") { Fault::None } else { Fault::Status(status, code) }
        });
        let place = if token { Place::new(&hub) } else { Place::without_token(&hub) };
        let error = place.refused(&tale());
        let page = format!("Open {}/{REPO} in a browser", hub.endpoint);
        says(&error, &["is gated", &page, "click \"Agree and access repository\""]);
        if token {
            says(&error, &["the token from the test"]);
        } else {
            says(&error, &["make a token with read access", "HF_TOKEN"]);
        }
    }
}

#[test]
fn what_is_not_there_is_told_apart() {
    let hub = Hub::new(checkpoint());
    let place = Place::new(&hub);
    says(&place.refused(&HubModel::new("fairy/tail")), &["has no model fairy/tail", "Check owner and name"]);
    says(&place.refused(&at("v2")), &["has no revision \"v2\"", "main"]);
    let gguf = HubModel { file: Some("tale-Q8_0.gguf".to_owned()), ..tale() };
    says(&place.refused(&gguf), &["has no file tale-Q8_0.gguf", COMMIT, "There are: tale-Q4_K_M.gguf"]);
    // A server without codes: whoever named a revision is told about it.
    says(&always(404, None, true), &["has no model"]);
    let hub = Hub::with(checkpoint(), false, |_| Fault::Status(404, None));
    says(&Place::new(&hub).refused(&at("v2")), &["has no revision \"v2\""]);
    assert!(!place.options.cache.exists(), "nothing is left of what is not there");
}

#[test]
fn one_file_can_be_named() {
    let hub = Hub::new(checkpoint());
    let place = Place::new(&hub);
    let name = "tale-Q4_K_M.gguf";
    let model = HubModel { file: Some(name.to_owned()), ..tale() };
    let fetched = place.fetch(&model).unwrap();
    assert_eq!(names(&fetched.folder), [name.to_owned()].into());
    assert_eq!(fs::read(fetched.folder.join(name)).unwrap(), hub.file(name).bytes);
    for bad in ["pytorch_model.bin", "../x.gguf", "/x.gguf", "README.md"] {
        let model = HubModel { file: Some(bad.to_owned()), ..tale() };
        says(&place.refused(&model), &[bad, "is not fetched"]);
    }
}

#[test]
fn a_repository_of_pickles_is_refused_before_anything_is_fetched() {
    let files = checkpoint().into_iter().filter(|file| !file.name.ends_with("safetensors"));
    let hub = Hub::new(files.clone().filter(|file| !file.name.ends_with("gguf")).collect());
    says(
        &Place::new(&hub).refused(&tale()),
        &["holds no safetensors", "pytorch_model.bin", "save_pretrained"],
    );
    assert_eq!(hub.requests().len(), 1);
    let hub = Hub::new(files.collect());
    says(&Place::new(&hub).refused(&tale()), &["--file", "tale-Q4_K_M.gguf"]);
}

#[test]
fn a_hub_in_trouble_is_named() {
    says(&always(429, None, true), &["asks to wait", "Fetch again later"]);
    says(&always(418, None, true), &["127.0.0.1 answered with status 418", "fetch again"]);
    let hub = Hub::new(checkpoint());
    let mut place = Place::new(&hub);
    // A port on which nobody listens.
    place.options.endpoint = "http://127.0.0.1:1".to_owned();
    says(&place.refused(&tale()), &["127.0.0.1 cannot be reached", "--offline"]);
    for endpoint in ["http://huggingface.co", "huggingface.co", "ftp://127.0.0.1"] {
        place.options.endpoint = endpoint.to_owned();
        says(&place.refused(&tale()), &[endpoint, "https", "HF_ENDPOINT"]);
    }
    let page = file("config.json", "x", false);
    let hub = Hub::with(vec![page], false, |_| Fault::None);
    place.options.endpoint = format!("{}/elsewhere", hub.endpoint);
    says(&place.refused(&tale()), &["has no model"]);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let hub = Hub::new(checkpoint());
    let place = Place::new(&hub);
    for bad in
        ["tale", "fairy/../tale", "../tale", "fairy/ta le", "/tale", "fairy/", "a--b/c", "fairy/tale/x"]
    {
        says(&place.refused(&HubModel::new(bad)), &["is not a model of the Hub"]);
        assert!(bad.parse::<HubModel>().is_err(), "{bad}");
    }
    assert!("https://example.com/fairy/tale".parse::<HubModel>().is_err());
    for bad in ["", "../../x", "/etc", "a b", "a\\b"] {
        says(&place.refused(&at(bad)), &["cannot be a revision"]);
    }
    assert!(hub.requests().is_empty());
}

#[test]
fn offline_a_model_is_opened_if_it_is_whole() {
    let hub = Hub::new(checkpoint());
    let mut place = Place::new(&hub);
    place.options.offline = true;
    let never = place.refused(&tale());
    says(&never, &[REPO, "is offline", "every file", &place.options.cache.display().to_string()]);

    place.options.offline = false;
    let fetched = place.fetch(&tale()).unwrap();
    place.options.offline = true;
    let before = hub.requests().len();
    for model in [tale(), at(COMMIT)] {
        let found = place.fetch(&model).unwrap();
        assert_eq!(found, FetchedModel { downloaded: 0, ..fetched.clone() });
    }
    // A revision that was never fetched: the ones that were are named.
    says(&place.refused(&at("v1")), &["v1", "The cache holds revision", COMMIT]);

    for name in ["tokenizer.json", WEIGHTS] {
        fs::remove_file(fetched.folder.join(name)).unwrap();
    }
    says(&place.refused(&tale()), &["Missing: tokenizer.json, model.safetensors.", "HF_HUB_OFFLINE"]);
    assert_eq!(hub.requests().len(), before, "offline, nothing is asked");
    // A link whose contents are gone is missing too, and is fetched again.
    place.options.offline = false;
    place.fetch(&tale()).unwrap();
    fs::remove_file(place.root().join("blobs").join(hub.file(WEIGHTS).etag())).unwrap();
    place.options.offline = true;
    says(&place.refused(&tale()), &["Missing: model.safetensors."]);
    place.options.offline = false;
    assert_whole(&place.fetch(&tale()).unwrap(), &hub);
}

#[test]
fn two_fetches_at_once_share_the_work() {
    let slow = Fault::Slow(10_000, Duration::from_millis(50));
    let hub = Hub::with(checkpoint(), false, on_weights(move |_| slow));
    let place = Place::new(&hub);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let fetch = || assert_whole(&place.fetch(&tale()).unwrap(), &hub);
            std::thread::Builder::new().spawn_scoped(scope, fetch).unwrap();
        }
    });
    assert_eq!(hub.count(|request| request.storage && request.gets(WEIGHTS)), 1);
}

#[test]
fn contents_that_another_revision_brought_are_linked() {
    let hub = Hub::new(checkpoint());
    let place = Place::new(&hub);
    let fetched = place.fetch(&tale()).unwrap();
    fs::remove_dir_all(fetched.folder).unwrap();
    let again = place.fetch(&tale()).unwrap();
    assert_whole(&again, &hub);
    assert_eq!(again.downloaded, 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_with_what_is_needed() {
    let hub = Hub::new(checkpoint());
    let place = Place::new(&hub);
    let partial = place.partial(&hub, WEIGHTS);
    fs::create_dir_all(partial.parent().unwrap()).unwrap();
    // Whatever is written there meets a full disk.
    std::os::unix::fs::symlink("/dev/full", &partial).unwrap();
    says(&place.refused(&tale()), &["is full", WEIGHTS, "needs 100000 more bytes", "HF_HUB_CACHE"]);
}

#[cfg(unix)]
#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let hub = Hub::new(checkpoint());
    let mut place = Place::new(&hub);
    let taken = place.options.cache.with_file_name("taken");
    fs::write(&taken, "a file").unwrap();
    place.options.cache = taken.join("hub");
    says(&place.refused(&tale()), &["taken/hub", "cannot be used", "HF_HUB_CACHE"]);
}
