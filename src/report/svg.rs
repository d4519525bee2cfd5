//! A chart as SVG: for the report's page, and what a picture is drawn from.

use super::escape::escape;
use super::{Chart, Dash, Hue, Marker, Series, Spread, role_rgb};
use std::borrow::Cow;
use std::fmt::Write as _;

/// Width of the picture, in points.
const WIDTH: f64 = 760.0;
/// Height of what lies between the axes: with one line of title, key and note the picture is about 380 high.
const PLOT: f64 = 240.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 24.0;
const INK: &str = "#1b1c1f";
const WEAK: &str = "#62656b";
const GRID: &str = "#e8e8e4";
const ACCENT: &str = "#4552c4";
/// About how wide a letter of 12 points is.
const LETTER: f64 = 6.5;

/// The whole chart as one SVG that needs nothing else.
pub(crate) fn svg(chart: &Chart<'_>) -> String {
    let chart = Chart { series: Cow::Owned(chart.series.iter().map(finite).collect()), ..chart.clone() };
    let title = broken(&chart.question, 76);
    let note = broken(&chart.note, 108);
    let key = key_lines(&chart.series);
    let key_top = 34.0 + 21.0 * title.len() as f64;
    let top = key_top + 20.0 * key.len() as f64 + 2.0;
    let bottom = top + PLOT;
    let height = bottom + 50.0 + 17.0 * note.len() as f64;

    let mut out = String::new();
    let _ = write!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:.0}" height="{height:.0}" viewBox="0 0 {WIDTH:.0} {height:.0}" role="img" aria-label="{}" font-family="Inter, sans-serif" font-size="12">"#,
        escape(&chart.question)
    );
    let _ = write!(out, r##"<rect width="{WIDTH:.0}" height="{height:.0}" fill="#ffffff"/>"##);
    for (index, line) in title.iter().enumerate() {
        let y = 32.0 + 21.0 * index as f64;
        text(&mut out, 20.0, y, r#"font-size="16" font-weight="600""#, INK, line);
    }
    for (index, line) in key.iter().enumerate() {
        let y = key_top - 4.0 + 20.0 * index as f64;
        for (x, series, name) in line {
            sample(&mut out, *x, y - 4.0, series);
            text(&mut out, x + 36.0, y, "", INK, name);
        }
    }

    let (across, up) = chart.bounds();
    let place = Place { across, up, top };
    let (x_ticks, y_ticks) = chart.tick_positions();
    for tick in y_ticks.into_iter().filter(|tick| within(*tick, up)) {
        let y = place.y(tick);
        let _ = write!(
            out,
            r#"<line x1="{LEFT:.1}" y1="{y:.1}" x2="{:.1}" y2="{y:.1}" stroke="{GRID}"/>"#,
            WIDTH - RIGHT
        );
        text(&mut out, LEFT - 8.0, y + 4.0, r#"text-anchor="end""#, WEAK, &chart.y_label(tick));
    }
    let floor = place.y(0.0);
    let _ = write!(
        out,
        r##"<line x1="{LEFT:.1}" y1="{floor:.1}" x2="{:.1}" y2="{floor:.1}" stroke="#9ca3af"/>"##,
        WIDTH - RIGHT
    );
    for tick in x_ticks.into_iter().filter(|tick| within(*tick, across)) {
        let x = place.x(tick);
        text(&mut out, x, bottom + 14.0, r#"text-anchor="middle""#, WEAK, &Chart::x_label(tick));
    }
    let middle = LEFT + (WIDTH - LEFT - RIGHT) / 2.0;
    text(&mut out, middle, bottom + 34.0, r#"text-anchor="middle""#, INK, &chart.x);
    let half = top + PLOT / 2.0;
    let turned = format!(r#"text-anchor="middle" transform="rotate(-90 20 {half:.1})""#);
    text(&mut out, 20.0, half, &turned, INK, &chart.y);

    // Spreads lie below all lines, so that no band hides another's line.
    let aside = asides(&chart.series);
    for (series, aside) in chart.series.iter().zip(&aside) {
        spread(&mut out, &place, series, *aside);
    }
    for (series, aside) in chart.series.iter().zip(&aside) {
        line(&mut out, &place, series, *aside);
    }
    for (index, words) in note.iter().enumerate() {
        text(&mut out, 20.0, bottom + 56.0 + 17.0 * index as f64, "", WEAK, words);
    }
    out.push_str("</svg>");
    out
}

/// Where values lie in the picture.
struct Place {
    across: (f64, f64),
    up: (f64, f64),
    top: f64,
}

impl Place {
    fn x(&self, value: f64) -> f64 {
        let share = (value - self.across.0) / (self.across.1 - self.across.0);
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.up.0) / (self.up.1 - self.up.0);
        self.top + (1.0 - share.clamp(0.0, 1.0)) * PLOT
    }
}

fn within(value: f64, range: (f64, f64)) -> bool {
    value >= range.0 && value <= range.1
}

/// The series without the points that have no place. A point without a whole interval gets one of no width.
fn finite(series: &Series) -> Series {
    let mut kept = Series { points: Vec::new(), intervals: Vec::new(), ..series.clone() };
    for (index, &[x, y]) in series.points.iter().enumerate() {
        if !(x.is_finite() && y.is_finite()) {
            continue;
        }
        kept.points.push([x, y]);
        let interval = series.intervals.get(index).copied();
        kept.intervals
            .push(interval.filter(|(low, high)| low.is_finite() && high.is_finite()).unwrap_or((y, y)));
    }
    kept
}

fn colour(hue: Hue) -> String {
    match hue {
        Hue::Ink => INK.to_owned(),
        Hue::Accent => ACCENT.to_owned(),
        Hue::Role(role) => format!("#{:06x}", role_rgb(role)),
    }
}

/// Width and dash of a series' line, as in the window.
fn stroke(series: &Series) -> String {
    let width = if series.faint { 1.2 } else { 2.0 };
    let dash = match series.dash() {
        Dash::Solid => String::new(),
        Dash::Dotted(spacing) => format!(r#" stroke-dasharray="2 {}""#, spacing - 2.0),
        Dash::Dashed(length) => format!(r#" stroke-dasharray="{length} {:.1}""#, length * Dash::GAP),
    };
    let opacity = if series.faint { r#" stroke-opacity="0.6""# } else { "" };
    format!(r#"fill="none" stroke="{}" stroke-width="{width}"{opacity}{dash}"#, colour(series.hue))
}

/// How far to the side each series is drawn: whiskers at one position stand beside each other, not on each other.
fn asides(series: &[Series]) -> Vec<f64> {
    let whiskers = |one: &&Series| one.spread == Spread::Whiskers;
    let mut next = -(series.iter().filter(whiskers).count().saturating_sub(1) as f64) / 2.0;
    let mut aside = |one: &Series| {
        if one.spread != Spread::Whiskers {
            return 0.0;
        }
        next += 1.0;
        5.0 * (next - 1.0)
    };
    series.iter().map(&mut aside).collect()
}

fn spread(out: &mut String, place: &Place, series: &Series, aside: f64) {
    let colour = colour(series.hue);
    let ends =
        || series.points.iter().zip(&series.intervals).map(|([x, _], ends)| (place.x(*x) + aside, *ends));
    match series.spread {
        Spread::None => {}
        Spread::Band if series.points.len() > 1 => {
            let mut outline: Vec<String> =
                ends().map(|(x, (_, high))| format!("{x:.1},{:.1}", place.y(high))).collect();
            outline.extend(ends().rev().map(|(x, (low, _))| format!("{x:.1},{:.1}", place.y(low))));
            let _ = write!(
                out,
                r#"<polygon points="{}" fill="{colour}" fill-opacity="0.15"/>"#,
                outline.join(" ")
            );
        }
        Spread::Band | Spread::Whiskers => {
            for (x, (low, high)) in ends().filter(|(_, (low, high))| high > low) {
                let (low, high) = (place.y(low), place.y(high));
                let (left, right) = (x - 4.0, x + 4.0);
                let _ = write!(
                    out,
                    r#"<path d="M{x:.1} {low:.1}V{high:.1}M{left:.1} {low:.1}H{right:.1}M{left:.1} {high:.1}H{right:.1}" stroke="{colour}" stroke-width="1.2" stroke-opacity="0.7"/>"#
                );
            }
        }
    }
}

fn line(out: &mut String, place: &Place, series: &Series, aside: f64) {
    let at = |[x, y]: &[f64; 2]| (place.x(*x) + aside, place.y(*y));
    if series.points.len() > 1 && !series.apart {
        let path: Vec<String> = series.points.iter().map(at).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(out, r#"<polyline points="{}" {}/>"#, path.join(" "), stroke(series));
    }
    // One point makes no line: it is seen by its marker alone.
    let single = series.points.len() == 1 && !series.marked;
    let marked = if single { series.points.clone() } else { series.marked_points() };
    for (x, y) in marked.iter().map(at) {
        marker(out, x, y, series);
    }
}

/// A marker, as in the window.
fn marker(out: &mut String, x: f64, y: f64, series: &Series) {
    let colour = colour(series.hue);
    let filled = format!(r#"fill="{colour}""#);
    let drawn = format!(r#"fill="none" stroke="{colour}" stroke-width="2""#);
    let (path, style) = match series.marker().unwrap_or(Marker::Circle) {
        Marker::Square => ("m-3.5-3.5h7v7h-7z", filled),
        Marker::Diamond => ("m0-5l5 5l-5 5l-5-5z", filled),
        Marker::Up => ("m0-4.5l4.5 8h-9z", filled),
        Marker::Down => ("m0 4.5l4.5-8h-9z", filled),
        Marker::Cross => ("m-3.5-3.5l7 7m0-7l-7 7", drawn),
        Marker::Plus => ("m-4.5 0h9m-4.5-4.5v9", drawn),
        Marker::Circle => {
            let _ = write!(out, r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" {filled}/>"#);
            return;
        }
    };
    let _ = write!(out, r#"<path d="M{x:.1} {y:.1}{path}" {style}/>"#);
}

/// The line of a series as the key shows it.
fn sample(out: &mut String, x: f64, y: f64, series: &Series) {
    if !series.apart {
        let _ = write!(out, r#"<path d="M{x:.1} {y:.1}h28" {}/>"#, stroke(series));
    }
    if series.marked {
        marker(out, x + 14.0, y, series);
    }
}

/// The key, broken into lines: where each sample begins, its series, and what stands beside it.
fn key_lines(series: &[Series]) -> Vec<Vec<(f64, &Series, String)>> {
    let mut lines: Vec<Vec<(f64, &Series, String)>> = Vec::new();
    let mut x = 20.0;
    for one in series.iter().filter(|one| !one.is_empty()) {
        let name = shortened(&one.name, 96);
        let width = 36.0 + LETTER * name.chars().count() as f64 + 22.0;
        if lines.is_empty() || x + width > WIDTH {
            lines.push(Vec::new());
            x = 20.0;
        }
        if let Some(line) = lines.last_mut() {
            line.push((x, one, name));
        }
        x += width;
    }
    lines
}

fn text(out: &mut String, x: f64, y: f64, style: &str, fill: &str, words: &str) {
    if !words.is_empty() {
        let _ = write!(out, r#"<text x="{x:.1}" y="{y:.1}" fill="{fill}" {style}>{}</text>"#, escape(words));
    }
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// `text` in lines of about `most` letters.
fn broken(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = shortened(word, most);
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::project::ModelRole;
    use crate::report::Scale;

    /// A chart with everything that a chart can have.
    pub fn example() -> Chart<'static> {
        let mut series: Vec<Series> = ModelRole::ALL
            .iter()
            .enumerate()
            .map(|(index, &role)| {
                let y = 0.1 * index as f64;
                Series::of_role(
                    format!("{role} (n = 40)"),
                    role,
                    vec![[0.0, y], [5.0, y + 0.2], [10.0, y + 0.3]],
                )
                .with_whiskers(vec![(y, y + 0.1), (y, y + 0.3), (y + 0.2, y + 0.4)])
            })
            .collect();
        series.push(Series::plain("<script>", Hue::Accent).with_band(vec![(0.1, 0.2), (0.2, 0.4)]));
        if let Some(last) = series.last_mut() {
            last.push(0.0, 0.15);
            last.push(10.0, 0.3);
        }
        Chart {
            id: "an example".into(),
            question: "How often does <script> & \"co\" comply after k harmful tokens?".into(),
            x: "prefilled harmful tokens, k".into(),
            y: "complied (ASR)".into(),
            meaning: "One sentence. And a second.".into(),
            note: "toy judge · whiskers: 95 % interval".into(),
            scale: Scale::Percent,
            ticks: vec![0.0, 5.0, 10.0].into(),
            series: series.into(),
        }
    }

    #[test]
    fn all_text_is_escaped_and_the_picture_is_whole() {
        let text = svg(&example());
        assert!(!text.contains("<script") && text.contains("&lt;script&gt;"), "{text}");
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>"));
        for part in ["complied (ASR)", "prefilled harmful tokens, k", "toy judge", "100 %", "<polygon"] {
            assert!(text.contains(part), "{part}");
        }
    }

    #[test]
    fn points_without_a_place_are_left_out() {
        let mut series = Series::plain("a", Hue::Ink).with_whiskers(vec![(0.0, f64::INFINITY)]);
        series.push(1.0, 1.0);
        series.push(f64::INFINITY, 2.0);
        series.push(2.0, f64::NAN);
        series.push(3.0, 2.0);
        let text = svg(&Chart { series: vec![series].into(), ..Chart::default() });
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        let empty = svg(&Chart::default());
        assert!(!empty.contains("NaN"), "{empty}");
    }
}
