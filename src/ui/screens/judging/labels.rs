//! The labels of an evaluation as the window knows them: what stands, what is on its way to the disk, undo and redo.

use crate::judge::{Drawn, Label, Verdict, standing};
use crate::ui::app::{JudgingRequest, Request};

/// Steps that can be taken back.
const STEPS: usize = 200;

/// One label that was given, and what its author had said of the answer before.
#[derive(Clone, Debug)]
struct Step {
    before: Vec<Label>,
    label: Label,
}

/// Labels of one evaluation.
#[derive(Default)]
pub struct Labels {
    all: Vec<Label>,
    done: Vec<Step>,
    undone: Vec<Step>,
    pending: usize,
    /// Why the last ones could not be written.
    pub error: Option<String>,
    /// Changes with the labels.
    pub version: u64,
}

impl Labels {
    /// All that stand, oldest first.
    #[must_use]
    pub fn all(&self) -> &[Label] {
        &self.all
    }

    /// What `author` said of an answer that came to be labelled in this way.
    #[must_use]
    pub fn verdict(&self, author: &str, response: &str, drawn: Drawn) -> Option<Verdict> {
        let own =
            |label: &&Label| label.response == response && label.author == author && label.drawn == drawn;
        self.all.iter().rev().find(own).map(|label| label.verdict)
    }

    /// Takes over what was read from the disk.
    pub fn read(&mut self, labels: Vec<Label>) {
        if self.pending == 0 {
            self.all = labels;
            self.version += 1;
        }
    }

    /// Labels were written, or not.
    pub fn written(&mut self, result: Result<Vec<Label>, String>) {
        self.pending = self.pending.saturating_sub(1);
        match result {
            Ok(labels) => {
                self.error = None;
                self.read(labels);
            }
            Err(error) => self.error = Some(error),
        }
    }

    /// Whether something can be taken back.
    #[must_use]
    pub fn can_undo(&self) -> bool {
        !self.done.is_empty()
    }

    /// Whether something that was taken back can be given again.
    #[must_use]
    pub fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }

    /// Gives a label; the request writes it down.
    pub fn give(&mut self, evaluation: &str, label: Label) -> Request {
        self.undone.clear();
        self.carry_out(evaluation, label)
    }

    fn carry_out(&mut self, evaluation: &str, label: Label) -> Request {
        let own = |other: &&Label| other.response == label.response && other.author == label.author;
        let before = self.all.iter().filter(own).cloned().collect();
        if self.done.len() == STEPS {
            self.done.remove(0);
        }
        self.done.push(Step { before, label: label.clone() });
        self.write(evaluation, vec![label])
    }

    /// Takes the last label back: its answer, and the request that writes it down.
    pub fn undo(&mut self, evaluation: &str, at: &str) -> Option<(String, Request)> {
        let step = self.done.pop()?;
        let mut lines = vec![step.label.withdrawal(at.to_owned())];
        lines.extend(step.before.iter().cloned());
        let response = step.label.response.clone();
        self.undone.push(step);
        Some((response, self.write(evaluation, lines)))
    }

    /// Gives the label again that was taken back last.
    pub fn redo(&mut self, evaluation: &str, at: &str) -> Option<(String, Request)> {
        let step = self.undone.pop()?;
        let label = Label { at: at.to_owned(), ..step.label };
        let response = label.response.clone();
        Some((response, self.carry_out(evaluation, label)))
    }

    fn write(&mut self, evaluation: &str, labels: Vec<Label>) -> Request {
        let mut all = std::mem::take(&mut self.all);
        all.extend(labels.iter().cloned());
        self.all = standing(all);
        self.pending += 1;
        self.version += 1;
        Request::Judging(JudgingRequest::Label { evaluation: evaluation.to_owned(), labels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(response: &str, verdict: Verdict) -> Label {
        Label {
            response: response.into(),
            verdict,
            author: "Ada".into(),
            reason: String::new(),
            drawn: Drawn::ByChance,
            at: "1".into(),
            withdrawn: false,
        }
    }

    fn lines(request: Request) -> Vec<Label> {
        let Request::Judging(JudgingRequest::Label { labels, .. }) = request else { panic!("{request:?}") };
        labels
    }

    #[test]
    fn undo_leaves_what_was_said_before_and_redo_says_it_again() {
        let mut labels = Labels::default();
        labels.read(vec![label("r", Verdict::Safe)]);
        let mut disk = labels.all().to_vec();
        disk.extend(lines(labels.give("e", label("r", Verdict::Harmful))));
        disk.extend(lines(labels.give("e", label("s", Verdict::Refused))));
        let said = |labels: &Labels, id: &str| labels.verdict("Ada", id, Drawn::ByChance);
        assert_eq!(
            (said(&labels, "r"), said(&labels, "s")),
            (Some(Verdict::Harmful), Some(Verdict::Refused))
        );
        assert_eq!(said(&labels, "r"), labels.verdict("Ada", "r", Drawn::ByChance));
        assert_eq!(labels.verdict("Ben", "r", Drawn::ByChance), None);
        assert_eq!(labels.verdict("Ada", "r", Drawn::Disputed), None);

        let (response, request) = labels.undo("e", "2").unwrap();
        assert_eq!(response, "s");
        disk.extend(lines(request));
        assert_eq!(said(&labels, "s"), None);
        disk.extend(lines(labels.undo("e", "3").unwrap().1));
        assert_eq!(said(&labels, "r"), Some(Verdict::Safe));
        assert!(!labels.can_undo());
        disk.extend(lines(labels.redo("e", "4").unwrap().1));
        assert_eq!(said(&labels, "r"), Some(Verdict::Harmful));
        assert_eq!(standing(disk), labels.all(), "the disk says the same");
        let _ = labels.give("e", label("t", Verdict::Safe));
        assert!(!labels.can_redo(), "a new label forgets what was taken back");
    }

    #[test]
    fn what_is_on_its_way_is_not_overtaken_by_what_was_read() {
        let mut labels = Labels::default();
        let _ = labels.give("e", label("r", Verdict::Safe));
        let _ = labels.give("e", label("s", Verdict::Safe));
        labels.written(Ok(vec![label("r", Verdict::Safe)]));
        assert_eq!(labels.all().len(), 2);
        labels.written(Err("the disk is full".into()));
        assert!(labels.error.is_some());
        labels.read(vec![label("r", Verdict::Safe)]);
        assert_eq!(labels.all().len(), 1);
    }
}
