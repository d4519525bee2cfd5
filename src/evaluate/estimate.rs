//! How long an evaluation will take, by what earlier ones took.

use super::{AttackSpec, EvaluateSpec, GcgLine, REFERENCE, Response, UTILITY};
use std::collections::{BTreeMap, BTreeSet};

/// Answers of one model to one attack, and what they took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Took {
    answers: usize,
    seconds: f64,
    evaluations: usize,
}

impl Took {
    fn add(&mut self, other: Self) {
        self.answers += other.answers;
        self.seconds += other.seconds;
        self.evaluations += other.evaluations;
    }

    /// Seconds of one answer.
    fn each(self) -> Option<f64> {
        (self.answers > 0 && self.seconds > 0.0).then(|| self.seconds / self.answers as f64)
    }
}

/// What one finished evaluation says about speed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lesson {
    answers: BTreeMap<(String, String), Took>,
    /// Everything but answers: loading, KL, judges. Nothing where suffixes were searched for, because the logs do not tell
    /// one from the other.
    rest: Option<Took>,
    /// Candidates tried in searches for a suffix, and the seconds that are left for them, by model.
    searched: BTreeMap<String, Took>,
}

impl Lesson {
    /// What an evaluation that took `seconds` in all says, by its answers and the steps of its searches.
    #[must_use]
    pub fn of(spec: &EvaluateSpec, seconds: f64, responses: &[Response], steps: &[GcgLine]) -> Self {
        let mut lesson = Self::default();
        for response in responses.iter().filter(|r| r.model != REFERENCE) {
            let key = (response.model.clone(), response.attack.clone());
            let took = lesson.answers.entry(key).or_default();
            took.answers += 1;
            took.seconds += response.ms / 1000.0;
            took.evaluations = 1;
        }
        let answers: usize = lesson.answers.values().map(|took| took.answers).sum();
        let answering: f64 = lesson.answers.values().map(|took| took.seconds).sum();
        let left = (seconds - answering).max(0.0);
        let width = spec.attacks.iter().find_map(|attack| match attack {
            AttackSpec::Gcg(gcg) => Some(gcg.width),
            _ => None,
        });
        match width {
            Some(width) if !steps.is_empty() => {
                let each = left / (steps.len() * width).max(1) as f64;
                for step in steps {
                    let took = lesson.searched.entry(step.model.clone()).or_default();
                    took.answers += width;
                    took.seconds += each * width as f64;
                    took.evaluations = 1;
                }
            }
            _ => lesson.rest = Some(Took { answers, seconds: left, evaluations: 1 }),
        }
        lesson
    }
}

/// What earlier evaluations say about speed, put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pace {
    answers: BTreeMap<(String, String), Took>,
    models: BTreeMap<String, Took>,
    rest: Took,
    searched: BTreeMap<String, Took>,
    evaluations: usize,
}

/// Where an estimate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The same model under the same attack.
    SameAttack,
    /// The same model under other attacks.
    SameModel,
    /// Another model, by the number of parameters.
    OtherModel(String),
}

/// How long something will take, and where that comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Seconds.
    pub seconds: f64,
    /// Where it comes from.
    pub basis: Basis,
    /// Answers that were timed.
    pub answers: usize,
    /// Evaluations that they are of.
    pub evaluations: usize,
}

impl Estimate {
    /// Where it comes from, in words.
    #[must_use]
    pub fn basis_text(&self) -> String {
        let count = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        let answers = count(self.answers, "timed answer", "timed answers");
        let evaluations = count(self.evaluations, "earlier evaluation", "earlier evaluations");
        match &self.basis {
            Basis::SameAttack => {
                format!("From {answers} of this model under this attack in {evaluations}.")
            }
            Basis::SameModel => {
                format!("From {answers} of this model under other attacks in {evaluations}.")
            }
            Basis::OtherModel(other) => format!(
                "Guessed from {answers} of {other} in {evaluations}, by the number of parameters: this model was never timed."
            ),
        }
    }
}

impl Pace {
    /// What these evaluations say.
    #[must_use]
    pub fn of<'a>(lessons: impl IntoIterator<Item = &'a Lesson>) -> Self {
        let mut pace = Self::default();
        for lesson in lessons {
            pace.evaluations += 1;
            let mut seen = BTreeSet::new();
            for ((model, attack), took) in &lesson.answers {
                pace.answers.entry((model.clone(), attack.clone())).or_default().add(*took);
                let of_model = Took { evaluations: usize::from(seen.insert(model)), ..*took };
                if attack != UTILITY {
                    pace.models.entry(model.clone()).or_default().add(of_model);
                }
            }
            for (model, took) in &lesson.searched {
                pace.searched.entry(model.clone()).or_default().add(*took);
            }
            if let Some(rest) = lesson.rest {
                pace.rest.add(rest);
            }
        }
        pace
    }

    /// Evaluations that it comes from.
    #[must_use]
    pub fn evaluations(&self) -> usize {
        self.evaluations
    }

    /// How long a model takes for an attack on so many prompts; `None` where nothing was timed that says so. `parameters`
    /// tells the size of a model.
    #[must_use]
    pub fn attack(
        &self,
        spec: &EvaluateSpec,
        model: &str,
        attack: &AttackSpec,
        prompts: usize,
        parameters: &dyn Fn(&str) -> Option<usize>,
    ) -> Option<Estimate> {
        let answers = spec.answers_to(attack, prompts);
        let mut estimate = self.answers(model, attack.name(), answers, parameters)?;
        if let AttackSpec::Gcg(gcg) = attack {
            let searches = if gcg.universal.is_some() { 1 } else { prompts };
            let slots = gcg.universal.map_or(1, |n| n.min(prompts).max(1));
            let candidates = searches * slots * spec.seeds_of(attack) * gcg.steps * gcg.width;
            let (took, basis) = one(&self.searched, model, parameters)?;
            estimate.seconds += took.each()? * candidates as f64 * basis.1;
            // The search is what takes the time.
            estimate.basis = if basis.0 == Basis::SameModel { Basis::SameAttack } else { basis.0 };
            estimate.evaluations = took.evaluations;
        }
        Some(estimate)
    }

    /// How long a model takes for so many harmless tasks.
    #[must_use]
    pub fn utility(
        &self,
        model: &str,
        tasks: usize,
        parameters: &dyn Fn(&str) -> Option<usize>,
    ) -> Option<Estimate> {
        self.answers(model, UTILITY, tasks, parameters)
    }

    /// Loading, KL and judging beside so many answers, as it was in earlier evaluations.
    #[must_use]
    pub fn rest(&self, answers: usize) -> Option<f64> {
        Some(self.rest.each()? * answers as f64)
    }

    fn answers(
        &self,
        model: &str,
        attack: &str,
        answers: usize,
        parameters: &dyn Fn(&str) -> Option<usize>,
    ) -> Option<Estimate> {
        let estimate = |took: Took, basis: Basis, factor: f64| {
            Some(Estimate {
                seconds: took.each()? * factor * answers as f64,
                basis,
                answers: took.answers,
                evaluations: took.evaluations,
            })
        };
        // Rank-assisted prefilling runs two models token by token: other attacks say nothing about it.
        let alike = |name: &str| (name == "rap") == (attack == "rap");
        if let Some(took) = self.answers.get(&(model.to_owned(), attack.to_owned()))
            && took.each().is_some()
        {
            return estimate(*took, Basis::SameAttack, 1.0);
        }
        let mut models: BTreeMap<String, Took> = BTreeMap::new();
        for ((model, name), took) in &self.answers {
            if name != UTILITY && alike(name) {
                models.entry(model.clone()).or_default().add(*took);
            }
        }
        for (model, took) in &mut models {
            let most = self.models.get(model).map_or(1, |of_model| of_model.evaluations);
            took.evaluations = took.evaluations.min(most);
        }
        let (took, (basis, factor)) = one(&models, model, parameters)?;
        estimate(took, basis, factor)
    }
}

/// What was timed of the model itself, or else of the model that is nearest in size.
fn one(
    timed: &BTreeMap<String, Took>,
    model: &str,
    parameters: &dyn Fn(&str) -> Option<usize>,
) -> Option<(Took, (Basis, f64))> {
    if let Some(took) = timed.get(model).filter(|took| took.each().is_some()) {
        return Some((*took, (Basis::SameModel, 1.0)));
    }
    let own = parameters(model)? as f64;
    timed
        .iter()
        .filter(|(_, took)| took.each().is_some())
        .filter_map(|(other, took)| Some((other, took, own / parameters(other).filter(|n| *n > 0)? as f64)))
        .min_by(|(_, _, a), (_, _, b)| a.ln().abs().total_cmp(&b.ln().abs()))
        .map(|(other, took, factor)| (*took, (Basis::OtherModel(other.clone()), factor)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::GcgSpec;
    use crate::evaluate::transcripts::tests::response;

    fn timed(model: &str, attack: &str, n: usize, ms: f64) -> Vec<Response> {
        (0..n).map(|i| Response { attack: attack.into(), ms, ..response(model, i, "k=5") }).collect()
    }

    #[test]
    fn an_estimate_says_what_it_comes_from() {
        let spec = EvaluateSpec { models: vec!["a".into()], ..EvaluateSpec::default() };
        let mut answers = timed("a", "prefill", 10, 500.0);
        answers.extend(timed("a", "direct", 10, 100.0));
        let lesson = Lesson::of(&spec, 16.0, &answers, &[]);
        let pace = Pace::of([&lesson, &lesson]);
        let sizes = |model: &str| (model != "unknown").then_some(if model == "b" { 3_000 } else { 1_000 });

        // 4 prompts at 5 depths, half a second each.
        let own = pace.attack(&spec, "a", &AttackSpec::prefill(), 4, &sizes).unwrap();
        assert!((own.seconds - 10.0).abs() < 1e-9, "{own:?}");
        assert_eq!((own.basis.clone(), own.answers, own.evaluations), (Basis::SameAttack, 20, 2));
        assert!(own.basis_text().contains("2 earlier evaluations"), "{}", own.basis_text());

        // Another attack: 0.3 s an answer over all that this model answered.
        let other = pace.attack(&spec, "a", &AttackSpec::multi_turn(), 4, &sizes).unwrap();
        assert!((other.seconds - 1.2).abs() < 1e-9 && other.basis == Basis::SameModel, "{other:?}");
        assert_eq!(other.evaluations, 2, "both attacks were of the same two evaluations");

        // A model three times the size, and one of which nothing is known.
        let larger = pace.attack(&spec, "b", &AttackSpec::Direct, 10, &sizes).unwrap();
        assert!((larger.seconds - 9.0).abs() < 1e-9, "{larger:?}");
        assert_eq!(larger.basis, Basis::OtherModel("a".into()));
        assert_eq!(pace.attack(&spec, "unknown", &AttackSpec::Direct, 10, &sizes), None);
        assert_eq!(pace.attack(&spec, "a", &AttackSpec::rap(), 10, &sizes), None, "two models at once");
        assert_eq!(Pace::default().attack(&spec, "a", &AttackSpec::Direct, 1, &sizes), None);

        // 10 of the 16 seconds went into loading, KL and judging.
        assert!((pace.rest(10).unwrap() - 5.0).abs() < 1e-9);
    }

    #[test]
    fn searches_for_suffixes_are_timed_by_what_is_left() {
        let gcg = AttackSpec::Gcg(GcgSpec { steps: 5, width: 8, ..GcgSpec::default() });
        let spec = EvaluateSpec { attacks: vec![gcg.clone()], ..EvaluateSpec::default() };
        let step = |step| GcgLine {
            model: "a".into(),
            set: "set".into(),
            prompt_id: "p0".into(),
            seed: 0,
            step,
            loss: 1.0,
            best: 1.0,
            suffix: String::new(),
        };
        let steps: Vec<GcgLine> = (1..=5).map(step).collect();
        let lesson = Lesson::of(&spec, 5.0, &timed("a", "gcg", 1, 1000.0), &steps);
        let pace = Pace::of([&lesson]);
        // 4 s for 40 candidates; twice the steps, three prompts: 24 s, and 3 s of answers.
        let more = AttackSpec::Gcg(GcgSpec { steps: 10, width: 8, ..GcgSpec::default() });
        let estimate = pace.attack(&spec, "a", &more, 3, &|_| Some(1)).unwrap();
        assert!((estimate.seconds - 27.0).abs() < 1e-9, "{estimate:?}");
        assert_eq!(pace.rest(10), None, "what else there was cannot be told from the searches");
    }
}
