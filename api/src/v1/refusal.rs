//! Statuses and texts of refused requests in `/api/v1`. They are those of OpenWrt's public server, because
//! clients show the texts, and some clients search for words in them.

use asu_core::{offered::Refusal, profile::NoProfile};

/// HTTP status of a refusal.
pub fn status(refusal: &Refusal) -> u16 {
    match refusal {
        Refusal::Field(_) => 422,
        _ => 400,
    }
}

/// One sentence about a refusal.
pub fn detail(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Field(invalid) => invalid.to_string(),
        Refusal::Defaults => "Handling `defaults` not enabled on server".to_owned(),
        Refusal::Repository(url) => format!("Repository not allowed: {url}"),
        Refusal::Branch(version) => format!("Unsupported branch: {version}"),
        Refusal::Version(version) => format!("Unsupported version: {version}"),
        Refusal::Target(target) => format!(
            "Unsupported target: {target}. The requested target was either dropped, is still being \
             built or is not supported by the selected version. Please check the forums or try again \
             later."
        ),
        Refusal::Profile(NoProfile::Unknown(name)) => format!(
            "Unsupported profile: {name}. The requested profile was either dropped or never existed. \
             Please check the forums for more information."
        ),
        Refusal::Profile(NoProfile::Ambiguous { name, ids }) => format!(
            "Ambiguous profile: {name}. Several profiles claim this name, choose one of: {}",
            ids.join(", ")
        ),
        Refusal::Revision { offered, asked } | Refusal::NotReadYet { offered, asked } => {
            format!("version_code: Received incorrect version {offered} (requested {asked})")
        }
    }
}

#[cfg(test)]
mod tests {
    use asu_core::request::InvalidField;

    use super::*;

    #[test]
    fn each_refusal_has_the_status_and_text_that_clients_know() {
        let field = InvalidField { field: "packages", problem: "too many".into() };
        let ambiguous = NoProfile::Ambiguous {
            name: "x".into(),
            ids: ["a", "b"].map(|id| id.parse().unwrap()).into(),
        };
        let revision = Refusal::Revision { offered: "r2-b".into(), asked: "r1-a".into() };
        for (refusal, expected) in [
            (Refusal::Field(field), (422, "packages: too many")),
            (Refusal::Defaults, (400, "Handling `defaults` not enabled on server")),
            (Refusal::Repository("http://h/x".into()), (400, "Repository not allowed: http://h/x")),
            (Refusal::Branch("1".into()), (400, "Unsupported branch: 1")),
            (Refusal::Version("1".into()), (400, "Unsupported version: 1")),
            (
                Refusal::Target("a/b".parse().unwrap()),
                (400, "Unsupported target: a/b. The requested target was"),
            ),
            (
                Refusal::Profile(NoProfile::Unknown("x".into())),
                (400, "Unsupported profile: x. The requested profile was either dropped or never"),
            ),
            (
                Refusal::Profile(ambiguous),
                (
                    400,
                    "Ambiguous profile: x. Several profiles claim this name, choose one of: a, b",
                ),
            ),
            (revision, (400, "version_code: Received incorrect version r2-b (requested r1-a)")),
        ] {
            assert_eq!(status(&refusal), expected.0, "{refusal:?}");
            assert!(detail(&refusal).starts_with(expected.1), "{}", detail(&refusal));
        }
    }
}
