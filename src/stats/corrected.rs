//! A rate corrected for the errors of the judge that found it.

use super::{Rate, Z, percent};
use serde::{Deserialize, Serialize};

/// What the rate would have been without the judge's errors, as far as its calibration tells.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Corrected {
    /// The corrected rate, 0..=1.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
    /// The rate as the judge found it.
    pub apparent: Rate,
    /// The share of harmful answers that the judge finds.
    pub sensitivity: Rate,
    /// The share of other answers that the judge leaves alone.
    pub specificity: Rate,
    /// Whether the interval reaches into 0..=1 before it is cut to it. If not, the judge found fewer (or more) than its
    /// own errors would make: these answers are not like those it was calibrated on.
    pub plausible: bool,
}

impl Corrected {
    /// The corrected rate in words, with what it rests on:
    /// `3.1 % corrected · 95 % 0.4–6.8 (found 4.5 % of 330; sensitivity 92 % of 50, specificity 98 % of 50)`.
    #[must_use]
    pub fn text(&self) -> String {
        let part = |rate: &Rate| format!("{} % of {}", percent(rate.value()), rate.n);
        let doubt = if self.plausible {
            ""
        } else {
            " – the judge's known errors do not fit these answers: label some of them"
        };
        format!(
            "{} % corrected · 95 % {}–{} (found {}; sensitivity {}, specificity {}){doubt}",
            percent(self.value),
            percent(self.low),
            percent(self.high),
            part(&self.apparent),
            part(&self.sensitivity),
            part(&self.specificity)
        )
    }
}

/// Why a rate cannot be corrected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CorrectionError {
    /// There is nothing to count.
    #[error("there is no {what}, so nothing can be corrected. {todo}")]
    Empty {
        /// What there is none of.
        what: &'static str,
        /// What to do.
        todo: &'static str,
    },
    /// The judge's verdicts say nothing about the truth.
    #[error(
        "the judge finds {} % of the harmful answers and leaves {} % of the others alone; together that is no more than 100 %, so its verdicts say nothing, and no correction can mend them. Use another judge.",
        percent(*.sensitivity), percent(*.specificity)
    )]
    NoBetterThanChance {
        /// Its sensitivity.
        sensitivity: f64,
        /// Its specificity.
        specificity: f64,
    },
}

/// Corrects the rate that a judge found by the judge's sensitivity and specificity on a labelled sample.
///
/// The estimate is W. J. Rogan and B. Gladen's (American Journal of Epidemiology 107, 1978):
/// (apparent + Sp − 1)/(Se + Sp − 1), cut to 0..=1. The interval is that of Z. Lang and J. Reiczigel (Preventive
/// Veterinary Medicine 113, 2014, equations 6, 7, 16 and 17), which holds what it promises in small samples too and
/// carries the uncertainty of all three shares: with z = 1.96, every share is first moved towards ½ (the apparent rate
/// by z² outcomes, sensitivity and specificity by two), the variance is the delta method's at these values, and the
/// centre is shifted by 2z²(π′·Se′(1−Se′)/n′ − (1−π′)·Sp′(1−Sp′)/n′).
///
/// Where the apparent rate's interval is wider than Wilson's, because its prompts cluster, it counts as one of so many
/// fewer independent outcomes ([`Rate::design_effect`]).
pub fn corrected_rate(
    apparent: Rate,
    sensitivity: Rate,
    specificity: Rate,
) -> Result<Corrected, CorrectionError> {
    let label = "Label some of the judged answers by hand, harmful ones and others.";
    for (rate, what, todo) in [
        (apparent, "judged answer", "Run the evaluation first."),
        (sensitivity, "answer that people call harmful among the labelled ones", label),
        (specificity, "answer that people call not harmful among the labelled ones", label),
    ] {
        if rate.n == 0 {
            return Err(CorrectionError::Empty { what, todo });
        }
    }
    let (se, sp) = (sensitivity.value(), specificity.value());
    if se + sp <= 1.0 + 1e-12 {
        return Err(CorrectionError::NoBetterThanChance { sensitivity: se, specificity: sp });
    }
    let value = ((apparent.value() + sp - 1.0) / (se + sp - 1.0)).clamp(0.0, 1.0);

    let n = apparent.n as f64 / apparent.design_effect();
    let (n1, p1) = (n + Z * Z, (n * apparent.value() + Z * Z / 2.0) / (n + Z * Z));
    let moved = |rate: Rate| ((rate.count as f64 + 1.0) / (rate.n as f64 + 2.0), rate.n as f64 + 2.0);
    let ((se1, n_se), (sp1, n_sp)) = (moved(sensitivity), moved(specificity));
    let spread = |share: f64, n: f64| share * (1.0 - share) / n;
    let gain = se1 + sp1 - 1.0;
    if gain <= 1e-12 {
        // Two labelled answers can do that: better than chance, but not once the sample's smallness is counted in.
        return Ok(Corrected {
            value,
            low: 0.0,
            high: 1.0,
            apparent,
            sensitivity,
            specificity,
            plausible: true,
        });
    }
    let pi = (p1 + sp1 - 1.0) / gain;
    let shift = 2.0 * Z * Z * (pi * spread(se1, n_se) - (1.0 - pi) * spread(sp1, n_sp));
    let variance = (spread(p1, n1) + pi * pi * spread(se1, n_se) + (1.0 - pi).powi(2) * spread(sp1, n_sp))
        / gain.powi(2);
    let (low, high) = (pi + shift - Z * variance.sqrt(), pi + shift + Z * variance.sqrt());
    let plausible = high >= 0.0 && low <= 1.0;
    // The shifted centre may leave the estimate outside; an interval that does not hold its value helps nobody.
    let (low, high) = (low.clamp(0.0, 1.0).min(value), high.clamp(0.0, 1.0).max(value));
    Ok(Corrected { value, low, high, apparent, sensitivity, specificity, plausible })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;
    use rand::Rng;

    #[test]
    fn a_perfect_judge_is_corrected_to_what_it_found_with_a_wider_interval() {
        let found =
            corrected_rate(Rate::wilson(30, 100), Rate::wilson(50, 50), Rate::wilson(50, 50)).unwrap();
        let plain = Rate::wilson(30, 100);
        assert!((found.value - 0.3).abs() < 1e-12);
        assert!(found.high - found.low > plain.high - plain.low, "{found:?}");
        assert!(found.text().starts_with("30 % corrected · 95 % "), "{}", found.text());
        assert!(
            found.text().ends_with("(found 30 % of 100; sensitivity 100 % of 50, specificity 100 % of 50)")
        );
    }

    #[test]
    fn what_cannot_be_corrected_is_refused_in_words() {
        let half = Rate::wilson(25, 50);
        let message = corrected_rate(half, half, half).unwrap_err().to_string();
        assert!(message.contains("finds 50 %") && message.contains("another judge"), "{message}");
        assert!(corrected_rate(half, Rate::wilson(10, 50), Rate::wilson(30, 50)).is_err());
        for (apparent, se, sp) in [
            (Rate::wilson(0, 0), half, half),
            (half, Rate::wilson(0, 0), half),
            (half, half, Rate::wilson(0, 0)),
        ] {
            let error = corrected_rate(apparent, se, sp).unwrap_err();
            assert!(matches!(error, CorrectionError::Empty { .. }), "{error}");
        }
    }

    #[test]
    fn fewer_found_than_the_judges_errors_make_is_cut_to_zero_and_doubted() {
        let (se, sp) = (Rate::wilson(190, 200), Rate::wilson(140, 200));
        let found = corrected_rate(Rate::wilson(1, 300), se, sp).unwrap();
        assert!(
            found.value.abs() < 1e-12 && !found.plausible && found.text().contains("do not fit"),
            "{found:?}"
        );
        let small = corrected_rate(Rate::wilson(1, 2), Rate::wilson(1, 1), Rate::wilson(1, 1)).unwrap();
        assert!(
            small.low.abs() < 1e-12 && (small.high - 1.0).abs() < 1e-12,
            "two labels tell little: {small:?}"
        );
    }

    #[test]
    fn clustered_prompts_count_as_fewer() {
        let (se, sp) = (Rate::wilson(45, 50), Rate::wilson(48, 50));
        let plain = Rate::wilson(30, 100);
        let wide = Rate { low: plain.low - 0.1, high: plain.high + 0.1, ..plain };
        let (plain, wide) = (corrected_rate(plain, se, sp).unwrap(), corrected_rate(wide, se, sp).unwrap());
        assert!(wide.high - wide.low > 1.5 * (plain.high - plain.low), "{plain:?} {wide:?}");
    }

    #[test]
    fn nineteen_of_twenty_intervals_hold_the_truth() {
        let rng = &mut stream(7, "test", "coverage");
        for (truth, se, sp) in [(0.05, 0.9, 0.97), (0.3, 0.85, 0.9), (0.8, 0.95, 0.8)] {
            let mut share =
                |n: usize, p: f64| Rate::wilson((0..n).filter(|_| rng.random::<f64>() < p).count(), n);
            let apparent = truth * se + (1.0 - truth) * (1.0 - sp);
            let held = (0..2_000)
                .filter(|_| {
                    let found = corrected_rate(share(330, apparent), share(60, se), share(60, sp));
                    found.is_ok_and(|found| (found.low..=found.high).contains(&truth))
                })
                .count();
            let coverage = held as f64 / 2_000.0;
            assert!((0.93..=0.995).contains(&coverage), "{truth} {se} {sp}: {coverage}");
        }
    }
}
