//! Where somebody is in a list of answers.

use super::answer::Cover;

/// The answer that is open, its cover, and the note that is being written about it.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Its id.
    pub at: Option<String>,
    /// Whether it is covered.
    pub cover: Cover,
    /// The note.
    pub note: String,
}

impl Place {
    /// Goes to an answer, which is covered again.
    pub fn go(&mut self, id: String) {
        if self.at.as_ref() != Some(&id) {
            *self = Self { at: Some(id), ..Self::default() };
        }
    }

    /// The place in the list, if the open answer is still in it.
    #[must_use]
    pub fn index(&self, list: &[String]) -> Option<usize> {
        list.iter().position(|id| Some(id) == self.at.as_ref())
    }

    /// Whether there is one before and one after it.
    #[must_use]
    pub fn steps(&self, list: &[String]) -> (bool, bool) {
        match self.index(list) {
            Some(index) => (index > 0, index + 1 < list.len()),
            None => (false, !list.is_empty()),
        }
    }

    /// Goes one further, or one back. An answer that has left the list is followed by the first.
    pub fn step(&mut self, list: &[String], next: bool) {
        let to = match self.index(list) {
            Some(index) if next => index + 1,
            Some(index) => index.saturating_sub(1),
            None => 0,
        };
        if let Some(id) = list.get(to) {
            self.go(id.clone());
        }
    }

    /// Goes to the next answer after the open one that is not `done`, or to the first such; stays where there is none.
    pub fn step_to_open(&mut self, list: &[String], done: impl Fn(&str) -> bool) {
        let from = self.index(list).map_or(0, |index| index + 1);
        let open = list[from..].iter().chain(&list[..from]).find(|id| !done(id));
        match open.cloned() {
            Some(id) => self.go(id),
            None => self.note.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_stay_in_the_list_and_what_is_open_comes_next() {
        let list: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let mut place = Place::default();
        assert_eq!(place.steps(&list), (false, true));
        place.step(&list, true);
        assert_eq!(place.at.as_deref(), Some("a"));
        place.cover.opened = true;
        place.step(&list, false);
        assert!(place.cover.opened, "there is none before it");
        place.step_to_open(&list, |id| id == "b");
        assert_eq!((place.at.as_deref(), place.cover.opened), (Some("c"), false));
        assert_eq!(place.steps(&list), (true, false));
        place.step(&list, true);
        assert_eq!(place.at.as_deref(), Some("c"));
        place.step_to_open(&list, |id| id != "a");
        assert_eq!(place.at.as_deref(), Some("a"));
        place.step_to_open(&list, |_| true);
        assert_eq!(place.at.as_deref(), Some("a"));
        place.step(&list[1..], true);
        assert_eq!(place.at.as_deref(), Some("b"));
    }
}
