//! Prints changes of the objects of the demo, like `kubectl get --watch`.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use asu_crds::{FirmwareBuild, ImageBuilderCache, labels};
use asu_tests::{deploy::NAMESPACE, progress::Progress};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{Api, Client, ResourceExt as _, api::ListParams};

use super::Error;

/// Interval of checks.
const PAUSE: Duration = Duration::from_millis(500);

/// Prints each change until the future is dropped.
///
/// # Errors
/// When the API server does not answer.
pub(super) async fn objects(client: &Client, progress: &Progress) -> Result<Infallible, Error> {
    // Only later changes are printed.
    let mut known = look(client).await?;
    loop {
        tokio::time::sleep(PAUSE).await;
        let now = look(client).await?;
        for (name, state) in &now {
            if known.get(name) != Some(state) {
                progress.say(&format!("{name}: {state}"));
            }
        }
        known = now;
    }
}

/// Reads the state of each object, by kind and name.
async fn look(client: &Client) -> Result<BTreeMap<String, String>, Error> {
    let all = ListParams::default();
    let ours =
        ListParams::default().labels(&format!("{}={}", labels::MANAGED_BY, labels::OPERATOR));
    let mut found = BTreeMap::new();
    for build in api::<FirmwareBuild>(client).list(&all).await? {
        let status = build.status.clone().unwrap_or_default();
        let words = [phase(status.phase.as_ref()), status.reason.clone(), status.message.clone()];
        found.insert(format!("FirmwareBuild {}", short(&build.name_any())), joined(words));
    }
    for cache in api::<ImageBuilderCache>(client).list(&all).await? {
        let status = cache.status.clone().unwrap_or_default();
        let words = [phase(status.phase.as_ref()), status.reason.clone(), status.message.clone()];
        found.insert(format!("ImageBuilderCache {}", cache.name_any()), joined(words));
    }
    for job in api::<Job>(client).list(&ours).await? {
        let status = job.status.clone().unwrap_or_default();
        let state = match (status.succeeded, status.failed, status.active) {
            (Some(1..), _, _) => "complete",
            (_, Some(1..), _) => "failed",
            (_, _, Some(1..)) => "active",
            _ => "created",
        };
        found.insert(format!("Job {}", short(&job.name_any())), state.to_owned());
    }
    for pod in api::<Pod>(client).list(&ours).await? {
        let state = pod.status.clone().and_then(|status| status.phase).unwrap_or_default();
        found.insert(format!("pod {}", short(&pod.name_any())), state);
    }
    Ok(found)
}

fn api<K>(client: &Client) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    Api::namespaced(client.clone(), NAMESPACE)
}

/// The serialized word of a phase.
fn phase<T: serde::Serialize>(phase: Option<&T>) -> Option<String> {
    let value = serde_json::to_value(phase?).ok()?;
    value.as_str().map(str::to_owned)
}

fn joined(words: [Option<String>; 3]) -> String {
    let words: Vec<String> = words.into_iter().flatten().filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "created".to_owned() } else { words.join(", ") }
}

/// Shortens the name of a build, which has 56 characters, to its beginning and end.
fn short(name: &str) -> String {
    let count = name.chars().count();
    if count <= 40 {
        return name.to_owned();
    }
    let head: String = name.chars().take(14).collect();
    let tail: String = name.chars().skip(count - 8).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_beginning_and_end() {
        assert_eq!(short("ibc-short"), "ibc-short");
        let name = format!("fwb-{}-1-abcde", "q".repeat(56));
        assert_eq!(short(&name), "fwb-qqqqqqqqqq…-1-abcde");
    }
}
