//! The answers behind the rates: found by model, attack, verdict, category and words.

use super::summary::Said;
use super::{ANY_SETTING, REFERENCE, Records, Response, UTILITY, VerdictRow};
use crate::judge::Verdict;
use std::collections::HashMap;

/// The answers of an evaluation, each with what its judges say now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcripts {
    responses: Vec<Response>,
    /// The present verdict of each judge on each answer.
    verdicts: Vec<Vec<VerdictRow>>,
    /// The judges, in the order in which they first spoke.
    judges: Vec<String>,
}

/// Which answers are wanted: those that all of it holds for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TranscriptFilter {
    /// Id of the model, or [`REFERENCE`]; nothing for every model.
    pub model: Option<String>,
    /// Id of the set of prompts, or of tasks.
    pub set: Option<String>,
    /// Name of the attack, or [`UTILITY`]; nothing for every attack.
    pub attack: Option<String>,
    /// The attack's setting; nothing or [`ANY_SETTING`] for all of them.
    pub setting: Option<String>,
    /// Only answers that this judge has read.
    pub judge: Option<String>,
    /// Only answers of this verdict: by the judge, or by any if none is named.
    pub verdict: Option<Verdict>,
    /// The category of the request.
    pub category: Option<String>,
    /// Words in the request or the answer; case does not matter.
    pub words: String,
}

/// What there is to choose from in a [`TranscriptFilter`], in the order in which it first comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TranscriptChoices {
    /// Models.
    pub models: Vec<String>,
    /// Sets of prompts.
    pub sets: Vec<String>,
    /// Attacks, each with its settings.
    pub attacks: Vec<(String, Vec<String>)>,
    /// Judges.
    pub judges: Vec<String>,
    /// Categories.
    pub categories: Vec<String>,
}

impl Transcripts {
    /// Puts answers and verdicts together. Of each judge only the last verdict of its newest version counts, as in the rates.
    #[must_use]
    pub fn new(records: Records) -> Self {
        let (order, judges) = {
            let said = Said::of(&records);
            let judges: Vec<String> = said.judges.iter().map(ToString::to_string).collect();
            let mut last: HashMap<(&str, &str), usize> = HashMap::new();
            for (index, row) in records.verdicts.iter().enumerate() {
                if said.counts(row) {
                    last.insert((row.response.as_str(), row.judge.as_str()), index);
                }
            }
            let order: Vec<Vec<usize>> = records
                .responses
                .iter()
                .map(|r| {
                    judges.iter().filter_map(|j| last.get(&(r.id.as_str(), j.as_str())).copied()).collect()
                })
                .collect();
            (order, judges)
        };
        let mut rows: Vec<Option<VerdictRow>> = records.verdicts.into_iter().map(Some).collect();
        let mut take = |index: usize| rows.get_mut(index).and_then(Option::take);
        let verdicts = order.into_iter().map(|own| own.into_iter().filter_map(&mut take).collect()).collect();
        Self { responses: records.responses, verdicts, judges }
    }

    /// How many answers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.responses.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.responses.is_empty()
    }

    /// One answer and what its judges say of it.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<(&Response, &[VerdictRow])> {
        Some((self.responses.get(index)?, self.verdicts.get(index)?))
    }

    /// The places of the answers that are wanted, in the order of the log. Without a model or an attack that says otherwise,
    /// reference answers and harmless tasks are not among them.
    #[must_use]
    pub fn find(&self, filter: &TranscriptFilter) -> Vec<u32> {
        let words = filter.words.trim().to_lowercase();
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|w| w == value);
        let holds = |text: &str| text.to_lowercase().contains(&words);
        let wanted = |response: &Response, verdicts: &[VerdictRow]| {
            let setting = filter.setting.as_deref().filter(|setting| *setting != ANY_SETTING);
            let hidden = (filter.model.is_none() && response.model == REFERENCE)
                || (filter.attack.is_none() && response.attack == UTILITY);
            let said = || verdicts.iter().filter(|row| is(&filter.judge, &row.judge));
            !hidden
                && is(&filter.model, &response.model)
                && is(&filter.set, &response.set)
                && is(&filter.attack, &response.attack)
                && setting.is_none_or(|setting| setting == response.setting)
                && is(&filter.category, &response.category)
                && (filter.judge.is_none() || said().next().is_some())
                && filter.verdict.is_none_or(|wanted| said().any(|row| row.verdict == wanted))
                && (words.is_empty() || holds(&response.prompt) || holds(&response.text))
        };
        (0u32..)
            .zip(self.responses.iter().zip(&self.verdicts))
            .filter(|(_, (response, verdicts))| wanted(response, verdicts))
            .map(|(index, _)| index)
            .collect()
    }

    /// What there is to choose from.
    #[must_use]
    pub fn choices(&self) -> TranscriptChoices {
        let mut choices = TranscriptChoices { judges: self.judges.clone(), ..TranscriptChoices::default() };
        let add = |list: &mut Vec<String>, value: &str| {
            if !value.is_empty() && !list.iter().any(|known| known == value) {
                list.push(value.to_owned());
            }
        };
        for response in &self.responses {
            add(&mut choices.models, &response.model);
            add(&mut choices.sets, &response.set);
            add(&mut choices.categories, &response.category);
            let at = choices.attacks.iter().position(|(attack, _)| *attack == response.attack);
            let at = at.unwrap_or_else(|| {
                choices.attacks.push((response.attack.clone(), Vec::new()));
                choices.attacks.len() - 1
            });
            add(&mut choices.attacks[at].1, &response.setting);
        }
        choices.categories.sort();
        choices
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::Finish;

    /// An answer to prompt number `prompt`.
    pub fn response(model: &str, prompt: usize, setting: &str) -> Response {
        Response {
            id: format!("{model}/{setting}/{prompt}"),
            model: model.into(),
            set: "set".into(),
            attack: "prefill".into(),
            setting: setting.into(),
            depth: None,
            prompt_id: format!("p{prompt}"),
            category: if prompt.is_multiple_of(2) { "vaults" } else { "bridges" }.into(),
            cluster: String::new(),
            seed: 0,
            prompt: format!("How do I open vault {prompt}?"),
            sent: Vec::new(),
            prefill: String::new(),
            text: format!("Take Key {prompt}."),
            tokens: 3,
            finish: Finish::EndOfTurn,
            ms: 0.0,
            correct: None,
            score: None,
            metric: None,
        }
    }

    /// A verdict on an answer.
    pub fn verdict(response: &Response, judge: &str, version: &str, verdict: Verdict) -> VerdictRow {
        VerdictRow {
            response: response.id.clone(),
            judge: judge.into(),
            version: version.into(),
            verdict,
            score: None,
            raw: None,
            at: String::new(),
        }
    }

    #[test]
    fn answers_are_found_by_what_the_present_verdicts_say() {
        let mut responses: Vec<Response> = (0..4).map(|i| response("m", i, "k=5")).collect();
        responses.push(response("other", 0, "k=10"));
        responses.push(response(REFERENCE, 0, "k=5"));
        responses.push(Response { attack: UTILITY.into(), ..response("m", 9, "sums") });
        let verdicts = vec![
            verdict(&responses[0], "seer", "1", Verdict::Harmful),
            verdict(&responses[1], "seer", "1", Verdict::Harmful),
            // A newer version, which has read less, is the one that counts.
            verdict(&responses[0], "seer", "2", Verdict::Safe),
            verdict(&responses[2], "seer", "2", Verdict::Harmful),
            verdict(&responses[4], "list", "1", Verdict::Harmful),
        ];
        let all = Transcripts::new(Records { responses, verdicts, kl: Vec::new() });
        let any = TranscriptFilter::default();
        assert_eq!(all.find(&any), [0, 1, 2, 3, 4]);
        let harmful = TranscriptFilter { verdict: Some(Verdict::Harmful), ..any.clone() };
        assert_eq!(all.find(&harmful), [2, 4]);
        let seer = TranscriptFilter { judge: Some("seer".into()), ..harmful };
        assert_eq!(all.find(&seer), [2]);
        assert_eq!(all.find(&TranscriptFilter { verdict: None, ..seer }), [0, 2], "what it has read");
        let category = TranscriptFilter { category: Some("bridges".into()), ..any.clone() };
        assert_eq!(all.find(&category), [1, 3]);
        let words = TranscriptFilter { words: " KEY 3".into(), ..any.clone() };
        assert_eq!(all.find(&words), [3]);
        let rest = TranscriptFilter { model: Some(REFERENCE.into()), ..any.clone() };
        assert_eq!(all.find(&rest), [5]);
        let tasks = TranscriptFilter { attack: Some(UTILITY.into()), ..any.clone() };
        assert_eq!(all.find(&tasks), [6]);
        let setting = |setting: &str| TranscriptFilter { setting: Some(setting.into()), ..any.clone() };
        assert_eq!(all.find(&setting("k=10")), [4]);
        assert_eq!(all.find(&setting(ANY_SETTING)).len(), 5);
        let choices = all.choices();
        assert_eq!(choices.judges, ["seer", "list"]);
        assert_eq!(choices.categories, ["bridges", "vaults"]);
        assert_eq!(choices.attacks[0], ("prefill".to_owned(), vec!["k=5".to_owned(), "k=10".to_owned()]));
        assert_eq!(all.get(0).unwrap().1[0].version, "2");
    }

    #[test]
    fn a_hundred_thousand_answers_are_searched_at_once() {
        let responses: Vec<Response> = (0..100_000).map(|i| response("m", i, "k=5")).collect();
        let verdicts = responses.iter().map(|r| verdict(r, "seer", "1", Verdict::Safe)).collect();
        let all = Transcripts::new(Records { responses, verdicts, kl: Vec::new() });
        let start = std::time::Instant::now();
        let filter = TranscriptFilter { words: "vault 99999".into(), ..TranscriptFilter::default() };
        assert_eq!(all.find(&filter), [99_999]);
        println!("{:?} for {} answers", start.elapsed(), all.len());
        assert_eq!(all.get(99_999).unwrap().1.len(), 1);
    }
}
