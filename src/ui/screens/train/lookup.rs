//! What was asked of a thread, and what it said: one question at a time, always the newest one.

/// A question that is repeated whenever its key changes, and the last answer.
#[derive(Debug)]
pub(super) struct Lookup<K, T> {
    flight: Option<(u64, K)>,
    answer: Option<(K, T)>,
    stale: bool,
}

impl<K, T> Default for Lookup<K, T> {
    fn default() -> Self {
        Self { flight: None, answer: None, stale: false }
    }
}

impl<K: PartialEq, T> Lookup<K, T> {
    /// Whether the answer to `key` is neither known nor on its way.
    pub(super) fn lacks(&self, key: &K) -> bool {
        match &self.flight {
            Some((_, asked)) => asked != key,
            None => self.stale || self.answer.as_ref().is_none_or(|(known, _)| known != key),
        }
    }

    /// Whether nothing is on its way.
    pub(super) fn is_free(&self) -> bool {
        self.flight.is_none()
    }

    /// Remembers what was asked under a number; an older question is given up.
    pub(super) fn asked(&mut self, serial: u64, key: K) {
        self.flight = Some((serial, key));
        self.stale = false;
    }

    /// Takes an answer in, unless a newer question was asked.
    pub(super) fn take(&mut self, serial: u64, answer: T) {
        if let Some((_, key)) = self.flight.take_if(|(asked, _)| *asked == serial) {
            self.answer = Some((key, answer));
        }
    }

    /// Forgets the question that is on its way: its answer would come too late.
    pub(super) fn give_up(&mut self) {
        self.flight = None;
    }

    /// The number of the question that is on its way.
    pub(super) fn serial(&self) -> Option<u64> {
        self.flight.as_ref().map(|(serial, _)| *serial)
    }

    /// What it depends on besides its key has changed: it is asked again, and until then the old answer is shown.
    pub(super) fn stale(&mut self) {
        self.stale = true;
    }

    /// The answer to `key`.
    pub(super) fn get(&self, key: &K) -> Option<&T> {
        self.answer.as_ref().filter(|(known, _)| known == key).map(|(_, answer)| answer)
    }

    /// The last answer, whatever was asked.
    pub(super) fn last(&self) -> Option<&T> {
        self.answer.as_ref().map(|(_, answer)| answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_question_is_answered() {
        let mut lookup: Lookup<&str, i32> = Lookup::default();
        assert!(lookup.lacks(&"a") && lookup.is_free());
        lookup.asked(1, "a");
        assert!(!lookup.lacks(&"a") && lookup.lacks(&"b") && !lookup.is_free());
        lookup.asked(2, "b");
        lookup.take(1, 10);
        assert_eq!(lookup.last(), None);
        lookup.take(2, 20);
        assert_eq!((lookup.get(&"b"), lookup.get(&"a"), lookup.last()), (Some(&20), None, Some(&20)));
        assert!(!lookup.lacks(&"b"));
        lookup.stale();
        assert!(lookup.lacks(&"b") && lookup.get(&"b") == Some(&20));
    }
}
