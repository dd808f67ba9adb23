//! Reads the list of versions of the download server, and adds the versions that the rules of each
//! branch select to the spec. Called by the controller before each reading.

use asu_core::{
    catalog::Distribution,
    discovery::{self, Channel},
};
use asu_upstream::{ClientOptions, Upstream, UpstreamError, versions};

use tokio_util::sync::CancellationToken;

use super::{
    own_thread::on_its_own_thread,
    validate::{ValidBranch, Validated},
};

/// Adds the selected versions. If the list cannot be read, the versions of the last catalog are used
/// instead. Then the result is the reason, for the status of each branch that needs the list.
///
/// # Errors
/// When the HTTP client cannot be set up.
pub async fn discover(
    spec: &mut Validated,
    last: Option<&Distribution>,
    stop: &CancellationToken,
) -> Result<Option<String>, UpstreamError> {
    if !spec.branches.iter().any(needs_list) {
        complete(&mut spec.branches, &[]);
        return Ok(None);
    }
    let upstream = Upstream::new(spec.mirrors.clone(), ClientOptions::default())?;
    let reading = on_its_own_thread(stop.clone(), async move || versions::read(&upstream).await);
    let (listed, problem) = match reading.await {
        // The process is stopped: the next step notices it too.
        None => (Vec::new(), None),
        Some(Ok(Ok(listed))) => (listed, None),
        Some(Ok(Err(error))) => (former(last), Some(error.to_string())),
        Some(Err(problem)) => (former(last), Some(problem)),
    };
    complete(&mut spec.branches, &listed);
    Ok(problem)
}

/// Whether the rules of a branch need the list, which does not contain heads of branches.
pub fn needs_list(branch: &ValidBranch) -> bool {
    branch.rules.channels.iter().any(|channel| *channel != Channel::Snapshot)
}

fn former(last: Option<&Distribution>) -> Vec<String> {
    last.into_iter().flat_map(|last| &last.versions).map(|version| version.name.clone()).collect()
}

/// Sets the versions of each branch. A version that a branch lists by name belongs only to that branch.
pub fn complete(branches: &mut [ValidBranch], listed: &[String]) {
    let fixed: Vec<String> = branches.iter().flat_map(|branch| branch.fixed.clone()).collect();
    let free: Vec<String> =
        listed.iter().filter(|version| !fixed.contains(version)).cloned().collect();
    for branch in branches {
        let names = discovery::offered(&branch.name, &branch.fixed, &branch.rules, &free);
        branch.versions = names
            .into_iter()
            .filter(|name| branch.fixed.contains(name) || !fixed.contains(name))
            .map(|name| (name.clone(), branch.path_of(&name)))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use asu_crds::{Channel as ChannelSpec, Discover, Signatures, examples};

    use super::{super::validate::validate, *};

    fn branches(fixed: &[&str], channels: &[ChannelSpec]) -> Vec<ValidBranch> {
        let mut spec = examples::distribution().spec;
        let branch = &mut spec.branches[0];
        branch.signatures = Signatures::NotChecked;
        branch.versions = fixed.iter().map(|&version| version.to_owned()).collect();
        branch.discover = Some(Discover {
            channels: channels.to_vec(),
            allow: vec![],
            deny: vec!["24.10.6".into()],
            newest: 64,
            channel_keys: vec![],
        });
        let mut next = branch.clone();
        (next.name, next.versions) = ("25.12".into(), vec!["24.10.3".into()]);
        spec.branches.push(next);
        validate(&spec).unwrap().branches
    }

    fn completed(fixed: &[&str], channels: &[ChannelSpec], listed: &[&str]) -> Vec<Vec<String>> {
        let mut branches = branches(fixed, channels);
        let listed: Vec<String> = listed.iter().map(|&version| version.to_owned()).collect();
        complete(&mut branches, &listed);
        let names = |branch: ValidBranch| branch.versions.into_iter().map(|(name, _)| name);
        branches.into_iter().map(|branch| names(branch).collect()).collect()
    }

    const LISTED: [&str; 5] = ["25.12.0", "24.10.10", "24.10.6", "24.10.3", "23.05.5"];

    #[test]
    fn each_branch_gets_what_its_rules_select_and_what_it_lists() {
        let found = completed(&["24.10.1"], &[ChannelSpec::Release], &LISTED);
        assert_eq!(found, [vec!["24.10.10", "24.10.1"], vec!["25.12.0", "24.10.3"]]);
    }

    #[test]
    fn the_list_is_read_only_for_rules_that_select_from_it() {
        assert!(branches(&[], &[ChannelSpec::Candidate]).iter().all(needs_list));
        assert!(!branches(&[], &[ChannelSpec::Snapshot]).iter().any(needs_list));
        let found = completed(&[], &[ChannelSpec::Snapshot], &[]);
        assert_eq!(found[0], ["24.10-SNAPSHOT"]);
    }

    #[test]
    fn a_version_has_the_path_of_its_branch() {
        let mut branches = branches(&[], &[ChannelSpec::Release]);
        complete(&mut branches, &["24.10.10".to_owned()]);
        let path = "releases/24.10.10".to_owned();
        assert_eq!(branches[0].versions, [("24.10.10".to_owned(), path)]);
    }
}
