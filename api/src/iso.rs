//! Times in answers.

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};

/// ISO 8601 in UTC with microseconds and `Z`.
pub fn iso(time: Timestamp) -> String {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
    PRINTER.timestamp_to_string(&time)
}
