//! Texts with asterisks, by which a Distribution selects versions, targets and packages.

use crate::names::{BadName, TargetName};

/// A name or a set of names: `*` stands for any text, for example `24.10.*`. The texts between the
/// asterisks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<String>);

impl Pattern {
    /// A pattern. Any text is one.
    pub fn new(pattern: &str) -> Self {
        Self(pattern.split('*').map(str::to_owned).collect())
    }

    /// Whether the whole name fits.
    pub fn fits(&self, name: &str) -> bool {
        let [first, rest @ ..] = self.0.as_slice() else { return false };
        let Some(mut left) = name.strip_prefix(first.as_str()) else { return false };
        let Some((last, middle)) = rest.split_last() else { return left.is_empty() };
        for part in middle {
            // The first place leaves the most for the parts that follow.
            let Some((_, after)) = left.split_once(part.as_str()) else { return false };
            left = after;
        }
        left.ends_with(last.as_str())
    }
}

/// Whether a name fits one of these patterns. Any name fits an empty list.
pub fn fits_list(patterns: &[String], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| Pattern::new(pattern).fits(name))
}

/// A target, or all targets of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPattern {
    /// One target.
    Target(TargetName),
    /// All targets of this board, written `board/*`.
    Board(String),
}

impl std::str::FromStr for TargetPattern {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let Some(board) = text.strip_suffix("/*") else { return text.parse().map(Self::Target) };
        // A board is valid if it is one with any subtarget.
        format!("{board}/a").parse::<TargetName>()?;
        Ok(Self::Board(board.to_owned()))
    }
}

impl TargetPattern {
    /// Whether a target fits.
    pub fn fits(&self, target: &TargetName) -> bool {
        match self {
            Self::Target(one) => one == target,
            Self::Board(board) => target.parts().0 == board,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_text_but_for_its_asterisks() {
        let pattern = Pattern::new("24.10.*");
        assert!(pattern.fits("24.10.7") && !pattern.fits("24x10.7") && !pattern.fits("124.10.7"));
        for (pattern, fitting, other) in
            [("*", "a", "-"), ("a*a", "aba", "a"), ("*b*c", "abbc", "abcb"), ("a", "a", "ab")]
        {
            let pattern = Pattern::new(pattern);
            assert!(pattern.fits(fitting), "{pattern:?} {fitting}");
            assert!(other == "-" || !pattern.fits(other), "{pattern:?} {other}");
        }
    }
}
