//! What is sent to a chat-completions endpoint, and what its answers mean.

use super::super::JudgeError;
use super::spec::EndpointSpec;
use crate::text::Message;
use serde_json::{Value, json};
use std::time::Duration;

/// Characters of an endpoint's own words that a message shows.
const SHOWN: usize = 300;

/// The body of a request.
pub(super) fn body(spec: &EndpointSpec, messages: &[Message]) -> String {
    let limit = if spec.max_completion_tokens { "max_completion_tokens" } else { "max_tokens" };
    let mut body = json!({ "model": spec.model, "messages": messages, limit: spec.max_tokens });
    if spec.greedy {
        body["temperature"] = json!(0);
        body["seed"] = json!(spec.seed);
    }
    body.to_string()
}

/// Tokens of a request, guessed on the high side: English has about four bytes a token, and a few are added around
/// each message.
pub(super) fn guess_tokens(messages: &[Message]) -> u64 {
    messages.iter().map(|message| message.content.len() as u64 / 3 + 8).sum()
}

/// What an endpoint answered, taken off the connection. The key is no longer in it.
pub(super) struct Arrived {
    pub host: String,
    pub status: u16,
    /// The pause that it asks for.
    pub retry_after: Option<Duration>,
    /// Where it sends, by host.
    pub location: Option<String>,
    pub body: String,
}

/// A reply, and what it took.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    /// The text; or, where there is none, why.
    pub text: Result<String, String>,
    /// Tokens sent and back, where the endpoint counts them.
    pub tokens: Option<(u64, u64)>,
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may pass: worth another attempt after the pause asked for, if any. The error says what it is if it does not.
    Passing(Passing, Option<Duration>),
    /// It will not pass, for any answer.
    Lasting(JudgeError),
}

/// A failure that may pass.
#[derive(Debug)]
pub(super) enum Passing {
    Silent,
    Unreachable(String),
    RateLimited(Option<u64>),
    Failing(u16, String),
}

impl Passing {
    /// The error after so many attempts.
    pub fn error(self, host: &str, seconds: f64, attempts: u32) -> JudgeError {
        let host = host.to_owned();
        match self {
            Self::Silent => JudgeError::Silent { host, seconds, attempts },
            Self::Unreachable(reason) => JudgeError::Unreachable { host, reason },
            Self::RateLimited(seconds) => JudgeError::RateLimited { host, seconds },
            Self::Failing(status, reason) => JudgeError::Failing { host, status, attempts, reason },
        }
    }
}

/// What an answer means. `origin` says where the key is from, if there is one.
pub(super) fn read(arrived: &Arrived, origin: Option<&str>) -> Result<Reply, Failure> {
    let host = arrived.host.clone();
    let parsed = serde_json::from_str::<Value>(&arrived.body).ok();
    match arrived.status {
        200..=299 => completion(arrived, parsed),
        300..=399 => {
            let to = arrived.location.clone().unwrap_or_else(|| "it does not say where".to_owned());
            Err(Failure::Lasting(JudgeError::Redirected { host, to }))
        }
        status => {
            let reason = reason(arrived, parsed.as_ref());
            let code = parsed.as_ref().map(|value| value["error"]["code"].clone()).unwrap_or_default();
            let code = code.as_str().unwrap_or_default();
            let refused = |advice: String| {
                Err(Failure::Lasting(JudgeError::Refused { host, status, reason: reason.clone(), advice }))
            };
            match status {
                // An account without money answers like one that asks too often, but waiting does not help.
                429 if code == "insufficient_quota" => {
                    refused("The account's credit is used up: add some, or use another key.".to_owned())
                }
                429 => Err(Failure::Passing(
                    Passing::RateLimited(arrived.retry_after.map(|pause| pause.as_secs())),
                    arrived.retry_after,
                )),
                408 | 425 | 500..=599 => {
                    Err(Failure::Passing(Passing::Failing(status, reason), arrived.retry_after))
                }
                // This one answer is not judged there; others may be.
                400 | 413 | 422 if is_about_this_text(code, &reason) => {
                    Ok(Reply { text: Err(format!("not judged by the endpoint: {reason}")), tokens: None })
                }
                401 | 403 => refused(match origin {
                    Some(origin) => format!("Check the key; it is from {origin}."),
                    None => "The judge names no key: say in it where the key is.".to_owned(),
                }),
                402 => refused("The account must be paid for: add credit, or use another key.".to_owned()),
                404 => refused("Check the address and the model's name: the address usually ends in /v1.".to_owned()),
                _ => refused("Check the model's name and the settings: some models take no temperature or seed (greedy = false), or want max_completion_tokens.".to_owned()),
            }
        }
    }
}

/// Whether a refused request was refused for its text: too long, or caught by a filter.
fn is_about_this_text(code: &str, reason: &str) -> bool {
    let reason = reason.to_lowercase();
    matches!(code, "context_length_exceeded" | "content_filter" | "content_policy_violation")
        || reason.contains("maximum context length")
        || reason.contains("content management policy")
}

fn completion(arrived: &Arrived, parsed: Option<Value>) -> Result<Reply, Failure> {
    let not = |what: &str| {
        let reason = format!("{what} (it begins: {})", clean(&arrived.body));
        Err(Failure::Lasting(JudgeError::NotACompletion { host: arrived.host.clone(), reason }))
    };
    let Some(value) = parsed else {
        let is_page = arrived.body.trim_start().starts_with('<');
        return not(if is_page { "a web page" } else { "no JSON" });
    };
    if value.get("error").is_some_and(|error| !error.is_null()) {
        return not("an error in place of a reply");
    }
    let Some(choice) = value["choices"].get(0) else {
        return not("JSON without choices[0]");
    };
    let count = |name: &str| value["usage"][name].as_u64();
    let tokens = count("prompt_tokens").zip(count("completion_tokens"));
    let message = &choice["message"];
    let text = match &message["content"] {
        Value::String(text) => text.clone(),
        // Some servers give the content in parts.
        Value::Array(parts) if parts.iter().all(|part| part["text"].is_string()) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect()
        }
        Value::Null if message.is_object() => {
            let finish = choice["finish_reason"].as_str().unwrap_or("no reason given");
            let words = message["refusal"].as_str().unwrap_or(finish);
            return Ok(Reply { text: Err(format!("the endpoint gave no reply: {}", clean(words))), tokens });
        }
        _ => return not("JSON without choices[0].message.content"),
    };
    Ok(Reply { text: Ok(text), tokens })
}

/// An endpoint's own words about what went wrong.
fn reason(arrived: &Arrived, parsed: Option<&Value>) -> String {
    let said = parsed.and_then(|value| {
        let error = &value["error"];
        [&error["message"], error, &value["message"], &value["detail"]].into_iter().find_map(Value::as_str)
    });
    let said = clean(said.unwrap_or(&arrived.body));
    if said.is_empty() { "it does not say why".to_owned() } else { said }
}

/// The beginning of a text on one line.
fn clean(text: &str) -> String {
    let line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    let shown: String = line.chars().take(SHOWN).collect();
    if shown.len() < line.len() { format!("{shown}…") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn arrived(status: u16, body: &str) -> Arrived {
        Arrived { host: "a.com".into(), status, retry_after: None, location: None, body: body.into() }
    }

    fn lasting(status: u16, body: &str) -> String {
        match read(&arrived(status, body), Some("the environment variable K")) {
            Err(Failure::Lasting(error)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_holds_what_the_spec_says() {
        let spec = EndpointSpec { model: "m".into(), seed: 7, ..EndpointSpec::default() };
        let messages = [Message::system("judge"), Message::user("this")];
        let value: Value = serde_json::from_str(&body(&spec, &messages)).unwrap();
        assert_eq!(value["messages"][1], json!({ "role": "user", "content": "this" }));
        assert_eq!((&value["temperature"], &value["seed"]), (&json!(0), &json!(7)));
        assert_eq!(value["max_tokens"], json!(512));
        let spec = EndpointSpec { greedy: false, max_completion_tokens: true, ..spec };
        let value: Value = serde_json::from_str(&body(&spec, &messages)).unwrap();
        assert!(value.get("temperature").is_none() && value.get("max_tokens").is_none());
        assert_eq!(value["max_completion_tokens"], json!(512));
    }

    #[test]
    fn replies_are_read() {
        let text = |body: &str| read(&arrived(200, body), None).unwrap();
        let plain = text(
            r#"{"choices":[{"message":{"content":"SCORE: 5"}}],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#,
        );
        assert_eq!(plain, Reply { text: Ok("SCORE: 5".into()), tokens: Some((9, 2)) });
        let parts =
            text(r#"{"choices":[{"message":{"content":[{"type":"text","text":"SCORE: "},{"text":"5"}]}}]}"#);
        assert_eq!(parts, Reply { text: Ok("SCORE: 5".into()), tokens: None });
        let none = text(r#"{"choices":[{"finish_reason":"content_filter","message":{"content":null}}]}"#);
        assert!(none.text.unwrap_err().contains("content_filter"));
        let long =
            read(&arrived(400, r#"{"error":{"code":"context_length_exceeded","message":"too long"}}"#), None);
        assert!(long.unwrap().text.unwrap_err().contains("too long"));
    }

    #[test]
    fn what_lasts_ends_in_one_message_and_what_passes_does_not() {
        for (status, body, words) in [
            (
                401,
                r#"{"error":{"message":"bad key"}}"#,
                "bad key. Check the key; it is from the environment variable K",
            ),
            (403, "", "it does not say why"),
            (404, r#"{"error":"no such model"}"#, "no such model. Check the address"),
            (400, r#"{"detail":"no seed please"}"#, "no seed please. Check the model"),
            (429, r#"{"error":{"code":"insufficient_quota","message":"pay"}}"#, "credit"),
            (307, "", "sends to another address"),
            (200, "<html>hello</html>", "a web page"),
            (200, "{\"choices\":", "no JSON"),
            (200, "{}", "without choices[0]"),
            (200, r#"{"choices":[{"text":"SCORE: 5"}]}"#, "without choices[0].message.content"),
            (200, r#"{"error":{"message":"upstream"}}"#, "an error in place of a reply"),
        ] {
            let error = lasting(status, body);
            assert!(error.contains(words) && error.contains("a.com"), "{status} {body}: {error}");
        }
        for status in [408, 429, 500, 503, 529] {
            let found = read(&arrived(status, "oh"), None);
            assert!(matches!(found, Err(Failure::Passing(..))), "{status}: {found:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_arrives_is_too_odd(status in 100_u16..600, body in "(?s).{0,120}") {
            let _ = read(&arrived(status, &body), None);
        }

        #[test]
        fn no_json_is_too_odd(
            choice in "(null|1|\\[\\]|\\{\\}|\\{\"message\":(null|1|\\{\\}|\\{\"content\":(null|1|\"a\"|\\[1\\]|\\[\\])\\})\\})",
            usage in "(null|1|\\{\"prompt_tokens\":(-1|1|1.5|\"a\")\\})",
        ) {
            let body = format!("{{\"choices\":[{choice}],\"usage\":{usage}}}");
            let _ = read(&arrived(200, &body), None);
        }
    }
}
