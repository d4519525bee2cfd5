//! `plumbline import`: a file from elsewhere becomes a data set of a project.

use super::{Kind, Trouble};
use crate::data::{Columns, DatasetKind, Field, guess, import, import_own, own_kind, read_table};
use crate::project::{DatasetEntry, Project, hash_file};
use clap::Args;
use std::path::PathBuf;

/// The arguments of `plumbline import`.
#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// The file: CSV, JSON, JSON lines, or Parquet; also packed as .gz.
    file: PathBuf,
    /// What its rows should become.
    #[arg(long)]
    kind: Kind,
    /// Id of the new data set; the file's name, if not given.
    #[arg(long)]
    id: Option<String>,
    /// What a column is, such as request=Behavior. May be given several times; what is not said is guessed.
    #[arg(long = "column", value_parser = column, value_name = "FIELD=COLUMN")]
    columns: Vec<(Field, String)>,
    /// The first line of a CSV file names the columns, even if no name is known.
    #[arg(long, conflicts_with = "no_header")]
    header: bool,
    /// The first line of a CSV file is a row, not the names of the columns.
    #[arg(long)]
    no_header: bool,
    /// Leave out the rows that cannot be used, instead of importing nothing.
    #[arg(long)]
    skip_bad: bool,
    /// The licence under which the file came.
    #[arg(long, default_value = "")]
    licence: String,
    /// The project's folder.
    #[arg(long, default_value = ".")]
    project: PathBuf,
}

fn column(text: &str) -> Result<(Field, String), String> {
    let (field, column) = text.split_once('=').ok_or("write FIELD=COLUMN, such as request=Behavior")?;
    let field = Field::ALL.into_iter().find(|known| known.name() == field.trim()).ok_or_else(|| {
        let names: Vec<&str> = Field::ALL.into_iter().map(Field::name).collect();
        format!("there is no field \"{field}\"; there are {}", names.join(", "))
    })?;
    Ok((field, column.trim().to_owned()))
}

/// An id made of a file's name.
fn id_of(file: &std::path::Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let id: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    id.trim_matches('-').to_owned()
}

pub(super) fn run(arguments: ImportArguments) -> Result<(), Trouble> {
    let bad_input = |e: crate::data::DataError| Trouble::BadInput(e.to_string());
    let kind: DatasetKind = arguments.kind.into();
    let file = &arguments.file;
    let said: Columns = arguments.columns.into_iter().collect();
    let header = if arguments.no_header { Some(false) } else { arguments.header.then_some(true) };
    let mut table = read_table(file, header).map_err(bad_input)?;
    // Whoever names a column of the first line says that it names columns.
    if header.is_none() && said.values().any(|column| !table.columns.contains(column)) {
        let named = read_table(file, Some(true)).map_err(bad_input)?;
        if said.values().all(|column| named.columns.contains(column)) {
            table = named;
        }
    }
    let id = arguments.id.unwrap_or_else(|| id_of(file));
    // What Plumbline exported needs no columns.
    let own = said.is_empty() && own_kind(&table) == Some(kind);
    let columns = if own { Columns::new() } else { guess(&table, kind, &said, file).map_err(bad_input)? };
    let found = if own { import_own(&table, kind) } else { import(&table, kind, &columns, &id) };
    for row in &found.bad {
        eprintln!("{}, {row}", file.display());
    }
    if !found.bad.is_empty() && !arguments.skip_bad || found.examples.is_empty() {
        return Err(Trouble::BadInput(format!(
            "{} rows of {} cannot be used, and nothing was imported. Mend them, or leave them out with --skip-bad.",
            found.bad.len(),
            file.display()
        )));
    }
    let mut entry = DatasetEntry::new(&id, id.clone(), kind);
    entry.licence = arguments.licence;
    entry.source = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    entry.sha256 = hash_file(file).map_err(|e| Trouble::Failed(format!("{}: {e}", file.display())))?;
    let count = found.examples.len();
    Project::open(&arguments.project)?.add_dataset(entry, &found.examples)?;
    let told: Vec<String> =
        columns.iter().map(|(field, column)| format!("{} = {column}", field.name())).collect();
    let told = if own { "Plumbline's own rows".to_owned() } else { told.join(", ") };
    println!("{count} {} in data set {id} ({told}).", kind.label());
    if !found.bad.is_empty() {
        println!("{} rows were left out.", found.bad.len());
    }
    Ok(())
}
