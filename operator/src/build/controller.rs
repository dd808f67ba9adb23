//! One pass over a FirmwareBuild: dereference, validate, decide, apply, status.

use std::{sync::Arc, time::Duration};

use asu_core::{
    failure::{Failure, FailureReason},
    stage::Stage,
};
use asu_crds::{BuildCondition, FirmwareBuild, FirmwareBuildStatus, Resolved, is_true, labels};
use jiff::Timestamp;
use kube::{Resource, ResourceExt, runtime::controller::Action};

use super::{
    apply, archive,
    decide::{Lookup, Step, decide},
    dereference,
    facts::{CacheFact, Facts, Stored},
    fault::Fault,
    finish::Finish,
    job::Attempt,
    memory,
    status::{Writer, told},
    validate::{Refused, needs_catalog, own, validate},
};
use crate::{
    context::Context,
    pods::verdict::{PodState, pod_state},
    runtime::patch::write_status,
    stages,
    watches::Slim,
};

/// Looks of one pass, at most: each fact is looked up once.
const LOOKS: usize = 10;
/// How often a build is looked at although no watch reported anything: watches miss nothing in
/// normal work.
const SAFETY: Duration = Duration::from_mins(10);

/// Brings one build closer to its end.
///
/// # Errors
/// What is tried again after a pause.
pub async fn reconcile(stored: Arc<FirmwareBuild>, context: Arc<Context>) -> Result<Action, Fault> {
    let build = context.recent_builds.newest(&stored);
    let facts = dereference::facts(&context, &build);
    let mut pass = Pass { context, build, facts, whole: None };
    if is_true(&pass.facts.status.conditions, BuildCondition::Archived.as_str()) {
        // A new leader may have begun before it saw the last write of the former one.
        pass.leave();
    }
    for _ in 0..LOOKS {
        match decide(&pass.facts) {
            Step::Look(lookup) => pass.look(lookup).await?,
            step => return pass.act(step).await,
        }
    }
    Err(Fault::Undecided)
}

/// One pass.
pub(super) struct Pass {
    pub(super) context: Arc<Context>,
    pub(super) build: Arc<FirmwareBuild>,
    pub(super) facts: Facts,
    whole: Option<Arc<FirmwareBuild>>,
}

impl Pass {
    /// The object with its package lists, which the store does not hold.
    pub(super) async fn whole(&mut self) -> Result<Arc<FirmwareBuild>, Fault> {
        if let Some(whole) = &self.whole {
            return Ok(whole.clone());
        }
        let found = self.context.api::<FirmwareBuild>().get_opt(&self.build.name_any()).await?;
        let mut found = found.filter(|it| it.uid() == self.build.uid()).ok_or(Fault::Replaced)?;
        // Deciding and writing go by one status: the one that the facts are about.
        found.status = Some(self.facts.status.clone());
        let whole = Arc::new(found);
        self.whole = Some(whole.clone());
        Ok(whole)
    }

    pub(super) fn uid(&self) -> String {
        self.build.uid().unwrap_or_default()
    }

    async fn look(&mut self, lookup: Lookup) -> Result<(), Fault> {
        let context = self.context.clone();
        match lookup {
            Lookup::Validity => self.look_at_validity().await?,
            Lookup::Stored => {
                let attempt = self.attempts();
                let whole = self.whole().await?;
                let found = match own(&whole) {
                    Ok((_, hash)) => {
                        dereference::stored(&context, &self.uid(), &hash, attempt).await?
                    }
                    Err(refused) => Stored::Bad(refused.to_string()),
                };
                self.facts.stored = Some(found);
            }
            Lookup::Turn => {
                let (turn, others) =
                    context.queue.ask(context.triggers.pending.entry(&self.build), self.facts.now);
                for name in &others {
                    context.triggers.build(name);
                }
                self.facts.turn = Some(turn);
            }
            Lookup::Secret => {
                let found = dereference::own_secret(&context, &self.build).await?;
                self.facts.secret = Some(found.is_some());
            }
            Lookup::UnseenJob => {
                let job = self.facts.status.job_name.clone().unwrap_or_default();
                let there = dereference::unseen_job(&context, &self.build, &job).await?;
                self.facts.unseen_job = Some(there);
            }
        }
        Ok(())
    }

    async fn look_at_validity(&mut self) -> Result<(), Fault> {
        let whole = self.whole().await?;
        let offered = if needs_catalog(&whole) {
            let catalog = self.context.repositories.load().await?;
            let wanted = &whole.spec.request.distribution;
            catalog.distributions.into_iter().find(|it| it.name == *wanted)
        } else {
            None
        };
        let validity = validate(&whole, offered.as_ref()).map(|accepted| accepted.resolved);
        if let Ok(resolved) = &validity {
            self.facts.cache = dereference::cache_fact(&self.context, &resolved.cache_name);
        }
        self.facts.validity = Some(validity.map_err(|refused: Refused| refused.to_string()));
        Ok(())
    }

    /// What the build was resolved to, now or before.
    pub(super) fn resolved(&self) -> Option<Resolved> {
        let now = self.facts.validity.as_ref().and_then(|validity| validity.as_ref().ok());
        self.facts.status.resolved.as_ref().or(now).cloned()
    }

    async fn act(&mut self, step: Step) -> Result<Action, Fault> {
        let context = self.context.clone();
        match step {
            Step::Look(_) => return Err(Fault::Undecided),
            Step::AddFinalizer => apply::set_finalizer(&context, &self.build, true).await?,
            Step::CreateCache => {
                return match self.resolved() {
                    Some(resolved) => self.create_cache(&resolved).await,
                    None => Err(Fault::Undecided),
                };
            }
            Step::Queue { again } => {
                self.publish_queued().await?;
                return Ok(Action::requeue(again.map_or(SAFETY, after)));
            }
            Step::CreateJob { attempt } => return self.create_job(attempt).await,
            Step::Running { job, attempt, problem, again } => {
                return self.running(&job, attempt, problem.as_deref(), again.map(after)).await;
            }
            Step::Failed { attempt, failure, stop, next } => {
                self.tell_failed(attempt, &failure, next).await?;
                apply::delete_jobs(&context, stop.as_slice()).await?;
                // The decision about what follows goes by what was told.
                return Ok(Action::requeue(Duration::from_millis(50)));
            }
            Step::TakeBack { attempt, failure, next } => {
                return self.take_back(attempt, &failure, next).await;
            }
            Step::Wait(span) => return Ok(Action::requeue(after(span))),
            Step::StopJobs(jobs) => {
                apply::delete_jobs(&context, &jobs).await?;
                return Ok(Action::requeue(Duration::from_secs(2)));
            }
            Step::DeleteJobs(jobs) => {
                apply::forget_script(&context, &self.build).await;
                apply::delete_jobs(&context, &jobs).await?;
                return Ok(Action::requeue(Duration::from_secs(5)));
            }
            Step::Archive(result) => return self.archive(&result).await,
            Step::Fail(failure) => return self.fail(failure).await,
            Step::Refuse(problem) => self.refuse(&problem).await?,
            Step::TurnAway(earlier) => self.turn_away(earlier).await?,
            Step::LetGo => {
                self.leave();
                apply::set_finalizer(&context, &self.build, false).await?;
            }
            Step::DeleteObject => apply::delete_object(&context, &self.build).await?,
            Step::Rest => {}
        }
        Ok(Action::await_change())
    }

    async fn create_cache(&mut self, resolved: &Resolved) -> Result<Action, Fault> {
        let created = apply::create_build_cache(&self.context, &self.build, resolved).await;
        self.publish_queued().await?;
        if matches!(created, Err(Fault::NoDistribution)) {
            return self.fail(no_longer_offered()).await;
        }
        created?;
        Ok(Action::requeue(SAFETY))
    }

    async fn create_job(&mut self, number: u32) -> Result<Action, Fault> {
        let whole = self.whole().await?;
        let (request, hash) = match own(&whole) {
            Ok(own) => own,
            Err(refused) => {
                self.refuse(&refused.to_string()).await?;
                return Ok(Action::await_change());
            }
        };
        let distribution = dereference::distribution(&self.context, &request.distribution);
        let resolved = self.resolved();
        let (CacheFact::Ready { place, image, workspace }, Some(distribution), Some(resolved)) =
            (self.facts.cache.clone(), distribution, resolved)
        else {
            // It has a place in the queue, which it must not hold until a Distribution comes back.
            return self.fail(no_longer_offered()).await;
        };
        let memory = self.facts.status.memory.clone();
        let attempt = Attempt {
            build: &whole,
            request: &request,
            hash: &hash,
            resolved: &resolved,
            distribution: &distribution.spec,
            place: &place,
            image: &image,
            workspace,
            number,
            memory: memory.as_deref(),
            settings: &self.context.settings,
        };
        let (job, number) = match apply::create_job(&self.context, attempt).await {
            // Its place in the queue is another's.
            Err(Fault::JobRefused(error)) => return self.fail(refused_job(&error)).await,
            created => created?,
        };
        tracing::info!(build = self.build.name_any(), job, attempt = number, "its Job is created");
        let action = self.running(&job, number, None, None).await?;
        let on = self.build.object_ref(&());
        let note = format!("attempt {number} runs as Job {job}");
        self.context.events.normal(&on, "Admitted", &note).await;
        Ok(action)
    }

    async fn running(
        &mut self,
        job: &str,
        attempt: u32,
        problem: Option<&str>,
        again: Option<Duration>,
    ) -> Result<Action, Fault> {
        let mut writer = self.writer();
        writer.running(job, attempt, problem);
        self.publish(writer.finish()).await?;
        let pods = dereference::pods(&self.context, &self.build);
        let live = pods.iter().find(|pod| pod_state(pod) == PodState::Running);
        if let Some(pod) = live {
            let known = self.facts.status.stage.as_deref().and_then(Stage::parse);
            let (name, uid) = (self.build.name_any(), self.uid());
            stages::follow(&self.context, &name, &uid, &pod.name_any(), known);
        }
        Ok(Action::requeue(again.unwrap_or(SAFETY)))
    }

    /// Says that an attempt failed, once.
    pub(super) async fn tell_failed(
        &mut self,
        attempt: u32,
        failure: &Failure,
        next: Option<Timestamp>,
    ) -> Result<(), Fault> {
        let mut writer = self.writer();
        if failure.reason == FailureReason::OutOfMemory
            && told(&self.facts.status, attempt).is_none()
        {
            let last = self.facts.status.memory.as_deref();
            writer.more_memory(memory::after(&self.context.settings.builds, last));
        }
        writer.failed_attempt(attempt, failure, next);
        let new = writer.finish();
        if new == self.facts.status {
            return Ok(());
        }
        self.publish(new).await?;
        let on = self.build.object_ref(&());
        let note = format!("attempt {attempt} failed: {}", failure.detail);
        self.context.events.warning(&on, failure.reason.as_str(), &note).await;
        Ok(())
    }

    async fn publish_queued(&mut self) -> Result<(), Fault> {
        let mut writer = self.writer();
        writer.queued(&self.facts.cache, self.facts.turn, self.facts.secret);
        self.publish(writer.finish()).await
    }

    /// A status in the making, with what was resolved.
    pub(super) fn writer(&self) -> Writer {
        let generation = self.build.metadata.generation;
        let mut writer = Writer::new(&self.facts.status, generation, self.facts.now);
        if let Some(resolved) = self.resolved() {
            writer.accepted(&resolved);
        }
        writer
    }

    /// Writes the status, when it differs.
    pub(super) async fn publish(&mut self, mut new: FirmwareBuildStatus) -> Result<(), Fault> {
        // Once and for all: every write gives the object another version.
        new.sequence.get_or_insert_with(|| {
            let entry = self.context.triggers.pending.entry(&self.build);
            i64::try_from(entry.waiting.sequence).unwrap_or(i64::MAX)
        });
        let api = self.context.api::<FirmwareBuild>();
        let name = self.build.name_any();
        let old = self.build.status.as_ref();
        let written = write_status(&api, &name, labels::BUILD_MANAGER, old, &new).await?;
        if let Some(mut written) = written {
            written.slim();
            self.context.recent_builds.wrote(written.clone());
            self.build = Arc::new(written);
        }
        self.facts.status = new;
        Ok(())
    }

    /// Gives back its place in the queue, and wakes whose turn it is.
    pub(super) fn leave(&self) {
        let uid = self.uid();
        self.context.followers.stop(&uid);
        for name in self.context.queue.leave(&uid, self.facts.now) {
            self.context.triggers.build(&name);
        }
    }

    async fn archive(&mut self, result: &asu_core::result::BuildResult) -> Result<Action, Fault> {
        let log = archive::log(&self.uid(), None, result.log.as_ref());
        let ending = archive::ending(result);
        Finish { ending, log, millis: result.millis.clone() }.run(self).await
    }

    async fn fail(&mut self, failure: Failure) -> Result<Action, Fault> {
        let attempt = self.attempts();
        let (log, millis) = match &self.facts.stored {
            Some(Stored::Attempt(result)) => {
                let log = archive::log(&self.uid(), Some(attempt), result.log.as_ref());
                (log, result.millis.clone())
            }
            Some(Stored::Final(result)) => {
                let log = archive::log(&self.uid(), None, result.log.as_ref());
                (log, result.millis.clone())
            }
            _ => (None, std::collections::BTreeMap::new()),
        };
        let ending = asu_store::model::Ending::Failed(failure);
        Finish { ending, log, millis }.run(self).await
    }
}

fn refused_job(error: &kube::Error) -> Failure {
    tracing::error!(%error, "a Job is refused");
    Failure::new(FailureReason::Internal, "Kubernetes does not accept the Job of this build")
}

fn no_longer_offered() -> Failure {
    Failure::new(FailureReason::CacheFailed, "The version is no longer offered")
}

/// A span as kube wants it, a little longer than whole seconds so that they are over.
fn after(span: jiff::SignedDuration) -> Duration {
    Duration::try_from(span).unwrap_or_default() + Duration::from_millis(50)
}
