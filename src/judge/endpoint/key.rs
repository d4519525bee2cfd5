//! Keys for endpoints: from the environment or the keyring, each bound to the host that it is for.

use super::address::Address;
use serde::{Deserialize, Serialize};

#[cfg(feature = "hub")]
use super::super::JudgeError;

/// The service under which the keyring holds keys; the user is the host.
#[cfg(feature = "hub")]
const KEYRING_SERVICE: &str = "plumbline";

/// What every variable with a key of ours begins with.
const PREFIX: &str = "PLUMBLINE_KEY_";

/// Variables that other programs use, each with the hosts that its key is for.
const KNOWN: [(&str, &[&str]); 13] = [
    ("OPENAI_API_KEY", &["api.openai.com"]),
    ("ANTHROPIC_API_KEY", &["api.anthropic.com"]),
    ("GEMINI_API_KEY", &["generativelanguage.googleapis.com"]),
    ("MISTRAL_API_KEY", &["api.mistral.ai"]),
    ("GROQ_API_KEY", &["api.groq.com"]),
    ("TOGETHER_API_KEY", &["api.together.xyz", "api.together.ai"]),
    ("OPENROUTER_API_KEY", &["openrouter.ai"]),
    ("DEEPSEEK_API_KEY", &["api.deepseek.com"]),
    ("FIREWORKS_API_KEY", &["api.fireworks.ai"]),
    ("XAI_API_KEY", &["api.x.ai"]),
    ("NVIDIA_API_KEY", &["integrate.api.nvidia.com"]),
    ("CEREBRAS_API_KEY", &["api.cerebras.ai"]),
    ("HF_TOKEN", &["router.huggingface.co"]),
];

/// Where an endpoint's key is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySpec {
    /// It needs none: most servers on this machine.
    #[default]
    None,
    /// In this environment variable, which must be one that is bound to the endpoint's host.
    Environment(String),
    /// In the system's keyring (service `plumbline`, user: the host).
    Keyring,
}

/// Where keys are looked for. A test has its own.
pub trait KeySource {
    /// The value of an environment variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// What the keyring holds for a host; an error says why it cannot be asked.
    fn keyring(&self, host: &str) -> Result<Option<String>, String>;
}

/// The process's environment and the system's keyring.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemKeys;

impl KeySource for SystemKeys {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    #[cfg(feature = "hub")]
    fn keyring(&self, host: &str) -> Result<Option<String>, String> {
        match keyring::Entry::new(KEYRING_SERVICE, host).and_then(|entry| entry.get_password()) {
            Ok(secret) => Ok(Some(secret)),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(e) => Err(e.to_string()),
        }
    }

    #[cfg(not(feature = "hub"))]
    fn keyring(&self, _: &str) -> Result<Option<String>, String> {
        Err("this Plumbline was built without it".to_owned())
    }
}

/// The variable that holds the key of the endpoint at `url`, whatever else the environment has: `PLUMBLINE_KEY_`, and
/// the host in capitals with `_` for a dot and `__` for a hyphen, and the port where it is not the usual one. No two
/// hosts share one. `None` where `url` is no address, or its host has no such name (an IPv6 address).
#[must_use]
pub fn key_variable(url: &str) -> Option<String> {
    variable_of(&Address::parse(url).ok()?)
}

fn variable_of(address: &Address) -> Option<String> {
    if address.host.starts_with('[') {
        return None;
    }
    // Labels neither begin nor end with a hyphen and are not empty, so one `_` is a dot and pairs are hyphens.
    let host = address.host.replace('-', "__").replace('.', "_").to_ascii_uppercase();
    let port = address.port.map_or(String::new(), |port| format!("_{port}"));
    Some(format!("{PREFIX}{host}{port}"))
}

impl KeySpec {
    /// What is wrong with taking this key to this address. A spec can come from a stranger: it must not be able to send
    /// the key of one host to another.
    pub(super) fn problem(&self, address: &Address) -> Option<String> {
        let Self::Environment(name) = self else { return None };
        let own = variable_of(address);
        let known = |(variable, hosts): &(&str, &[&str])| {
            variable == name
                && address.https
                && address.port.is_none()
                && hosts.contains(&address.host.as_str())
        };
        if own.as_ref() == Some(name) || KNOWN.iter().any(known) {
            return None;
        }
        let place = address.place();
        Some(match own {
            Some(own) => format!(
                "The key for {place} cannot come from the variable {name}, which is not bound to that host: a judge must not carry one host's key to another. Put the key into {own}, or into the keyring."
            ),
            None => format!("A key for {place} cannot come from the environment. Put it into the keyring."),
        })
    }
}

/// A key. It is shown by neither `Debug` nor any error, and scrubbed from what comes back.
#[cfg(feature = "hub")]
#[derive(Clone)]
pub(super) struct ApiKey {
    secret: String,
    origin: String,
}

#[cfg(feature = "hub")]
impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKey(from {})", self.origin)
    }
}

#[cfg(feature = "hub")]
impl ApiKey {
    /// Looks for the key that a spec names.
    pub fn find(spec: &KeySpec, address: &Address, keys: &dyn KeySource) -> Result<Option<Self>, JudgeError> {
        let host = address.place();
        let none = |reason: String| JudgeError::NoKey { host: host.clone(), reason };
        if let Some(problem) = spec.problem(address) {
            return Err(none(problem.trim_end_matches('.').to_owned()));
        }
        let (secret, origin) = match spec {
            KeySpec::None => return Ok(None),
            KeySpec::Environment(name) => {
                let secret = keys.variable(name).filter(|secret| !secret.trim().is_empty());
                let missing =
                    || none(format!("the environment variable {name} is not set. Set it and start again"));
                (secret.ok_or_else(missing)?, format!("the environment variable {name}"))
            }
            KeySpec::Keyring => {
                let held = keys.keyring(&host).map_err(|e| {
                    none(format!("the system's keyring cannot be asked ({e}). Use an environment variable"))
                })?;
                let missing = || {
                    none(format!(
                        "the system's keyring has no entry with service plumbline and user {host}. Add it there"
                    ))
                };
                (held.ok_or_else(missing)?, format!("the keyring (plumbline, {host})"))
            }
        };
        let secret = secret.trim();
        if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            let reason = format!(
                "what {origin} holds is empty or has spaces or line breaks in it. Copy the key again, as one line"
            );
            return Err(none(reason));
        }
        Ok(Some(Self { secret: secret.to_owned(), origin }))
    }

    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Where it was found.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The text without the key, as it stands or as JSON writes it.
    pub fn scrub(&self, text: &str) -> String {
        let clean = text.replace(&self.secret, "[key]");
        let quoted = serde_json::to_string(&self.secret).unwrap_or_default();
        match quoted.trim_matches('"') {
            inner if inner.is_empty() || inner == self.secret => clean,
            inner => clean.replace(inner, "[key]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problem(variable: &str, url: &str) -> Option<String> {
        KeySpec::Environment(variable.to_owned()).problem(&Address::parse(url).unwrap())
    }

    #[test]
    fn a_variable_is_bound_to_its_host() {
        for (variable, url) in [
            ("OPENAI_API_KEY", "https://api.openai.com/v1"),
            ("ANTHROPIC_API_KEY", "https://api.anthropic.com/v1"),
            ("PLUMBLINE_KEY_API_OPENAI_COM", "https://api.openai.com/v1"),
            ("PLUMBLINE_KEY_MY__GATE_EXAMPLE_8443", "https://my-gate.example:8443"),
            ("PLUMBLINE_KEY_127_0_0_1_8000", "http://127.0.0.1:8000/v1"),
        ] {
            assert_eq!(problem(variable, url), None, "{variable} {url}");
            let ours = key_variable(url).unwrap();
            assert_eq!(problem(&ours, url), None, "{url}");
        }
        for (variable, url) in [
            ("OPENAI_API_KEY", "https://evil.com/v1"),
            ("OPENAI_API_KEY", "https://api.openai.com.evil.com/v1"),
            ("OPENAI_API_KEY", "https://api.openai.com:8443/v1"),
            ("OPENAI_API_KEY", "http://127.0.0.1:8000"),
            ("ANTHROPIC_API_KEY", "https://api.openai.com/v1"),
            ("PLUMBLINE_KEY_API_OPENAI_COM", "https://api-openai.com"),
            ("PLUMBLINE_KEY_API_OPENAI_COM", "https://api.openai.com:8443"),
            ("AWS_SECRET_ACCESS_KEY", "https://evil.com"),
            ("PATH", "https://evil.com"),
        ] {
            let problem = problem(variable, url).expect("it would leak");
            assert!(problem.contains("PLUMBLINE_KEY_"), "{problem}");
        }
        assert_eq!(key_variable("http://[::1]:8000"), None);
        assert!(problem("X", "http://[::1]:8000").unwrap().contains("keyring"));
    }

    proptest! {
        #[test]
        fn no_two_hosts_share_a_variable(
            a in "[ab]-{0,2}[ab](\\.[ab]-{0,2}[ab]){0,2}(:8[01])?",
            b in "[ab]-{0,2}[ab](\\.[ab]-{0,2}[ab]){0,2}(:8[01])?",
        ) {
            let variable = |host: &str| key_variable(&format!("https://{host}")).unwrap();
            prop_assert_eq!(a == b, variable(&a) == variable(&b));
        }
    }

    #[cfg(feature = "hub")]
    mod found {
        use super::*;

        struct Keys(Option<&'static str>);

        impl KeySource for Keys {
            fn variable(&self, name: &str) -> Option<String> {
                assert_eq!(name, "OPENAI_API_KEY");
                self.0.map(str::to_owned)
            }

            fn keyring(&self, host: &str) -> Result<Option<String>, String> {
                assert_eq!(host, "api.openai.com");
                Ok(self.0.map(str::to_owned))
            }
        }

        #[test]
        fn a_key_is_found_where_the_spec_says_and_never_shown() {
            let address = Address::parse("https://api.openai.com/v1").unwrap();
            let secret = "sk-very\"private";
            for spec in [KeySpec::Environment("OPENAI_API_KEY".to_owned()), KeySpec::Keyring] {
                let key = ApiKey::find(&spec, &address, &Keys(Some(secret))).unwrap().unwrap();
                assert_eq!(key.secret(), secret);
                assert!(!format!("{key:?}").contains("private"));
                let body = format!("wrong key {secret}, or {}", serde_json::to_string(secret).unwrap());
                assert!(!key.scrub(&body).contains("private"), "{}", key.scrub(&body));
                let missing = ApiKey::find(&spec, &address, &Keys(None)).unwrap_err().to_string();
                assert!(missing.contains("api.openai.com"), "{missing}");
                let broken = ApiKey::find(&spec, &address, &Keys(Some("sk very private"))).unwrap_err();
                assert!(!format!("{broken} {broken:?}").contains("very"), "{broken}");
            }
            let elsewhere = Address::parse("https://evil.com").unwrap();
            let spec = KeySpec::Environment("OPENAI_API_KEY".to_owned());
            assert!(ApiKey::find(&spec, &elsewhere, &Keys(Some(secret))).is_err());
            assert!(ApiKey::find(&KeySpec::None, &address, &Keys(Some(secret))).unwrap().is_none());
        }
    }
}
