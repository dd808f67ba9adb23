//! Converts the text `repos`, a complete repositories file, to feeds.
//!
//! Placeholders of asu 0.2.0: `{{ pkg_arch }}`, `{{ target }}`, `{{ version }}`, `{{ ib_version }}`.

use asu_crds::Feed;

/// OpenWrt's download server.
const OPENWRT: &[&str] = &["http://downloads.openwrt.org/", "https://downloads.openwrt.org/"];

/// The feeds of a text, and the lines that cannot be one. Feeds of OpenWrt's download server are those of the
/// ImageBuilder and are left out.
pub fn feeds<'a>(text: &'a str, branch: &str) -> (Vec<Feed>, Vec<&'a str>) {
    let (mut feeds, mut others) = (Vec::new(), Vec::new());
    for line in text.lines().map(str::trim) {
        let own = line.starts_with("src imagebuilder") || line.starts_with("option ");
        if line.is_empty() || line.starts_with('#') || own {
            continue;
        }
        // Blanks in placeholders would separate words.
        let joined = line.replace("{{ ", "{{").replace(" }}", "}}");
        let words: Vec<&str> = joined.split_whitespace().collect();
        match words.as_slice() {
            ["src/gz", _, url] if OPENWRT.iter().any(|server| url.starts_with(server)) => {}
            ["src/gz", name, url] => feeds.push(Feed {
                name: (*name).to_owned(),
                url: placeholders(url),
                keys: Vec::new(),
                branches: vec![branch.to_owned()],
                network_profiles: false,
            }),
            _ => others.push(line),
        }
    }
    (feeds, others)
}

fn placeholders(url: &str) -> String {
    url.replace("{{pkg_arch}}", "{arch}")
        .replace("{{target}}", "{target}")
        .replace("{{version}}", "{version}")
        .replace("{{ib_version}}", "{parentVersion}")
}
