//! Small shared pieces: cards, fields, buttons, notices.

use crate::project::ModelRole;
use crate::ui::app::{About, Command};
use crate::ui::theme;
use eframe::egui::{
    self, Align, Button, Color32, CornerRadius, Frame, Layout, Margin, Response, RichText, Role, Sense,
    Stroke, Ui, Vec2, WidgetInfo, WidgetText, text::LayoutJob,
};
use egui_material_icons::MaterialIcon;

/// How serious a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It went well.
    Good,
    /// Worth knowing.
    Plain,
    /// Needs attention.
    Warning,
    /// Failed.
    Error,
}

/// An icon before a text, as one piece of text.
#[must_use]
pub fn icon_text(ui: &Ui, icon: MaterialIcon, text: &str, colour: Color32, size: f32) -> WidgetText {
    let mut job = LayoutJob::default();
    let style = ui.style();
    icon.rich_text().size(size + 3.0).color(colour).append_to(
        &mut job,
        style,
        egui::FontSelection::Default,
        Align::Center,
    );
    if !text.is_empty() {
        RichText::new(format!("  {text}")).size(size).color(colour).append_to(
            &mut job,
            style,
            egui::FontSelection::Default,
            Align::Center,
        );
    }
    job.into()
}

/// The title of a screen with one sentence below it.
pub fn screen_title(ui: &mut Ui, title: &str, subtitle: &str) {
    ui.label(theme::title(title));
    ui.add_space(-theme::TIGHT);
    ui.label(RichText::new(subtitle).color(theme::palette(ui).weak));
    ui.add_space(theme::GROUP);
}

/// The heading of a section.
pub fn section(ui: &mut Ui, text: &str) {
    ui.label(theme::heading(text));
    ui.add_space(theme::TIGHT);
}

/// A bordered card as wide as there is room.
pub fn card<R>(ui: &mut Ui, contents: impl FnOnce(&mut Ui) -> R) -> R {
    let p = theme::palette(ui);
    Frame::new()
        .fill(p.surface)
        .stroke(Stroke::new(1.0, p.border))
        .corner_radius(CornerRadius::same(theme::RADIUS))
        .inner_margin(Margin::same(theme::GROUP as i8))
        .show(ui, |ui| {
            ui.set_min_width(ui.available_width());
            contents(ui)
        })
        .inner
}

/// A quiet ground behind something that is quoted, as wide as there is room.
pub fn quoted<R>(ui: &mut Ui, contents: impl FnOnce(&mut Ui) -> R) -> R {
    let p = theme::palette(ui);
    Frame::new()
        .fill(p.raised)
        .corner_radius(CornerRadius::same(theme::RADIUS))
        .inner_margin(Margin::symmetric(theme::PAD as i8, theme::GAP as i8))
        .show(ui, |ui| {
            ui.set_min_width(ui.available_width());
            contents(ui)
        })
        .inner
}

/// A field's name above the field; gives the name's id for `labelled_by`.
pub fn field(ui: &mut Ui, name: &str, hint: &str) -> egui::Id {
    let p = theme::palette(ui);
    let named = ui.label(theme::label(name).color(p.ink));
    if hint.is_empty() { named.id } else { named.on_hover_text(hint).id }
}

/// A line of things with their middles at one height, as wide as there is room.
pub fn line<R>(ui: &mut Ui, height: f32, contents: impl FnOnce(&mut Ui) -> R) -> R {
    let size = Vec2::new(ui.available_width(), height);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.spacing_mut().interact_size.y = height;
        contents(ui)
    })
    .inner
}

/// A form that scrolls above what stays in sight at its foot: its button, and why that cannot be pressed. A line parts
/// the two; a row that faded out there would look as if it could not be used.
pub fn form_above<S>(
    ui: &mut Ui,
    id: &str,
    state: &mut S,
    foot: impl FnOnce(&mut Ui, &mut S),
    form: impl FnOnce(&mut Ui, &mut S),
) {
    let under = Frame::new().inner_margin(Margin { top: theme::PAD as i8, ..Margin::default() });
    egui::Panel::bottom((id, "foot"))
        .frame(under)
        .resizable(false)
        .show_separator_line(true)
        .show(ui, |ui| foot(ui, state));
    egui::CentralPanel::no_frame().show(ui, |ui| {
        ui.spacing_mut().scroll.fade.strength = 0.0;
        egui::ScrollArea::vertical().id_salt((id, "form")).auto_shrink(false).show(ui, |ui| {
            ui.set_width(ui.available_width() - theme::PAD);
            form(ui, state);
        });
    });
}

/// A choice from a list, with a quiet arrow.
#[must_use]
pub fn combo_box<'a>(salt: &str, width: f32) -> egui::ComboBox<'a> {
    egui::ComboBox::from_id_salt(salt).width(width).truncate().icon(|ui, rect, _, _| {
        let at = rect.center();
        let ink = theme::palette(ui).weak;
        let points = vec![at + egui::vec2(-4.0, -2.0), at + egui::vec2(0.0, 2.0), at + egui::vec2(4.0, -2.0)];
        ui.painter().add(egui::Shape::line(points, Stroke::new(1.5, ink)));
    })
}

/// A named choice; gives back what was newly chosen.
pub fn named_choice<'a>(
    ui: &mut Ui,
    name: &str,
    hint: &str,
    current: &str,
    choices: impl Iterator<Item = &'a str>,
) -> Option<String> {
    field(ui, name, hint);
    let mut chosen = None;
    let shown = if current.is_empty() { "choose…" } else { current };
    let response = combo_box(name, ui.available_width())
        .selected_text(shown)
        .show_ui(ui, |ui| {
            for choice in choices {
                if ui.selectable_label(choice == current, choice).clicked() {
                    chosen = Some(choice.to_owned());
                }
            }
        })
        .response;
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, name));
    ui.add_space(theme::GAP);
    chosen
}

/// A small flat text button; `name` is what screen readers say.
pub fn text_button(ui: &mut Ui, text: &str, name: &str) -> Response {
    let colour = theme::palette(ui).accent;
    let button = ui.add(Button::new(theme::small(text).color(colour)).frame(false));
    button.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
    button.on_hover_cursor(egui::CursorIcon::PointingHand)
}

/// A name and its value on one line.
pub fn fact(ui: &mut Ui, name: &str, value: &str) {
    let p = theme::palette(ui);
    line(ui, 20.0, |ui| {
        ui.allocate_ui_with_layout(Vec2::new(104.0, 20.0), Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_width(104.0);
            ui.label(theme::small(name).color(p.weak));
        });
        ui.add(egui::Label::new(theme::small(value)).truncate()).on_hover_text(value);
    });
}

/// A name and its value, which may take some lines; what does not fit is on hover.
pub fn long_fact(ui: &mut Ui, name: &str, value: &str, lines: usize) {
    let p = theme::palette(ui);
    ui.horizontal_top(|ui| {
        ui.allocate_ui_with_layout(Vec2::new(104.0, 20.0), Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_width(104.0);
            ui.label(theme::small(name).color(p.weak));
        });
        let font = egui::FontId::proportional(theme::SMALL);
        let mut job = LayoutJob::simple(value.to_owned(), font, p.ink, ui.available_width());
        job.wrap.max_rows = lines;
        ui.vertical(|ui| {
            // Its first line stands at the height of the name.
            ui.add_space(2.0);
            ui.label(job).on_hover_text(value);
        });
    });
}

/// A small rounded label.
pub fn chip(ui: &mut Ui, text: &str, colour: Color32) -> Response {
    Frame::new()
        .fill(theme::faded(colour, 0.14))
        .corner_radius(CornerRadius::same(10))
        .inner_margin(Margin::symmetric(theme::GAP as i8, 2))
        .show(ui, |ui| {
            ui.spacing_mut().interact_size.y = 16.0;
            ui.horizontal(|ui| ui.label(theme::small(text))).inner
        })
        .inner
}

/// A model role's colour and name.
pub fn role_chip(ui: &mut Ui, role: ModelRole) -> Response {
    let colour = theme::role_colour(role);
    Frame::new()
        .fill(theme::faded(colour, 0.14))
        .corner_radius(CornerRadius::same(10))
        .inner_margin(Margin::symmetric(theme::GAP as i8, 2))
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            ui.spacing_mut().interact_size.y = 16.0;
            ui.horizontal(|ui| {
                dot(ui, colour);
                ui.label(theme::small(role.label()))
            })
            .inner
        })
        .inner
}

/// A round mark in a model's colour.
pub fn dot(ui: &mut Ui, colour: Color32) {
    let (rect, _) = ui.allocate_exact_size(Vec2::splat(9.0), Sense::hover());
    ui.painter().circle_filled(rect.center(), 4.0, colour);
}

/// The one button that matters on a screen. `blocked` says why it cannot be pressed.
pub fn primary_button(ui: &mut Ui, icon: MaterialIcon, text: &str, blocked: Option<&str>) -> Response {
    let p = theme::palette(ui);
    let enabled = blocked.is_none();
    let label = icon_text(ui, icon, text, if enabled { p.on_accent } else { p.weak }, theme::BODY);
    let fill = if enabled { p.accent } else { p.raised };
    let response = ui
        .scope(|ui| {
            ui.visuals_mut().disabled_alpha = 1.0;
            ui.spacing_mut().button_padding = Vec2::new(theme::GROUP, theme::TIGHT);
            ui.add_enabled(enabled, Button::new(label).fill(fill).stroke(Stroke::NONE))
        })
        .inner;
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, text));
    match blocked {
        Some(why) => response.on_disabled_hover_text(why),
        None => response,
    }
}

/// A quiet button for a command, with its tooltip and shortcut. Returns whether it was pressed.
pub fn command_button<C: Clone + Into<Command>>(ui: &mut Ui, command: &C, blocked: Option<&str>) -> bool {
    let p = theme::palette(ui);
    let about = command.clone().into().about();
    let ink = button_ink(p, blocked);
    let label = match about.icon {
        Some(icon) => icon_text(ui, icon, &about.text, ink, theme::BODY),
        None => RichText::new(about.text.as_ref()).color(ink).into(),
    };
    let response = quiet(ui, Button::new(label), blocked);
    explained(ui, response, &about, blocked)
}

/// A command's icon alone; its name is for screen readers and the tooltip. Returns whether it was pressed.
pub fn icon_button<C: Clone + Into<Command>>(ui: &mut Ui, command: &C, blocked: Option<&str>) -> bool {
    let p = theme::palette(ui);
    let about = command.clone().into().about();
    let Some(icon) = about.icon else { return command_button(ui, command, blocked) };
    let glyph = icon.rich_text().size(18.0).color(button_ink(p, blocked));
    let usual = std::mem::replace(&mut ui.spacing_mut().button_padding.x, theme::GAP);
    let response = quiet(ui, Button::new(glyph), blocked);
    ui.spacing_mut().button_padding.x = usual;
    explained(ui, response, &about, blocked)
}

/// A command as a small flat text button. Returns whether it was pressed.
pub fn link_button<C: Clone + Into<Command>>(ui: &mut Ui, command: &C, blocked: Option<&str>) -> bool {
    let p = theme::palette(ui);
    let about = command.clone().into().about();
    let ink = if blocked.is_none() { p.accent } else { button_ink(p, blocked) };
    let text = theme::small(about.text.as_ref()).color(ink);
    let response = quiet(ui, Button::new(text).frame(false), blocked);
    let response = response.on_hover_cursor(egui::CursorIcon::PointingHand);
    explained(ui, response, &about, blocked)
}

/// The ink of a button that is not the one that matters.
fn button_ink(p: &theme::Palette, blocked: Option<&str>) -> Color32 {
    if blocked.is_none() { p.ink } else { theme::faded(p.weak, 0.75) }
}

/// Adds a button of the height of all controls, with an icon or without. Its ink says whether it can be pressed; nothing
/// else of it fades.
fn quiet(ui: &mut Ui, button: Button<'_>, blocked: Option<&str>) -> Response {
    // Not in a scope, which would keep a row of buttons from going on in the next line.
    let (alpha, usual) = (ui.visuals().disabled_alpha, ui.spacing().button_padding);
    ui.visuals_mut().disabled_alpha = 1.0;
    // An icon's line is higher than a text's: the height comes from the least height of a control.
    ui.spacing_mut().button_padding.y = theme::TIGHT;
    let response = ui.add_enabled(blocked.is_none(), button);
    ui.visuals_mut().disabled_alpha = alpha;
    ui.spacing_mut().button_padding = usual;
    response
}

/// Names a command's button and says on hover what it does, or why it cannot be pressed.
fn explained(ui: &Ui, response: Response, about: &About, blocked: Option<&str>) -> bool {
    let enabled = blocked.is_none();
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, about.text.as_ref()));
    let response = match blocked {
        Some(why) => response.on_disabled_hover_text(format!("{}: {why}", about.text)),
        None => {
            let keys = about.keys.map(|keys| format!(" ({})", ui.ctx().format_shortcut(&keys)));
            response.on_hover_text(format!("{}{}", about.tooltip, keys.unwrap_or_default()))
        }
    };
    response.clicked()
}

/// A wide, flat, selectable row with text on the left and a quiet remark on the right.
pub fn row_button(
    ui: &mut Ui,
    selected: bool,
    icon: Option<MaterialIcon>,
    text: &str,
    remark: &str,
) -> Response {
    let p = theme::palette(ui);
    let size = Vec2::new(ui.available_width(), 36.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, selected, text));
    if ui.is_rect_visible(rect) {
        let fill = if selected {
            p.selected
        } else if response.hovered() || response.has_focus() {
            p.raised
        } else {
            Color32::TRANSPARENT
        };
        ui.painter().rect_filled(rect, CornerRadius::same(theme::RADIUS), fill);
        if response.has_focus() {
            ui.painter().rect_stroke(
                rect,
                CornerRadius::same(theme::RADIUS),
                Stroke::new(1.0, p.accent),
                egui::StrokeKind::Inside,
            );
        }
        let ink = if selected { p.accent } else { p.ink };
        let mut left = rect.left() + theme::PAD;
        if let Some(icon) = icon {
            let glyph = egui::FontId::new(20.0, icon.font_family());
            let at = egui::pos2(left + 10.0, rect.center().y);
            ui.painter().text(at, egui::Align2::CENTER_CENTER, icon.codepoint, glyph, ink);
            left += 32.0;
        }
        let mut right = rect.right() - theme::PAD;
        if !remark.is_empty() {
            let font = egui::FontId::proportional(theme::SMALL);
            let drawn = ui.painter().text(
                egui::pos2(right, rect.center().y),
                egui::Align2::RIGHT_CENTER,
                remark,
                font,
                p.weak,
            );
            right = drawn.left() - theme::GAP;
        }
        let family = if selected { theme::semibold() } else { egui::FontFamily::Proportional };
        let mut job =
            LayoutJob::simple_singleline(text.to_owned(), egui::FontId::new(theme::BODY, family), ink);
        job.wrap = egui::text::TextWrapping::truncate_at_width((right - left).max(0.0));
        let galley = ui.painter().layout_job(job);
        let at = egui::pos2(left, rect.center().y - galley.size().y / 2.0);
        ui.painter().galley(at, galley, ink);
    }
    response
}

/// What an empty place is for, and the one button that fills it. Returns whether the button was pressed.
pub fn empty_state(ui: &mut Ui, icon: MaterialIcon, what: &str, why: &str, button: Option<&str>) -> bool {
    let p = theme::palette(ui);
    let mut pressed = false;
    ui.vertical_centered(|ui| {
        ui.add_space(48.0);
        ui.label(icon.rich_text().size(40.0).color(p.weak));
        ui.add_space(theme::GAP);
        ui.label(theme::heading(what));
        ui.allocate_ui(Vec2::new(ui.available_width().min(440.0), 0.0), |ui| {
            ui.label(RichText::new(why).color(p.weak));
        });
        ui.add_space(theme::GAP);
        if let Some(text) = button {
            pressed =
                primary_button(ui, egui_material_icons::icons::ICON_ARROW_FORWARD, text, None).clicked();
        }
        ui.add_space(48.0);
    });
    pressed
}

/// The icon of a tone, its colour, and the ground behind its text.
#[must_use]
pub fn tone_look(p: &theme::Palette, tone: Tone) -> (MaterialIcon, Color32, Color32) {
    use egui_material_icons::icons::{ICON_CHECK_CIRCLE, ICON_ERROR, ICON_INFO, ICON_WARNING};
    match tone {
        Tone::Good => (ICON_CHECK_CIRCLE, p.good, theme::faded(p.good, 0.10)),
        Tone::Plain => (ICON_INFO, p.accent, p.selected),
        Tone::Warning => (ICON_WARNING, p.warning, p.warning_ground),
        Tone::Error => (ICON_ERROR, p.error, p.error_ground),
    }
}

/// A line of text on a tinted ground: errors, warnings, good news.
pub fn notice(ui: &mut Ui, tone: Tone, text: &str) {
    let (icon, colour, ground) = tone_look(theme::palette(ui), tone);
    Frame::new()
        .fill(ground)
        .corner_radius(CornerRadius::same(theme::RADIUS))
        .inner_margin(Margin::symmetric(theme::PAD as i8, theme::GAP as i8))
        .show(ui, |ui| {
            ui.set_min_width(ui.available_width());
            ui.horizontal_top(|ui| {
                ui.label(icon.rich_text().size(18.0).color(colour));
                ui.vertical(|ui| {
                    // The first line's middle is at the height of the icon's.
                    ui.spacing_mut().item_spacing.y = 0.0;
                    ui.add_space(3.0);
                    ui.add(egui::Label::new(theme::small(text)).wrap());
                });
            });
        });
}

/// A tick box.
pub fn tick(ui: &mut Ui, on: &mut bool, text: &str) -> Response {
    let p = theme::palette(ui);
    ui.scope(|ui| {
        let (fill, line) = if *on { (p.accent, p.accent) } else { (p.surface, theme::faded(p.weak, 0.7)) };
        let widgets = &mut ui.visuals_mut().widgets;
        for state in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active] {
            state.bg_fill = fill;
            state.bg_stroke = Stroke::new(1.0, line);
            // The tick takes the colour of the stroke; the text keeps its own.
            state.fg_stroke = Stroke::new(2.0, p.on_accent);
        }
        ui.checkbox(on, RichText::new(text).color(p.ink))
    })
    .inner
}

/// A tick box with a quiet remark behind its text.
pub fn check_label(ui: &mut Ui, on: &mut bool, text: &str, remark: &str) -> Response {
    let p = theme::palette(ui);
    line(ui, 24.0, |ui| {
        let response = tick(ui, on, text);
        if !remark.is_empty() {
            ui.add(egui::Label::new(theme::small(remark).color(p.weak)).truncate());
        }
        response
    })
}
