//! `plumbline merge`: an adapter and its base as one checkpoint.

use super::Trouble;
use crate::model::{self, Precision};
use std::path::Path;

pub(super) fn merge(adapter: &Path, out: &Path) -> Result<(), Trouble> {
    if out.exists() {
        let out = out.display();
        return Err(Trouble::BadInput(format!(
            "{out} is there already. Name a folder that does not exist yet."
        )));
    }
    let bad = |e: model::ModelError| Trouble::BadInput(e.to_string());
    let base = model::base_folder(adapter).map_err(bad)?;
    if base == adapter && adapter.join("config.json").is_file() {
        let adapter = adapter.display();
        return Err(Trouble::BadInput(format!("{adapter} holds a whole checkpoint, not an adapter.")));
    }
    let checkpoint = model::load(adapter).map_err(bad)?;
    model::save(out, &checkpoint.decoder, &base, Precision::F32)
        .map_err(|e| Trouble::Failed(e.to_string()))?;
    println!("The merged model is in {}.", out.display());
    Ok(())
}
