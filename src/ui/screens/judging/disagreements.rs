//! Answers on which judges differ, or judges and people, with every verdict; they can be labelled there.

use super::answer::{self, Labelling};
use super::blind::{blocked, word};
use super::labels::Labels;
use super::place::Place;
use crate::evaluate::{Calibration, Response};
use crate::judge::calibration::WorkItem;
use crate::judge::{Drawn, Verdict};
use crate::ui::app::{JudgedAnswers, JudgingCommand, View};
use crate::ui::theme;
use crate::ui::widgets::{chip, empty_state};
use eframe::egui::{self, Align, CentralPanel, Frame, Label, Layout, Panel, Ui, WidgetInfo};
use egui_extras::{Column, TableBuilder};
use egui_material_icons::icons;
use std::collections::BTreeMap;

/// The list and the answer that is open.
#[derive(Default)]
pub struct Inbox {
    /// Where somebody is.
    pub place: Place,
    name: String,
}

/// Ids of the answers on the list, the most telling first.
pub fn list(found: &Calibration) -> Vec<String> {
    found.next.iter().chain(&found.contradicted).map(|item| item.response.clone()).collect()
}

impl Inbox {
    /// Draws the list, the answer and its verdicts.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        view: &mut View<'_>,
        answers: &JudgedAnswers,
        labels: &Labels,
        found: &Calibration,
    ) {
        let list = list(found);
        if self.place.at.is_none() {
            self.place.step(&list, true);
        }
        let Some(response) = self.place.at.as_deref().and_then(|id| answers.get(id)) else {
            empty_state(
                ui,
                icons::ICON_INBOX,
                "No disagreement",
                "All judges that have read these answers agree on them, and with people. Have a judge of another kind read them.",
                None,
            );
            return;
        };
        self.table(ui, view, answers, found, &list);
        ui.add_space(theme::GAP);
        let author = view.preferences.author.trim().to_owned();
        let plain = Frame::new();
        Panel::bottom("disputed bar").frame(plain).resizable(false).show_separator_line(false).show(
            ui,
            |ui| {
                if author.is_empty() {
                    answer::author(ui, view, &mut self.name);
                    return;
                }
                let blocked = blocked(view, &self.place);
                let labelling = Labelling {
                    response: &response.id,
                    drawn: Drawn::Disputed,
                    given: labels.verdict(&author, &response.id, Drawn::Disputed),
                    blocked: blocked.as_deref(),
                };
                let steps = self.place.steps(&list);
                answer::bar(ui, view, &labelling, &mut self.place.note, steps);
            },
        );
        CentralPanel::no_frame().show(ui, |ui| {
            let head = |ui: &mut Ui| verdicts(ui, answers, labels, response);
            answer::answer(ui, view, response, &mut self.place.cover, head);
        });
    }

    fn table(
        &mut self,
        ui: &mut Ui,
        view: &mut View<'_>,
        answers: &JudgedAnswers,
        found: &Calibration,
        list: &[String],
    ) {
        let p = theme::palette(ui);
        let text = format!(
            "{} on which judges differ, the most telling first; {} on which judges and people differ.",
            found.next.len(),
            found.contradicted.len()
        );
        ui.label(theme::small(text).color(p.weak));
        let height = (ui.available_height() * 0.3).clamp(72.0, 160.0);
        let at = self.place.index(list);
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            TableBuilder::new(ui)
                .id_salt("disagreements")
                .sense(egui::Sense::click())
                .auto_shrink([false, true])
                .min_scrolled_height(height)
                .max_scroll_height(height)
                .cell_layout(Layout::left_to_right(Align::Center))
                .column(Column::remainder().clip(true))
                .column(Column::exact(236.0).clip(true))
                .body(|body| {
                    body.rows(28.0, list.len(), |mut row| {
                        let index = row.index();
                        let (item, by_people) = match found.next.get(index) {
                            Some(item) => (item, false),
                            None => (&found.contradicted[index - found.next.len()], true),
                        };
                        let selected = at == Some(index);
                        row.set_selected(selected);
                        let request =
                            answers.get(&item.response).map_or("", |response| response.prompt.as_str());
                        row.col(|ui| {
                            ui.add_space(theme::TIGHT);
                            ui.add(Label::new(theme::small(request)).truncate());
                        });
                        row.col(|ui| {
                            ui.label(theme::small(counts(item, by_people)).color(p.weak));
                        });
                        let response = row.response();
                        response.widget_info(|| {
                            let name = format!("Answer {}: {request}", index + 1);
                            WidgetInfo::selected(egui::Role::Button, true, selected, name)
                        });
                        if response.clicked() {
                            view.send(JudgingCommand::Look(item.response.clone()));
                        }
                    });
                });
        });
    }

    /// A label was given: the next answer comes.
    pub fn labelled(&mut self, found: Option<&Calibration>) {
        let before = self.place.at.clone();
        if let Some(found) = found {
            self.place.step(&list(found), true);
        }
        if self.place.at == before {
            self.place.note.clear();
        }
    }
}

fn counts(item: &WorkItem, by_people: bool) -> String {
    let mut parts = vec![format!("{} harmful", item.harmful), format!("{} not", item.not_harmful)];
    if item.unparsed > 0 {
        parts.push(format!("{} cannot tell", item.unparsed));
    }
    let who = if by_people { "against a person: " } else { "" };
    format!("{who}{}", parts.join(" · "))
}

/// What every judge and every person said of the answer, the last word of each. Of a judge only its newest version counts, as
/// in the numbers of the list.
fn verdicts(ui: &mut Ui, answers: &JudgedAnswers, labels: &Labels, response: &Response) {
    let p = theme::palette(ui);
    let mut said: BTreeMap<&str, (Verdict, String)> = BTreeMap::new();
    let rows = &answers.records.verdicts;
    let newest = |judge: &str| {
        let judged = |id: &str| answers.get(id).is_some_and(Response::is_judged);
        let last = rows.iter().rev().find(|row| row.judge == judge && judged(&row.response));
        last.map(|row| row.version.as_str())
    };
    for row in rows.iter().filter(|row| row.response == response.id) {
        if newest(&row.judge) != Some(row.version.as_str()) {
            continue;
        }
        let mut why = row.score.map_or_else(String::new, |score| format!("score {score:.2}"));
        if let Some(raw) = &row.raw {
            why = format!("{why}\n{raw}").trim().to_owned();
        }
        said.insert(&row.judge, (row.verdict, why));
    }
    let people = labels.all().iter().filter(|label| label.response == response.id);
    let people: BTreeMap<String, (Verdict, String)> = people
        .map(|label| (format!("{} (person)", label.author), (label.verdict, label.reason.clone())))
        .collect();
    ui.horizontal_wrapped(|ui| {
        let rows = people.iter().map(|(who, said)| (who.as_str(), said));
        for (who, (verdict, why)) in said.iter().map(|(who, said)| (*who, said)).chain(rows) {
            let colour = match verdict {
                Verdict::Harmful => p.error,
                Verdict::Safe | Verdict::Refused => p.good,
                Verdict::Unparsed => p.weak,
            };
            let mark = if why.is_empty() { "" } else { " …" };
            let chip = chip(ui, &format!("{who}: {}{mark}", word(*verdict)), colour);
            chip.on_hover_text(if why.is_empty() { "It gives no reason." } else { why });
        }
    });
    ui.add_space(theme::TIGHT);
}
