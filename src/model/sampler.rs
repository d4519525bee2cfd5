//! Choosing the next token.

use rand::Rng;
use serde::{Deserialize, Serialize};

/// How the next token is chosen from its logits, in the order of `transformers`: repetition penalty, temperature,
/// top-k, top-p.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampler {
    /// 0 = greedy: always the most likely token.
    pub temperature: f64,
    /// Only the k most likely tokens.
    pub top_k: Option<usize>,
    /// Only the smallest set of tokens whose probabilities add up to p.
    pub top_p: Option<f64>,
    /// Logits of tokens that the row already holds are divided by this if positive and multiplied by it if negative
    /// (Keskar et al. 2019); 1 = off.
    pub repetition_penalty: f64,
    /// Seed of the random streams, one per row.
    pub seed: u64,
}

impl Default for Sampler {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: None, top_p: None, repetition_penalty: 1.0, seed: 0 }
    }
}

/// Candidates that are sorted at first where a share of the probability is asked for: most often enough.
const LIKELY: usize = 256;

impl Sampler {
    /// Chooses one token from a row of logits; `seen` are the ids that the row already holds.
    pub fn choose(&self, logits: &[f32], seen: impl Iterator<Item = u32>, rng: &mut impl Rng) -> u32 {
        let penalised;
        let logits = if (self.repetition_penalty - 1.0).abs() < 1e-9 {
            logits
        } else {
            penalised = self.penalised(logits, seen);
            &penalised
        };
        if self.temperature <= 0.0 {
            return argmax(logits);
        }
        let top = f64::from(logits[argmax(logits) as usize]);
        let weight = |value: f32| ((f64::from(value) - top) / self.temperature).exp();
        let candidates = self.candidates(logits, weight);
        let weights: Vec<f64> = match &candidates {
            Some(order) => order.iter().map(|&id| weight(logits[id as usize])).collect(),
            None => logits.iter().map(|&v| weight(v)).collect(),
        };
        let mut left = rng.random::<f64>() * weights.iter().sum::<f64>();
        let mut chosen = weights.len() - 1;
        for (i, weight) in weights.iter().enumerate() {
            left -= weight;
            if left <= 0.0 {
                chosen = i;
                break;
            }
        }
        candidates.map_or(chosen as u32, |order| order[chosen])
    }

    fn penalised(&self, logits: &[f32], seen: impl Iterator<Item = u32>) -> Vec<f32> {
        let mut row = logits.to_vec();
        let mut ids: Vec<u32> = seen.collect();
        ids.sort_unstable();
        ids.dedup();
        let penalty = self.repetition_penalty as f32;
        for id in ids {
            if let Some(l) = row.get_mut(id as usize) {
                *l = if *l > 0.0 { *l / penalty } else { *l * penalty };
            }
        }
        row
    }

    /// The tokens that may be chosen, likeliest first; `None` = all.
    fn candidates(&self, logits: &[f32], weight: impl Fn(f32) -> f64) -> Option<Vec<u32>> {
        let (k, p) = (self.top_k.unwrap_or(usize::MAX).max(1), self.top_p.filter(|&p| p < 1.0));
        if k >= logits.len() && p.is_none() {
            return None;
        }
        let likelier = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
        let mut order: Vec<u32> = (0..logits.len() as u32).collect();
        if k < order.len() {
            order.select_nth_unstable_by(k - 1, likelier);
            order.truncate(k);
        }
        let Some(p) = p else {
            order.sort_unstable_by(likelier);
            return Some(order);
        };
        let total: f64 = order.iter().map(|&id| weight(logits[id as usize])).sum();
        let mut sorted = 0;
        let mut sum = 0.0;
        for at in 0..order.len() {
            if at == sorted {
                // The rest is sorted as far as it is needed.
                sorted = (sorted * 4).max(LIKELY).min(order.len());
                if sorted < order.len() {
                    order[at..].select_nth_unstable_by(sorted - at - 1, likelier);
                }
                order[at..sorted].sort_unstable_by(likelier);
            }
            sum += weight(logits[order[at] as usize]) / total;
            if sum >= p {
                order.truncate(at + 1);
                break;
            }
        }
        Some(order)
    }
}

/// The first index of the largest value.
#[must_use]
pub fn argmax(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (i, &v) in logits.iter().enumerate() {
        if v > logits[best] {
            best = i;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampling_follows_the_probabilities_and_its_limits() {
        let logits = [2.0_f32, 1.0, 0.0, -1.0];
        let mut rng = crate::rng::stream(0, "test", "sampler");
        let draw = |sampler: &Sampler, rng: &mut _| {
            let mut counts = [0_usize; 4];
            for _ in 0..20_000 {
                counts[sampler.choose(&logits, std::iter::empty(), rng) as usize] += 1;
            }
            counts.map(|c| c as f64 / 20_000.0)
        };
        let shares = draw(&Sampler { temperature: 1.0, ..Sampler::default() }, &mut rng);
        for (share, expected) in shares.iter().zip([0.6439, 0.2369, 0.0871, 0.0321]) {
            assert!((share - expected).abs() < 0.015, "{shares:?}");
        }
        let top_k = draw(&Sampler { temperature: 1.0, top_k: Some(2), ..Sampler::default() }, &mut rng);
        assert!(top_k[2] == 0.0 && top_k[3] == 0.0 && (top_k[0] - 0.7311).abs() < 0.015, "{top_k:?}");
        let top_p = draw(&Sampler { temperature: 1.0, top_p: Some(0.7), ..Sampler::default() }, &mut rng);
        assert!(top_p[1] > 0.0 && top_p[2] == 0.0, "the set that first reaches p is kept: {top_p:?}");
        assert_eq!(Sampler::default().choose(&logits, std::iter::empty(), &mut rng), 0);
        let penalty = Sampler { repetition_penalty: 3.0, ..Sampler::default() };
        assert_eq!(penalty.choose(&logits, std::iter::once(0), &mut rng), 1, "2/3 falls below 1");
    }
}
