//! Rates with intervals, differences of paired outcomes, agreement of raters, rates corrected for a judge's errors, sizes
//! of samples, and means over seeds.
//!
//! Every interval is a 95 % one, every test two-sided. Rates and differences are fractions: 0.05 is 5 %.

mod agreement;
mod bootstrap;
mod corrected;
mod mcnemar;
mod mean;
mod paired;
mod power;
mod rate;

pub use agreement::{Confusion, Kappa, clustered_kappa, kappa};
pub use corrected::{Corrected, CorrectionError, corrected_rate};
pub use mcnemar::{McNemar, clustered_mcnemar, mcnemar};
pub use mean::{Mean, clustered_mean, mean_std};
pub use paired::{Difference, paired_difference};
pub use power::{SampleSizeError, design_effect, n_for_interval, n_paired, n_per_group, with_design_effect};
pub use rate::{Rate, clustered_rate};

/// The standard normal's 97.5 % quantile.
const Z: f64 = 1.959_963_984_540_054;

/// A fraction as a percentage with one decimal, without it where it is a zero.
fn percent(fraction: f64) -> String {
    let text = format!("{:.1}", fraction * 100.0);
    let short = text.strip_suffix(".0").unwrap_or(&text);
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

/// A p-value as people write it: `p = 0.013`, and `p < 0.001` below that.
fn p_text(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}
