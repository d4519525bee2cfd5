//! Actions of the Data screen.

use super::About;
use crate::data::{BulkEdit, DatasetKind, Mend, PartEdit, SplitBy, SplitSpec};
use crate::ui::app::SetRequest;
use egui_material_icons::icons;

/// A question about a set that is asked before anything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What a new set is called and holds.
    New,
    /// What a copy of the open set is called.
    Copy,
    /// What the open set is to be called.
    Rename,
    /// How the open set is split.
    Split,
    /// Whether the open set is to be deleted.
    Delete,
}

/// An action of the Data screen.
#[derive(Clone, Debug, PartialEq)]
pub enum DataCommand {
    /// Look at a data set.
    Select(String),
    /// Put a new example into the open set.
    AddExample,
    /// Take the selected examples out of the open set.
    RemoveExample,
    /// Write the open data set again after a failed attempt.
    SaveAgain,
    /// Select every example that is listed.
    SelectListed,
    /// Select no more than the example in the editor.
    SelectOne,
    /// Edit all selected examples alike.
    Bulk(BulkEdit),
    /// Add a part to the example in the editor, or take one out.
    Part(PartEdit),
    /// Show the list of problems, or the editor again.
    ShowProblems(bool),
    /// Go to the next example with a problem.
    NextProblem,
    /// Look at this row in the editor.
    GoTo(usize),
    /// Mend a problem of an example.
    Mend {
        /// The example's id.
        id: String,
        /// What is done.
        mend: Mend,
    },
    /// Take out what repeats an earlier example.
    Deduplicate,
    /// Ask about a set.
    Ask(Ask),
    /// Close the question and do nothing.
    Cancel,
    /// Do something with a set as a whole.
    Set(SetRequest),
}

impl DataCommand {
    pub(super) fn about(&self) -> About {
        match self {
            Self::Select(id) => About::new(format!("Open data set {id}"), "Shows the examples of this set."),
            Self::AddExample => About::new("Add example", "Adds an empty example below the selected one.")
                .icon(icons::ICON_ADD),
            Self::RemoveExample => About::new(
                "Delete example",
                "Takes every selected example out of the set. Undo brings them back.",
            )
            .icon(icons::ICON_DELETE),
            Self::SaveAgain => About::new("Save again", "Tries once more to write the data set."),
            Self::SelectListed => {
                About::new("Select all", "Selects every example in the list, to edit them together.")
            }
            Self::SelectOne => About::new("Select one", "Goes back to the editor of a single example."),
            Self::Bulk(edit) => bulk(edit),
            Self::Part(edit) => part(*edit),
            Self::ShowProblems(true) => {
                About::new("Show problems", "Lists what is wrong with this set, each with a way to mend it.")
            }
            Self::ShowProblems(false) => About::new("Back to the example", "Shows the editor again."),
            Self::NextProblem => About::new(
                "Next problem",
                "Goes to the next example of this set with which something is wrong.",
            )
            .shift_key(eframe::egui::Key::J),
            Self::GoTo(row) => {
                About::new(format!("Edit example {}", row + 1), "Shows this example in the editor.")
            }
            Self::Mend { mend, .. } => mended(mend),
            Self::Deduplicate => About::new(
                "Delete duplicates",
                "Takes out every example that says the same as an earlier one but for white space and case. Undo brings them back.",
            ),
            Self::Ask(ask) => asked(*ask),
            Self::Cancel => About::new("Cancel", "Closes the question. Nothing is changed."),
            Self::Set(request) => set(request),
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        let name = || "…".to_owned();
        let mut all = vec![
            Self::Select(name()),
            Self::AddExample,
            Self::RemoveExample,
            Self::SaveAgain,
            Self::SelectListed,
            Self::SelectOne,
            Self::Bulk(BulkEdit::Category(name())),
            Self::Bulk(BulkEdit::Source(name())),
            Self::Bulk(BulkEdit::Cut(Some(0))),
            Self::Bulk(BulkEdit::Cut(None)),
            Self::Bulk(BulkEdit::Refusal),
            Self::ShowProblems(true),
            Self::ShowProblems(false),
            Self::NextProblem,
            Self::GoTo(0),
            Self::Deduplicate,
        ];
        all.extend(
            [
                PartEdit::AddTurn,
                PartEdit::RemoveTurn(0),
                PartEdit::AddInstructions,
                PartEdit::RemoveInstructions,
                PartEdit::AddRefusal,
                PartEdit::RemoveRefusal(0),
                PartEdit::AddTarget,
                PartEdit::RemoveTarget,
                PartEdit::AddChoice,
                PartEdit::RemoveChoice(0),
            ]
            .map(Self::Part),
        );
        all.extend(
            [
                Mend::Delete,
                Mend::Template(0),
                Mend::DropRefusal(0),
                Mend::DropEarlier,
                Mend::Cut(0),
                Mend::Answer(name()),
                Mend::DropTarget,
                Mend::Reference(name()),
            ]
            .map(|mend| Self::Mend { id: name(), mend }),
        );
        all.extend([Ask::New, Ask::Copy, Ask::Rename, Ask::Split, Ask::Delete].map(Self::Ask));
        all.push(Self::Cancel);
        all.extend(
            [
                SetRequest::New { id: name(), kind: DatasetKind::Recovery },
                SetRequest::Copy { from: name(), to: name() },
                SetRequest::Rename { from: name(), to: name() },
                SetRequest::Split {
                    set: name(),
                    names: [name(), name()],
                    spec: SplitSpec { share: 0.5, seed: 0, by: SplitBy::Example },
                },
                SetRequest::Delete(name()),
            ]
            .map(Self::Set),
        );
        all
    }
}

fn bulk(edit: &BulkEdit) -> About {
    match edit {
        BulkEdit::Category(_) => About::new("Set category", "Gives every selected example this category."),
        BulkEdit::Source(_) => About::new("Set source", "Gives every selected example this source."),
        BulkEdit::Cut(Some(_)) => {
            About::new("Set cut", "Cuts the harmful answer of every selected example after this many tokens.")
        }
        BulkEdit::Cut(None) => About::new(
            "Cut at random",
            "Draws the cut of every selected example anew at each visit, as in the paper.",
        ),
        BulkEdit::Refusal => About::new(
            "Replace refusals by templates",
            "Puts one of six plain refusals in the place of each selected example's own.",
        ),
    }
}

fn part(edit: PartEdit) -> About {
    match edit {
        PartEdit::AddTurn => {
            About::new("Add turn", "Adds something that was asked, and what the model answered to it.")
        }
        PartEdit::RemoveTurn(at) => About::new(
            format!("Remove turn {}", at / 2 + 1),
            "Takes this request and the answer to it out of the conversation.",
        ),
        PartEdit::AddInstructions => {
            About::new("Add instructions", "Adds instructions that stand before the conversation.")
        }
        PartEdit::RemoveInstructions => {
            About::new("Remove instructions", "Takes the instructions before the conversation out.")
        }
        PartEdit::AddRefusal => About::new(
            "Add refusal",
            "Adds a refusal that holds when more of the harmful answer stands before it.",
        ),
        PartEdit::RemoveRefusal(at) => {
            About::new(format!("Remove refusal {}", at + 1), "Takes this refusal out.")
        }
        PartEdit::AddTarget => About::new(
            "Add reference answer",
            "Adds a harmful answer, whose beginning attacks can put into the model's mouth.",
        ),
        PartEdit::RemoveTarget => About::new("Remove answer", "Takes the reference harmful answer out."),
        PartEdit::AddChoice => About::new("Add choice", "Adds something to choose from."),
        PartEdit::RemoveChoice(at) => About::new(
            format!("Remove choice {}", char::from(b'A' + (at % 26) as u8)),
            "Takes this choice out.",
        ),
    }
}

fn mended(mend: &Mend) -> About {
    match mend {
        Mend::Delete => About::new("Delete this example", "Takes the example out. Undo brings it back."),
        Mend::Template(_) => About::new("Use a template", "Writes one of six plain refusals in this place."),
        Mend::DropRefusal(_) => About::new("Remove this refusal", "Keeps the example's other refusals."),
        Mend::DropEarlier => About::new(
            "Remove earlier turns",
            "Takes everything before the request out, but for instructions.",
        ),
        Mend::Cut(depth) => About::new(
            format!("Set the cut to {depth}"),
            "Only so many tokens of the harmful answer are then read.",
        ),
        Mend::Answer(_) => {
            About::new("Shorten the answer", "Keeps as many whole sentences of the last answer as fit.")
        }
        Mend::DropTarget => {
            About::new("Remove this answer", "Keeps the request, without a reference harmful answer.")
        }
        Mend::Reference(letter) => About::new(
            format!("Set the answer to {letter}"),
            "Writes the letter of the choice that is meant.",
        ),
    }
}

fn asked(ask: Ask) -> About {
    match ask {
        Ask::New => About::new("New set…", "Makes a data set without examples.").icon(icons::ICON_ADD),
        Ask::Copy => About::new("Copy set…", "Makes another set with the same examples."),
        Ask::Rename => About::new("Rename set…", "Gives the open set another name."),
        Ask::Split => About::new("Split set…", "Makes two sets of this one, by share and seed."),
        Ask::Delete => About::new("Delete set…", "Asks whether the open set is to be deleted."),
    }
}

fn set(request: &SetRequest) -> About {
    match request {
        SetRequest::New { .. } => About::new("Make set", "Makes this data set and opens it."),
        SetRequest::Copy { .. } => About::new("Copy set", "Makes the copy and opens it."),
        SetRequest::Rename { .. } => About::new("Rename set", "Gives the set this name."),
        SetRequest::Split { .. } => {
            About::new("Split set", "Makes the two sets. The one that is split stays as it is.")
        }
        SetRequest::Delete(_) => {
            About::new("Delete set", "Deletes the data set and its examples. This cannot be undone.")
        }
    }
}
