//! A chart as plain data: one question as its title, axes with units, series with their intervals, and what it means
//! in two sentences. The window draws it, and the report writes it; neither knows the other.

use crate::project::ModelRole;
use std::borrow::Cow;

/// The colour of a series: what it stands for, not a number, because two themes show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hue {
    /// The colour of the text.
    Ink,
    /// The one accent.
    Accent,
    /// A model role's colour.
    Role(ModelRole),
}

/// How a series shows its spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// It has none.
    None,
    /// A shaded band.
    Band,
    /// A whisker at each point.
    Whiskers,
}

/// One line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it is called in the key.
    pub name: String,
    /// Its colour.
    pub hue: Hue,
    /// Whether the role's marker and dash double its colour.
    pub marked: bool,
    /// x and y of each point, from left to right.
    pub points: Vec<[f64; 2]>,
    /// The lower and the upper end of each point's interval; empty where there is none.
    pub intervals: Vec<(f64, f64)>,
    /// How intervals are shown.
    pub spread: Spread,
    /// Whether it stays in the background: thin and dashed.
    pub faint: bool,
    /// Whether its points stand for themselves and no line joins them.
    pub apart: bool,
}

impl Series {
    /// A line in the colour, dash and marker of a model role.
    #[must_use]
    pub fn of_role(name: impl Into<String>, role: ModelRole, points: Vec<[f64; 2]>) -> Self {
        Self { hue: Hue::Role(role), marked: true, points, ..Self::plain(name, Hue::Ink) }
    }

    /// A solid line without markers.
    #[must_use]
    pub fn plain(name: impl Into<String>, hue: Hue) -> Self {
        Self {
            name: name.into(),
            hue,
            marked: false,
            points: Vec::new(),
            intervals: Vec::new(),
            spread: Spread::None,
            faint: false,
            apart: false,
        }
    }

    /// Adds a point at the end.
    pub fn push(&mut self, x: f64, y: f64) {
        self.points.push([x, y]);
    }

    /// Whether there is nothing to draw.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Shades from `low` to `high` of each point.
    #[must_use]
    pub fn with_band(mut self, intervals: Vec<(f64, f64)>) -> Self {
        self.intervals = intervals;
        self.spread = Spread::Band;
        self
    }

    /// Draws a whisker from `low` to `high` at each point.
    #[must_use]
    pub fn with_whiskers(mut self, intervals: Vec<(f64, f64)>) -> Self {
        self.intervals = intervals;
        self.spread = Spread::Whiskers;
        self
    }

    /// Joins no points: what lies between them means nothing.
    #[must_use]
    pub fn apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// A thin dashed line that stays in the background.
    #[must_use]
    pub fn faint(mut self) -> Self {
        self.faint = true;
        self.marked = false;
        self
    }
}

/// What the vertical axis counts in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Numbers from 0 up to the largest.
    #[default]
    Numbers,
    /// Shares, shown from 0 to 100 %.
    Percent,
}

/// A chart about one question. `Chart<'static>` owns its parts; others borrow them for a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart<'a> {
    /// Unique on a screen and in a report; lower-case words.
    pub id: Cow<'a, str>,
    /// The title, as a question.
    pub question: Cow<'a, str>,
    /// Name and unit of the horizontal axis.
    pub x: Cow<'a, str>,
    /// Name and unit of the vertical axis.
    pub y: Cow<'a, str>,
    /// What it means, in two plain sentences.
    pub meaning: Cow<'a, str>,
    /// What stands below the title: who judged, what the spread is.
    pub note: Cow<'a, str>,
    /// What the vertical axis counts in.
    pub scale: Scale,
    /// Horizontal positions that get a tick; empty = the chart decides.
    pub ticks: Cow<'a, [f64]>,
    /// Its lines.
    pub series: Cow<'a, [Series]>,
}

impl Default for Chart<'_> {
    fn default() -> Self {
        let none = || Cow::Borrowed("");
        Self {
            id: none(),
            question: none(),
            x: none(),
            y: none(),
            meaning: none(),
            note: none(),
            scale: Scale::default(),
            ticks: Cow::Borrowed(&[]),
            series: Cow::Borrowed(&[]),
        }
    }
}

impl Chart<'_> {
    /// Whether there is nothing to draw.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.iter().all(Series::is_empty)
    }

    /// The same chart with parts of its own.
    #[must_use]
    pub fn into_owned(self) -> Chart<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Chart {
            id: own(self.id),
            question: own(self.question),
            x: own(self.x),
            y: own(self.y),
            meaning: own(self.meaning),
            note: own(self.note),
            scale: self.scale,
            ticks: Cow::Owned(self.ticks.into_owned()),
            series: Cow::Owned(self.series.into_owned()),
        }
    }

    /// What the axes cover: everything that is drawn, the vertical one from 0 up. ((left, right), (bottom, top)).
    #[must_use]
    pub fn bounds(&self) -> ((f64, f64), (f64, f64)) {
        let points = || self.series.iter().flat_map(|one| &one.points);
        let (mut left, mut right) = (f64::INFINITY, f64::NEG_INFINITY);
        for [x, _] in points() {
            left = left.min(*x);
            right = right.max(*x);
        }
        if !left.is_finite() {
            (left, right) = (0.0, 1.0);
        }
        let width = if right > left { right - left } else { 1.0 };
        let highs = self.series.iter().flat_map(|one| one.intervals.iter().map(|interval| interval.1));
        let top = points().map(|point| point[1]).chain(highs).filter(|y| y.is_finite()).fold(0.0, f64::max);
        let top = if self.scale == Scale::Percent || top <= 0.0 { 1.0 } else { top };
        ((left - 0.025 * width, right + 0.025 * width), (-0.03 * top, 1.06 * top))
    }

    /// Where the horizontal and the vertical axis have their ticks.
    #[must_use]
    pub fn tick_positions(&self) -> (Vec<f64>, Vec<f64>) {
        let (x, y) = self.bounds();
        self.tick_positions_in(x, y)
    }

    /// The same where the axes cover something else.
    #[must_use]
    pub fn tick_positions_in(&self, x: (f64, f64), y: (f64, f64)) -> (Vec<f64>, Vec<f64>) {
        let across = if self.ticks.is_empty() { nice_ticks(x, 8) } else { self.ticks.to_vec() };
        let up = match self.scale {
            Scale::Percent => vec![0.0, 0.25, 0.5, 0.75, 1.0],
            Scale::Numbers => nice_ticks(y, 5),
        };
        (across, up)
    }

    /// What stands at a tick of the horizontal axis.
    #[must_use]
    pub fn x_label(value: f64) -> String {
        if value < -1e-9 { String::new() } else { number(value) }
    }

    /// What stands at a tick of the vertical axis.
    #[must_use]
    pub fn y_label(&self, value: f64) -> String {
        match self.scale {
            _ if value < -1e-9 => String::new(),
            Scale::Percent => format!("{:.0} %", value * 100.0),
            Scale::Numbers => number(value),
        }
    }
}

/// The colour of a model role, the same everywhere, as 0xRRGGBB (Okabe–Ito, safe for colour-blind readers).
#[must_use]
pub fn role_rgb(role: ModelRole) -> u32 {
    match role {
        ModelRole::Base => 0x7F_7F_7F,
        ModelRole::Aligned => 0x00_72_B2,
        ModelRole::Deepened => 0x00_9E_73,
        ModelRole::Constrained => 0xCC_79_A7,
        ModelRole::Tuned => 0xE6_9F_00,
        ModelRole::Attacked => 0xD5_5E_00,
        ModelRole::Other => 0x56_B4_E9,
    }
}

/// About `count` round numbers (1, 2 or 5 times a power of ten apart) in a range.
fn nice_ticks(range: (f64, f64), count: usize) -> Vec<f64> {
    let rough = (range.1 - range.0) / count.max(1) as f64;
    if !(rough.is_finite() && rough > 0.0) {
        return Vec::new();
    }
    let power = 10f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|&step| step >= rough).unwrap_or(rough);
    let first = (range.0 / step).ceil() as i64;
    let last = (range.1 / step).floor() as i64;
    (first..=last).map(|n| n as f64 * step).filter(|&tick| tick > -step / 2.0).collect()
}

fn number(value: f64) -> String {
    if (value - value.round()).abs() < 1e-9 {
        return format!("{value:.0}");
    }
    let text = if value.abs() < 0.01 { format!("{value:.1e}") } else { format!("{value:.3}") };
    if text.contains('e') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(series: Vec<Series>) -> Chart<'static> {
        Chart { series: Cow::Owned(series), ..Chart::default() }
    }

    #[test]
    fn axes_start_at_zero_and_cover_intervals() {
        let points = vec![[1.0, 2.0], [11.0, 0.5]];
        let series = Series::of_role("a", ModelRole::Base, points).with_band(vec![(1.0, 4.0), (0.0, 1.0)]);
        let (x, y) = chart(vec![series]).bounds();
        assert_eq!(x, (0.75, 11.25));
        assert!(y.0 <= 0.0 && y.1 > 4.0, "{y:?}");
    }

    #[test]
    fn nothing_and_zeros_still_make_a_chart() {
        let (x, y) = chart(Vec::new()).bounds();
        assert!(x.0 < x.1 && y.0 < y.1);
        let (x, y) = chart(vec![Series::of_role("a", ModelRole::Base, vec![[3.0, 0.0]])]).bounds();
        assert!(x.0 < 3.0 && x.1 > 3.0 && y.1 > 0.5, "{x:?} {y:?}");
    }

    #[test]
    fn ticks_are_round_few_and_not_below_zero() {
        assert_eq!(nice_ticks((-0.3, 4.2), 5), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(nice_ticks((-3.0, 196.0), 8), [0.0, 50.0, 100.0, 150.0]);
        assert!(nice_ticks((0.0, 0.0), 5).is_empty());
    }

    #[test]
    fn tick_labels_are_short() {
        assert_eq!(number(40.0), "40");
        assert_eq!(number(0.25), "0.25");
        assert_eq!(number(0.1 + 0.2), "0.3");
        assert_eq!(number(0.00002), "2.0e-5");
    }
}
