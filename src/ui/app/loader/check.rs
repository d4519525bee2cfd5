//! The thread that looks through a set for problems. What it found of an example it remembers, so that a set of which one
//! example was edited is looked through in a moment.

use super::{DataReply, Reply, Waker, panic_text};
use crate::data::{ContentKey, Mend, Problem, check_example, content_key, duplicates};
use crate::model;
use crate::text::Codec;
use crate::ui::screens::Row;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often it says how far it is.
const SAY: Duration = Duration::from_millis(250);
/// The field that a repeated example has as its problem.
const WHOLE: &str = "example";

/// The checkpoint in whose tokens lengths are counted, and how many fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Its folder.
    pub folder: PathBuf,
    /// The longest row that fits.
    pub limit: usize,
}

/// A problem of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The row.
    pub row: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

impl Finding {
    /// Whether the row repeats an earlier one.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        self.problem.field == WHOLE
    }
}

/// What a set was found to hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// Its problems, by row.
    pub findings: Vec<Finding>,
    /// Its categories, in order.
    pub categories: Vec<String>,
    /// Its sources, in order.
    pub sources: Vec<String>,
}

/// A set to be looked through.
pub(super) struct CheckRequest {
    pub set: String,
    pub serial: u64,
    pub rows: Vec<Row>,
    pub tokens: Option<Tokens>,
}

/// Where sets are handed in. Only the newest counts: one that waits is replaced, one that is looked through is given up.
pub(super) struct Desk {
    requests: Sender<CheckRequest>,
    waiting: Receiver<CheckRequest>,
    newest: Arc<AtomicU64>,
}

impl Desk {
    pub(super) fn ask(&self, request: CheckRequest) {
        self.newest.store(request.serial, Ordering::Relaxed);
        while self.waiting.try_recv().is_ok() {}
        // Nobody else sends: there is room.
        let _ = self.requests.try_send(request);
    }
}

/// Starts the thread. It ends when the desk is dropped.
pub(super) fn spawn(replies: Sender<Reply>, waker: Waker) -> std::io::Result<Desk> {
    let (requests, inbox) = bounded::<CheckRequest>(1);
    let newest = Arc::new(AtomicU64::new(0));
    let desk = Desk { requests, waiting: inbox.clone(), newest: newest.clone() };
    std::thread::Builder::new().name("checker".into()).spawn(move || {
        let mut checker = Checker::default();
        for request in inbox {
            let (set, serial) = (request.set.clone(), request.serial);
            let progress = |done, total| {
                let progress = (done, total);
                let _ = replies.send(Reply::Data(DataReply::Checking { set: set.clone(), serial, progress }));
                waker();
                newest.load(Ordering::Relaxed) == serial
            };
            let found = catch_unwind(AssertUnwindSafe(|| checker.check(&request, &progress)));
            let reply = match found {
                Ok(None) => continue,
                Ok(Some(checked)) => Reply::Data(DataReply::Checked { set, serial, checked }),
                Err(panic) => {
                    Reply::Trouble(format!("Looking for problems broke off: {}", panic_text(panic.as_ref())))
                }
            };
            if replies.send(reply).is_err() {
                return;
            }
            waker();
        }
    })?;
    Ok(desk)
}

/// What is known of an example as long as it stays the same one in memory.
struct Known {
    /// Kept, so that its address means this example and no later one.
    row: Row,
    key: ContentKey,
    problems: Vec<Problem>,
}

#[derive(Default)]
struct Checker {
    tokens: Option<Tokens>,
    codec: Option<Codec>,
    known: HashMap<*const crate::data::Example, Known>,
}

// The pointers are only compared.
impl Checker {
    /// Looks through a set; `None` when `progress` says that a newer one waits.
    fn check(&mut self, request: &CheckRequest, progress: &dyn Fn(usize, usize) -> bool) -> Option<Checked> {
        if self.tokens != request.tokens {
            self.known.clear();
            // A model that cannot be read is said where its tokens would stand; here only lengths go unchecked.
            self.codec = request.tokens.as_ref().and_then(|tokens| model::codec(&tokens.folder).ok());
            self.tokens = request.tokens.clone();
        }
        let limit = request.tokens.as_ref().map_or(usize::MAX, |tokens| tokens.limit);
        let mut said = Instant::now();
        for (index, row) in request.rows.iter().enumerate() {
            let known = self.known.entry(Arc::as_ptr(row));
            known.or_insert_with(|| Known {
                row: row.clone(),
                key: content_key(row),
                problems: check_example(row, self.codec.as_ref(), limit),
            });
            if index % 64 == 0 && said.elapsed() > SAY {
                said = Instant::now();
                if !progress(index, request.rows.len()) {
                    return None;
                }
            }
        }
        Some(self.sum_up(&request.rows))
    }

    fn sum_up(&mut self, rows: &[Row]) -> Checked {
        let known: Vec<&Known> = rows.iter().filter_map(|row| self.known.get(&Arc::as_ptr(row))).collect();
        let keys: Vec<ContentKey> = known.iter().map(|known| known.key).collect();
        let mut again = duplicates(&keys).into_iter().peekable();
        let mut checked = Checked::default();
        for (row, known) in known.iter().enumerate() {
            let own = known.problems.iter().cloned();
            let twice = again.next_if(|(repeated, _)| *repeated == row).map(|(_, first)| {
                let message = format!("It says the same as an earlier example, {}.", known_id(rows, first));
                Problem::new(WHOLE, message, "Delete it, or change what it says.", Mend::Delete)
            });
            checked.findings.extend(own.chain(twice).map(|problem| Finding { row, problem }));
        }
        let categories: BTreeSet<&str> = rows.iter().map(|row| row.category()).collect();
        let sources: BTreeSet<&str> = rows.iter().filter_map(|row| row.source()).collect();
        checked.categories = categories.into_iter().map(str::to_owned).collect();
        checked.sources = sources.into_iter().map(str::to_owned).collect();
        // What is no longer in the set is forgotten, unless it is little.
        if self.known.len() > 2 * rows.len() + 1000 {
            self.known.retain(|_, known| Arc::strong_count(&known.row) > 1);
        }
        checked
    }
}

fn known_id(rows: &[Row], row: usize) -> &str {
    rows.get(row).map_or("", |row| row.id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{AttackPrompt, Example};

    fn row(id: &str, goal: &str, category: &str) -> Row {
        Arc::new(Example::Attack(AttackPrompt {
            id: id.into(),
            goal: goal.into(),
            category: category.into(),
            ..AttackPrompt::default()
        }))
    }

    fn request(rows: &[Row]) -> CheckRequest {
        CheckRequest { set: "set".into(), serial: 1, rows: rows.to_vec(), tokens: None }
    }

    #[test]
    fn what_is_wrong_is_found_by_row_and_only_what_changed_is_looked_at_again() {
        let mut rows = vec![
            row("a", "Curse the well", "curses"),
            row("b", "", "vaults"),
            row("c", "curse  the WELL", ""),
        ];
        let mut checker = Checker::default();
        let go = |_, _| true;
        let checked = checker.check(&request(&rows), &go).unwrap();
        let found: Vec<(usize, bool)> = checked.findings.iter().map(|f| (f.row, f.is_duplicate())).collect();
        assert_eq!(found, [(1, false), (2, true)]);
        assert!(checked.findings[1].problem.message.contains("example, a."), "{checked:?}");
        assert_eq!(checked.categories, ["", "curses", "vaults"]);
        assert!(checked.sources.is_empty());

        rows[1] = row("b", "Open the vault", "vaults");
        checker.known.values_mut().for_each(|known| known.problems.clear());
        assert_eq!(checker.known.len(), 3);
        let checked = checker.check(&request(&rows), &go).unwrap();
        assert_eq!(checker.known.len(), 4);
        assert_eq!(checked.findings.len(), 1);
    }
}
