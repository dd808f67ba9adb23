//! Parses and prints quantities of CPU, memory and storage in the format of Kubernetes. Used for the
//! resource settings of pods.
//!
//! Source of the format: the API reference of Kubernetes, `resource.Quantity`: a decimal number and
//! one of the suffixes `m`, none, `k M G T P E`, or `Ki Mi Gi Ti Pi Ei`. Exponents are not supported.

use std::{fmt, str::FromStr};

/// A quantity, stored in thousandths (Kubernetes counts CPUs in thousandths).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    milli: u128,
}

/// The text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a Kubernetes quantity, such as 500m, 2 or 1Gi")]
pub struct BadQuantity(String);

const SUFFIXES: [(&str, u128); 13] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("Ei", 1 << 60),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000),
    ("", 1),
];

impl Quantity {
    /// From whole units: bytes, or CPUs.
    pub fn of(units: u64) -> Self {
        Self { milli: u128::from(units) * 1000 }
    }

    /// From thousandths of a unit.
    pub fn of_milli(milli: u64) -> Self {
        Self { milli: u128::from(milli) }
    }

    /// In whole units, rounded up, for bytes of memory or storage.
    pub fn units(self) -> u64 {
        u64::try_from(self.milli.div_ceil(1000)).unwrap_or(u64::MAX)
    }

    /// In thousandths of a unit, for CPUs.
    pub fn milli(self) -> u64 {
        u64::try_from(self.milli).unwrap_or(u64::MAX)
    }
}

impl FromStr for Quantity {
    type Err = BadQuantity;

    fn from_str(text: &str) -> Result<Self, BadQuantity> {
        let bad = || BadQuantity(text.chars().take(64).collect());
        if let Some(number) = text.strip_suffix('m') {
            let milli = decimal(number, 1).ok_or_else(bad)?;
            return Ok(Self { milli });
        }
        let (number, factor) = SUFFIXES
            .iter()
            .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)))
            .ok_or_else(bad)?;
        let milli = decimal(number, factor * 1000).ok_or_else(bad)?;
        Ok(Self { milli })
    }
}

/// Parses a decimal number and multiplies it by the factor. Rounds up, like Kubernetes.
fn decimal(text: &str, factor: u128) -> Option<u128> {
    /// Maximum number of digits on each side of the point, which prevents an overflow.
    const DIGITS: usize = 12;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.len() <= DIGITS && text.bytes().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) || text.ends_with('.') {
        return None;
    }
    let whole: u128 = whole.parse().ok()?;
    let scale = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let part: u128 = if part.is_empty() { 0 } else { part.parse().ok()? };
    let fraction = part.checked_mul(factor)?.div_ceil(scale);
    whole.checked_mul(factor)?.checked_add(fraction)
}

impl fmt::Display for Quantity {
    /// Prints the largest binary unit without a fraction, or plain units, or thousandths.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.milli.is_multiple_of(1000) {
            return write!(f, "{}m", self.milli);
        }
        let units = self.milli / 1000;
        let binary = SUFFIXES.iter().take(6).rev();
        let exact =
            binary.into_iter().find(|(_, factor)| units > 0 && units.is_multiple_of(*factor));
        let (suffix, factor) = exact.copied().unwrap_or(("", 1));
        write!(f, "{}{suffix}", units / factor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn quantities_of_kubernetes_are_parsed() {
        assert_eq!(parse("1Gi").units(), 1 << 30);
        assert_eq!(parse("1.5Gi").units(), 3 << 29);
        assert_eq!(parse("100M").units(), 100_000_000);
        assert_eq!(parse("128").units(), 128);
        assert_eq!(parse("250m").milli(), 250);
        assert_eq!(parse("2").milli(), 2000);
        assert_eq!(parse("0.5").milli(), 500);
        assert_eq!(parse("1m").units(), 1);
        assert!(parse("1Gi") > parse("1G") && parse("1000m") == parse("1"));
    }

    #[test]
    fn texts_in_another_format_are_refused() {
        for text in ["", "m", "Gi", "1 Gi", "-1", "+1", "1GiB", "1e3", ".5", "1.", "1.2.3", "x"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
        assert!("9".repeat(13).parse::<Quantity>().is_err());
    }

    proptest! {
        #[test]
        fn a_printed_quantity_parses_to_the_same_value(milli in any::<u32>()) {
            let quantity = Quantity::of_milli(u64::from(milli));
            prop_assert_eq!(parse(&quantity.to_string()), quantity);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<Quantity>();
        }
    }
}
