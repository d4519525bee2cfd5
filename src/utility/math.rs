//! Answers to the MATH benchmark: what stands in the last `\boxed{}`, compared as its authors compare it.
//!
//! D. Hendrycks et al., "Measuring Mathematical Problem Solving With the MATH Dataset", 2021. Two answers are the same if
//! they are the same text once ways of writing that mean nothing are removed; nothing is calculated: 0.5 is ½ by a rule of
//! its own, 0.25 is not ¼.

/// The contents of the last `\boxed{…}` (or `\fbox{…}`) of a text, inner braces included; of `\boxed 5` what stands before
/// the next `$` or line's end. `None` where there is none, or its brace is never closed.
#[must_use]
pub fn boxed_answer(text: &str) -> Option<&str> {
    let (start, command) = text
        .rfind("\\boxed")
        .map(|start| (start, "\\boxed"))
        .or_else(|| text.rfind("\\fbox").map(|start| (start, "\\fbox")))?;
    let rest = text[start + command.len()..].trim_start();
    let Some(inner) = rest.strip_prefix('{') else {
        let end = rest.find(['$', '\n']).unwrap_or(rest.len());
        let bare = rest[..end].trim();
        return (!bare.is_empty()).then_some(bare);
    };
    let mut open = 1;
    for (place, letter) in inner.char_indices() {
        match letter {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(&inner[..place]);
        }
    }
    None
}

/// Whether `text` ends in the answer of `reference`: a worked solution with its `\boxed{}`, or the answer alone.
#[must_use]
pub fn same_boxed_answer(reference: &str, text: &str) -> bool {
    let wanted = boxed_answer(reference).unwrap_or(reference.trim());
    boxed_answer(text).is_some_and(|found| is_equivalent(wanted, found))
}

/// Whether two answers are the same but for ways of writing them (the benchmark's `is_equiv`).
#[must_use]
pub fn is_equivalent(a: &str, b: &str) -> bool {
    match (plain(a), plain(b)) {
        (Some(a), Some(b)) => a == b,
        // What cannot be taken apart is compared as it is.
        _ => a == b,
    }
}

/// An answer without what means nothing: sizes of brackets, spaces, units, degrees, dollars and per cent, and with
/// fractions and roots in braces. `None` where a fraction or a root breaks off, or two units follow each other.
fn plain(answer: &str) -> Option<String> {
    let mut text = answer.replace('\n', "").replace("\\!", "").replace("\\\\", "\\");
    text = text.replace("tfrac", "frac").replace("dfrac", "frac");
    for nothing in ["\\left", "\\right", "^{\\circ}", "^\\circ", "\\$"] {
        text = text.replace(nothing, "");
    }
    // A unit is a \text that begins with a space, at the end.
    if let Some((number, unit)) = text.split_once("\\text{ ") {
        if unit.contains("\\text{ ") {
            return None;
        }
        text = number.to_owned();
    }
    text = text.replace("\\%", "").replace('%', "");
    text = text.replace(" .", " 0.").replace("{.", "{0.");
    if text.is_empty() {
        return Some(text);
    }
    if text.starts_with('.') {
        text.insert(0, '0');
    }
    // x = 5 is 5, where at most two characters name what is asked for.
    if let Some((name, value)) = text.split_once('=')
        && !value.contains('=')
        && name.chars().count() <= 2
    {
        text = value.to_owned();
    }
    text = braced_roots(&text)?;
    text = text.replace(' ', "");
    text = braced_fractions(&text)?;
    if text == "0.5" {
        text = "\\frac{1}{2}".to_owned();
    }
    Some(slashed_fraction(&text).unwrap_or(text))
}

/// `\sqrt3` as `\sqrt{3}`.
fn braced_roots(text: &str) -> Option<String> {
    let mut parts = text.split("\\sqrt");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let first = part.chars().next()?;
        whole.push_str("\\sqrt");
        if first == '{' {
            whole.push_str(part);
        } else {
            whole.push_str(&format!("{{{first}}}{}", &part[first.len_utf8()..]));
        }
    }
    Some(whole)
}

/// `\frac12` and `\frac1{72}` as `\frac{1}{2}` and `\frac{1}{72}`; a fraction of one character leaves all as it was.
fn braced_fractions(text: &str) -> Option<String> {
    let mut parts = text.split("\\frac");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        whole.push_str("\\frac");
        let mut letters = part.chars();
        let above = letters.next()?;
        if above == '{' {
            whole.push_str(part);
            continue;
        }
        let Some(below) = letters.next() else { return Some(text.to_owned()) };
        let rest = letters.as_str();
        whole.push_str(&match below {
            '{' => format!("{{{above}}}{{{rest}"),
            _ => format!("{{{above}}}{{{below}}}{rest}"),
        });
    }
    Some(whole)
}

/// `3/4` as `\frac{3}{4}`, where both are whole numbers.
fn slashed_fraction(text: &str) -> Option<String> {
    let (above, below) = text.split_once('/')?;
    let whole = |number: &str| {
        let digits = number.strip_prefix('-').unwrap_or(number);
        let leading = digits.starts_with('0') && number != "0";
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && !leading
    };
    (whole(above) && whole(below)).then(|| format!("\\frac{{{above}}}{{{below}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_last_box_counts_with_all_its_braces() {
        for (text, answer) in [
            (r"So $x = \boxed{5}$.", Some("5")),
            (r"\boxed{1} is wrong, \boxed{\frac{1}{\sqrt{2}}} is right.", Some(r"\frac{1}{\sqrt{2}}")),
            (r"\fbox{7}", Some("7")),
            (r"$\boxed 12$ then", Some("12")),
            (r"\boxed {3}", Some("3")),
            (r"\boxed{never closed", None),
            (r"\boxed", None),
            ("The answer is 5", None),
        ] {
            assert_eq!(boxed_answer(text), answer, "{text}");
        }
    }

    #[test]
    fn a_solution_is_right_by_its_box_alone() {
        let reference = r"We add: $2+3=5$, so the answer is $\boxed{\frac12}$.";
        assert!(same_boxed_answer(reference, r"Thus $\boxed{\dfrac{1}{2}}$."));
        assert!(same_boxed_answer(r"\frac12", r"\boxed{0.5}"), "the reference may be the answer alone");
        assert!(!same_boxed_answer(reference, "1/2") && !same_boxed_answer(reference, r"\boxed{2}"));
    }

    #[test]
    fn answers_are_compared_as_the_benchmark_compares_them() {
        let all: Value = serde_json::from_str(include_str!("../../tests/reference/utility.json")).unwrap();
        let answers = all["math"]["answers"].as_array().unwrap();
        for answer in answers {
            let text = answer["text"].as_str().unwrap();
            assert_eq!(plain(text).as_deref(), answer["stripped"].as_str(), "{text}");
        }
        let same: Vec<(&str, &str)> = all["math"]["same"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .collect();
        for (i, a) in answers.iter().enumerate() {
            for b in &answers[i + 1..] {
                let pair = (a["text"].as_str().unwrap(), b["text"].as_str().unwrap());
                assert_eq!(is_equivalent(pair.0, pair.1), same.contains(&pair), "{pair:?}");
            }
        }
    }
}
