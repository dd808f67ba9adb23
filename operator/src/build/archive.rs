//! Makes the database record of a finished build: its facts, its events and its lifetime. Called by
//! `finish.rs` and the controller; pure, nothing is written here.

use std::collections::BTreeMap;

use asu_core::{
    failure::{Failure, FailureReason},
    lifetime::{Ending as LifeEnding, LifetimePolicy},
    request::Request,
    request_hash::RequestHash,
    result::{BuildResult, StoredLog, store_keys},
};
use asu_crds::{BuildSummary, FirmwareBuild};
use asu_store::model::{
    BuildEvent, BuildFacts, BuildTimes, Ending, EventKind, LogRecord, NewArchive,
};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

/// A finished build with everything that its record is made from.
pub struct Archived<'a> {
    /// The whole object.
    pub build: &'a FirmwareBuild,
    /// Its canonical request.
    pub request: Request,
    /// Its hash.
    pub hash: RequestHash,
    /// Its result, or why there is none.
    pub ending: Ending,
    /// Where its log is in the artifact store, if there is one.
    pub log: Option<LogRecord>,
    /// Duration of each step of the build, in milliseconds.
    pub millis: BTreeMap<String, u64>,
    /// Whether its version is a snapshot.
    pub snapshot: bool,
    /// When its pod started, if it did.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Timestamp,
}

/// The ending that a committed result states.
pub fn ending(result: &BuildResult) -> Ending {
    match (&result.built, &result.failure) {
        (Some(built), _) => Ending::Succeeded(built.clone()),
        (None, Some(failure)) => Ending::Failed(failure.clone()),
        (None, None) => {
            Ending::Failed(Failure::new(FailureReason::Internal, "The result says nothing"))
        }
    }
}

/// The log of a result. `attempt` is absent for a final result, whose log has a key of its own.
pub fn log(uid: &str, attempt: Option<u32>, stored: Option<&StoredLog>) -> Option<LogRecord> {
    let key = match attempt {
        None => store_keys::log(uid),
        Some(attempt) => store_keys::attempt_log(uid, attempt),
    };
    stored.map(|log| LogRecord {
        key,
        size: log.size,
        text_bytes: log.text_bytes,
        truncated: log.truncated,
    })
}

/// The record of a build, with the lifetime that `policy` gives it.
pub fn record(ended: &Archived<'_>, policy: &LifetimePolicy, now: Timestamp) -> NewArchive {
    let build = ended.build;
    let status = build.status.clone().unwrap_or_default();
    let resolved = status.resolved.unwrap_or_default();
    let said = status.times.unwrap_or_default();
    let times = BuildTimes {
        created: build.creation_timestamp().map_or(ended.finished, |time| time.0),
        queued: said.queued_at.map(|time| time.0),
        admitted: said.admitted_at.map(|time| time.0),
        started: ended.started,
        finished: ended.finished,
    };
    let life = match &ended.ending {
        Ending::Succeeded(_) => LifeEnding::Succeeded,
        Ending::Failed(failure) => LifeEnding::Failed(failure.reason),
    };
    let lifetime = policy.lifetime(&ended.request, ended.snapshot, life, ended.finished);
    let asked = build
        .spec
        .retention
        .as_ref()
        .map(|retention| SignedDuration::from_secs(retention.keep_seconds));
    let keep_until = match asked {
        Some(keep) => {
            let until = ended.finished.checked_add(keep).unwrap_or(Timestamp::MAX);
            until.max(lifetime.fresh_until)
        }
        None => lifetime.keep_until,
    };
    NewArchive {
        events: events(&times, &ended.ending, status.attempt.unwrap_or_default()),
        facts: BuildFacts {
            uid: build.uid().unwrap_or_default(),
            request_hash: ended.hash,
            request: ended.request.clone(),
            version_code: resolved.version_code,
            catalog_revision: resolved.catalog_revision,
            attempt: status.attempt.unwrap_or_default(),
            ending: ended.ending.clone(),
            times,
            fresh_until: lifetime.fresh_until,
            keep_until,
            log: ended.log.clone(),
            millis: ended.millis.clone(),
        },
        archived_at: now,
    }
}

fn events(times: &BuildTimes, ending: &Ending, attempt: u32) -> Vec<BuildEvent> {
    let normal = |at: Option<Timestamp>, reason: &str, message: String| {
        at.map(|at| BuildEvent { at, kind: EventKind::Normal, reason: reason.to_owned(), message })
    };
    let last = match ending {
        Ending::Succeeded(built) => {
            normal(Some(times.finished), "Succeeded", format!("{} files", built.files.len()))
        }
        Ending::Failed(failure) => Some(BuildEvent {
            at: times.finished,
            kind: EventKind::Warning,
            reason: failure.reason.as_str().to_owned(),
            message: failure.detail.clone(),
        }),
    };
    [
        normal(Some(times.created), "Created", String::new()),
        normal(times.queued, "Queued", String::new()),
        normal(times.admitted, "Admitted", String::new()),
        normal(times.started, "Started", format!("attempt {attempt}")),
        last,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The summary of the ending for the object's status.
pub fn summary(ending: &Ending, log: bool) -> BuildSummary {
    let built = ending.built();
    let files = built.map(|built| built.files.as_slice()).unwrap_or_default();
    let bytes: u64 = files.iter().map(|file| file.size).sum();
    BuildSummary {
        build_key: built.map(|built| built.build_key.to_string()),
        files: u32::try_from(files.len()).unwrap_or(u32::MAX),
        bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
        log,
    }
}
