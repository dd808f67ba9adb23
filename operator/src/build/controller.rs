//! One pass over a FirmwareBuild: gathers facts, decides, and carries the decided step out. Run by
//! the leader for each watch event and each requeue. It holds no rules of its own: those are in the
//! pure modules beside it.

use std::{sync::Arc, time::Duration};

use asu_core::failure::{Failure, FailureReason};
use asu_crds::FirmwareBuild;
use kube::{Resource, ResourceExt, runtime::controller::Action};

use super::{
    apply, archive,
    base::{self, Base},
    decide::decide,
    dereference,
    facts::{CacheFact, Stored},
    fault::Fault,
    finish::Finish,
    job::Attempt,
    pass::{Pass, SAFETY},
    pending::wake,
    place::{QueueState, queue_state},
    step::{Lookup, Step},
    unavailable::unavailable,
    validate::own,
};
use crate::{
    cache,
    context::Context,
    runtime::{events::Attempt::Begins, patch::is_forbidden},
};

/// Maximum number of look-ups in one pass. Each fact is looked up once, so a higher number is a
/// bug.
const LOOKS: usize = 10;
/// Carries out the next step of one build.
///
/// # Errors
/// A [`Fault`]; the pass is repeated after a pause.
pub async fn reconcile(stored: Arc<FirmwareBuild>, context: Arc<Context>) -> Result<Action, Fault> {
    let build = context.recent_builds.newest(&stored);
    let facts = dereference::facts(&context, &build);
    let mut pass = Pass { context, build, facts, whole: None, created: false };
    let done = pass.run().await;
    if done.is_err() && !pass.created && !pass.facts.runs() {
        // The pass is repeated, and then asks for a place again.
        pass.give_place();
    }
    done
}

impl Pass {
    async fn run(&mut self) -> Result<Action, Fault> {
        for _ in 0..LOOKS {
            match decide(&self.facts) {
                Step::Look(lookup) => self.look(lookup).await?,
                step => {
                    match queue_state(&self.facts, &step) {
                        QueueState::HasPlace => self.take_place(),
                        QueueState::Waits => {}
                        QueueState::Outside => self.give_place(),
                    }
                    return self.act(step).await;
                }
            }
        }
        Err(Fault::Undecided)
    }

    async fn look(&mut self, lookup: Lookup) -> Result<(), Fault> {
        let context = self.context.clone();
        match lookup {
            Lookup::Validity => self.look_at_validity().await?,
            Lookup::Revision => self.look_for_revision().await?,
            Lookup::Stored => {
                let attempt = self.attempts();
                let whole = self.full_object().await?;
                let found = match own(&whole) {
                    Ok((_, hash)) => {
                        dereference::stored(&context, &self.uid(), &hash, attempt).await?
                    }
                    Err(refused) => Stored::Bad(refused.to_string()),
                };
                self.facts.stored = Some(found);
            }
            Lookup::Turn => {
                let entry = context.triggers.pending.entry(&self.build);
                let (turn, called) = context.queue.request_place(entry, self.facts.now);
                wake(&context, &called);
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
        let whole = self.full_object().await?;
        let offered = dereference::offered(&self.context, &whole).await?;
        self.validate(&whole, &offered);
        Ok(())
    }

    async fn act(&mut self, step: Step) -> Result<Action, Fault> {
        let context = self.context.clone();
        match step {
            Step::Look(_) => return Err(Fault::Undecided),
            Step::AddFinalizer => apply::set_finalizer(&context, &self.build, true).await?,
            Step::CreateCache => return self.create_cache().await,
            Step::Queue { again } => {
                self.publish_queued().await?;
                return Ok(Action::requeue(again.map_or(SAFETY, after)));
            }
            Step::CreateJob { attempt } => return self.create_job(attempt).await,
            Step::Running { job, attempt, trouble, again } => {
                return self.running(&job, attempt, trouble.as_ref(), again.map(after)).await;
            }
            Step::Suspended { job, attempt, again } => {
                self.suspended(&job, attempt).await?;
                return Ok(Action::requeue(again.map_or(SAFETY, after)));
            }
            Step::Failed { attempt, failure, stop, next } => {
                self.report_lost_tree(attempt, &failure).await?;
                self.write_failed(attempt, &failure, next).await?;
                return self.stop_jobs(stop.as_slice(), Duration::from_millis(50)).await;
            }
            Step::TakeBack { attempt, failure, next } => {
                return self.take_back(attempt, &failure, next).await;
            }
            Step::Wait(span) => return Ok(Action::requeue(after(span))),
            Step::StopJobs(jobs) => return self.stop_jobs(&jobs, Duration::from_secs(2)).await,
            Step::DeleteJobs(jobs) => {
                apply::delete_script(&context, &self.build).await;
                return self.stop_jobs(&jobs, Duration::from_secs(5)).await;
            }
            Step::Archive(result) => return self.archive(&result).await,
            Step::Fail(failure) => return self.fail(failure).await,
            Step::Refuse(problem) => self.refuse(&problem).await?,
            Step::AwaitRevision(awaited) => return self.await_revision(&awaited).await,
            Step::RefuseRevision(problem) => self.refuse_revision(&problem).await?,
            Step::TurnAway(earlier) => self.turn_away(earlier).await?,
            Step::RemoveFinalizer => {
                context.followers.stop(&self.uid());
                apply::set_finalizer(&context, &self.build, false).await?;
            }
            Step::DeleteObject => apply::delete_object(&context, &self.build).await?,
            Step::Rest => {}
        }
        Ok(Action::await_change())
    }

    /// Deletes Jobs, and repeats the pass after `again`.
    async fn stop_jobs(&self, jobs: &[String], again: Duration) -> Result<Action, Fault> {
        apply::delete_jobs(&self.context, jobs).await?;
        Ok(Action::requeue(again))
    }

    async fn create_cache(&mut self) -> Result<Action, Fault> {
        let resolved = self.resolved().ok_or(Fault::Undecided)?;
        let created = apply::create_build_cache(&self.context, &self.build, &resolved).await;
        self.publish_queued().await?;
        if matches!(created, Err(Fault::NoDistribution)) {
            return self.fail(unavailable(&self.context, &self.build.spec.request)).await;
        }
        created?;
        Ok(Action::requeue(SAFETY))
    }

    /// Reports to the cache that a pod did not find its tree.
    async fn report_lost_tree(&self, attempt: u32, failure: &Failure) -> Result<(), Fault> {
        let job = self.facts.jobs.iter().find(|job| job.attempt == attempt);
        let mounted = job.and_then(|job| Some((job.tree.as_deref()?, job.created)));
        let (FailureReason::TreeLost, Some((tree, began)), Some(resolved)) =
            (failure.reason, mounted, self.resolved())
        else {
            return Ok(());
        };
        let why = &failure.detail;
        Ok(cache::report_lost_tree(&self.context, &resolved.cache_name, tree, began, why).await?)
    }

    async fn create_job(&mut self, number: u32) -> Result<Action, Fault> {
        let whole = self.full_object().await?;
        let (request, hash) = match own(&whole) {
            Ok(own) => own,
            Err(refused) => {
                self.refuse(&refused.to_string()).await?;
                return Ok(Action::await_change());
            }
        };
        let distribution = dereference::distribution(&self.context, &request.distribution);
        let from = Base::of(distribution.as_deref(), &request.distribution, &request.version);
        let parent = dereference::distribution(&self.context, &from.distribution);
        let resolved = self.resolved();
        let (
            CacheFact::Ready { place, image, workspace },
            Some(distribution),
            Some(parent),
            Some(resolved),
        ) = (self.facts.cache.clone(), distribution, parent, resolved)
        else {
            return self.fail(unavailable(&self.context, &whole.spec.request)).await;
        };
        let memory = self.facts.status.memory.clone();
        let attempt = Attempt {
            build: &whole,
            request: &request,
            hash: &hash,
            resolved: &resolved,
            distribution: &distribution.spec,
            base: (&parent.spec, &from.version),
            feeds: base::feeds(&self.context, &distribution, &whole, &from).await?,
            place: &place,
            image: &image,
            workspace,
            number,
            memory: memory.as_deref(),
            settings: &self.context.settings,
        };
        match apply::create_job(&self.context, attempt).await {
            Err(Fault::JobRefused(error)) => self.fail(refused_job(&error)).await,
            Err(Fault::Kube(error)) if is_forbidden(&error) => {
                self.forbidden(&error).await?;
                Err(error.into())
            }
            created => {
                let (job, number) = created?;
                self.begin(&job, number).await
            }
        }
    }

    /// Records that the Job of an attempt was created.
    async fn begin(&mut self, job: &str, number: u32) -> Result<Action, Fault> {
        self.created = true;
        if self.facts.status.attempt.is_none() {
            self.context.metrics.admitted();
        }
        tracing::info!(build = self.build.name_any(), job, attempt = number, "created a Job");
        let action = self.running(job, number, None, None).await?;
        let on = self.build.object_ref(&());
        let note = format!("attempt {number} runs as Job {job}");
        self.context.events.attempt(&on, Begins(number), "Admitted", &note).await;
        Ok(action)
    }

    async fn archive(&mut self, result: &asu_core::result::BuildResult) -> Result<Action, Fault> {
        let log = archive::log(&self.uid(), None, result.log.as_ref());
        let ending = archive::ending(result);
        Finish { ending, log, millis: result.millis.clone() }.run(self).await
    }

    async fn fail(&mut self, failure: Failure) -> Result<Action, Fault> {
        let attempt = self.attempts();
        self.report_lost_tree(attempt, &failure).await?;
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
    tracing::error!(%error, "the API server rejects a Job");
    Failure::new(FailureReason::Internal, "Kubernetes does not accept the Job of this build")
}

/// The requeue delay for a span. 50 ms are added, because times of objects are whole seconds and
/// the pass must not run before the second is over.
fn after(span: jiff::SignedDuration) -> Duration {
    Duration::try_from(span).unwrap_or_default() + Duration::from_millis(50)
}
