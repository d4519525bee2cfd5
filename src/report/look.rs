//! What doubles a colour in a chart: the dash of a line and the marker on it, so that lines are told apart on a grey
//! printer too. The window and files draw the same.

use super::{Hue, Series, Spread};
use crate::project::ModelRole;

/// How a line is broken. Lengths are in points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dash {
    /// It is not.
    Solid,
    /// Dots so far from each other.
    Dotted(f32),
    /// Strokes so long.
    Dashed(f32),
}

impl Dash {
    /// The gap after each stroke, as a share of the stroke.
    pub const GAP: f32 = 0.618;
}

/// The shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A disc.
    Circle,
    /// A square.
    Square,
    /// A square on its corner.
    Diamond,
    /// A triangle that points up.
    Up,
    /// A triangle that points down.
    Down,
    /// An x.
    Cross,
    /// A +.
    Plus,
}

/// Markers along a line of many points: more would hide the line.
const ALONG: usize = 8;
/// Points from which a line is a line of many points.
const MANY: usize = 16;

/// The dash that doubles a role's colour.
#[must_use]
pub fn role_dash(role: ModelRole) -> Dash {
    match role {
        ModelRole::Base => Dash::Dotted(7.0),
        ModelRole::Other => Dash::Dotted(11.0),
        ModelRole::Aligned => Dash::Solid,
        ModelRole::Deepened => Dash::Dashed(12.0),
        ModelRole::Attacked => Dash::Dashed(8.0),
        ModelRole::Tuned => Dash::Dashed(6.0),
        ModelRole::Constrained => Dash::Dashed(4.0),
    }
}

/// The marker that doubles a role's colour.
#[must_use]
pub fn role_marker(role: ModelRole) -> Marker {
    match role {
        ModelRole::Base => Marker::Circle,
        ModelRole::Aligned => Marker::Square,
        ModelRole::Deepened => Marker::Diamond,
        ModelRole::Constrained => Marker::Up,
        ModelRole::Tuned => Marker::Down,
        ModelRole::Attacked => Marker::Cross,
        ModelRole::Other => Marker::Plus,
    }
}

impl Series {
    /// How its line is broken.
    #[must_use]
    pub fn dash(&self) -> Dash {
        match self.hue {
            _ if self.faint => Dash::Dashed(4.0),
            Hue::Role(role) => role_dash(role),
            Hue::Ink | Hue::Accent => Dash::Solid,
        }
    }

    /// The shape on its points, if they are marked.
    #[must_use]
    pub fn marker(&self) -> Option<Marker> {
        match self.hue {
            _ if !self.marked => None,
            Hue::Role(role) => Some(role_marker(role)),
            Hue::Ink | Hue::Accent => Some(Marker::Circle),
        }
    }

    /// The points that get the marker: all that stand for themselves, and a few along a line of many. Each role has its own
    /// places there, so that lines on top of each other show all their markers.
    #[must_use]
    pub fn marked_points(&self) -> Vec<[f64; 2]> {
        let all = self.points.len();
        if !self.marked {
            return Vec::new();
        }
        if self.apart || self.spread == Spread::Whiskers || all <= MANY {
            return self.points.clone();
        }
        let step = all.div_ceil(ALONG);
        let place = match self.hue {
            Hue::Role(role) => ModelRole::ALL.iter().position(|one| *one == role).unwrap_or(0),
            Hue::Ink | Hue::Accent => 0,
        };
        let first = (2 * place + 1) * step / (2 * ModelRole::ALL.len());
        self.points.iter().skip(first).step_by(step).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_told_apart_without_its_colour() {
        for (index, one) in ModelRole::ALL.into_iter().enumerate() {
            for other in ModelRole::ALL.into_iter().skip(index + 1) {
                assert_ne!(role_dash(one), role_dash(other), "{one} and {other}");
                assert_ne!(role_marker(one), role_marker(other), "{one} and {other}");
            }
        }
    }

    #[test]
    fn a_line_of_many_points_has_few_markers_at_places_of_its_own() {
        let points: Vec<[f64; 2]> = (0..80).map(|x| [f64::from(x), 1.0]).collect();
        let of = |role| Series::of_role("a", role, points.clone());
        let (one, other) = (of(ModelRole::Aligned), of(ModelRole::Deepened));
        assert_eq!(one.marked_points().len(), ALONG);
        assert!(one.marked_points().iter().all(|point| !other.marked_points().contains(point)));
        assert_eq!(of(ModelRole::Aligned).apart().marked_points().len(), 80);
        assert_eq!(of(ModelRole::Aligned).faint().marked_points().len(), 0);
    }
}
