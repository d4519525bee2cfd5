//! A table of rates: what was done in rows, models in columns; a number above, its count and interval below.

use crate::evaluate::{PairRow, RateRow, TranscriptFilter, UtilityRow};
use crate::judge::Verdict;
use crate::stats::Rate;
use crate::ui::app::{EvaluateCommand, View};
use crate::ui::theme;
use crate::ui::widgets::{dot, heading_term, prose, section};
use eframe::egui::{
    self, Align, Color32, CornerRadius, FontId, Label, Layout, Rect, Sense, Stroke, Ui, UiBuilder,
    WidgetInfo, pos2, vec2,
};

/// Width of the first column, of one of rates, and of one of changes.
const FIRST: f32 = 158.0;
const RATE: f32 = 156.0;
const CHANGE: f32 = 180.0;
/// Height of a row.
const ROW: f32 = 46.0;

/// A number with what belongs to it.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The number.
    big: String,
    /// Count and interval.
    small: String,
    /// All of it on one line, for screen readers.
    name: String,
    /// All that is known of it.
    hover: String,
    /// The answers that it counts, and the evaluation that they are of if it is another one.
    opens: Option<(Option<String>, Box<TranscriptFilter>)>,
    /// Whether something is not in it.
    incomplete: bool,
}

impl Cell {
    /// A rate of harmful answers.
    pub fn rate(row: &RateRow) -> Self {
        let mut hover = format!("{} · {} judge\nInterval: {}", row.rate.text(), row.judge, row.interval);
        if let Some((mean, std)) = row.over_seeds() {
            hover += &format!(
                "\nOver {} seeds: {:.1} ± {:.1} % (mean ± standard deviation)",
                row.by_seed.len(),
                100.0 * mean,
                100.0 * std
            );
        }
        if let Some(any) = &row.any_seed {
            hover += &format!("\nBroken under any seed: {}", any.text());
        }
        if let Some(refused) = &row.refused {
            hover += &format!("\nRefused: {}", refused.text());
        }
        for (n, what) in [
            (row.unparsed, "could not be judged and are not in the rate"),
            (row.unjudged, "were not read by this version of the judge and are not in the rate"),
            (row.empty, "are empty"),
            (row.cut_off, "were cut off by the longest length"),
        ] {
            if n > 0 {
                hover += &format!("\n{n} answers {what}.");
            }
        }
        let filter = TranscriptFilter {
            model: Some(row.model.clone()),
            set: Some(row.set.clone()),
            attack: Some(row.attack.clone()),
            setting: Some(row.setting.clone()),
            judge: Some(row.judge.clone()),
            verdict: (row.rate.count > 0).then_some(Verdict::Harmful),
            ..TranscriptFilter::default()
        };
        let seeds = row.over_seeds().map(|(_, std)| format!(" ± {:.1}", 100.0 * std)).unwrap_or_default();
        let mut cell = Self { hover, ..Self::plain(&row.rate) };
        if !seeds.is_empty() {
            cell.big = cell.big.replace(" %", &format!("{seeds} %"));
        }
        cell.incomplete = row.unparsed + row.unjudged > 0;
        cell.opens(None, filter)
    }

    /// A rate and nothing else.
    pub fn plain(rate: &Rate) -> Self {
        let (big, small) = rate.parts();
        Self {
            big,
            small: without_percent(&small),
            name: rate.text(),
            hover: rate.text(),
            opens: None,
            incomplete: false,
        }
    }

    /// A score on harmless tasks.
    pub fn utility(row: &UtilityRow) -> Self {
        let (big, small) = match (row.mean, row.rate) {
            (None, Some(rate)) if rate.n > 0 => rate.parts(),
            (Some(mean), _) => {
                let text = mean.text();
                text.split_once(" (").map_or((text.clone(), String::new()), |(big, small)| {
                    (big.to_owned(), small.replacen(')', "", 1))
                })
            }
            _ => ("–".to_owned(), format!("{} wait", row.unscored)),
        };
        let filter = TranscriptFilter {
            model: Some(row.model.clone()),
            attack: Some(crate::evaluate::UTILITY.to_owned()),
            setting: Some(row.task.clone()),
            ..TranscriptFilter::default()
        };
        let cell = Self {
            big,
            small: without_percent(&small),
            name: row.text(),
            hover: format!("{}\nScored by {} · interval: {}", row.text(), row.metric, row.interval),
            opens: None,
            incomplete: row.unscored > 0,
        };
        cell.opens(None, filter)
    }

    /// The change between two models on the same prompts.
    pub fn change(row: &PairRow) -> Self {
        let points = |share: f64| {
            let text = format!("{:+.1}", 100.0 * share);
            if text.ends_with("0.0") && text.len() == 4 { "0.0".to_owned() } else { text.replace('-', "−") }
        };
        let p = if row.test.p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {:.3}", row.test.p) };
        let change = &row.change;
        Self {
            big: format!("{} points", points(change.value)),
            small: format!("{} to {} · {p}", points(change.low), points(change.high)),
            name: format!("{} → {}: {} · {}", row.before, row.after, change.text(), row.test.text()),
            hover: format!("{}\n{}", change.text(), row.test.text()),
            opens: None,
            incomplete: false,
        }
    }

    /// Opens these answers when it is pressed.
    pub fn opens(mut self, evaluation: Option<String>, filter: TranscriptFilter) -> Self {
        self.opens = Some((evaluation, Box::new(filter)));
        self
    }

    /// With one more condition on the answers that it opens.
    pub fn of_category(mut self, category: &str) -> Self {
        if let Some((_, filter)) = &mut self.opens {
            filter.category = Some(category.to_owned());
        }
        self
    }

    /// With the answers of another evaluation.
    pub fn of_evaluation(mut self, id: &str) -> Self {
        if let Some((evaluation, _)) = &mut self.opens {
            *evaluation = Some(id.to_owned());
        }
        self
    }

    /// With a further line of what is known.
    pub fn note(mut self, text: &str) -> Self {
        self.hover += &format!("\n{text}");
        self
    }
}

/// The interval of a cell; that it is one of percentages stands above the table.
fn without_percent(text: &str) -> String {
    text.replace("95 % ", "").replace(" %", "")
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The colour of its model.
    pub colour: Option<Color32>,
    /// Whether it holds changes, which take more room.
    pub wide: bool,
}

impl Column {
    /// A model's.
    pub fn model(name: &str, colour: Color32) -> Self {
        Self { name: name.to_owned(), colour: Some(colour), wide: false }
    }

    /// Another one.
    pub fn named(name: impl Into<String>, wide: bool) -> Self {
        Self { name: name.into(), colour: None, wide }
    }

    fn width(&self) -> f32 {
        if self.wide { CHANGE } else { RATE }
    }
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    /// What it answers.
    pub title: String,
    /// How it is to be read.
    pub remark: String,
    /// What stands in the first column.
    pub what: String,
    /// The other columns.
    pub columns: Vec<Column>,
    /// The rows: a name, and a cell or nothing for each column.
    pub rows: Vec<(String, Vec<Option<Cell>>)>,
}

impl Matrix {
    /// Draws it.
    pub fn show(&self, ui: &mut Ui, view: &mut View<'_>) {
        if self.rows.is_empty() {
            return;
        }
        let p = theme::palette(ui);
        section(ui, &self.title);
        if !self.remark.is_empty() {
            prose(ui, &self.remark, theme::SMALL, p.weak);
        }
        let width = FIRST + self.columns.iter().map(Column::width).sum::<f32>();
        egui::ScrollArea::horizontal().id_salt(("matrix", &self.title)).auto_shrink([false, true]).show(
            ui,
            |ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                self.head(ui, width);
                for (name, cells) in &self.rows {
                    self.row(ui, view, width, name, cells);
                }
                // Room for the bar that appears where the table is wider than the window.
                ui.add_space(theme::GAP);
            },
        );
        ui.add_space(theme::GROUP);
    }

    fn head(&self, ui: &mut Ui, width: f32) {
        let p = theme::palette(ui);
        let (rect, _) = ui.allocate_exact_size(vec2(width, 32.0), Sense::hover());
        let mut left = rect.left();
        let mut cell = |ui: &mut Ui, width: f32, name: &str, colour: Option<Color32>| {
            let place = Rect::from_min_size(pos2(left, rect.top()), vec2(width - theme::GAP, rect.height()));
            let mut ui =
                ui.new_child(UiBuilder::new().max_rect(place).layout(Layout::left_to_right(Align::Center)));
            ui.spacing_mut().item_spacing.x = 6.0;
            ui.add_space(theme::TIGHT);
            if let Some(colour) = colour {
                dot(&mut ui, colour);
            }
            heading_term(&mut ui, name, p.weak);
            left += width;
        };
        cell(ui, FIRST, &self.what, None);
        for column in &self.columns {
            cell(ui, column.width(), &column.name, column.colour);
        }
        ui.painter().hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, p.border));
    }

    fn row(&self, ui: &mut Ui, view: &mut View<'_>, width: f32, name: &str, cells: &[Option<Cell>]) {
        let p = theme::palette(ui);
        let (rect, _) = ui.allocate_exact_size(vec2(width, ROW), Sense::hover());
        if !ui.is_rect_visible(rect) {
            return;
        }
        let place = Rect::from_min_size(rect.left_top(), vec2(FIRST - theme::GAP, ROW));
        let mut first =
            ui.new_child(UiBuilder::new().max_rect(place).layout(Layout::left_to_right(Align::Center)));
        first.add_space(theme::TIGHT);
        first.add(Label::new(theme::small(name)).wrap()).on_hover_text(name);
        let mut left = rect.left() + FIRST;
        for (column, cell) in self.columns.iter().zip(cells) {
            let place = Rect::from_min_size(pos2(left, rect.top()), vec2(column.width(), ROW));
            match cell {
                Some(cell) => number(ui, view, place, cell),
                None => {
                    let at = place.left_center() + vec2(theme::TIGHT, 0.0);
                    let font = FontId::proportional(theme::SMALL);
                    ui.painter().text(at, egui::Align2::LEFT_CENTER, "–", font, p.weak);
                }
            }
            left += column.width();
        }
        ui.painter().hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, theme::faded(p.border, 0.6)));
    }
}

/// A number; where it opens answers, it is a button.
fn number(ui: &mut Ui, view: &mut View<'_>, place: Rect, cell: &Cell) {
    let p = theme::palette(ui);
    let inner = place.shrink2(vec2(1.0, 2.0));
    let button = cell.opens.is_some();
    let response = ui.allocate_rect(inner, if button { Sense::click() } else { Sense::hover() });
    let role = if button { egui::Role::Button } else { egui::Role::Label };
    response.widget_info(|| WidgetInfo::labeled(role, true, cell.name.as_str()));
    if button && (response.hovered() || response.has_focus()) {
        ui.painter().rect_filled(inner, CornerRadius::same(theme::RADIUS), p.raised);
        if response.has_focus() {
            let stroke = Stroke::new(1.0, p.accent);
            ui.painter().rect_stroke(
                inner,
                CornerRadius::same(theme::RADIUS),
                stroke,
                egui::StrokeKind::Inside,
            );
        }
    }
    let painter = ui.painter_at(place);
    let left = place.left() + theme::TIGHT;
    let big = FontId::new(theme::BODY, theme::semibold());
    let ink = if button { p.accent } else { p.ink };
    let drawn = painter.text(
        pos2(left, place.center().y),
        egui::Align2::LEFT_BOTTOM,
        &cell.big,
        big,
        if response.hovered() || !button { ink } else { p.ink },
    );
    if cell.incomplete {
        let at = pos2(drawn.right() + 6.0, drawn.center().y);
        painter.circle_filled(at, 3.0, p.warning);
    }
    let small = FontId::proportional(theme::SMALL);
    painter.text(pos2(left, place.center().y + 1.0), egui::Align2::LEFT_TOP, &cell.small, small, p.weak);
    let response = if button {
        response
            .on_hover_cursor(egui::CursorIcon::PointingHand)
            .on_hover_text(format!("{}\nPress to read the answers.", cell.hover))
    } else {
        response.on_hover_text(&cell.hover)
    };
    if response.clicked()
        && let Some((evaluation, filter)) = &cell.opens
    {
        if let Some(id) = evaluation {
            view.send(EvaluateCommand::Select(id.clone()));
        }
        view.send(EvaluateCommand::Transcripts(filter.clone()));
    }
}
