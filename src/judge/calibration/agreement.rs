//! A judge's verdicts beside people's labels.

use super::super::Verdict;
use crate::stats::{
    Confusion, Corrected, CorrectionError, Kappa, Rate, clustered_kappa, clustered_rate, corrected_rate,
    kappa,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// How a judge agrees with people on *harmful or not*: refused and safe are the same here.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeAgreement {
    /// Responses that both a person and the judge decided.
    pub n: usize,
    /// What the judge said of them against what people say: *positive* is harmful.
    pub confusion: Confusion,
    /// The share of harmful responses that the judge finds.
    pub sensitivity: Rate,
    /// The share of other responses that the judge leaves alone.
    pub specificity: Rate,
    /// Agreement beyond chance; `None` where it does not exist, because all responses are of one kind.
    pub kappa: Option<Kappa>,
    /// Responses that a person decided and the judge could not judge. They are in no figure above.
    pub unparsed: usize,
    /// Labelled responses that the judge was never asked about.
    pub unjudged: usize,
    /// Labels that decide nothing: a person could not tell either.
    pub undecided: usize,
}

impl JudgeAgreement {
    /// The agreement in words.
    #[must_use]
    pub fn text(&self) -> String {
        if self.n == 0 {
            return "no response has both a label and a verdict".to_owned();
        }
        let kappa = self.kappa.map_or_else(
            || "κ does not exist: people call all of them the same, and so does the judge".to_owned(),
            |kappa| kappa.text(),
        );
        let mut text = format!(
            "{} labelled responses · {kappa} · finds {} of the harmful ones · leaves {} of the others alone",
            self.n,
            self.sensitivity.text(),
            self.specificity.text()
        );
        if self.unparsed > 0 {
            text.push_str(&format!(" · {} could not be judged", self.unparsed));
        }
        text
    }

    /// A rate that this judge found, corrected for its errors. See [`corrected_rate`]; it holds for responses like the
    /// labelled ones, drawn by chance ([`super::calibration_sample`]) and not for their difficulty.
    pub fn correct(&self, apparent: Rate) -> Result<Corrected, CorrectionError> {
        corrected_rate(apparent, self.sensitivity, self.specificity)
    }
}

/// Compares verdicts with labels, both by response id. Where an id comes more than once the last one counts: both files
/// are only ever appended to. With another person's labels as the verdicts it says how well people agree, which is as much
/// as a judge can be asked for.
#[must_use]
pub fn agreement(labels: &[(&str, Verdict)], verdicts: &[(&str, Verdict)]) -> JudgeAgreement {
    compared(labels, verdicts, None)
}

/// The same where responses of one cluster (answers to the same prompt) are not independent: all intervals are bootstrap
/// intervals over whole clusters, not narrower than those for independent responses.
#[must_use]
pub fn clustered_agreement(
    labels: &[(&str, Verdict)],
    verdicts: &[(&str, Verdict)],
    cluster_of: &dyn Fn(&str) -> String,
    resamples: usize,
    seed: u64,
) -> JudgeAgreement {
    compared(labels, verdicts, Some((cluster_of, resamples, seed)))
}

type Clusters<'a> = (&'a dyn Fn(&str) -> String, usize, u64);

fn compared(
    labels: &[(&str, Verdict)],
    verdicts: &[(&str, Verdict)],
    clusters: Option<Clusters>,
) -> JudgeAgreement {
    let judged: HashMap<&str, Verdict> = verdicts.iter().copied().collect();
    let last: HashMap<&str, Verdict> = labels.iter().copied().collect();
    let (mut said, mut truth, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let (mut unparsed, mut unjudged, mut undecided) = (0, 0, 0);
    // In the order of the ids, so that the bootstrap repeats.
    let mut ids: Vec<&str> = last.keys().copied().collect();
    ids.sort_unstable();
    for id in ids {
        match (last[id], judged.get(id)) {
            (Verdict::Unparsed, _) => undecided += 1,
            (_, None) => unjudged += 1,
            (_, Some(Verdict::Unparsed)) => unparsed += 1,
            (label, Some(verdict)) => {
                said.push(verdict.is_harmful());
                truth.push(label.is_harmful());
                names.push(clusters.map_or_else(String::new, |(cluster_of, ..)| cluster_of(id)));
            }
        }
    }
    let confusion = Confusion::of(said.iter().copied().zip(truth.iter().copied()));
    let (sensitivity, specificity, kappa) = match clusters {
        None => (confusion.sensitivity(), confusion.specificity(), kappa(&said, &truth)),
        Some((_, resamples, seed)) => {
            let share = |of: bool| {
                let rows = (0..said.len()).filter(|&i| truth[i] == of);
                let (right, names): (Vec<bool>, Vec<&str>) =
                    rows.map(|i| (said[i] == of, names[i].as_str())).unzip();
                clustered_rate(&right, &names, resamples, seed)
            };
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            (share(true), share(false), clustered_kappa(&said, &truth, &names, resamples, seed))
        }
    };
    JudgeAgreement {
        n: said.len(),
        confusion,
        sensitivity,
        specificity,
        kappa,
        unparsed,
        unjudged,
        undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [(&str, Verdict); 7] = [
        ("r1", Verdict::Harmful),
        ("r2", Verdict::Harmful),
        ("r3", Verdict::Safe),
        ("r4", Verdict::Refused),
        ("r5", Verdict::Safe),
        ("r6", Verdict::Unparsed),
        ("r7", Verdict::Safe),
    ];

    #[test]
    fn verdicts_are_counted_against_labels_and_what_decides_nothing_apart() {
        let verdicts = [
            ("r1", Verdict::Safe),
            ("r1", Verdict::Harmful),
            ("r2", Verdict::Refused),
            ("r3", Verdict::Refused),
            ("r4", Verdict::Harmful),
            ("r5", Verdict::Unparsed),
            ("r6", Verdict::Harmful),
            ("r99", Verdict::Harmful),
        ];
        let found = agreement(&LABELS, &verdicts);
        let confusion =
            Confusion { true_positive: 1, false_positive: 1, false_negative: 1, true_negative: 1 };
        assert_eq!((found.n, found.confusion), (4, confusion), "the last verdict of r1 counts");
        assert_eq!((found.unparsed, found.unjudged, found.undecided), (1, 1, 1));
        assert!(found.kappa.unwrap().value.abs() < 1e-12);
        assert!(found.text().ends_with("1 could not be judged"), "{}", found.text());
        assert!(found.correct(Rate::wilson(1, 10)).is_err(), "no better than chance");
        assert_eq!(agreement(&LABELS, &[]).text(), "no response has both a label and a verdict");
        assert!(agreement(&LABELS[2..3], &LABELS).text().contains("κ does not exist"));
    }

    #[test]
    fn answers_to_the_same_prompt_are_no_independent_evidence() {
        let ids: Vec<String> = (0..60).map(|i| format!("p{}-{i:02}", i / 10)).collect();
        let verdict = |harmful: bool| if harmful { Verdict::Harmful } else { Verdict::Safe };
        let labels: Vec<(&str, Verdict)> =
            ids.iter().enumerate().map(|(i, id)| (id.as_str(), verdict(i % 2 == 0))).collect();
        // All answers to the first two of six prompts are judged wrong.
        let verdicts: Vec<(&str, Verdict)> =
            ids.iter().enumerate().map(|(i, id)| (id.as_str(), verdict((i % 2 == 0) ^ (i < 20)))).collect();
        let prompt = |id: &str| id[..2].to_owned();
        let (plain, clustered) =
            (agreement(&labels, &verdicts), clustered_agreement(&labels, &verdicts, &prompt, 2_000, 1));
        assert_eq!((plain.confusion, plain.n), (clustered.confusion, 60));
        let width = |kappa: Option<Kappa>| kappa.map(|kappa| kappa.high - kappa.low).unwrap();
        assert!(width(clustered.kappa) > 1.5 * width(plain.kappa), "{plain:?} {clustered:?}");
        assert!(clustered.sensitivity.design_effect() > 2.0 && clustered.specificity.design_effect() > 2.0);
        assert_eq!(clustered, clustered_agreement(&labels, &verdicts, &prompt, 2_000, 1));
    }
}
