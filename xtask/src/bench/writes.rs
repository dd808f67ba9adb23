//! Counts writes to the API server, from its metrics.

use std::{collections::BTreeMap, fmt};

use asu_tests::scenario::System;

use super::Error;

/// Number of writes, by verb and resource.
#[derive(Debug, Default, Clone)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Reads the present counters.
    ///
    /// # Errors
    /// When the API server's metrics cannot be read.
    pub async fn read(system: &System) -> Result<Self, Error> {
        let text = system.site.kubectl(&["get", "--raw", "/metrics"]).await?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut counts = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
            let (verb, resource) = (label(line, "verb"), label(line, "resource"));
            let part = label(line, "subresource");
            let written = ["POST", "PUT", "PATCH", "APPLY", "DELETE"].contains(&verb);
            let refused = label(line, "code").starts_with(['4', '5']);
            let value = line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok());
            if let (true, false, Some(value)) = (written, refused, value) {
                let separator = if part.is_empty() { "" } else { "/" };
                // Counters are whole numbers written as floats.
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a counter"
                )]
                let value = value as u64;
                *counts.entry(format!("{verb} {resource}{separator}{part}")).or_default() += value;
            }
        }
        Self(counts)
    }

    /// The difference to `before`.
    pub fn since(&self, before: &Self) -> Self {
        let added = self.0.iter().filter_map(|(key, count)| {
            let added = count.saturating_sub(before.0.get(key).copied().unwrap_or(0));
            (added > 0).then(|| (key.clone(), added))
        });
        Self(added.collect())
    }

    /// Number of writes by the API and the operator: those to the project's kinds, to Jobs (without their
    /// status), and to Secrets. Kubernetes writes Pods and the status of Jobs. The number includes the last
    /// use of a cache, which is written at most once a minute, whatever the number of builds.
    pub fn ours(&self) -> u64 {
        let ours = |key: &&String| {
            [" firmwarebuilds", " imagebuildercaches"].iter().any(|kind| key.contains(kind))
                || key.ends_with(" jobs")
                || key.ends_with(" secrets")
        };
        self.0.keys().filter(ours).filter_map(|key| self.0.get(key)).sum()
    }
}

fn label<'a>(line: &'a str, name: &str) -> &'a str {
    let start = format!("{name}=\"");
    line.split_once(start.as_str())
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("", |(value, _)| value)
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, count) in &self.0 {
            writeln!(f, "  {count:>3} {key}")?;
        }
        write!(f, "  ours: {}", self.ours())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_refused_writes_are_not_counted() {
        let before = Counts::default();
        let text = concat!(
            "apiserver_request_total{code=\"201\",resource=\"jobs\",subresource=\"\",verb=\"POST\"} 2\n",
            "apiserver_request_total{code=\"409\",resource=\"jobs\",subresource=\"\",verb=\"POST\"} 1\n",
            "apiserver_request_total{code=\"200\",resource=\"jobs\",subresource=\"status\",verb=\"PUT\"} 4\n",
            "apiserver_request_total{code=\"200\",resource=\"firmwarebuilds\",subresource=\"status\",verb=\"PATCH\"} 3\n",
            "apiserver_request_total{code=\"200\",resource=\"jobs\",subresource=\"\",verb=\"GET\"} 9\n",
        );
        let counts = Counts::parse(text).since(&before);
        assert_eq!(counts.ours(), 5);
    }
}
