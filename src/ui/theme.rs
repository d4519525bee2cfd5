//! Design tokens: colours, spacing and type of the window. No other file names a colour or a size of text.

use crate::project::ModelRole;
use eframe::egui::{
    self, Color32, Context, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, RichText,
    Stroke, TextStyle, Theme, Vec2, Visuals,
};
use std::sync::Arc;

/// Half a control's distance.
pub const TIGHT: f32 = 4.0;
/// Between controls.
pub const GAP: f32 = 8.0;
/// Inside cards and between related rows.
pub const PAD: f32 = 12.0;
/// Between groups.
pub const GROUP: f32 = 16.0;
/// Around a screen.
pub const SCREEN: f32 = 24.0;
/// Radius of every corner.
pub const RADIUS: u8 = 6;
/// Height of a button or a field.
pub const CONTROL: f32 = 32.0;

/// Size of secondary text and of tables.
pub const SMALL: f32 = 13.0;
/// Size of body text.
pub const BODY: f32 = 15.0;
/// Size of a section's heading.
pub const HEADING: f32 = 20.0;
/// Size of a screen's title.
pub const TITLE: f32 = 28.0;

const SEMIBOLD: &str = "semibold";

/// The colours of one theme.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    /// Behind everything.
    pub ground: Color32,
    /// Behind the rail, the top bar and the status line.
    pub frame: Color32,
    /// Cards, fields and tables.
    pub surface: Color32,
    /// Hovered rows and quiet buttons.
    pub raised: Color32,
    /// Lines around cards and fields.
    pub border: Color32,
    /// Text.
    pub ink: Color32,
    /// Secondary text.
    pub weak: Color32,
    /// The one accent.
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// Selected rows and rail items.
    pub selected: Color32,
    /// What went well.
    pub good: Color32,
    /// What needs attention.
    pub warning: Color32,
    /// What failed.
    pub error: Color32,
    /// Behind an error's text.
    pub error_ground: Color32,
    /// Behind a warning's text.
    pub warning_ground: Color32,
    /// Behind a context token.
    pub token_context: Color32,
    /// Behind a token of the harmful prefix.
    pub token_harmful: Color32,
    /// Under a trained token.
    pub token_trained: Color32,
    /// Grid lines of charts.
    pub grid: Color32,
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

const LIGHT: Palette = Palette {
    ground: rgb(0xFB_FB_FA),
    frame: rgb(0xF4_F4_F2),
    surface: rgb(0xFF_FF_FF),
    raised: rgb(0xEE_EE_EB),
    border: rgb(0xE0_E0_DB),
    ink: rgb(0x1B_1C_1F),
    weak: rgb(0x62_65_6B),
    accent: rgb(0x45_52_C4),
    on_accent: rgb(0xFF_FF_FF),
    selected: rgb(0xE6_E8_F8),
    good: rgb(0x1B_7A_55),
    warning: rgb(0x8A_5A_00),
    error: rgb(0xB3_30_1E),
    error_ground: rgb(0xFD_F0_ED),
    warning_ground: rgb(0xFD_F6_E7),
    token_context: rgb(0xEE_EE_EB),
    token_harmful: rgb(0xFB_DD_D5),
    token_trained: rgb(0x00_9E_73),
    grid: rgb(0xE8_E8_E4),
};

const DARK: Palette = Palette {
    ground: rgb(0x17_18_1B),
    frame: rgb(0x11_12_14),
    surface: rgb(0x1E_20_24),
    raised: rgb(0x2A_2C_32),
    border: rgb(0x32_35_3C),
    ink: rgb(0xE9_E9_E6),
    weak: rgb(0xA2_A6_AE),
    accent: rgb(0x95_A0_FF),
    on_accent: rgb(0x14_15_1A),
    selected: rgb(0x2C_30_4C),
    good: rgb(0x4C_C3_96),
    warning: rgb(0xE3_B3_41),
    error: rgb(0xFF_8A_75),
    error_ground: rgb(0x36_20_1D),
    warning_ground: rgb(0x33_2A_17),
    token_context: rgb(0x2C_2E_34),
    token_harmful: rgb(0x5A_2C_25),
    token_trained: rgb(0x2A_C4_97),
    grid: rgb(0x2B_2D_33),
};

/// The colours of the theme that `ui` is drawn in.
#[must_use]
pub fn palette(ui: &egui::Ui) -> &'static Palette {
    if ui.visuals().dark_mode { &DARK } else { &LIGHT }
}

/// The colour of a model role, the same everywhere (Okabe–Ito).
#[must_use]
pub fn role_colour(role: ModelRole) -> Color32 {
    rgb(crate::report::role_rgb(role))
}

/// `colour` with `opacity` between 0 and 1.
#[must_use]
pub fn faded(colour: Color32, opacity: f32) -> Color32 {
    colour.gamma_multiply(opacity)
}

/// The title of a screen.
#[must_use]
pub fn title(text: impl Into<String>) -> RichText {
    RichText::new(text).font(FontId::new(TITLE, semibold()))
}

/// The heading of a section.
#[must_use]
pub fn heading(text: impl Into<String>) -> RichText {
    RichText::new(text).font(FontId::new(HEADING, semibold()))
}

/// Emphasised body text.
#[must_use]
pub fn strong(text: impl Into<String>) -> RichText {
    RichText::new(text).font(FontId::new(BODY, semibold()))
}

/// Emphasised small text: names of fields and columns.
#[must_use]
pub fn label(text: impl Into<String>) -> RichText {
    RichText::new(text).font(FontId::new(SMALL, semibold()))
}

/// Small text.
#[must_use]
pub fn small(text: impl Into<String>) -> RichText {
    RichText::new(text).size(SMALL)
}

/// The semi-bold family.
#[must_use]
pub fn semibold() -> FontFamily {
    FontFamily::Name(SEMIBOLD.into())
}

/// Installs fonts, icons and both themes; the window follows the system's choice of theme.
pub fn install(ctx: &Context) {
    ctx.set_fonts(fonts());
    egui_material_icons::initialize(ctx);
    ctx.set_style_of(Theme::Light, style(&LIGHT, Visuals::light()));
    ctx.set_style_of(Theme::Dark, style(&DARK, Visuals::dark()));
}

/// JetBrains Mono comes without its ligatures (its feature `calt` is empty): a token `<|` must look like what it is.
fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    for (name, bytes) in [
        ("Inter", include_bytes!("../../assets/fonts/Inter-Regular.otf").as_slice()),
        ("Inter SemiBold", include_bytes!("../../assets/fonts/Inter-SemiBold.otf").as_slice()),
        ("JetBrains Mono", include_bytes!("../../assets/fonts/JetBrainsMono-Regular.ttf").as_slice()),
    ] {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
    }
    let fallback = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    let mut semibold_family = vec!["Inter SemiBold".to_owned()];
    semibold_family.extend(fallback);
    fonts.families.insert(semibold(), semibold_family);
    fonts.families.entry(FontFamily::Proportional).or_default().insert(0, "Inter".to_owned());
    let mono = fonts.families.entry(FontFamily::Monospace).or_default();
    mono.insert(0, "JetBrains Mono".to_owned());
    mono.push("Inter".to_owned());
    fonts
}

fn style(p: &Palette, base: Visuals) -> egui::Style {
    let mut style = egui::Style { visuals: base, ..egui::Style::default() };
    style.text_styles = [
        (TextStyle::Small, FontId::proportional(SMALL)),
        (TextStyle::Body, FontId::proportional(BODY)),
        (TextStyle::Button, FontId::proportional(BODY)),
        (TextStyle::Heading, FontId::new(HEADING, semibold())),
        (TextStyle::Monospace, FontId::monospace(SMALL)),
    ]
    .into();
    let spacing = &mut style.spacing;
    spacing.item_spacing = Vec2::splat(GAP);
    spacing.button_padding = Vec2::new(PAD, 7.0);
    spacing.interact_size = Vec2::new(40.0, CONTROL);
    spacing.window_margin = Margin::same(SCREEN as i8);
    spacing.menu_margin = Margin::same(GAP as i8);
    spacing.text_edit_width = 320.0;
    spacing.combo_width = 160.0;
    spacing.slider_width = 200.0;
    spacing.icon_width = 18.0;
    spacing.icon_width_inner = 10.0;
    spacing.icon_spacing = GAP;
    spacing.tooltip_width = 360.0;
    spacing.scroll = egui::style::ScrollStyle::thin();
    // Labels that can be selected swallow the clicks meant for their row.
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.3;
    style.animation_time = 0.1;

    let v = &mut style.visuals;
    let radius = CornerRadius::same(RADIUS);
    v.override_text_color = None;
    v.weak_text_color = Some(p.weak);
    v.panel_fill = p.ground;
    v.window_fill = p.surface;
    v.window_stroke = Stroke::new(1.0, p.border);
    v.window_corner_radius = CornerRadius::same(RADIUS * 2);
    v.menu_corner_radius = radius;
    v.extreme_bg_color = p.surface;
    v.text_edit_bg_color = Some(p.surface);
    v.faint_bg_color = p.frame;
    v.code_bg_color = p.raised;
    v.hyperlink_color = p.accent;
    v.warn_fg_color = p.warning;
    v.error_fg_color = p.error;
    v.selection.bg_fill = p.selected;
    v.selection.stroke = Stroke::new(1.0, p.accent);
    v.slider_trailing_fill = true;
    v.handle_shape = egui::style::HandleShape::Circle;
    v.striped = false;
    v.indent_has_left_vline = false;
    v.popup_shadow = egui::Shadow {
        offset: [0, 4],
        blur: 16,
        spread: 0,
        color: Color32::from_black_alpha(if v.dark_mode { 90 } else { 28 }),
    };
    v.window_shadow = v.popup_shadow;
    let w = &mut v.widgets;
    for (state, fill, line) in [
        (&mut w.noninteractive, p.ground, p.border),
        (&mut w.inactive, p.surface, p.border),
        (&mut w.hovered, p.raised, p.weak),
        (&mut w.active, p.raised, p.accent),
        (&mut w.open, p.raised, p.accent),
    ] {
        state.bg_fill = fill;
        state.weak_bg_fill = fill;
        state.bg_stroke = Stroke::new(1.0, line);
        state.fg_stroke = Stroke::new(1.0, p.ink);
        state.corner_radius = radius;
        state.expansion = 0.0;
    }
    // A slider's rail and an unticked box need more weight than a button's ground.
    w.inactive.bg_fill = p.raised;
    w.hovered.bg_stroke = Stroke::new(1.0, faded(p.weak, 0.6));
    style
}
