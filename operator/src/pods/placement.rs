//! Placement, labels and annotations that the cluster's administrator sets for the pods of builds
//! and caches. The chart passes them as one JSON value; [`super::PodJob`] merges it with what the
//! operator itself needs, which takes precedence.

use std::{collections::BTreeMap, str::FromStr};

use k8s_openapi::api::core::v1::{Affinity, PodAffinity, PodAffinityTerm, PodSpec, Toleration};
use serde::Deserialize;

/// Key prefixes of labels and annotations that the operator or Kubernetes interprets. The setting
/// must not contain them.
const RESERVED: [&str; 5] =
    ["asu.dev/", "app.kubernetes.io/", "batch.kubernetes.io/", "kubernetes.io/", "k8s.io/"];
/// Labels without a prefix that the Job controller sets.
const RESERVED_NAMES: [&str; 2] = ["job-name", "controller-uid"];
/// Maximum length of the setting, in bytes. All annotations of a pod together may have 256 KiB, and
/// the plan of a build is one of them.
const MAX_BYTES: usize = 16 << 10;
/// Kubernetes' limit of a label's value, and of the part of a key after its prefix.
const MAX_NAME: usize = 63;
/// Kubernetes' limit of the prefix of a key.
const MAX_PREFIX: usize = 253;
/// Node label and value for the architecture of the programs in an ImageBuilder.
const ARCH: (&str, &str) = ("kubernetes.io/arch", "amd64");

/// Placement of the pods that the operator makes. All fields are as in a pod.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Placement {
    /// Added to the node selector `kubernetes.io/arch=amd64`, which it may replace.
    node_selector: BTreeMap<String, String>,
    tolerations: Vec<Toleration>,
    affinity: Option<Affinity>,
    priority_class_name: Option<String>,
    runtime_class_name: Option<String>,
    pod_annotations: BTreeMap<String, String>,
    pod_labels: BTreeMap<String, String>,
}

impl FromStr for Placement {
    type Err = String;

    /// Reads the setting. The message of an error names the field.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("it must not be longer than {MAX_BYTES} bytes"));
        }
        let placement: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for key in placement.pod_annotations.keys() {
            key_is_free(key).map_err(|problem| format!("podAnnotations: {key}: {problem}"))?;
        }
        for (key, value) in &placement.pod_labels {
            key_is_free(key)
                .and_then(|()| is_label_value(value))
                .map_err(|problem| format!("podLabels: {key}: {problem}"))?;
        }
        for (key, value) in &placement.node_selector {
            is_key(key)
                .and_then(|()| is_label_value(value))
                .map_err(|problem| format!("nodeSelector: {key}: {problem}"))?;
        }
        Ok(placement)
    }
}

fn key_is_free(key: &str) -> Result<(), String> {
    is_key(key)?;
    let reserved = RESERVED.iter().any(|prefix| {
        // Also subdomains, such as node.kubernetes.io/.
        key.starts_with(prefix) || key.contains(&format!(".{prefix}"))
    });
    if reserved || RESERVED_NAMES.contains(&key) {
        return Err("this key is reserved".to_owned());
    }
    Ok(())
}

fn is_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(p, n)| (Some(p), n));
    let prefix_fits = prefix.is_none_or(|prefix| {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-.".contains(&c);
        !prefix.is_empty() && prefix.len() <= MAX_PREFIX && prefix.bytes().all(allowed)
    });
    if prefix_fits && !name.is_empty() && is_label_value(name).is_ok() {
        Ok(())
    } else {
        Err("this is not a valid key".to_owned())
    }
}

/// Rule of Kubernetes for the values of labels; the names of keys follow it too.
fn is_label_value(value: &str) -> Result<(), String> {
    let inner = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    let ends = value.as_bytes().first().into_iter().chain(value.as_bytes().last());
    let fits = value.len() <= MAX_NAME
        && value.bytes().all(inner)
        && ends.into_iter().all(u8::is_ascii_alphanumeric);
    if fits { Ok(()) } else { Err(format!("{value:?} is not a valid label value")) }
}

impl Placement {
    /// The labels of a pod: those of the administrator, overridden by `own`.
    pub fn labels(&self, own: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut labels = self.pod_labels.clone();
        labels.extend(own);
        labels
    }

    /// The annotations of a pod: those of the administrator, overridden by `own`.
    pub fn annotations(&self, own: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut annotations = self.pod_annotations.clone();
        annotations.extend(own);
        annotations
    }

    /// Applies the placement to a pod. `together` names the pods with which it must share its node;
    /// it is required in addition to the administrator's affinity.
    pub fn place(&self, together: Option<PodAffinityTerm>, pod: PodSpec) -> PodSpec {
        let (key, value) = ARCH;
        let mut node_selector = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        node_selector.extend(self.node_selector.clone());
        let named = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
        PodSpec {
            node_selector: Some(node_selector),
            tolerations: Some(self.tolerations.clone()).filter(|list| !list.is_empty()),
            affinity: self.affinity_with(together),
            priority_class_name: named(&self.priority_class_name),
            runtime_class_name: named(&self.runtime_class_name),
            ..pod
        }
    }

    fn affinity_with(&self, together: Option<PodAffinityTerm>) -> Option<Affinity> {
        let wanted = self.affinity.clone().filter(|wanted| *wanted != Affinity::default());
        let Some(term) = together else { return wanted };
        let mut affinity = wanted.unwrap_or_default();
        let pods = affinity.pod_affinity.get_or_insert_with(PodAffinity::default);
        pods.required_during_scheduling_ignored_during_execution.get_or_insert_default().push(term);
        Some(affinity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term() -> PodAffinityTerm {
        PodAffinityTerm { topology_key: "own".to_owned(), ..PodAffinityTerm::default() }
    }

    #[test]
    fn the_affinity_of_the_operator_is_added_to_that_of_the_administrator() {
        let placement: Placement = r#"{"affinity": {
            "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []},
            "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                [{"topologyKey": "theirs"}]}}}"#
            .parse()
            .unwrap();
        let pod = placement.place(Some(term()), PodSpec::default());
        let affinity = pod.affinity.unwrap();
        assert!(affinity.node_affinity.is_some());
        let terms = affinity.pod_affinity.unwrap();
        let terms = terms.required_during_scheduling_ignored_during_execution.unwrap();
        let keys: Vec<_> = terms.iter().map(|term| term.topology_key.as_str()).collect();
        assert_eq!(keys, ["theirs", "own"]);
        let alone = Placement::default().place(None, PodSpec::default());
        assert_eq!(alone.affinity, None);
    }

    #[test]
    fn a_pod_runs_on_amd64_unless_the_administrator_names_another_architecture() {
        let of = |text: &str| {
            let placement: Placement = text.parse().unwrap();
            placement.place(None, PodSpec::default()).node_selector.unwrap()
        };
        let pool = of(r#"{"nodeSelector": {"pool": "builds"}}"#);
        assert_eq!(pool.get("kubernetes.io/arch").map(String::as_str), Some("amd64"));
        assert_eq!(pool.get("pool").map(String::as_str), Some("builds"));
        let other = of(r#"{"nodeSelector": {"kubernetes.io/arch": "arm64"}}"#);
        assert_eq!(other.get("kubernetes.io/arch").map(String::as_str), Some("arm64"));
    }

    #[test]
    fn labels_of_the_operator_override_those_of_the_administrator() {
        let placement: Placement =
            r#"{"podLabels": {"team": "a", "x": "theirs"}}"#.parse().unwrap();
        let labels = placement.labels([("x".to_owned(), "own".to_owned())].into());
        assert_eq!(labels.get("x").map(String::as_str), Some("own"));
        assert_eq!(labels.get("team").map(String::as_str), Some("a"));
    }

    #[test]
    fn empty_names_are_ignored() {
        let placement: Placement =
            r#"{"priorityClassName": "", "runtimeClassName": "gvisor"}"#.parse().unwrap();
        let pod = placement.place(None, PodSpec::default());
        assert_eq!(pod.priority_class_name, None);
        assert_eq!(pod.runtime_class_name.as_deref(), Some("gvisor"));
    }

    #[test]
    fn reserved_and_invalid_keys_are_refused_by_name() {
        for (text, says) in [
            (r#"{"podLabels": {"asu.dev/build": "x"}}"#, "asu.dev/build: this key is reserved"),
            (r#"{"podLabels": {"app.kubernetes.io/component": "x"}}"#, "reserved"),
            (r#"{"podLabels": {"job-name": "x"}}"#, "reserved"),
            (r#"{"podAnnotations": {"asu.dev/plan": "x"}}"#, "podAnnotations"),
            (r#"{"podAnnotations": {"node.kubernetes.io/x": "x"}}"#, "reserved"),
            (r#"{"podLabels": {"team": "two words"}}"#, "not a valid label value"),
            (r#"{"podLabels": {"-team": "a"}}"#, "not a valid key"),
            (r#"{"podLabels": {"Team/": "a"}}"#, "not a valid key"),
            (r#"{"nodeSelector": {"a b": "a"}}"#, "nodeSelector"),
            (r#"{"nodeSelektor": {}}"#, "nodeSelektor"),
            ("yes", "expected"),
        ] {
            let problem = text.parse::<Placement>().unwrap_err();
            assert!(problem.contains(says), "{text}: {problem}");
        }
        let long = format!(r#"{{"podAnnotations": {{"a": "{}"}}}}"#, "x".repeat(MAX_BYTES));
        assert!(long.parse::<Placement>().is_err());
    }
}
