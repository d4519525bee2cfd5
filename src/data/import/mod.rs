//! Files from elsewhere become examples: CSV, JSON, JSON lines and Parquet, in the shapes that the field uses. Which column is what is
//! guessed from its name, and can be said instead.

mod columns;
mod file;
mod own;
mod rows;
mod table;

pub use columns::{Columns, Field, Fit, Said, fit, guess, guess_kind};
pub use file::Watch;
pub(super) use own::all_columns;
pub use own::{import_own, own_kind};
pub use rows::{Imported, import};
pub use table::{Table, TableFile, TableRow, read_table, read_table_watched};
