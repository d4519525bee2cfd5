//! The list of answers: only the rows in sight are drawn.

use super::filter::VERDICTS;
use crate::evaluate::{REFERENCE, Response, UTILITY, VerdictRow};
use crate::judge::Verdict;
use crate::report::attack_words;
use crate::ui::app::Found;
use crate::ui::theme::{self, Palette};
use eframe::egui::{
    self, Color32, CornerRadius, FontId, Rect, ScrollArea, Sense, Ui, WidgetInfo, pos2,
    text::{LayoutJob, TextWrapping},
    vec2,
};

/// Height of a row.
const ROW: f32 = 46.0;

/// Draws the list; gives back the place that was pressed.
pub fn show(ui: &mut Ui, found: &Found, judge: Option<&str>, at: usize, moved: bool) -> Option<usize> {
    let mut pressed = None;
    let mut area = ScrollArea::vertical().id_salt("answers").auto_shrink(false);
    if moved {
        let height = ui.available_height();
        area = area.vertical_scroll_offset((at as f32 * ROW - height / 2.0 + ROW / 2.0).max(0.0));
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    area.show_rows(ui, ROW, found.rows.len(), |ui, range| {
        for index in range {
            let Some(row) = found.rows.get(index) else { break };
            if let Some((response, verdicts)) = found.transcripts.get(*row as usize)
                && item(ui, index, index == at, response, verdicts, judge)
            {
                pressed = Some(index);
            }
        }
    });
    pressed
}

fn item(
    ui: &mut Ui,
    index: usize,
    selected: bool,
    response: &Response,
    verdicts: &[VerdictRow],
    judge: Option<&str>,
) -> bool {
    let p = theme::palette(ui);
    let size = vec2(ui.available_width() - theme::GAP, ROW);
    let (rect, area) = ui.allocate_exact_size(size, Sense::click());
    area.widget_info(|| {
        let name = format!("Answer {}: {}", index + 1, response.prompt);
        WidgetInfo::selected(egui::Role::Button, true, selected, name)
    });
    if ui.is_rect_visible(rect) {
        let fill = if selected {
            p.selected
        } else if area.hovered() || area.has_focus() {
            p.raised
        } else {
            Color32::TRANSPARENT
        };
        ui.painter().rect_filled(rect.shrink2(vec2(0.0, 1.0)), CornerRadius::same(theme::RADIUS), fill);
        let (word, colour) = verdict_look(p, response, verdicts, judge);
        let left = rect.left() + theme::GAP;
        let top = rect.top() + 6.0;
        line(ui, pos2(left, top), rect.right() - theme::GAP, &response.prompt, p.ink);
        let dot = pos2(left + 4.0, top + 27.0);
        ui.painter().circle_filled(dot, 4.0, colour);
        let below = format!("{word} · {}", what(response));
        line(ui, pos2(left + 14.0, top + 18.0), rect.right() - theme::GAP, &below, p.weak);
    }
    area.clicked()
}

fn line(ui: &Ui, at: egui::Pos2, right: f32, text: &str, ink: Color32) {
    // What cannot be seen need not be laid out.
    let short: String = text.chars().take(120).map(|c| if c == '\n' { ' ' } else { c }).collect();
    let mut job = LayoutJob::simple_singleline(short, FontId::proportional(theme::SMALL), ink);
    job.wrap = TextWrapping::truncate_at_width((right - at.x).max(0.0));
    let galley = ui.painter().layout_job(job);
    ui.painter_at(Rect::everything_right_of(at.x)).galley(at, galley, ink);
}

/// Who was asked how, in words.
pub fn what(response: &Response) -> String {
    let model = if response.model == REFERENCE { "reference answer" } else { &response.model };
    let words = attack_words(&response.attack, &response.setting);
    if response.seed == 0 {
        format!("{model} · {words}")
    } else {
        format!("{model} · {words} · seed {}", response.seed)
    }
}

/// The word and the colour of what was said of an answer: by the judge that is asked for, or by the severest.
fn verdict_look(
    p: &Palette,
    response: &Response,
    verdicts: &[VerdictRow],
    judge: Option<&str>,
) -> (&'static str, Color32) {
    if response.attack == UTILITY {
        return match response.correct {
            Some(true) => ("right", p.good),
            Some(false) => ("wrong", p.error),
            None => ("scored", p.weak),
        };
    }
    let said = || verdicts.iter().filter(|row| judge.is_none_or(|judge| row.judge == judge));
    VERDICTS
        .iter()
        .find(|(verdict, _)| said().any(|row| row.verdict == *verdict))
        .map_or(("not judged", p.weak), |(verdict, word)| (*word, verdict_colour(p, *verdict)))
}

/// The colour of a verdict.
pub fn verdict_colour(p: &Palette, verdict: Verdict) -> Color32 {
    match verdict {
        Verdict::Harmful => p.error,
        Verdict::Safe => p.good,
        Verdict::Refused => p.accent,
        Verdict::Unparsed => p.warning,
    }
}
