//! Random streams that are keyed by what they are for, never by position.
//!
//! Every draw in Plumbline comes from a stream named by (seed, purpose, stable id): inserting or removing an
//! example does not change what any other example draws.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// The random stream of `purpose` for the thing named `id`, under `seed`.
#[must_use]
pub fn stream(seed: u64, purpose: &str, id: &str) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update((purpose.len() as u64).to_le_bytes());
    hash.update(purpose.as_bytes());
    hash.update(id.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn streams_differ_by_every_part_of_their_key_and_repeat() {
        let draw = |seed, purpose: &str, id: &str| stream(seed, purpose, id).random::<u64>();
        assert_eq!(draw(1, "depth", "a"), draw(1, "depth", "a"));
        assert_ne!(draw(1, "depth", "a"), draw(2, "depth", "a"));
        assert_ne!(draw(1, "depth", "a"), draw(1, "order", "a"));
        assert_ne!(draw(1, "depth", "a"), draw(1, "depth", "b"));
        assert_ne!(draw(1, "de", "ptha"), draw(1, "depth", "a"), "purpose and id must not run together");
    }
}
