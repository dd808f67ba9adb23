//! Waits for builds in scenarios, and reads what is stored of them: object, pods, log and row.

use std::time::Duration;

use asu_crds::{BuildCondition, BuildPhase, FirmwareBuild, condition, labels};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::Value;

use super::{Error, System};
use crate::{deploy::NAMESPACE, router::Answer};

/// Time limit of every wait: long enough to populate a cache first on a busy machine.
pub const WITHIN: Duration = Duration::from_mins(4);

/// A finished build: its answer and its object.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The last answer.
    pub answer: Answer,
    /// The FirmwareBuild.
    pub build: FirmwareBuild,
}

impl Ended {
    /// Reason of the object's status.
    pub fn reason(&self) -> &str {
        let status = self.build.status.as_ref();
        status.and_then(|status| status.reason.as_deref()).unwrap_or_default()
    }

    /// Number of the last attempt.
    pub fn attempt(&self) -> u32 {
        self.build.status.as_ref().and_then(|status| status.attempt).unwrap_or_default()
    }

    /// Request hash.
    pub fn hash(&self) -> &str {
        &self.build.spec.request_hash
    }

    /// uid of the object.
    pub fn uid(&self) -> String {
        self.build.uid().unwrap_or_default()
    }
}

/// A row of the table of archived builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `Succeeded`, `Failed` or `Cancelled`.
    pub outcome: String,
    /// Failure reason; empty for a success.
    pub reason: String,
    /// Number of the last attempt.
    pub attempt: String,
    /// Whether a log is stored.
    pub log: bool,
}

impl System {
    /// Posts a request and polls until its build succeeded, failed or was cancelled.
    ///
    /// # Errors
    /// An answer other than 200, 202 and 500, or the state at the time limit.
    pub async fn end(&self, request: &Value, within: Duration) -> Result<Ended, Error> {
        let posted = self.router.post(request).await?;
        self.end_of(posted, within).await
    }

    /// Polls until the build of an answer ended.
    ///
    /// # Errors
    /// See [`System::end`].
    pub async fn end_of(&self, posted: Answer, within: Duration) -> Result<Ended, Error> {
        let hash = posted.text("request_hash").to_owned();
        let answer = self
            .until("the build ended", within, || async {
                let answer = self.router.get(&hash).await?;
                Ok(match answer.status {
                    200 | 500 => Ok(answer),
                    status => Err(format!("{status}: {}", answer.body)),
                })
            })
            .await?;
        // The record is written first, and clients may ask for it at once.
        let has_ended = |build: &FirmwareBuild| {
            build
                .status
                .as_ref()
                .and_then(|status| status.phase)
                .is_some_and(BuildPhase::is_terminal)
        };
        let build = self.until_build("the object says its end", &answer, within, has_ended).await?;
        Ok(Ended { answer, build })
    }

    /// Waits until a build has a Job.
    ///
    /// # Errors
    /// The build's status at the time limit.
    pub async fn admitted(&self, posted: &Answer) -> Result<FirmwareBuild, Error> {
        self.until_build("the build has a Job", posted, WITHIN, |build| {
            build.status.as_ref().is_some_and(|status| status.job_name.is_some())
        })
        .await
    }

    /// Waits until both containers of a build run.
    ///
    /// # Errors
    /// The state of its pods at the time limit.
    pub async fn running(&self, posted: &Answer) -> Result<(FirmwareBuild, Pod), Error> {
        let build = self.admitted(posted).await?;
        let pod = self
            .until("the build's pod runs", WITHIN, || async {
                let pods = self.pods_of_build(&build).await?;
                let states: Vec<_> = pods.iter().map(|pod| pod.status.clone()).collect();
                let live = pods.into_iter().find(all_containers_run);
                Ok(live.ok_or_else(|| format!("{states:?}")))
            })
            .await?;
        Ok((build, pod))
    }

    /// Posts a request for these packages, and waits until both containers of its build run.
    ///
    /// # Errors
    /// See [`System::running`].
    pub async fn started(&self, packages: &[&str]) -> Result<(Answer, FirmwareBuild, Pod), Error> {
        let posted = self.router.post(&self.request(packages)).await?;
        let (build, pod) = self.running(&posted).await?;
        Ok((posted, build, pod))
    }

    /// Existing pods of a build.
    ///
    /// # Errors
    /// The API server did not answer.
    pub async fn pods_of_build(&self, build: &FirmwareBuild) -> Result<Vec<Pod>, Error> {
        let selector = format!("{}={}", labels::BUILD, build.name_any());
        Ok(self.pods().list(&ListParams::default().labels(&selector)).await?.items)
    }

    /// Waits until a build has no pods.
    ///
    /// # Errors
    /// The pods that still exist at the time limit.
    pub async fn no_pods_of_build(&self, build: &FirmwareBuild) -> Result<(), Error> {
        self.until("no pod of the build is left", WITHIN, || async {
            let left = self.pods_of_build(build).await?;
            let names: Vec<_> = left.iter().map(ResourceExt::name_any).collect();
            Ok(if names.is_empty() { Ok(()) } else { Err(names.join(", ")) })
        })
        .await
    }

    /// Names of all pods that the Jobs of this object created, from the Jobs' events.
    ///
    /// # Errors
    /// The API server did not answer.
    pub async fn pods_ever(&self, build: &FirmwareBuild) -> Result<Vec<String>, Error> {
        let uid: String = build.uid().unwrap_or_default().chars().take(8).collect();
        let hash: String = build.name_any().chars().take("fwb-".len() + 20).collect();
        let events: Api<Event> = Api::namespaced(self.client.clone(), NAMESPACE);
        let params = ListParams::default().fields("reason=SuccessfulCreate");
        let mut made: Vec<String> = events
            .list(&params)
            .await?
            .into_iter()
            .filter(|event| {
                let job = event.involved_object.name.as_deref().unwrap_or_default();
                job.starts_with(&hash) && job.contains(&uid)
            })
            .filter_map(|event| event.message)
            .collect();
        made.sort();
        made.dedup();
        Ok(made)
    }

    /// Status and text of the API's answer to a request for a build's log.
    ///
    /// # Errors
    /// The API did not answer.
    pub async fn log_of(&self, hash: &str) -> Result<(u16, String), Error> {
        Ok(self.router.text(&format!("/api/v1/build/{hash}/log")).await?)
    }

    /// Rows of an object: none or one.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn rows(&self, uid: &str) -> Result<Vec<Row>, Error> {
        let query = format!(
            "select outcome, coalesce(reason, ''), attempt, log_key is not null \
             from builds where uid = '{uid}'"
        );
        let text = self.sql(&query).await?;
        Ok(text.lines().filter_map(row).collect())
    }

    /// Waits until an object is archived, and returns its row.
    ///
    /// # Errors
    /// When there is none at the time limit, or more than one.
    pub async fn row(&self, uid: &str) -> Result<Row, Error> {
        self.until("the build is in the history once", WITHIN, || async {
            let mut rows = self.rows(uid).await?;
            Ok(match (rows.pop(), rows.is_empty()) {
                (Some(row), true) => Ok(row),
                (row, _) => Err(format!("{row:?} {rows:?}")),
            })
        })
        .await
    }
}

/// Status and reason of a build's condition; empty when it has none.
pub fn condition_of(build: &FirmwareBuild, which: BuildCondition) -> (String, String) {
    let conditions = build.status.as_ref().map(|status| status.conditions.as_slice());
    condition(conditions.unwrap_or_default(), which.as_str())
        .map(|found| (found.status.clone(), found.reason.clone()))
        .unwrap_or_default()
}

fn row(line: &str) -> Option<Row> {
    let mut fields = line.trim().split('|').map(str::to_owned);
    Some(Row {
        outcome: fields.next()?,
        reason: fields.next()?,
        attempt: fields.next()?,
        log: fields.next()? == "t",
    })
}

fn all_containers_run(pod: &Pod) -> bool {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_deref());
    statuses.is_some_and(|all| {
        !all.is_empty()
            && all.iter().all(|container| {
                container.state.as_ref().is_some_and(|state| state.running.is_some())
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_psql_reads_as_a_row() {
        let expected = Row {
            outcome: "Failed".into(),
            reason: "NoSpace".into(),
            attempt: "3".into(),
            log: true,
        };
        assert_eq!(row("Failed|NoSpace|3|t"), Some(expected));
        assert_eq!(row(""), None);
    }
}
