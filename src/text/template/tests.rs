//! What Python's Jinja makes of small templates (`cases.json`: source and text, or null where it fails), the plain
//! format, and templates that would never end.

use super::*;
use crate::text::Message;
use serde_json::json;

/// The messages that the cases see.
fn messages() -> Json {
    json!([
        {"role": "user", "content": "Hi <b>there</b>, it's \"me\""},
        {"role": "assistant", "content": "  Héllo\n\twörld 你好🙂 "},
        {"role": "user", "content": "x", "n": 3, "f": 2.5, "none": null, "yes": true,
         "list": [1, "a", null, 2.0, [true]], "map": {"b": 1, "A": {"c": []}, "1": {}}},
    ])
}

fn render(source: &str) -> Result<String, TextError> {
    let special = SpecialTokens::default().with("bos_token", "<s>").with("eos_token", "</s>");
    ChatTemplate::from_source(source, special)?.render_messages(&messages(), true)
}

#[test]
fn small_templates_render_as_in_python() {
    let cases: Vec<(String, Option<String>)> = serde_json::from_str(include_str!("cases.json")).unwrap();
    let mut wrong = Vec::new();
    for (source, expected) in &cases {
        let got = render(source);
        if got.as_ref().ok() != expected.as_ref() {
            wrong.push(format!("{source}\n   got      {got:?}\n   expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn the_plain_format_renders_every_role_and_the_generation_prompt() {
    let conversation =
        Conversation { messages: vec![Message::user("Hello"), Message::assistant("Good day")] };
    let text = ChatTemplate::plain().render(&conversation, true).unwrap();
    assert_eq!(text, "User: Hello\nAssistant: Good day\nAssistant: ");
}

#[test]
fn the_date_is_the_one_given() {
    let template =
        ChatTemplate::from_source("{{ strftime_now('%-d %B %Y') }}", SpecialTokens::default()).unwrap();
    assert_eq!(template.render_messages(&messages(), false).unwrap(), "26 July 2024");
    let later = template.clone().with_date(jiff::civil::date(2026, 1, 3));
    assert_eq!(later.render_messages(&messages(), false).unwrap(), "3 January 2026");
    assert_eq!(template.render_messages(&messages(), false).unwrap(), "26 July 2024");
}

#[test]
fn what_a_template_raises_reaches_the_reader() {
    let error = render("{{ raise_exception('no system role') }}").unwrap_err();
    assert!(
        matches!(&error, TextError::TemplateRaised { message } if message == "no system role"),
        "{error}"
    );
    let error = render("{% macro f() %}{{ raise_exception('inside') }}{% endmacro %}{{ f() }}").unwrap_err();
    assert!(matches!(&error, TextError::TemplateRaised { message } if message == "inside"), "{error}");
}

#[test]
fn a_template_that_takes_the_length_of_no_tools_renders() {
    assert_eq!(render("{{ tools is none }}").unwrap(), "True");
    assert_eq!(render("{% if tools|length > 0 %}tools{% else %}none{% endif %}").unwrap(), "none");
}

#[test]
fn a_template_that_would_never_end_is_stopped() {
    let deep =
        "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}";
    let wide =
        "{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}";
    let endless = "{% for a in range(10000) %}{% for b in range(10000) %}";
    let (sum, power) =
        (format!("{{{{ 1{} }}}}", "+1".repeat(50_000)), format!("{{{{ 1{} }}}}", "**1".repeat(40_000)));
    for (source, reason) in [
        (format!("{endless}{{% endfor %}}{{% endfor %}}"), "fuel"),
        (format!("{endless}{{{{ 'a' * 1000 }}}}{{% endfor %}}{{% endfor %}}"), "4194304 bytes"),
        (format!("{endless}{}{{% endfor %}}{{% endfor %}}", "text ".repeat(100)), "4194304 bytes"),
        ("{% set x %}{% for i in range(100000) %}{% for j in range(1000) %}abc{% endfor %}{% endfor %}{% endset %}".into(), "fuel"),
        ("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}".into(), "recursion"),
        ("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}".into(), "recursion"),
        ("{{ 'x' * 1000000000 }}".into(), "fuel"),
        ("{{ [0] * 100000000 }}".into(), "4194304 bytes"),
        ("{{ 'a'.center(10000000000) }}".into(), "fuel"),
        ("{{ [1]|tojson(indent=10000000000) }}".into(), "fuel"),
        ("{{ '{:>10000000000}'.format(1) }}".into(), "four digits"),
        ("{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}".into(), "fuel"),
        (format!("{deep}{{{{ ns.x }}}}"), "nested"),
        (format!("{deep}{{{{ ns.x|tojson }}}}"), "nested"),
        (format!("{wide}{{{{ ns.x }}}}"), "4194304 bytes"),
        (format!("{wide}{{{{ ns.x|tojson }}}}"), "fuel"),
        (format!("{wide}{{{{ ns.x|join('-') }}}}"), "4194304 bytes"),
        ("{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}".into(), "nested"),
        ("{% include 'chat_template' %}".into(), "include"),
        ("{{ 1 + }}".into(), "syntax"),
        ("{% if true %}".repeat(20_000), "131072"),
        ("{{ (".repeat(1000), "syntax"),
    ] {
        let start: String = source.chars().take(80).collect();
        match render(&source) {
            Ok(text) => panic!("{start} … printed {} bytes", text.len()),
            Err(error) => assert!(error.to_string().contains(reason), "{start} …: {error}"),
        }
    }
    // Long chains of operators take a lot of stack; these have it.
    assert_eq!(render(&sum).unwrap(), "50001");
    assert_eq!(render(&power).unwrap(), "1");
}

#[test]
fn a_template_with_an_error_names_its_line() {
    let error =
        render("{# a #}\n{% generation %}\n{{ 1|nofilter }}\n{% endgeneration %}").unwrap_err().to_string();
    assert!(error.contains("nofilter") && error.contains(":3"), "{error}");
}
