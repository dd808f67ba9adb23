//! Handles a build that requires a revision which the catalog does not have: a client may read the
//! revision of a rebuilt snapshot before the operator does. Asks upstream, and writes that the build
//! waits. Called by the controller.

use std::time::Duration;

use asu_core::offered::Basis;
use asu_crds::{FirmwareBuild, cache_name};
use kube::{ResourceExt, runtime::controller::Action};

use super::{
    base::Base,
    dereference,
    facts::{SoughtRevision, Unaccepted},
    fault::Fault,
    pass::Pass,
    validate::{Offered, Refused, validate, validate_with},
};
use crate::distribution::{Answer, Sought};

/// Interval of passes while upstream is asked. The answer triggers a pass too.
const AGAIN: Duration = Duration::from_secs(15);

impl Pass {
    /// Records whether the build is valid.
    pub(super) fn validate(&mut self, whole: &FirmwareBuild, offered: &Offered) {
        self.accept(validate(whole, offered).map(|accepted| accepted.resolved));
    }

    fn accept(&mut self, validity: Result<asu_crds::Resolved, Refused>) {
        if let Ok(resolved) = &validity {
            self.facts.cache = dereference::cache_fact(&self.context, &resolved.cache_name);
        }
        self.facts.validity = Some(validity.map_err(|refused| match refused {
            Refused::Offer(refusal) if refusal.may_be_read_later() => {
                Unaccepted::NotReadYet(refusal.to_string())
            }
            refused => Unaccepted::Refused(refused.to_string()),
        }));
    }

    /// Asks upstream for the revision. If upstream has it, the build is validated with what was read:
    /// the catalog does not offer it while the former ImageBuilder serves until the new one is ready.
    pub(super) async fn look_for_revision(&mut self) -> Result<(), Fault> {
        let whole = self.full_object().await?;
        let request = &whole.spec.request;
        let object = dereference::distribution(&self.context, &request.distribution);
        let base = Base::of(object.as_deref(), &request.distribution, &request.version);
        let sought = Sought {
            distribution: base.distribution,
            version: base.version,
            target: request.target.clone(),
        };
        if let Some(problem) = self.unasked(&sought.distribution) {
            self.facts.revision = Some(SoughtRevision::Lacking(problem));
            return Ok(());
        }
        let (uid, name) = (self.uid(), self.build.name_any());
        let revision = match self.context.catalogs.looks().ask(&sought, &uid, &name) {
            Answer::Asked => {
                self.context.triggers.distribution(&sought.distribution);
                SoughtRevision::Awaited
            }
            Answer::Read(basis) => {
                let asked = request.version_code.as_deref().unwrap_or_default();
                if basis.version_code == asked {
                    let offered = dereference::offered(&self.context, &whole).await?;
                    let known = self.has_cache(&sought, &basis);
                    self.accept(validate_with(&whole, &Offered { known, ..offered }, basis));
                    SoughtRevision::Awaited
                } else {
                    let has = &basis.version_code;
                    let lacks =
                        format!("version_code: upstream has the revision {has}, not {asked}");
                    SoughtRevision::Lacking(lacks)
                }
            }
        };
        self.facts.revision = Some(revision);
        Ok(())
    }

    /// Why upstream is not asked: nobody reads a suspended Distribution.
    fn unasked(&self, distribution: &str) -> Option<String> {
        let object = dereference::distribution(&self.context, distribution)?;
        object.spec.suspend.then(|| {
            format!("version_code: the Distribution {distribution} is suspended, so upstream is not asked for the revision")
        })
    }

    fn has_cache(&self, sought: &Sought, basis: &Basis) -> bool {
        let Sought { distribution, version, target } = sought;
        let digest = basis.image_builder_sha256.to_string();
        let name = cache_name(distribution, version, target, &digest);
        let cache = dereference::cache(&self.context, &name);
        cache.is_some_and(|cache| cache.metadata.deletion_timestamp.is_none())
    }

    /// Writes that upstream is asked for the revision.
    pub(super) async fn await_revision(&mut self, awaited: &str) -> Result<Action, Fault> {
        let mut writer = self.writer();
        writer.awaits_revision(awaited);
        self.publish(writer.finish()).await?;
        Ok(Action::requeue(AGAIN))
    }
}
