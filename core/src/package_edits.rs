//! Package edits: rules of a Distribution that add, remove or rename packages for certain versions, targets
//! and profiles, for example a package without which a device does not start after an upgrade. Called by
//! the operator when it makes the plan of a build. The edits must not change the request hash, which is over
//! what was asked for.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    names::{BadName, PackageSpec, ProfileId},
    pattern::{Pattern, TargetPattern},
    request::Request,
};

/// Maximum number of packages that a line of [`Edited::notes`] names: the lines are a part of the plan, which
/// is an annotation.
const NOTED: usize = 32;

/// One rule: what it edits, and in which requests. Its actions are applied in the order of the fields
/// `remove`, `rename_prefix`, `add`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageEdit {
    /// Patterns of which the version must fit one. If empty, any version fits.
    pub versions: Vec<Pattern>,
    /// Targets of which one must be that of the request. If empty, any target fits.
    pub targets: Vec<TargetPattern>,
    /// Profiles of which one must be that of the request. If empty, any profile fits.
    pub profiles: BTreeSet<ProfileId>,
    /// Packages that are removed if the request has them.
    pub remove: Vec<Pattern>,
    /// Packages that get another name.
    pub rename_prefix: Option<PrefixRename>,
    /// Packages that are added at the end if the request neither has nor removes them.
    pub add: Vec<PackageSpec>,
}

/// Names that begin with `from` begin with `to` instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixRename {
    from: PackageSpec,
    to: PackageSpec,
}

impl PrefixRename {
    /// A rename, if it does not apply to its own result: a router sends the new names with its next request.
    ///
    /// # Errors
    /// If `to` begins with `from`.
    pub fn new(from: PackageSpec, to: PackageSpec) -> Result<Self, BadName> {
        if to.as_str().starts_with(from.as_str()) {
            let rule = "a beginning of names that does not itself begin with the old one";
            return Err(BadName { kind: "new prefix", text: to.to_string(), rule });
        }
        Ok(Self { from, to })
    }

    /// The new name of a package or of its removal. A name that would be too long stays.
    fn of(&self, package: &PackageSpec) -> Option<PackageSpec> {
        let rest = package.name().strip_prefix(self.from.as_str())?;
        let renamed: PackageSpec = format!("{}{rest}", self.to).parse().ok()?;
        Some(if package.is_removal() { renamed.removal() } else { renamed })
    }
}

/// A request after package edits, and what they changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The request for the plan. It is not canonical if a package without a version was added to
    /// packages with versions.
    pub request: Request,
    /// Packages that the request did not have.
    pub added: Vec<PackageSpec>,
    /// Packages that the request had and that are left out.
    pub removed: Vec<PackageSpec>,
    /// Old and new names.
    pub renamed: Vec<(PackageSpec, PackageSpec)>,
}

impl PackageEdit {
    /// Whether the rule is for such a request.
    pub fn concerns(&self, request: &Request) -> bool {
        let version = |pattern: &Pattern| pattern.fits(&request.version);
        let target = |pattern: &TargetPattern| pattern.fits(&request.target);
        (self.versions.is_empty() || self.versions.iter().any(version))
            && (self.targets.is_empty() || self.targets.iter().any(target))
            && (self.profiles.is_empty() || self.profiles.contains(&request.profile))
    }
}

/// Applies the rules to the request, in their order; each sees the packages that the ones before it left.
///
/// - A removed or renamed package is removed from or renamed in `packages_versions` too. If the request has
///   both names, the version of the new one is used.
/// - An added package has no version requirement, and with `diff_packages` is a part of the absolute set.
/// - What the user removes (`-name`) is never added. A removal is renamed like its package, and no rule
///   removes it.
#[must_use]
pub fn apply_edits(mut request: Request, edits: &[PackageEdit]) -> Edited {
    let asked: Vec<PackageSpec> = request.requested_packages().into_iter().cloned().collect();
    let refused = asked.iter().filter(|package| package.is_removal());
    let mut list = List {
        entries: asked.iter().map(|package| Entry::of(package, &request)).collect(),
        refused: refused.map(PackageSpec::name).collect(),
        merged: Vec::new(),
    };
    for edit in edits.iter().filter(|edit| edit.concerns(&request)) {
        list.remove(&edit.remove);
        if let Some(rename) = &edit.rename_prefix {
            list.rename(rename);
        }
        list.add(&edit.add);
        list.drop_refused();
    }
    let List { entries, merged, .. } = list;
    let names: Vec<PackageSpec> = entries.iter().map(|entry| entry.name.clone()).collect();
    let merged = merged.into_iter().filter(|(_, new)| names.contains(new));
    let renamed: Vec<_> = entries.iter().filter_map(Entry::renamed).chain(merged).collect();
    let is_renamed = |name: &PackageSpec| renamed.iter().any(|(old, _)| old == name);
    let is_known = |name: &PackageSpec| asked.contains(name) && !is_renamed(name);
    let is_new = |entry: &&Entry| entry.asked.is_none() && !is_known(&entry.name);
    let added = entries.iter().filter(is_new).map(|entry| entry.name.clone()).collect();
    let is_removed = |name: &&PackageSpec| !names.contains(name) && !is_renamed(name);
    let removed = asked.iter().filter(is_removed).cloned().collect();
    let versions = entries.into_iter().filter_map(|entry| Some((entry.name, entry.version?)));
    request.packages_versions = versions.collect::<BTreeMap<_, _>>();
    request.packages = names;
    Edited { request, added, removed, renamed }
}

impl Edited {
    /// Lines about the changes for the log of the build.
    pub fn notes(&self) -> Vec<String> {
        let texts = |packages: &[PackageSpec]| packages.iter().map(ToString::to_string).collect();
        let renamed = self.renamed.iter().map(|(old, new)| format!("{old} to {new}")).collect();
        let changes: [(&str, Vec<String>); 3] = [
            ("added", texts(&self.added)),
            ("removed", texts(&self.removed)),
            ("renamed", renamed),
        ];
        let Request { version, target, .. } = &self.request;
        let line = |(done, names): (&str, Vec<String>)| {
            let (first, rest) = names.split_at(names.len().min(NOTED));
            let more = match rest.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let first = first.join(", ");
            (!first.is_empty()).then(|| format!("{done} {first}{more} ({version}, {target})"))
        };
        changes.into_iter().filter_map(line).collect()
    }
}

/// A package of the edited list.
#[derive(Clone, Debug)]
struct Entry {
    /// Its name in the request; `None` if a rule added it.
    asked: Option<PackageSpec>,
    /// Its name now.
    name: PackageSpec,
    /// The version that the request insists on.
    version: Option<String>,
}

impl Entry {
    fn of(package: &PackageSpec, request: &Request) -> Self {
        Self {
            asked: Some(package.clone()),
            name: package.clone(),
            version: request.packages_versions.get(package).cloned(),
        }
    }

    fn renamed(&self) -> Option<(PackageSpec, PackageSpec)> {
        let asked = self.asked.as_ref()?;
        (*asked != self.name).then(|| (asked.clone(), self.name.clone()))
    }
}

/// The packages while they are edited, each name once.
struct List<'a> {
    entries: Vec<Entry>,
    /// Packages that the user removes, by the names that were asked for.
    refused: BTreeSet<&'a str>,
    /// Renamed packages whose new name was there already.
    merged: Vec<(PackageSpec, PackageSpec)>,
}

impl List<'_> {
    fn remove(&mut self, patterns: &[Pattern]) {
        self.entries.retain(|entry| {
            let fits = |pattern: &Pattern| pattern.fits(entry.name.as_str());
            entry.name.is_removal() || !patterns.iter().any(fits)
        });
    }

    fn rename(&mut self, rename: &PrefixRename) {
        let present: BTreeSet<PackageSpec> =
            self.entries.iter().map(|entry| entry.name.clone()).collect();
        let mut kept = Vec::with_capacity(self.entries.len());
        for mut entry in std::mem::take(&mut self.entries) {
            match rename.of(&entry.name) {
                Some(new) if present.contains(&new) => {
                    self.merged.extend(entry.asked.map(|asked| (asked, new)));
                }
                Some(new) => {
                    entry.name = new;
                    kept.push(entry);
                }
                None => kept.push(entry),
            }
        }
        self.entries = kept;
    }

    fn add(&mut self, packages: &[PackageSpec]) {
        for package in packages {
            let mentions = |entry: &Entry| entry.name.name() == package.name();
            if !self.entries.iter().any(mentions) {
                let added = Entry { asked: None, name: package.clone(), version: None };
                self.entries.push(added);
            }
        }
    }

    /// Drops what rules added and the user removes, by its present or its asked name.
    fn drop_refused(&mut self) {
        let removals = self.entries.iter().filter(|entry| entry.name.is_removal());
        let removals: BTreeSet<PackageSpec> = removals.map(|entry| entry.name.clone()).collect();
        self.entries.retain(|entry| {
            let is_refused = self.refused.contains(entry.name.name())
                || removals.contains(&entry.name.removal());
            entry.asked.is_some() || !is_refused
        });
    }
}

#[cfg(test)]
#[path = "package_edits_tests.rs"]
mod tests;
