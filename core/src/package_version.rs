//! Compares package versions. Called by `package_index`.

use std::cmp::Ordering;

/// Compares two versions by the rule of opkg, which is Debian's: texts without digits and numbers are
/// compared alternately; `~` sorts before the end of a text, and letters sort before other characters.
/// apk has the same order for the versions that OpenWrt publishes (`1.2.3-r4`,
/// `2024.10.20~ef3ab8bc-r1`).
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !(a.is_empty() && b.is_empty()) {
        let (text_a, rest_a) = split(a, |byte| !byte.is_ascii_digit());
        let (text_b, rest_b) = split(b, |byte| !byte.is_ascii_digit());
        let (number_a, after_a) = split(rest_a, u8::is_ascii_digit);
        let (number_b, after_b) = split(rest_b, u8::is_ascii_digit);
        let order = compare_texts(text_a, text_b).then(compare_numbers(number_a, number_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (after_a, after_b);
    }
    Ordering::Equal
}

fn split(bytes: &[u8], first: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !first(byte)).unwrap_or(bytes.len());
    bytes.split_at_checked(end).unwrap_or((bytes, &[]))
}

fn compare_texts(a: &[u8], b: &[u8]) -> Ordering {
    let weights = |text: &[u8]| {
        let end = std::iter::once(0);
        text.iter().copied().map(weight).chain(end).collect::<Vec<_>>()
    };
    weights(a).cmp(&weights(b))
}

fn weight(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        letter if letter.is_ascii_alphabetic() => i32::from(letter),
        other => i32::from(other) + 256,
    }
}

/// Compares digits as numbers of any length.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let significant = |digits: &'_ [u8]| {
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.iter().copied().skip(zeros).collect::<Vec<_>>()
    };
    let (a, b) = (significant(a), significant(b));
    a.len().cmp(&b.len()).then(a.cmp(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_of_openwrt_sort_in_the_order_of_their_publication() {
        for (lower, higher) in [
            ("1.2.3-r4", "1.2.3-r10"),
            ("1.9", "1.10"),
            ("1.0~rc1", "1.0"),
            ("2024.04.26~85f10530-r1", "2024.10.20~ef3ab8bc-r1"),
            ("6.6.110-r1", "6.6.119-r1"),
            ("2024-10-20-ef3ab8bc-1", "2024-10-21-00000000-1"),
            ("1.36.1-r2", "1.36.1-r2.1"),
            ("1.0", "1.0a"),
            ("1.0a", "1.0+b"),
            ("99999999999999999999998", "99999999999999999999999"),
        ] {
            assert_eq!(compare(lower, higher), Ordering::Less, "{lower} {higher}");
            assert_eq!(compare(higher, lower), Ordering::Greater, "{lower} {higher}");
        }
        assert_eq!(compare("1.01", "1.1"), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn the_comparison_is_an_order(texts in prop::array::uniform3("[0-9a-b.~+-]{0,6}")) {
            let [a, b, c] = &texts;
            prop_assert_eq!(compare(a, a), Ordering::Equal);
            prop_assert_eq!(compare(a, b), compare(b, a).reverse());
            if compare(a, b).is_le() && compare(b, c).is_le() {
                prop_assert!(compare(a, c).is_le());
            }
        }
    }
}
