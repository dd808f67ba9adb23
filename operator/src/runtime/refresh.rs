//! Reads the annotation with which people ask for something to be done again. Its value is copied to
//! the status when it was handled, so that each value is handled once, also by another leader.

use asu_crds::labels::REFRESH;
use kube::ResourceExt;

/// Maximum number of characters of a value that count.
const MAX_VALUE: usize = 256;

/// The value of the annotation. `None` if it is missing or empty.
pub fn asked(object: &impl ResourceExt) -> Option<String> {
    let value = object.annotations().get(REFRESH).filter(|value| !value.is_empty())?;
    Some(value.chars().take(MAX_VALUE).collect())
}

#[cfg(test)]
mod tests {
    use asu_crds::examples;

    use super::*;

    #[test]
    fn a_missing_or_empty_value_asks_for_nothing() {
        let mut cache = examples::cache();
        assert_eq!(asked(&cache), None);
        cache.annotations_mut().insert(REFRESH.into(), String::new());
        assert_eq!(asked(&cache), None);
        cache.annotations_mut().insert(REFRESH.into(), "é".repeat(300));
        assert_eq!(asked(&cache), Some("é".repeat(256)));
    }
}
