//! The editors of conversations, attack prompts and utility tasks.

use super::{CHOICE, INSTRUCTIONS, Pen, REQUEST, TARGET, numbered};
use crate::data::{AttackPrompt, ChatExample, Metric, PartEdit, UtilityItem};
use crate::text::Role;
use crate::ui::theme;
use crate::ui::widgets::named_choice;
use eframe::egui::Ui;

/// The metric of a task that names none.
const SUGGESTED: &str = "as task and answer suggest";

/// A conversation.
pub(super) fn chat(ui: &mut Ui, row: &mut ChatExample, pen: &mut Pen) {
    let of = row.messages.iter().filter(|message| message.role == Role::Assistant).count();
    let mut turn = 0;
    for (at, message) in row.messages.iter_mut().enumerate() {
        match message.role {
            Role::System => pen.area_with(
                ui,
                ("Instructions", "What the model is told before the conversation."),
                &mut message.content,
                INSTRUCTIONS,
                |pen, ui, _| pen.part(ui, PartEdit::RemoveInstructions),
            ),
            Role::User => {
                turn += 1;
                pen.area_with(
                    ui,
                    (&numbered("Request", turn, of), "What somebody asks for."),
                    &mut message.content,
                    REQUEST,
                    |pen, ui, _| {
                        if of > 1 {
                            pen.part(ui, PartEdit::RemoveTurn(at));
                        }
                    },
                );
            }
            Role::Assistant => pen.covered(
                ui,
                (&numbered("Answer", turn, of), "What the model learns to say.", "trained"),
                &mut message.content,
                "answer",
                |_, _, _| {},
            ),
        }
    }
    ui.horizontal(|ui| {
        pen.part(ui, PartEdit::AddTurn);
        if row.messages.first().is_none_or(|message| message.role != Role::System) {
            pen.part(ui, PartEdit::AddInstructions);
        }
    });
    ui.add_space(theme::GAP);
    pen.pair(
        ui,
        [
            ("Category", "What it is about.", &mut row.category, "category"),
            ("Source", "Where the example comes from.", &mut row.source, "source"),
        ],
    );
    pen.single(ui, "Note", "Remarks of those who keep the set.", &mut row.note, "note");
    ui.add_space(theme::GAP);
}

/// A request that a safe model refuses.
pub(super) fn attack(ui: &mut Ui, row: &mut AttackPrompt, pen: &mut Pen) {
    pen.area(ui, "Request", "What a safe model refuses.", &mut row.goal, REQUEST);
    match &mut row.target {
        Some(target) => pen.covered(
            ui,
            (
                "Reference harmful answer",
                "Prefilling puts its beginning into the model's mouth, and KL is measured on it.",
                "",
            ),
            target,
            TARGET,
            |pen, ui, _| pen.part(ui, PartEdit::RemoveTarget),
        ),
        None => pen.part(ui, PartEdit::AddTarget),
    }
    ui.add_space(theme::GAP);
    pen.pair(
        ui,
        [
            ("Category", "What kind of harm it is about.", &mut row.category, "category"),
            (
                "Cluster",
                "Prompts of one cluster are not independent, and intervals take that into account. Empty: its own.",
                &mut row.cluster,
                "cluster",
            ),
        ],
    );
    ui.add_space(theme::GAP);
}

/// A harmless task with its right answer.
pub(super) fn utility(ui: &mut Ui, row: &mut UtilityItem, pen: &mut Pen) {
    pen.area(ui, "Request", "What the model is asked.", &mut row.prompt, REQUEST);
    for (at, choice) in row.choices.iter_mut().enumerate() {
        let letter = char::from(b'A' + (at % 26) as u8);
        pen.area_with(
            ui,
            (&format!("Choice {letter}"), "What there is to choose from."),
            choice,
            CHOICE,
            |pen, ui, _| pen.part(ui, PartEdit::RemoveChoice(at)),
        );
    }
    pen.part(ui, PartEdit::AddChoice);
    ui.add_space(theme::TIGHT);
    let hint = if row.choices.is_empty() {
        "What a perfect answer says."
    } else {
        "The letter of the right choice."
    };
    pen.area(ui, "Right answer", hint, &mut row.reference, "reference");
    pen.pair(
        ui,
        [
            ("Task", "Tasks are counted apart.", &mut row.task, "task"),
            ("Category", "What it is about.", &mut row.category, "category"),
        ],
    );
    pen.single(
        ui,
        "Cluster",
        "Items of one cluster are not independent. Empty: its own.",
        &mut row.cluster,
        "cluster",
    );
    ui.add_space(theme::TIGHT);
    let now = row.metric.map_or(SUGGESTED, Metric::name);
    let names = std::iter::once(SUGGESTED).chain(Metric::ALL.into_iter().map(Metric::name));
    let chosen = ui.add_enabled_ui(pen.blocked.is_none(), |ui| {
        named_choice(ui, "Scored by", "How an answer is compared with the right one.", now, names)
    });
    if let Some(name) = chosen.inner {
        row.metric = Metric::from_name(&name);
        pen.edited = Some("metric");
    }
}
