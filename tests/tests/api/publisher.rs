//! Where the catalog of these tests comes from: an operator reads it from a download server, as in
//! production, and ends before the test begins.

use asu_crds::{Distribution, DistributionSpec, condition};
use asu_tests::given::{self, DownloadServer};
use kube::api::{DeleteParams, Patch, PatchParams};

use crate::{harness::until, samples::VERSION_CODE};

/// An operator of a world.
pub struct Publisher<'a> {
    pub world: &'a given::World,
}

impl Publisher<'_> {
    /// Publishes the distribution `openwrt` with these versions and limits.
    pub async fn publish(&self, versions: &[&str], limits: serde_json::Value) {
        let limits = serde_json::from_value(limits).unwrap();
        self.publish_with(versions, |spec| spec.limits = limits).await;
    }

    /// Publishes the distribution `openwrt` with these versions and this change of its spec.
    pub async fn publish_with(
        &self,
        versions: &[&str],
        change: impl FnOnce(&mut DistributionSpec),
    ) {
        let server = DownloadServer::start(versions, VERSION_CODE).await;
        let mut object = given::distribution_of(&server.url);
        let branch = &mut object.spec.branches[0];
        branch.versions = versions.iter().map(ToString::to_string).collect();
        branch.branch_off_rev = Some(27990);
        change(&mut object.spec);
        let params = PatchParams::apply("test").force();
        let api = self.world.api::<Distribution>();
        let applied = api.patch("openwrt", &params, &Patch::Apply(&object)).await.unwrap();
        let generation = applied.metadata.generation;
        self.operate("the catalog", async || {
            let status = api.get("openwrt").await.ok()?.status?;
            let ready = condition(&status.conditions, "Ready")?;
            let current = ready.observed_generation == generation && ready.reason == "UpToDate";
            current.then_some(())
        })
        .await;
    }

    /// Takes the distribution away.
    pub async fn withdraw(&self) {
        let api = self.world.api::<Distribution>();
        api.delete("openwrt", &DeleteParams::default()).await.unwrap();
        self.operate("the end of the distribution", async || {
            api.get_opt("openwrt").await.ok()?.is_none().then_some(())
        })
        .await;
    }

    /// Runs an operator until then.
    pub async fn operate(&self, what: &str, done: impl AsyncFn() -> Option<()>) {
        // There is no claim that caches could share.
        let operator = self.world.operator("publisher", &["--cache-claim-mode=perCache"]).await;
        until(what, done).await;
        operator.terminate().await.unwrap();
    }
}
