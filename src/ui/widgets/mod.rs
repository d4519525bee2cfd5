//! What the screens are made of: one widget, one file.

mod beta_painter;
mod bits;
mod chart;
mod chart_key;
mod consent;
mod heat_map;
mod hidden_text;
mod job_card;
mod long_text;
mod setting;
mod tabs;
mod term;
mod token_strip;

pub use beta_painter::{BARS, BetaPainter, Painting, beta_painter};
pub use bits::{
    Tone, card, check_label, chip, combo_box, command_button, dot, empty_state, fact, field, form_above,
    icon_button, icon_text, line, link_button, long_fact, named_choice, notice, primary_button, quoted,
    role_chip, row_button, screen_title, section, text_button, tick, tone_look,
};
pub use chart::{Singles, meaning, show_chart, show_chart_with, show_loss, take_chart_wish};
pub use consent::{ANSWERS, PROBES, Parcel, consent};
pub use heat_map::{HeatTable, heat_map};
pub use hidden_text::hidden_text;
pub use job_card::{job_card, progress_line, progress_with_stop};
pub use long_text::{is_long, long_text};
pub use setting::{block_setting, line_setting, number_setting, real_setting, tick_setting};
pub use tabs::{Tab, TabLight, inner_tabs, tab_bar};
pub use term::{heading_term, prose, take_term_wish, term};
pub use token_strip::{KlToken, kl_card, kl_strip, prefix_strip, row_strip, training_strip};
