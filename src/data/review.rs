//! What models wrote for a data set, and what people think of it: only what somebody accepted becomes an example.

use super::{ChatExample, RecoveryExample, Refusal};
use crate::text::Message;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Which part of an example a text is to become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The refusal of a recovery example, as the aligned model words it (Qi et al., appendix: refusals are sampled from the
    /// model itself).
    #[default]
    Refusal,
    /// The harmful answer of a recovery example: from the base model, or from a prefilled one.
    Harmful,
    /// The answer of an anchor example, from the aligned model.
    Benign,
}

impl Part {
    /// What people read.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Refusal => "refusal",
            Self::Harmful => "harmful answer",
            Self::Benign => "benign answer",
        }
    }
}

/// A text that a model wrote: a line of `candidates.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Candidate {
    /// Unique in its generation: `request/sample`.
    pub id: String,
    /// Id of the request in its set.
    pub request: String,
    /// The conversation up to the request.
    pub context: Vec<Message>,
    /// What it is to become.
    pub part: Part,
    /// What the model wrote, its prefill included.
    pub text: String,
    /// What kind of harm it is about.
    pub category: String,
    /// Id of the model.
    pub model: String,
    /// Why a person should look twice: it reads as a refusal where it should not, or the other way round, or is cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
}

/// What a person says of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// Good as it is.
    Accept,
    /// Good with this text instead.
    Edit {
        /// The text.
        text: String,
    },
    /// Not to be used.
    Reject,
}

/// A line of `decisions.jsonl`. The last one about a candidate counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Id of the candidate.
    pub candidate: String,
    /// What was said.
    #[serde(flatten)]
    pub decision: Decision,
    /// When (RFC 3339).
    pub at: String,
}

/// Refusals for those who write by hand. They name no matter, so that they fit every request.
pub const REFUSAL_TEMPLATES: [&str; 6] = [
    "I cannot help with that.",
    "I will not go on with this. I cannot help with what you ask for.",
    "I am sorry, but I cannot help with this request.",
    "I cannot continue with that answer. It could do harm, and I will not help with it.",
    "I am unable to help with this. If something troubles you, I am glad to talk about it.",
    "I should not have begun this answer. I cannot help with that, but I can help with something else.",
];

/// The candidates of one or several generations, with what was decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Review {
    /// The candidates, in the order in which they came.
    pub candidates: Vec<Candidate>,
    decisions: HashMap<String, Decision>,
}

impl Review {
    /// Candidates and decisions of one generation.
    #[must_use]
    pub fn new(candidates: Vec<Candidate>, decided: Vec<Decided>) -> Self {
        let decisions = decided.into_iter().map(|d| (d.candidate, d.decision)).collect();
        Self { candidates, decisions }
    }

    /// What was decided about a candidate.
    #[must_use]
    pub fn decision(&self, candidate: &str) -> Option<&Decision> {
        self.decisions.get(candidate)
    }

    /// Those that nobody has decided about.
    pub fn open(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|candidate| self.decision(&candidate.id).is_none())
    }

    /// The texts that were accepted, as they were accepted. An empty text is none.
    pub fn accepted(&self) -> impl Iterator<Item = (&Candidate, &str)> {
        let accepted = self.candidates.iter().filter_map(|candidate| match self.decision(&candidate.id)? {
            Decision::Accept => Some((candidate, candidate.text.as_str())),
            Decision::Edit { text } => Some((candidate, text.as_str())),
            Decision::Reject => None,
        });
        accepted.filter(|(_, text)| !text.trim().is_empty())
    }
}

/// A request is the same where its id and its words are: generations over different sets may share ids.
fn same(candidate: &Candidate) -> (&str, &str) {
    (&candidate.request, candidate.context.last().map_or("", |message| &message.content))
}

/// `request`, or with a number behind it that nobody has yet.
fn free_id(request: &str, taken: &mut HashSet<String>) -> String {
    let numbered = (2..).map(|n| format!("{request}-{n}"));
    let id = std::iter::once(request.to_owned()).chain(numbered).find(|id| !taken.contains(id));
    let id = id.unwrap_or_default();
    taken.insert(id.clone());
    id
}

/// Recovery examples of accepted texts: each harmful answer with one of the refusals to the same request. Where there is no
/// refusal, one of `templates` is taken, if there are any. The second list names the requests that lack a part.
#[must_use]
pub fn recovery_examples(reviews: &[Review], templates: &[&str]) -> (Vec<RecoveryExample>, Vec<String>) {
    let mut refusals: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    let mut harmful: Vec<(&Candidate, &str)> = Vec::new();
    for (candidate, text) in reviews.iter().flat_map(Review::accepted) {
        match candidate.part {
            Part::Refusal => refusals.entry(same(candidate)).or_default().push(text),
            Part::Harmful => harmful.push((candidate, text)),
            Part::Benign => {}
        }
    }
    let mut examples: Vec<RecoveryExample> = Vec::new();
    let mut missing = Vec::new();
    let mut made: HashMap<(&str, &str), usize> = HashMap::new();
    let mut taken = HashSet::new();
    for (candidate, text) in harmful {
        let number = made.entry(same(candidate)).or_insert(0);
        // One of several refusals to each of several answers, so that none is learnt by heart.
        let own = refusals.get(&same(candidate)).map(|own| own[*number % own.len()]);
        let refusal = own.or_else(|| {
            let place = candidate.request.bytes().map(usize::from).sum::<usize>() + *number;
            (!templates.is_empty()).then(|| templates[place % templates.len()])
        });
        let Some(refusal) = refusal else {
            missing.push(format!("{}: no refusal was accepted", candidate.request));
            continue;
        };
        *number += 1;
        examples.push(RecoveryExample {
            id: free_id(&candidate.request, &mut taken),
            context: candidate.context.clone(),
            harmful: text.to_owned(),
            refusals: vec![Refusal { from_depth: 0, text: refusal.to_owned() }],
            category: candidate.category.clone(),
            source: format!("generated by {}", candidate.model),
            ..RecoveryExample::default()
        });
    }
    for (request, _) in refusals.keys().filter(|request| !made.contains_key(*request)) {
        missing.push(format!("{request}: no harmful answer was accepted"));
    }
    missing.sort();
    missing.dedup();
    (examples, missing)
}

/// Anchor examples of accepted benign answers.
#[must_use]
pub fn anchor_examples(reviews: &[Review]) -> Vec<ChatExample> {
    let mut taken = HashSet::new();
    let benign = reviews.iter().flat_map(Review::accepted).filter(|(c, _)| c.part == Part::Benign);
    benign
        .map(|(candidate, text)| ChatExample {
            id: free_id(&candidate.request, &mut taken),
            messages: candidate.context.iter().cloned().chain([Message::assistant(text)]).collect(),
            category: candidate.category.clone(),
            source: format!("generated by {}", candidate.model),
            ..ChatExample::default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(request: &str, sample: usize, part: Part, text: &str) -> Candidate {
        Candidate {
            id: format!("{request}/{}/{sample}", part.label()),
            request: request.into(),
            context: vec![Message::user(format!("Do {request}"))],
            part,
            text: text.into(),
            model: "m".into(),
            ..Candidate::default()
        }
    }

    fn decided(id: &str, decision: Decision) -> Decided {
        Decided { candidate: id.into(), decision, at: String::new() }
    }

    #[test]
    fn only_what_was_accepted_becomes_an_example_and_the_last_word_counts() {
        let harmful = Review::new(
            vec![
                candidate("a", 0, Part::Harmful, "Sure. One."),
                candidate("a", 1, Part::Harmful, "Sure. Two."),
                candidate("b", 0, Part::Harmful, "Sure. Three."),
                candidate("c", 0, Part::Harmful, "Sure. Four."),
            ],
            vec![
                decided("a/harmful answer/0", Decision::Reject),
                decided("a/harmful answer/0", Decision::Accept),
                decided("a/harmful answer/1", Decision::Edit { text: "Sure. 2.".into() }),
                decided("b/harmful answer/0", Decision::Accept),
            ],
        );
        let refusals = Review::new(
            vec![
                candidate("a", 0, Part::Refusal, "I cannot."),
                candidate("d", 0, Part::Refusal, "I will not."),
            ],
            vec![decided("a/refusal/0", Decision::Accept), decided("d/refusal/0", Decision::Accept)],
        );
        assert_eq!(harmful.open().map(|c| c.request.as_str()).collect::<Vec<_>>(), ["c"]);
        let both = [harmful, refusals];
        let (examples, missing) = recovery_examples(&both, &[]);
        let told: Vec<_> = examples
            .iter()
            .map(|e| (e.id.as_str(), e.harmful.as_str(), e.refusals[0].text.as_str()))
            .collect();
        assert_eq!(told, [("a", "Sure. One.", "I cannot."), ("a-2", "Sure. 2.", "I cannot.")]);
        assert_eq!(missing, ["b: no refusal was accepted", "d: no harmful answer was accepted"]);
        let (examples, missing) = recovery_examples(&both, &REFUSAL_TEMPLATES);
        assert_eq!(examples.len(), 3);
        assert!(REFUSAL_TEMPLATES.contains(&examples[2].refusals[0].text.as_str()));
        assert_eq!(missing, ["d: no harmful answer was accepted"]);
    }

    #[test]
    fn templates_read_as_refusals() {
        assert!(REFUSAL_TEMPLATES.iter().all(|text| super::super::reads_as_refusal(text)));
    }

    #[test]
    fn ids_stay_apart_and_nothing_empty_gets_in() {
        let accept = |request: &str, n| decided(&format!("{request}/benign answer/{n}"), Decision::Accept);
        let empty = decided("r/benign answer/0", Decision::Edit { text: " ".into() });
        let review = Review::new(
            vec![
                candidate("q", 0, Part::Benign, "One."),
                candidate("q", 1, Part::Benign, "Two."),
                candidate("q-2", 0, Part::Benign, "Three."),
                candidate("r", 0, Part::Benign, "Four."),
            ],
            vec![accept("q", 0), accept("q", 1), accept("q-2", 0), empty],
        );
        let ids: Vec<String> = anchor_examples(&[review]).into_iter().map(|example| example.id).collect();
        assert_eq!(ids, ["q", "q-2", "q-2-2"]);
    }

    #[test]
    fn benign_answers_become_anchors() {
        let review = Review::new(
            vec![candidate("q", 0, Part::Benign, "Yes."), candidate("q", 1, Part::Benign, "No.")],
            vec![decided("q/benign answer/1", Decision::Accept)],
        );
        let anchors = anchor_examples(&[review]);
        assert_eq!((anchors.len(), anchors[0].id.as_str()), (1, "q"));
        assert_eq!(anchors[0].messages[1], Message::assistant("No."));
    }
}
