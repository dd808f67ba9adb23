//! Templates of settings files, with placeholders `@NAME@` for values of the cluster.

use std::path::Path;

use super::{Error, files};

/// Replaces the placeholders. A placeholder without a value is kept, so that the file is refused by its reader.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    values
        .iter()
        .fold(template.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value))
}

/// Replaces the placeholders and writes the result to a file.
pub(super) fn write(path: &Path, template: &str, values: &[(&str, &str)]) -> Result<(), Error> {
    files::write(path, fill(template, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_of_a_name_is_replaced() {
        assert_eq!(fill("@A@-@B@-@A@", &[("A", "1"), ("B", "2")]), "1-2-1");
    }
}
