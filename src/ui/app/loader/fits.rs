//! Whether a model may be read.

use crate::job::available_memory;
use crate::model::{self, readable_size};
use std::path::Path;

/// Refuses a model whose weights do not fit into the memory that is free, before the system ends the whole program.
pub(super) fn fits(folder: &Path) -> Result<(), String> {
    let card = model::inspect(folder).map_err(|e| e.to_string())?;
    let need = card.needs.map_or(card.bytes_on_disk, |needs| needs.run.weights);
    match available_memory() {
        Some(free) if model::device::pick().is_cpu() && need > free => Err(format!(
            "The weights in {} need {} of memory, and {} is free. Close other programs, or take a smaller model.",
            folder.display(),
            readable_size(need),
            readable_size(free)
        )),
        _ => Ok(()),
    }
}
