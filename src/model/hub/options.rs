//! Where the Hub is, where its cache is, and who asks: from the environment, as Python's client has it.

use super::HubError;
use reqwest::Url;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The Hub, where nothing else is said.
const ENDPOINT: &str = "https://huggingface.co";

/// The service under which the keyring holds the token; the user is the Hub's host name, so that a token for one
/// host is never given to another.
const KEYRING_SERVICE: &str = "plumbline";

/// How long the Hub may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// A token, with where it was found. It is shown by neither `Debug` nor any error.
#[derive(Clone, PartialEq, Eq)]
pub struct HubToken {
    secret: String,
    origin: String,
}

impl HubToken {
    /// Takes a token as it is; `origin` says in words where it is from.
    ///
    /// Blanks around it are dropped, and what cannot stand in a header is refused.
    pub fn new(secret: &str, origin: &str) -> Result<Self, HubError> {
        let secret = secret.trim();
        if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(HubError::BadToken { origin: origin.to_owned() });
        }
        Ok(Self { secret: secret.to_owned(), origin: origin.to_owned() })
    }

    /// Where it was found.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }
}

impl std::fmt::Debug for HubToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HubToken(from {})", self.origin)
    }
}

/// How to reach the Hub.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// Its address: https, or http on this machine.
    pub endpoint: String,
    /// The folder that holds `models--owner--name`.
    pub cache: PathBuf,
    /// Who asks.
    pub token: Option<HubToken>,
    /// Use the cache alone.
    pub offline: bool,
    /// How long the Hub may be silent before a fetch is given up.
    pub patience: Duration,
}

impl HubOptions {
    /// Reads the environment, and the keyring and the token file where the environment names no token.
    ///
    /// `HF_ENDPOINT`; `HF_HUB_CACHE`, else `hub` in `HF_HOME` (by default `~/.cache/huggingface`); `HF_HUB_OFFLINE`;
    /// the token from `HF_TOKEN` or `HUGGING_FACE_HUB_TOKEN`, then the keyring, then the file `HF_TOKEN_PATH`, by
    /// default `token` in `HF_HOME`. With `HF_HUB_DISABLE_IMPLICIT_TOKEN` no token is sent.
    ///
    /// `offline` adds to what the environment says: where nothing is asked, no token is looked for.
    pub fn from_environment(offline: bool) -> Result<Self, HubError> {
        let variable = |name: &str| std::env::var(name).ok();
        Self::resolve(&variable, std::env::home_dir().as_deref(), &from_keyring, offline)
    }

    /// The same from any source of variables and keyring entries.
    pub(super) fn resolve(
        variable: &dyn Fn(&str) -> Option<String>,
        home: Option<&Path>,
        keyring: &dyn Fn(&str) -> Option<String>,
        offline: bool,
    ) -> Result<Self, HubError> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let yes = |name: &str| {
            set(name).is_some_and(|value| matches!(&*value.to_uppercase(), "1" | "ON" | "YES" | "TRUE"))
        };
        let folder = |name: &str| set(name).map(|value| expand(&value, home));
        let hub_home = folder("HF_HOME")
            .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("huggingface")))
            .or_else(|| home.map(|home| home.join(".cache/huggingface")))
            .unwrap_or_else(|| std::env::temp_dir().join("huggingface"));
        let cache = folder("HF_HUB_CACHE")
            .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
            .unwrap_or_else(|| hub_home.join("hub"));
        let endpoint = set("HF_ENDPOINT")
            .map_or_else(|| ENDPOINT.to_owned(), |url| url.trim_end_matches('/').to_owned());
        let offline = offline || yes("HF_HUB_OFFLINE");
        let token = if offline || yes("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            None
        } else {
            let named = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].into_iter().find_map(|name| {
                set(name).map(|secret| (secret, format!("the environment variable {name}")))
            });
            let kept = || {
                let host = host_of(&endpoint)?;
                keyring(&host).map(|secret| (secret, format!("the keyring (plumbline, {host})")))
            };
            let written = || {
                let file = folder("HF_TOKEN_PATH").unwrap_or_else(|| hub_home.join("token"));
                let secret = std::fs::read_to_string(&file).ok().filter(|text| !text.trim().is_empty())?;
                Some((secret, format!("the file {}", file.display())))
            };
            let found = named.or_else(kept).or_else(written);
            found.map(|(secret, origin)| HubToken::new(&secret, &origin)).transpose()?
        };
        Ok(Self { endpoint, cache, token, offline, patience: PATIENCE })
    }
}

/// `~` at the beginning of a path is the home folder, as Python's client has it.
fn expand(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            home.join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(path),
    }
}

fn host_of(endpoint: &str) -> Option<String> {
    Url::parse(endpoint).ok()?.host_str().map(str::to_owned)
}

/// The token that the system's keyring holds for a host. A machine without a keyring has none.
fn from_keyring(host: &str) -> Option<String> {
    match keyring::Entry::new(KEYRING_SERVICE, host).and_then(|entry| entry.get_password()) {
        Ok(secret) => Some(secret),
        Err(keyring::Error::NoEntry) => None,
        Err(e) => {
            log::debug!("the keyring was not asked for a token: {e}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(
        variables: &[(&str, &str)],
        keyring: Option<&str>,
        home: &Path,
    ) -> Result<HubOptions, HubError> {
        let variable =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let keyring = |host: &str| {
            assert_eq!(host, "huggingface.co");
            keyring.map(str::to_owned)
        };
        HubOptions::resolve(&variable, Some(home), &keyring, false)
    }

    #[test]
    fn the_token_comes_from_the_environment_then_the_keyring_then_the_file() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".cache/huggingface");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("token"), "hf_file\n").unwrap();
        let other = home.path().join("other-token");
        std::fs::write(&other, "hf_other").unwrap();
        let other = other.to_str().unwrap();
        let token = |variables: &[(&str, &str)], keyring: Option<&str>| {
            resolve(variables, keyring, home.path()).unwrap().token.map(|token| token.secret)
        };
        let both = [("HF_TOKEN", "hf_env"), ("HUGGING_FACE_HUB_TOKEN", "hf_old")];
        assert_eq!(token(&both, Some("hf_ring")).as_deref(), Some("hf_env"));
        assert_eq!(token(&both[1..], Some("hf_ring")).as_deref(), Some("hf_old"));
        assert_eq!(token(&[("HF_TOKEN", "")], Some("hf_ring")).as_deref(), Some("hf_ring"));
        assert_eq!(token(&[], None).as_deref(), Some("hf_file"));
        assert_eq!(token(&[("HF_TOKEN_PATH", other)], None).as_deref(), Some("hf_other"));
        assert_eq!(token(&[("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")], Some("hf_ring")), None);
        assert_eq!(token(&[("HF_TOKEN", "hf_env"), ("HF_HUB_OFFLINE", "true")], None), None);
        std::fs::remove_file(folder.join("token")).unwrap();
        assert_eq!(token(&[], None), None);
    }

    #[test]
    fn the_cache_is_where_pythons_client_has_it() {
        let home = Path::new("/home/somebody");
        let cache = |variables: &[(&str, &str)]| resolve(variables, None, home).unwrap().cache;
        assert_eq!(cache(&[]), home.join(".cache/huggingface/hub"));
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "~/hf")]), home.join("hf/hub"));
        assert_eq!(cache(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/cache")]), Path::new("/cache"));
    }

    #[test]
    fn endpoint_and_offline_are_honoured() {
        let options = resolve(&[], None, Path::new("/h")).unwrap();
        assert_eq!((&*options.endpoint, options.offline), (ENDPOINT, false));
        let options = HubOptions::resolve(
            &|name| (name == "HF_ENDPOINT").then(|| "https://mirror.example/".to_owned()),
            None,
            &|_| None,
            true,
        )
        .unwrap();
        assert_eq!((&*options.endpoint, options.offline), ("https://mirror.example", true));
        assert!(!resolve(&[("HF_HUB_OFFLINE", "0")], None, Path::new("/h")).unwrap().offline);
        assert!(resolve(&[("HF_HUB_OFFLINE", "1")], None, Path::new("/h")).unwrap().offline);
    }

    #[test]
    fn a_token_is_never_shown() {
        let secret = "hf_veryprivate";
        let options = resolve(&[("HF_TOKEN", secret)], None, Path::new("/h")).unwrap();
        assert!(!format!("{options:?}").contains(secret));
        let error = resolve(&[("HF_TOKEN", "hf_very private")], None, Path::new("/h")).unwrap_err();
        assert!(error.to_string().contains("HF_TOKEN"), "{error}");
        assert!(!error.to_string().contains("hf_very") && !format!("{error:?}").contains("hf_very"));
    }
}
