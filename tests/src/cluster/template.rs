//! Settings files with `@NAME@` where a value of this cluster belongs.

use std::path::Path;

use super::{Error, files};

/// Fills a template in. A name without a value stays and makes its reader complain.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    values
        .iter()
        .fold(template.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value))
}

/// Fills a template in and writes it to a file.
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
