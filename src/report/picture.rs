//! A chart as a picture: the SVG of the report, drawn with the window's own letters.

use super::ReportError;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use std::sync::OnceLock;

/// Pixels for each point: charts stay sharp on print and on dense screens.
const DENSITY: f32 = 2.0;

const REGULAR: &[u8] = include_bytes!("../../assets/fonts/Inter-Regular.otf");
const SEMIBOLD: &[u8] = include_bytes!("../../assets/fonts/Inter-SemiBold.otf");

/// The bytes of a PNG file that shows `svg`.
pub(super) fn png(svg: &str) -> Result<Vec<u8>, ReportError> {
    let fail = |reason: String| ReportError::Picture { reason };
    let other_script = svg.chars().any(|c| BEYOND_INTER.iter().any(|range| range.contains(&c)));
    let tree = Tree::from_str(svg, if other_script { with_system_fonts() } else { options() })
        .map_err(|e| fail(e.to_string()))?;
    let size = tree.size().to_int_size().scale_by(DENSITY).ok_or_else(|| fail("it has no size".into()))?;
    let mut pixels = Pixmap::new(size.width(), size.height())
        .ok_or_else(|| fail(format!("{} × {} pixels are too many", size.width(), size.height())))?;
    resvg::render(&tree, Transform::from_scale(DENSITY, DENSITY), &mut pixels.as_mut());
    pixels.encode_png().map_err(|e| fail(e.to_string()))
}

/// Scripts whose letters Inter lacks: from Hebrew to Georgian, and all of East Asia.
const BEYOND_INTER: [std::ops::RangeInclusive<char>; 3] =
    ['\u{0530}'..='\u{1cff}', '\u{2e80}'..='\u{d7ff}', '\u{f900}'..='\u{10ffff}'];

/// The system's fonts stand in for letters that Inter lacks. Only then, so that other charts look the same everywhere.
fn with_system_fonts() -> &'static Options<'static> {
    static OPTIONS: OnceLock<Options<'static>> = OnceLock::new();
    OPTIONS.get_or_init(|| {
        let mut options = bundled();
        options.fontdb_mut().load_system_fonts();
        options
    })
}

/// Fonts are read once.
fn options() -> &'static Options<'static> {
    static OPTIONS: OnceLock<Options<'static>> = OnceLock::new();
    OPTIONS.get_or_init(bundled)
}

/// The window's own fonts.
fn bundled() -> Options<'static> {
    let mut options = Options { font_family: "Inter".into(), ..Options::default() };
    let fonts = options.fontdb_mut();
    fonts.load_font_data(REGULAR.to_vec());
    fonts.load_font_data(SEMIBOLD.to_vec());
    fonts.set_sans_serif_family("Inter");
    options
}
