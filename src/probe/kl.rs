//! KL divergence of two models per answer token (Qi et al., §2.2, Figure 1).

use super::{answer_hidden, comparable};
use crate::model::{Control, Decoder, ModelError, kl_divergence};

/// Elements of logits of each model that are in memory at once.
const LOGITS_AT_ONCE: usize = 1 << 24;

/// The curve of KL per answer token over many answers. Index 0 is answer token t = 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KlCurve {
    /// Mean over the answers that reach t.
    pub mean: Vec<f64>,
    /// Sample standard deviation over them (0 where only one does).
    pub std: Vec<f64>,
    /// How many answers reach t.
    pub n: Vec<usize>,
    /// Every answer's own curve, in the order of the rows.
    pub per_prompt: Vec<Vec<f32>>,
}

impl KlCurve {
    /// Mean, spread and count at each t of given curves.
    #[must_use]
    pub fn from_curves(per_prompt: Vec<Vec<f32>>) -> Self {
        let longest = per_prompt.iter().map(Vec::len).max().unwrap_or(0);
        let mut curve = Self { per_prompt, ..Self::default() };
        for t in 0..longest {
            let at: Vec<f64> =
                curve.per_prompt.iter().filter_map(|c| c.get(t)).map(|&v| f64::from(v)).collect();
            let n = at.len();
            let mean = at.iter().sum::<f64>() / n as f64;
            let variance = at.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n.max(2) - 1) as f64;
            curve.mean.push(mean);
            curve.std.push(variance.sqrt());
            curve.n.push(n);
        }
        curve
    }
}

/// `KL(π_model(·|x`, y_<t) ‖ `π_base(·|x`, y_<t)) over the whole vocabulary at every token `y_t` of each answer, both models
/// fed the same ids. `rows` are (prompt, answer) in ids. `progress` gets the number of finished rows; `None` = stopped.
pub fn kl_per_token(
    model: &Decoder,
    base: &Decoder,
    rows: &[(Vec<u32>, Vec<u32>)],
    batch: usize,
    progress: &mut dyn FnMut(usize) -> Control,
) -> Result<Option<KlCurve>, ModelError> {
    comparable(model, base)?;
    let mut curves = Vec::with_capacity(rows.len());
    for chunk in rows.chunks(batch.max(1)) {
        let (p, q) = (answer_hidden(model, chunk)?, answer_hidden(base, chunk)?);
        let (n, step) = (p.dim(0)?, (LOGITS_AT_ONCE / model.config().vocab_size).max(1));
        let mut kl = Vec::with_capacity(n);
        for first in (0..n).step_by(step) {
            let part = step.min(n - first);
            let (p, q) = (p.narrow(0, first, part)?, q.narrow(0, first, part)?);
            kl.extend(kl_divergence(&model.head(&p)?, &base.head(&q)?)?);
        }
        let mut rest = kl.as_slice();
        for (_, answer) in chunk {
            let (own, others) = rest.split_at(answer.len());
            curves.push(own.to_vec());
            rest = others;
        }
        if progress(curves.len()) == Control::Stop {
            return Ok(None);
        }
    }
    Ok(Some(KlCurve::from_curves(curves)))
}
