//! Rewrites the repositories file of opkg or apk for one build. Called by the builder; works on the
//! text and reads no file.

use std::collections::BTreeMap;

use crate::{
    classify::Origins, plan::PackageManager, repositories::RepositoryUrl, request::RepositoriesMode,
};

/// opkg's line for the ImageBuilder's own package folder.
const LOCAL_FEED: &str = "src imagebuilder file:packages";
/// opkg's line that enables signature checks.
const CHECK_SIGNATURE: &str = "option check_signature";

/// Parameters of [`rewrite`].
#[derive(Clone, Debug)]
pub struct Rewrite<'a> {
    /// Package manager that reads the file.
    pub package_manager: PackageManager,
    /// Base URL of the file's feeds.
    pub public_url: &'a str,
    /// Base URL that replaces `public_url`.
    pub package_base_url: &'a str,
    /// The request's repositories: name to URL.
    pub repositories: &'a BTreeMap<String, String>,
    /// Whether they are added to the file's remote feeds or replace them.
    pub mode: RepositoriesMode,
}

/// Name of the repositories file in a tree.
pub fn file_name(package_manager: PackageManager) -> &'static str {
    match package_manager {
        PackageManager::Opkg => "repositories.conf",
        PackageManager::Apk => "repositories",
    }
}

/// The file for the build: URLs below `public_url` are moved to `package_base_url` (scheme, host and
/// path prefix), the request's repositories are added to the remote feeds or replace them, and local
/// feeds and options are kept. Comments and blank lines are removed.
pub fn rewrite(original: &str, rewrite: &Rewrite<'_>) -> String {
    let replaced = !rewrite.repositories.is_empty() && rewrite.mode == RepositoriesMode::Replace;
    let mut lines: Vec<String> = original
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter(|line| !replaced || is_local(line, rewrite.package_manager))
        .map(str::to_owned)
        .collect();
    for (name, url) in rewrite.repositories {
        lines.push(match rewrite.package_manager {
            PackageManager::Opkg => format!("src/gz {name} {url}"),
            PackageManager::Apk => url.clone(),
        });
    }
    if rewrite.package_manager == PackageManager::Opkg && !rewrite.repositories.is_empty() {
        for needed in [LOCAL_FEED, CHECK_SIGNATURE] {
            if !lines.iter().any(|line| line == needed) {
                lines.push(needed.to_owned());
            }
        }
    }
    lines
        .iter()
        .map(|line| moved(line, rewrite.public_url, rewrite.package_base_url) + "\n")
        .collect()
}

/// The name of a repository of the request that a feed of the tree also has, with another URL. opkg
/// uses the first of the two and skips the other with a warning, so that make could succeed with
/// missing packages or packages from the wrong feed. apk's repositories have no names.
pub fn taken_name<'a>(original: &str, rewrite: &Rewrite<'a>) -> Option<&'a str> {
    if rewrite.package_manager == PackageManager::Apk {
        return None;
    }
    let alone = Rewrite { repositories: &BTreeMap::new(), ..rewrite.clone() };
    let replaced = rewrite.mode == RepositoriesMode::Replace;
    let kept: Vec<(String, String)> = self::rewrite(original, &alone)
        .lines()
        .filter(|line| !replaced || is_local(line, rewrite.package_manager))
        .chain([LOCAL_FEED])
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            words.next().filter(|kind| kind.starts_with("src"))?;
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        })
        .collect();
    rewrite.repositories.iter().find_map(|(name, url)| {
        let url = moved(url, rewrite.public_url, rewrite.package_base_url);
        let other = |(known, its): &&(String, String)| known == name && *its != url;
        kept.iter().find(other).map(|_| name.as_str())
    })
}

/// The remote feeds of a rewritten file, in order: their names (opkg) or their lines (apk).
pub fn remote_feeds(file: &str, package_manager: PackageManager) -> Vec<String> {
    remote_lines(file, package_manager)
        .filter_map(|line| match package_manager {
            PackageManager::Opkg => line.split_whitespace().nth(1).map(str::to_owned),
            PackageManager::Apk => Some(line.to_owned()),
        })
        .collect()
}

/// The lines of the remote feeds, in order.
pub fn remote_lines(file: &str, package_manager: PackageManager) -> impl Iterator<Item = &str> {
    file.lines().filter(move |line| !is_local(line, package_manager))
}

/// The URL in a feed's line.
pub fn url_of(line: &str) -> Option<&str> {
    line.split_whitespace().find(|word| word.contains("://"))
}

/// The origin of each remote feed of a rewritten file: the request or the Distribution.
pub fn origins(file: &str, rewrite: &Rewrite<'_>) -> Origins {
    let own = rewrite.repositories.iter();
    let own: Vec<(String, String)> = own
        .map(|(name, url)| (name.clone(), moved(url, rewrite.public_url, rewrite.package_base_url)))
        .collect();
    let remote = remote_lines(file, rewrite.package_manager);
    let urls = remote.filter_map(url_of);
    // When the tree has the same feed as the request, the file has two lines with this URL, and the
    // feed counts as the Distribution's.
    let mut left: Vec<&str> = own.iter().map(|(_, url)| url.as_str()).collect();
    let others = urls.filter(|url| match left.iter().position(|own| own == url) {
        Some(at) => {
            left.swap_remove(at);
            false
        }
        None => true,
    });
    let others: Vec<String> = others.map(str::to_owned).collect();
    Origins::new(own, others)
}

fn is_local(line: &str, package_manager: PackageManager) -> bool {
    match package_manager {
        PackageManager::Opkg => {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [kind, _, place, ..] if kind.starts_with("src") => place.starts_with("file:"),
                _ => true,
            }
        }
        PackageManager::Apk => !line.contains("://"),
    }
}

/// Replaces the base `from` of the line's URL by `to`. The schemes are not compared, because a tree may
/// use http for the same server.
fn moved(line: &str, from: &str, to: &str) -> String {
    line.split(' ')
        .map(|word| moved_url(word, from, to).unwrap_or_else(|| word.to_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn moved_url(word: &str, from: &str, to: &str) -> Option<String> {
    let url = RepositoryUrl::parse(word).ok()?;
    let from = RepositoryUrl::parse(from).ok()?;
    let rest = url.below(&from)?;
    Some(format!("{}{rest}", to.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPKG: &str = "src/gz openwrt_core https://d.example/releases/1/targets/a/b/packages\n\n# src/gz off https://d.example/x\nsrc/gz other https://e.example/o\nsrc imagebuilder file:packages\noption check_signature\n";
    const APK: &str =
        "# c\nhttps://d.example/releases/1/p/packages.adb\nhttps://e.example/packages.adb\n";

    fn rewritten(
        text: &str,
        package_manager: PackageManager,
        mode: RepositoriesMode,
        own: &[(&str, &str)],
    ) -> String {
        let repositories =
            own.iter().map(|&(name, url)| (name.to_owned(), url.to_owned())).collect();
        rewrite(
            text,
            &Rewrite {
                package_manager,
                public_url: "https://d.example",
                package_base_url: "http://proxy:8080/mirror/",
                repositories: &repositories,
                mode,
            },
        )
    }

    #[test]
    fn only_public_urls_are_rewritten() {
        let file = rewritten(OPKG, PackageManager::Opkg, RepositoriesMode::Replace, &[]);
        assert_eq!(
            file,
            "src/gz openwrt_core http://proxy:8080/mirror/releases/1/targets/a/b/packages\nsrc/gz other https://e.example/o\nsrc imagebuilder file:packages\noption check_signature\n"
        );
        assert_eq!(remote_feeds(&file, PackageManager::Opkg), ["openwrt_core", "other"]);
    }

    #[test]
    fn replacing_keeps_local_packages_and_signature_checks() {
        let own = [("mine", "https://m.example/x")];
        assert_eq!(
            rewritten(OPKG, PackageManager::Opkg, RepositoriesMode::Replace, &own),
            "src imagebuilder file:packages\noption check_signature\nsrc/gz mine https://m.example/x\n"
        );
        assert_eq!(
            rewritten(APK, PackageManager::Apk, RepositoriesMode::Replace, &own),
            "https://m.example/x\n"
        );
    }

    #[test]
    fn appending_keeps_all_feeds_and_adds_missing_repositories() {
        let own = [("mine", "https://m.example/x")];
        let file = rewritten(
            "src/gz a https://d.example/a\n",
            PackageManager::Opkg,
            RepositoriesMode::Append,
            &own,
        );
        assert_eq!(
            file,
            "src/gz a http://proxy:8080/mirror/a\nsrc/gz mine https://m.example/x\nsrc imagebuilder file:packages\noption check_signature\n"
        );
        assert_eq!(
            rewritten(APK, PackageManager::Apk, RepositoriesMode::Append, &own).lines().count(),
            3
        );
    }

    #[test]
    fn a_feed_belongs_to_the_request_if_the_tree_does_not_contain_it() {
        let repositories = [
            ("mine".to_owned(), "https://m.example/x".to_owned()),
            ("moved".to_owned(), "https://d.example/mine".to_owned()),
            ("same".to_owned(), "https://e.example/o".to_owned()),
        ]
        .into();
        let rewrite = Rewrite {
            package_manager: PackageManager::Opkg,
            public_url: "https://d.example",
            package_base_url: "http://proxy:8080/mirror/",
            repositories: &repositories,
            mode: RepositoriesMode::Append,
        };
        let owned = |name: &str, url: &str| (name.to_owned(), url.to_owned());
        let (mine, moved) =
            (owned("mine", "https://m.example/x"), owned("moved", "http://proxy:8080/mirror/mine"));
        let same = owned("same", "https://e.example/o");
        let core = "http://proxy:8080/mirror/releases/1/targets/a/b/packages".to_owned();
        assert_eq!(
            origins(&super::rewrite(OPKG, &rewrite), &rewrite),
            Origins::new([mine.clone(), moved.clone()], [core, same.1.clone()])
        );
        let alone = Rewrite { mode: RepositoriesMode::Replace, ..rewrite.clone() };
        let all = Origins::new([mine, moved, same], []);
        assert_eq!(origins(&super::rewrite(OPKG, &alone), &alone), all);
        let apk = Rewrite { package_manager: PackageManager::Apk, ..alone };
        assert_eq!(origins(&super::rewrite(APK, &apk), &apk), all);
    }

    #[test]
    fn a_repository_with_the_name_of_a_feed_of_the_tree_is_reported() {
        let told = |name: &str, url: &str, package_manager, mode| {
            let repositories = [(name.to_owned(), url.to_owned())].into();
            let rewrite = Rewrite {
                package_manager,
                public_url: "https://d.example",
                package_base_url: "http://proxy:8080/mirror/",
                repositories: &repositories,
                mode,
            };
            taken_name(OPKG, &rewrite).map(str::to_owned)
        };
        let (opkg, append) = (PackageManager::Opkg, RepositoriesMode::Append);
        let taken = |name: &str| Some(name.to_owned());
        assert_eq!(told("other", "https://m.example/x", opkg, append), taken("other"));
        assert_eq!(
            told("openwrt_core", "https://d.example/x", opkg, append),
            taken("openwrt_core")
        );
        assert_eq!(
            told("imagebuilder", "https://m.example/x", opkg, append),
            taken("imagebuilder")
        );
        let replace = RepositoriesMode::Replace;
        assert_eq!(
            told("imagebuilder", "https://m.example/x", opkg, replace),
            taken("imagebuilder")
        );
        // The tree's feeds are replaced, or the tree has the same name with the same URL.
        assert_eq!(told("other", "https://m.example/x", opkg, replace), None);
        assert_eq!(told("other", "https://e.example/o", opkg, append), None);
        assert_eq!(told("mine", "https://m.example/x", opkg, append), None);
        assert_eq!(told("other", "https://m.example/x", PackageManager::Apk, append), None);
    }

    #[test]
    fn a_host_with_the_same_prefix_is_not_rewritten() {
        for line in
            ["https://d.example.evil/x/packages.adb", "https://d.example:8443/x/packages.adb"]
        {
            let file = rewritten(line, PackageManager::Apk, RepositoriesMode::Append, &[]);
            assert_eq!(file.trim_end(), line);
        }
    }

    proptest! {
        #[test]
        fn rewriting_is_idempotent(paths in proptest::collection::vec("[a-z/]{0,12}", 0..5)) {
            let lines: Vec<String> = paths.iter().map(|path| format!("src/gz f https://d.example/{path}")).collect();
            let text = lines.join("\n");
            let once = rewritten(&text, PackageManager::Opkg, RepositoriesMode::Append, &[]);
            prop_assert!(!once.contains("d.example"));
            prop_assert_eq!(rewritten(&once, PackageManager::Opkg, RepositoriesMode::Append, &[]), once);
        }

        #[test]
        fn signature_checks_are_never_lost(text in "(?s).{0,80}", append in any::<bool>()) {
            let mode = if append { RepositoriesMode::Append } else { RepositoriesMode::Replace };
            let file = rewritten(&format!("{text}\n{CHECK_SIGNATURE}\n"), PackageManager::Opkg, mode, &[("m", "https://m.example/x")]);
            prop_assert!(file.lines().any(|line| line == CHECK_SIGNATURE));
        }
    }
}
