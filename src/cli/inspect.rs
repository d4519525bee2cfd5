//! `plumbline inspect`: a model's card.

use super::Trouble;
use crate::model::{self, Needs, ROWS, TOKENS, readable_size};
use std::path::Path;

pub(super) fn inspect(folder: &Path) -> Result<(), Trouble> {
    let card = model::inspect(folder).map_err(|e| Trouble::BadInput(e.to_string()))?;
    println!("{}", folder.display());
    for (name, value) in [
        ("architecture", card.architecture),
        ("parameters", thousands(card.parameters as u64)),
        ("weights on disk", format!("{} bytes, {}", thousands(card.bytes_on_disk), card.dtype)),
        ("blocks", card.layers.to_string()),
        ("width", card.hidden.to_string()),
        ("vocabulary", thousands(card.vocab as u64)),
        ("context", format!("{} tokens", thousands(card.context as u64))),
    ] {
        println!("  {name:<16} {value}");
    }
    if let Some(adapter) = card.adapter {
        println!("  {:<16} {adapter}", "adapter");
    }
    if let Some(needs) = &card.needs {
        memory(needs, card.context);
    }
    Ok(())
}

/// What running and training take, part by part, on the CPU.
fn memory(needs: &Needs, context: usize) {
    println!("memory needed, with {ROWS} rows of {} tokens at once", TOKENS.min(context));
    for (name, need) in needs.all() {
        let parts: Vec<String> =
            need.parts().iter().map(|(n, b)| format!("{n} {}", readable_size(*b))).collect();
        println!("  {name:<16} {:<9} {}", readable_size(need.total()), parts.join(", "));
    }
}

/// A number with a comma after each three digits.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(1_062_016), "1,062,016");
        assert_eq!(thousands(100_000), "100,000");
    }
}
