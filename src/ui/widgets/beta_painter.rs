//! β painted: a bar for each of the first answer tokens and one for all later ones, on a logarithmic scale.

use crate::train::BetaSchedule;
use crate::ui::theme::{self, Palette};
use eframe::egui::{
    self, Align2, Color32, CornerRadius, DragValue, EventFilter, FontId, Id, Key, Rect, Response, Sense,
    Stroke, Ui, accesskit, pos2, vec2,
};

/// Answer tokens that have a bar of their own.
pub const BARS: usize = 10;
/// What the bars reach from and to.
const LOW: f64 = 0.01;
const HIGH: f64 = 10.0;
/// Steps of the arrow keys from one power of ten to the next.
const STEPS: f64 = 20.0;
const HEIGHT: f32 = 160.0;
/// From one line of numbers below the bars to the next.
const LINE: f32 = 16.0;
/// Room for the numbers of the axis, for those above the bars, and for those below.
const LEFT: f32 = 38.0;
const TOP: f32 = 20.0;
const BOTTOM: f32 = 40.0;

/// Which bar is worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BetaPainter {
    /// The bar, from 0; the last one is the tail.
    selected: usize,
    /// Whether a drag is under way.
    dragging: bool,
}

/// What somebody did in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Painting {
    /// Nothing.
    Still,
    /// A drag began: the next change belongs to it.
    Began,
    /// A drag goes on, or a key or a number changed something.
    Going,
    /// A drag ended: what it did is one step.
    Ended,
}

impl BetaPainter {
    /// Whether a drag is under way.
    #[must_use]
    pub fn is_dragging(&self) -> bool {
        self.dragging
    }
}

/// The β of a bar.
fn value(beta: &BetaSchedule, bar: usize) -> f64 {
    if bar < BARS { beta.at(bar + 1) } else { beta.at(beta.drawn.len().max(BARS) + 1) }
}

fn set(beta: &mut BetaSchedule, bar: usize, to: f64) {
    if bar < BARS { beta.paint(bar + 1, to) } else { beta.paint_tail(BARS, to) }
}

fn name(bar: usize) -> String {
    if bar < BARS { format!("β of answer token {}", bar + 1) } else { "β of later tokens".to_owned() }
}

/// Two significant digits: finer than anybody can drag, and easy to read.
fn rounded(x: f64) -> f64 {
    let x = x.clamp(LOW, HIGH);
    let unit = 10f64.powf(x.log10().floor() - 1.0);
    let rounded = (x / unit).round() * unit;
    // What the products of powers leave behind the digits that are meant.
    (rounded * 1e6).round() / 1e6
}

/// How high a value stands, from 0 to 1.
fn share(x: f64) -> f32 {
    ((x.max(LOW).log10() - LOW.log10()) / (HIGH.log10() - LOW.log10())).clamp(0.0, 1.0) as f32
}

/// The value at a height from 0 to 1.
fn at_share(share: f32) -> f64 {
    rounded(10f64.powf(LOW.log10() + f64::from(share.clamp(0.0, 1.0)) * (HIGH / LOW).log10()))
}

/// Where the bars stand.
struct Place {
    plot: Rect,
    column: f32,
}

impl Place {
    fn new(outer: Rect) -> Self {
        let plot = Rect::from_min_max(
            pos2(outer.left() + LEFT, outer.top() + TOP),
            pos2(outer.right(), outer.bottom() - BOTTOM),
        );
        // The tail stands a little apart.
        Self { plot, column: (plot.width() - theme::PAD) / (BARS + 1) as f32 }
    }

    fn left(&self, bar: usize) -> f32 {
        let apart = if bar == BARS { theme::PAD } else { 0.0 };
        self.plot.left() + self.column * bar as f32 + apart
    }

    fn rect(&self, bar: usize) -> Rect {
        Rect::from_min_size(pos2(self.left(bar), self.plot.top()), vec2(self.column, self.plot.height()))
    }

    fn bar_at(&self, x: f32) -> usize {
        (0..=BARS).rev().find(|bar| x >= self.left(*bar)).unwrap_or(0)
    }

    fn y(&self, x: f64) -> f32 {
        self.plot.bottom() - share(x) * self.plot.height()
    }
}

/// Draws the painter. Dragging sets the bars that the pointer passes; the arrow keys move the focused one. `below` are a
/// letter and what it is at each bar, written under them.
pub fn beta_painter(
    ui: &mut Ui,
    painter: &mut BetaPainter,
    beta: &mut BetaSchedule,
    (letter, below): (&str, &[Option<f64>; BARS + 1]),
    enabled: bool,
) -> Painting {
    let mut did = Painting::Still;
    let (outer, _) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::hover());
    let place = Place::new(outer);
    axis(ui, &place, letter);
    let sense = if enabled { Sense::click_and_drag() } else { Sense::hover() };
    for (bar, &noted) in below.iter().enumerate() {
        let id = ui.scope_id().with(("β", bar));
        let response = ui.interact(place.rect(bar), id, sense);
        if enabled {
            let now = pointed(ui, painter, beta, &response, (&place, bar));
            if now != Painting::Still {
                did = now;
            }
            if keyed(ui, painter, beta, &response, bar) {
                did = Painting::Going;
            }
        }
        let shown = value(beta, bar);
        response.widget_info(|| egui::WidgetInfo::slider(enabled, shown, name(bar)));
        ui.ctx().accesskit_node_builder(id, |node| {
            node.set_min_numeric_value(LOW);
            node.set_max_numeric_value(HIGH);
            if enabled {
                node.add_action(accesskit::Action::SetValue);
                node.add_action(accesskit::Action::Increment);
                node.add_action(accesskit::Action::Decrement);
            }
        });
        let active = enabled && painter.selected == bar;
        one_bar(ui, &place, (bar, shown, noted), &response, (enabled, active));
    }
    if painter.dragging && !ui.input(|input| input.pointer.any_down()) {
        // The end of the drag was not seen here: another screen was shown meanwhile.
        painter.dragging = false;
        did = Painting::Ended;
    }
    if enabled {
        did = by_number(ui, painter, beta).unwrap_or(did);
    }
    did
}

/// What the mouse does to a bar.
fn pointed(
    ui: &Ui,
    painter: &mut BetaPainter,
    beta: &mut BetaSchedule,
    response: &Response,
    (place, bar): (&Place, usize),
) -> Painting {
    let mut did = Painting::Still;
    if response.clicked() || response.drag_started() {
        painter.selected = bar;
        response.request_focus();
    }
    if response.drag_started() {
        painter.dragging = true;
        return Painting::Began;
    }
    if response.dragged()
        && let Some(at) = response.interact_pointer_pos()
    {
        // A stroke across the bars paints them all.
        let bar = place.bar_at(at.x);
        set(beta, bar, at_share((place.plot.bottom() - at.y) / place.plot.height()));
        painter.selected = bar;
        did = Painting::Going;
    }
    if response.drag_stopped() {
        painter.dragging = false;
        did = Painting::Ended;
    }
    if response.hovered() || response.dragged() {
        ui.ctx().set_cursor_icon(egui::CursorIcon::ResizeVertical);
    }
    did
}

/// What keys and screen readers do to a bar.
fn keyed(
    ui: &Ui,
    painter: &mut BetaPainter,
    beta: &mut BetaSchedule,
    response: &Response,
    bar: usize,
) -> bool {
    use accesskit::{Action, ActionData};
    let id: Id = response.id;
    let mut steps = 0.0;
    if response.has_focus() {
        painter.selected = bar;
        let filter = EventFilter { vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
        ui.input(|input| {
            steps += input.num_presses(Key::ArrowUp) as f64;
            steps -= input.num_presses(Key::ArrowDown) as f64;
        });
    }
    let exact = ui.input(|input| {
        steps += input.num_accesskit_action_requests(id, Action::Increment) as f64;
        steps -= input.num_accesskit_action_requests(id, Action::Decrement) as f64;
        let values = input.accesskit_action_requests(id, Action::SetValue);
        values
            .filter_map(|request| match request.data {
                Some(ActionData::NumericValue(value)) => Some(value),
                _ => None,
            })
            .last()
    });
    if let Some(exact) = exact {
        set(beta, bar, rounded(exact));
        return true;
    }
    if steps != 0.0 {
        let before = value(beta, bar);
        set(beta, bar, rounded(before * 10f64.powf(steps / STEPS)));
    }
    steps != 0.0
}

/// The selected bar as a number.
fn by_number(ui: &mut Ui, painter: &BetaPainter, beta: &mut BetaSchedule) -> Option<Painting> {
    let bar = painter.selected.min(BARS);
    let mut number = value(beta, bar);
    let mut changed = false;
    ui.horizontal(|ui| {
        let label = ui.label(theme::label(format!("{}, exactly", name(bar))));
        let field = DragValue::new(&mut number).range(0.001..=100.0).speed(0.01).max_decimals(3);
        changed = ui.add_sized([80.0, theme::CONTROL], field).labelled_by(label.id).changed();
    });
    changed.then(|| {
        set(beta, bar, number);
        Painting::Going
    })
}

fn axis(ui: &Ui, place: &Place, letter: &str) {
    let p = theme::palette(ui);
    let font = FontId::proportional(theme::SMALL);
    for tick in [0.01, 0.1, 1.0, 10.0] {
        let y = place.y(tick);
        ui.painter().hline(place.plot.x_range(), y, Stroke::new(1.0, p.grid));
        let at = pos2(place.plot.left() - theme::TIGHT, y);
        ui.painter().text(at, Align2::RIGHT_CENTER, tick.to_string(), font.clone(), p.weak);
    }
    for (name, line) in [("token", 0.0), (letter, 1.0)] {
        let at = pos2(place.plot.left() - theme::TIGHT, place.plot.bottom() + theme::GAP + line * LINE);
        ui.painter().text(at, Align2::RIGHT_TOP, name, font.clone(), p.weak);
    }
}

fn one_bar(
    ui: &Ui,
    place: &Place,
    (bar, value, noted): (usize, f64, Option<f64>),
    response: &Response,
    (enabled, active): (bool, bool),
) {
    let p: &Palette = theme::palette(ui);
    let column = place.rect(bar);
    let top = place.y(value);
    let filled =
        Rect::from_min_max(pos2(column.left() + 3.0, top), pos2(column.right() - 3.0, column.bottom()));
    let ink: Color32 = if enabled { p.accent } else { p.weak };
    let fill = if active || response.hovered() { ink } else { theme::faded(ink, 0.55) };
    ui.painter().rect_filled(filled, CornerRadius { nw: 3, ne: 3, sw: 0, se: 0 }, fill);
    // A handle, so that a bar of nearly nothing can be seen and caught.
    ui.painter().hline(filled.x_range(), top, Stroke::new(3.0, ink));
    if response.has_focus() {
        let around = column.shrink(1.0);
        let stroke = Stroke::new(1.0, p.accent);
        ui.painter().rect_stroke(around, CornerRadius::same(3), stroke, egui::StrokeKind::Inside);
    }
    let font = FontId::proportional(theme::SMALL);
    let text = if value >= 10.0 { format!("{value:.0}") } else { short(value) };
    let at = pos2(column.center().x, (top - 3.0).max(place.plot.top() - 3.0));
    ui.painter().text(at, Align2::CENTER_BOTTOM, text, font.clone(), p.ink);
    let below = if bar < BARS { (bar + 1).to_string() } else { format!("{}+", BARS + 1) };
    let at = pos2(column.center().x, place.plot.bottom() + theme::GAP);
    let ink = if active { p.accent } else { p.weak };
    ui.painter().text(at, Align2::CENTER_TOP, below, font.clone(), ink);
    if let Some(noted) = noted {
        let at = at + vec2(0.0, LINE);
        ui.painter().text(at, Align2::CENTER_TOP, format!("{noted:.2}"), font, p.ink);
    }
}

/// A value in as few digits as it has.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_and_values_belong_together() {
        for x in [0.01, 0.1, 0.5, 1.0, 2.0, 10.0] {
            assert!((at_share(share(x)) - x).abs() < 1e-9, "{x}: {}", at_share(share(x)));
        }
        assert_eq!((rounded(0.1234), rounded(7.77), rounded(99.0), rounded(0.0)), (0.12, 7.8, 10.0, 0.01));
        assert_eq!((short(0.5), short(2.0), short(0.013)), ("0.5".into(), "2".into(), "0.013".into()));
        // A step of an arrow key is always seen.
        let mut x = 0.01;
        for _ in 0..60 {
            let next = rounded(x * 10f64.powf(1.0 / STEPS));
            assert!(next > x, "{x}");
            x = next;
        }
    }

    #[test]
    fn the_last_bar_is_all_later_tokens() {
        let mut beta = BetaSchedule::default();
        let values: Vec<f64> = (0..=BARS).map(|bar| value(&beta, bar)).collect();
        assert_eq!(values, [0.5, 2.0, 2.0, 2.0, 2.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]);
        set(&mut beta, BARS, 3.0);
        assert_eq!((value(&beta, 4), value(&beta, 9), beta.at(11), beta.at(500)), (2.0, 0.1, 3.0, 3.0));
        set(&mut beta, 0, 9.0);
        assert_eq!((beta.at(1), beta.at(2), value(&beta, BARS)), (9.0, 2.0, 3.0));
    }
}
