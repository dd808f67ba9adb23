//! The program that sent a request, for statistics. Called by the API.

/// Name of a program that says nothing of itself.
pub const UNKNOWN: &str = "unknown/0";

/// Maximum length of a name in bytes.
const MAX_NAME: usize = 64;

/// Name and version of a program as `name/version`, from the field `client` of a request, or else from the
/// header `User-Agent` of auc, which is `auc (0.3.2)`. Other user agents are browsers, which say nothing of
/// the page. Rule of OpenWrt's public server; the length and the characters are limited here.
pub fn name(field: Option<&str>, user_agent: Option<&str>) -> String {
    let said = field.map(str::trim).filter(|field| !field.is_empty()).map(str::to_owned);
    let said = said.or_else(|| {
        let auc = user_agent.filter(|agent| agent.starts_with("auc"));
        auc.map(|agent| agent.replace(" (", "/").replace(')', ""))
    });
    match said {
        Some(said) if is_plain(&said) => said,
        _ => UNKNOWN.to_owned(),
    }
}

fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    name.len() <= MAX_NAME && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_has_priority_and_only_auc_is_known_by_its_user_agent() {
        let auc = Some("auc (0.3.2)");
        assert_eq!(name(Some("owut/2026.04.09-r1"), auc), "owut/2026.04.09-r1");
        assert_eq!(name(None, auc), "auc/0.3.2");
        assert_eq!(name(Some(" "), auc), "auc/0.3.2");
        assert_eq!(name(None, Some("Mozilla/5.0")), UNKNOWN);
        assert_eq!(name(None, None), UNKNOWN);
    }

    #[test]
    fn names_that_are_long_or_have_control_characters_are_unknown() {
        assert_eq!(name(Some(&"a".repeat(65)), None), UNKNOWN);
        assert_eq!(name(Some("a\nb"), None), UNKNOWN);
        assert_eq!(name(Some("\u{202e}"), None), UNKNOWN);
    }
}
