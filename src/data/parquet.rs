//! Sets as Parquet (<https://parquet.apache.org>), the form in which the Hub keeps them: typed columns, packed.

use super::DatasetKind;
use super::import::all_columns;
use arrow_json::{LineDelimitedWriter, ReaderBuilder};
use arrow_schema::{DataType, Field, Fields, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnDescriptor;
use serde_json::{Map, Value};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The first and the last bytes of every file.
pub(super) const MAGIC: &[u8] = b"PAR1";

/// So many rows are unpacked at once.
const ROWS: usize = 64;

/// Gives each row of a file to `each`, as a JSON object without what is null, with its place among all rows; `each` may break
/// it off. Columns of bytes, which hold pictures and sounds, are left out.
///
/// # Errors
/// Why the file cannot be read.
pub(super) fn read(
    bytes: Vec<u8>,
    mut each: impl FnMut(Place, Map<String, Value>) -> ControlFlow<String>,
) -> Result<(), String> {
    let bytes = bytes::Bytes::from(bytes);
    let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(bytes))?.map_err(|e| match e {
        ParquetError::EOF(_) => {
            "this Parquet file is not whole: its end is missing. Fetch it again".to_owned()
        }
        e => damaged(&e),
    })?;
    let count = usize::try_from(builder.metadata().file_metadata().num_rows()).map_err(|e| damaged(&e))?;
    let columns = builder.parquet_schema();
    let texts: Vec<usize> = (0..columns.num_columns()).filter(|&i| !is_bytes(&columns.column(i))).collect();
    if texts.is_empty() {
        return Err("it holds no column of text, only bytes, as of pictures".to_owned());
    }
    let kept = ProjectionMask::leaves(columns, texts);
    let mut index = 0;
    let mut batches =
        guarded(|| builder.with_projection(kept).with_batch_size(ROWS).build())?.map_err(|e| damaged(&e))?;
    while let Some(batch) = guarded(|| batches.next())? {
        let mut lines = LineDelimitedWriter::new(Vec::new());
        batch.and_then(|batch| lines.write(&batch)).and_then(|()| lines.finish()).map_err(|e| damaged(&e))?;
        for line in lines.into_inner().split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let row = serde_json::from_slice(line).map_err(|e| damaged(&e))?;
            if let ControlFlow::Break(reason) = each(Place { index, count }, row) {
                return Err(reason);
            }
            index += 1;
        }
    }
    Ok(())
}

fn damaged(e: &dyn std::fmt::Display) -> String {
    format!("it cannot be read as Parquet: {e}")
}

/// Runs a part of the library for Parquet, which panics at some damaged files.
fn guarded<T>(part: impl FnOnce() -> T) -> Result<T, String> {
    // Nothing of it is used again after a panic.
    catch_unwind(AssertUnwindSafe(part)).map_err(|_| damaged(&"it is damaged. Fetch it again"))
}

/// Where a row stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// From 0.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

/// Bytes of which nothing says that they are text, a number or a time.
fn is_bytes(column: &ColumnDescriptor) -> bool {
    matches!(column.physical_type(), Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY)
        && column.logical_type_ref().is_none()
        && column.converted_type() == parquet::basic::ConvertedType::NONE
}

/// The rows of a set's own file.
///
/// # Errors
/// Where a value is not of its column's type.
pub(super) fn written(
    rows: &[Map<String, Value>],
    kind: DatasetKind,
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let fields = all_columns(kind).map(|name| Field::new(name, type_of(name), true));
    let schema = Arc::new(Schema::new(fields.collect::<Fields>()));
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
    let mut decoder = ReaderBuilder::new(schema).build_decoder()?;
    for rows in rows.chunks(ROWS) {
        decoder.serialize(rows)?;
        if let Some(batch) = decoder.flush()? {
            writer.write(&batch)?;
        }
    }
    Ok(writer.into_inner()?)
}

/// What a column of a set's own file holds.
fn type_of(name: &str) -> DataType {
    let list_of = |item: DataType| DataType::List(Arc::new(Field::new_list_field(item, true)));
    let object = |fields: [(&str, DataType); 2]| {
        DataType::Struct(fields.map(|(name, of)| Field::new(name, of, true)).into_iter().collect())
    };
    match name {
        "context" | "messages" => list_of(object([("role", DataType::Utf8), ("content", DataType::Utf8)])),
        "refusals" => list_of(object([("from_depth", DataType::Int64), ("text", DataType::Utf8)])),
        "choices" => list_of(DataType::Utf8),
        "cut" => DataType::Int64,
        _ => DataType::Utf8,
    }
}
