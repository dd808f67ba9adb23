//! Package edits of a Distribution: their schema, and their conversion to those of the domain
//! (`asu_core::package_edits`).

use std::{collections::BTreeSet, str::FromStr};

use asu_core::{
    names::{BadName, PackageSpec},
    package_edits::{self, PrefixRename},
    pattern::Pattern,
};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::bad_spec::BadSpec;

/// Maximum number of different packages that the rules of a Distribution add: they become a part of the plan
/// of a build, which is an annotation of its pod.
const MAX_ADDED: usize = 64;

/// A rule that edits the packages of the requests that it concerns: those whose version, target and profile
/// fit. It removes, then renames, then adds.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("size(self.add) > 0 || size(self.remove) > 0 || has(self.renamePrefix)")
        .message("a rule needs an action: add, remove or renamePrefix")
)]
pub struct PackageEdit {
    /// Patterns of which the version must fit one, for example 24.10*. If empty, any version fits.
    #[serde(default)]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_.*-]+$"))
    )]
    pub versions: Vec<String>,
    /// Targets of which one must be that of the request: ath79/generic, or ath79/* for all of a board. If
    /// empty, any target fits.
    #[serde(default)]
    #[schemars(
        length(max = 64),
        inner(
            length(min = 3, max = 65),
            regex(pattern = r"^[A-Za-z0-9_-]{1,32}/([A-Za-z0-9_-]{1,32}|\*)$")
        )
    )]
    pub targets: Vec<String>,
    /// Ids of profiles of which one must be that of the request, for example tplink_archer-c6-v2. If empty,
    /// any profile fits.
    #[serde(default)]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9_+][A-Za-z0-9_.+-]*$"))
    )]
    pub profiles: Vec<String>,
    /// Patterns of packages that are removed if the request has them, for example luci-i18n-*-en.
    #[serde(default)]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_*][A-Za-z0-9_.+*-]*$"))
    )]
    pub remove: Vec<String>,
    /// New beginning of the names of some packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rename_prefix: Option<RenamePrefix>,
    /// Packages that are added at the end if the request does not have them. A package that the request
    /// removes is not added.
    #[serde(default)]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"))
    )]
    pub add: Vec<String>,
}

/// Names of packages that begin with one text begin with another instead.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(
    validation = Rule::new("!self.to.startsWith(self.from)")
        .message("to must not begin with from: routers ask for the new name with their next request")
)]
pub struct RenamePrefix {
    /// Old beginning, for example luci-i18n-opkg-.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"))]
    pub from: String,
    /// New beginning, for example luci-i18n-package-manager-.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"))]
    pub to: String,
}

/// Converts rules to those of the domain.
pub(crate) fn converted(edits: &[PackageEdit]) -> Result<Vec<package_edits::PackageEdit>, BadSpec> {
    let rules = edits.iter().enumerate().map(|(number, edit)| edit.rule(number));
    let rules = rules.collect::<Result<Vec<_>, _>>()?;
    let added: BTreeSet<_> = rules.iter().flat_map(|rule| &rule.add).collect();
    if added.len() > MAX_ADDED {
        return Err(BadSpec::TooManyAdded { most: MAX_ADDED, number: added.len() });
    }
    Ok(rules)
}

impl PackageEdit {
    fn rule(&self, number: usize) -> Result<package_edits::PackageEdit, BadSpec> {
        let field = |name: &str| format!("packageEdits[{number}].{name}");
        let patterns = |list: &[String]| list.iter().map(|text| Pattern::new(text)).collect();
        let rename =
            |rename: &RenamePrefix| PrefixRename::new(plain(&rename.from)?, plain(&rename.to)?);
        let bad = |name: &str| {
            let field = field(name);
            move |error| BadSpec::Name { field, error }
        };
        Ok(package_edits::PackageEdit {
            versions: patterns(&self.versions),
            targets: parsed(&self.targets).map_err(bad("targets"))?,
            profiles: parsed(&self.profiles).map_err(bad("profiles"))?,
            remove: patterns(&self.remove),
            rename_prefix: self
                .rename_prefix
                .as_ref()
                .map(rename)
                .transpose()
                .map_err(bad("renamePrefix"))?,
            add: self
                .add
                .iter()
                .map(|name| plain(name))
                .collect::<Result<_, _>>()
                .map_err(bad("add"))?,
        })
    }
}

fn parsed<T: FromStr<Err = BadName>, List: FromIterator<T>>(
    texts: &[String],
) -> Result<List, BadName> {
    texts.iter().map(|text| text.parse()).collect()
}

/// Parses a name of a package that is no removal.
fn plain(name: &str) -> Result<PackageSpec, BadName> {
    let package: PackageSpec = name.parse()?;
    if package.is_removal() {
        let rule = "a name without a leading '-'";
        return Err(BadName { kind: "package to install", text: package.to_string(), rule });
    }
    Ok(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn a_malformed_rule_is_refused_with_the_path_of_its_field() {
        let rename = RenamePrefix { from: "a".into(), to: "ab".into() };
        let good = PackageEdit { add: texts(&["fitblk"]), ..PackageEdit::default() };
        for (edit, start) in [
            (
                PackageEdit { add: texts(&["$(id)"]), ..good.clone() },
                "add: \"$(id)\" is not a package:",
            ),
            (
                PackageEdit { add: texts(&["-a"]), ..good.clone() },
                "add: \"-a\" is not a package to install",
            ),
            (PackageEdit { targets: texts(&["ath79"]), ..good.clone() }, "targets: \"ath79\""),
            (PackageEdit { profiles: texts(&["a/b"]), ..good.clone() }, "profiles: \"a/b\""),
            (PackageEdit { rename_prefix: Some(rename), ..good.clone() }, "renamePrefix: \"ab\""),
        ] {
            let error = converted(&[good.clone(), edit]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("spec.packageEdits[1].{start}")), "{error}");
        }
        assert_eq!(converted(&[good.clone(), good]).map(|rules| rules.len()), Ok(2));
    }

    #[test]
    fn the_number_of_added_packages_is_bounded() {
        let add = |range: std::ops::Range<u32>| PackageEdit {
            add: range.map(|n| format!("a{n}")).collect(),
            ..PackageEdit::default()
        };
        assert!(converted(&[add(0..32), add(32..64), add(0..32)]).is_ok());
        let error = converted(&[add(0..32), add(32..64), add(64..65)]).unwrap_err().to_string();
        assert_eq!(error, "spec.packageEdits: 65 different packages are added; at most 64 may be");
    }
}
