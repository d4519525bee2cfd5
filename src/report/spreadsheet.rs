//! The numbers of a chart as a table that every spreadsheet reads.

use super::Chart;

/// A chart's points, one a row: series, x, y, and the ends of the interval where there is one.
#[must_use]
pub fn chart_csv(chart: &Chart<'_>) -> String {
    // Writing to memory does not fail.
    rows(chart).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

fn rows(chart: &Chart<'_>) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["series", "x", "y", "low", "high"])?;
    for series in chart.series.iter() {
        let name = harmless(&series.name);
        for (index, [x, y]) in series.points.iter().enumerate() {
            let (low, high) = series
                .intervals
                .get(index)
                .map_or_else(Default::default, |(low, high)| (cell(*low), cell(*high)));
            table.write_record([name.as_str(), &cell(*x), &cell(*y), &low, &high])?;
        }
    }
    table.into_inner().map_err(|e| e.into_error().into())
}

/// A number as it is; what is not finite is nothing, because no spreadsheet counts with it.
fn cell(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { String::new() }
}

/// Text that a spreadsheet would run as a formula gets an apostrophe, which makes it text.
pub(super) fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Hue, Series};

    #[test]
    fn numbers_come_back_and_formulas_are_text() {
        let mut first = Series::plain("=1+1", Hue::Ink).with_band(vec![(-0.5, 0.1 + 0.2)]);
        first.push(1.0, -2.5);
        let mut second = Series::plain("base, \"old\"", Hue::Ink);
        second.push(3.0, f64::NAN);
        let text = chart_csv(&Chart { series: vec![first, second].into(), ..Chart::default() });
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap(), vec!["series", "x", "y", "low", "high"]);
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows[0], vec!["'=1+1", "1", "-2.5", "-0.5", "0.30000000000000004"]);
        assert_eq!(rows[1], vec!["base, \"old\"", "3", "", "", ""]);
        assert_eq!(rows[0][4].parse::<f64>().unwrap().to_bits(), (0.1f64 + 0.2).to_bits());
    }

    #[test]
    fn every_beginning_of_a_formula_is_stopped() {
        for bad in ["=a", "+a", "-a", "@a", "\ta", "\ra"] {
            assert!(harmless(bad).starts_with('\''), "{bad:?}");
        }
        assert_eq!(harmless("a=b"), "a=b");
    }
}
