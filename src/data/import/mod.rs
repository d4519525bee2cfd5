//! Files from elsewhere become examples: CSV, JSON and JSON lines, in the shapes that the field uses. Which column is what is
//! guessed from its name, and can be said instead.

mod columns;
mod rows;
mod table;

pub use columns::{Columns, Field, guess};
pub use rows::{Imported, import};
pub use table::{Table, TableRow, read_table};
