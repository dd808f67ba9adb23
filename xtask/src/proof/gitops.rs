//! `cargo xtask proof gitops`: shows with Flux that what is committed is offered, and what is reverted is not.

use std::time::{Duration, Instant};

use asu_tests::{
    cluster::Cluster,
    deploy::{self, Deployment, Options, Site, upstream},
    fixtures::World,
    progress::Progress,
    router::Router,
};
use serde_json::{Value, json};

use super::{Error, flux, git_server::GitServer};

/// The cluster of this proof.
const CLUSTER: &str = "proof-gitops";
/// Name of the Distribution in Git.
const NAME: &str = "site";
/// Its file, and the file's folder.
const FILE: &str = "distributions/site.yaml";
const FOLDER: &str = "./distributions";
/// Versions of the fixture's download server: one that is offered all the time, and one that is not.
const OLD: &str = "24.10.7";
const NEW: &str = "24.10.8";
/// Time limit of each expectation: Flux looks every two seconds, but the machine may be busy.
const WITHIN: Duration = Duration::from_mins(3);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Show with Flux that versions are offered and removed by commits.
///
/// Starts a local cluster of its own, installs the system with the fixture's download server, and starts
/// Flux's source-controller and kustomize-controller, which are built from pinned Go modules, and a Git
/// server. Then it commits Distributions, and checks what the API offers and what Flux reports:
/// a committed version is offered; nothing is written while nothing is committed; a contradiction is
/// reported as a failure and changes nothing; a reverted version is no longer offered; without the
/// Kustomization, nothing is offered.
///
/// The first run builds the controllers (about ten minutes on two cores, in addition to the programs of the
/// cluster), later runs take a few minutes. The cluster is removed at the end, also after a failure. Exit
/// code 1 means that an expectation was not met.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keep the cluster, to inspect it with `cargo xtask cluster env --name proof-gitops`. The next run uses
    /// it again.
    #[arg(long)]
    keep: bool,
}

/// Runs the proof.
///
/// # Errors
/// The step that failed, or the expectation that was not met.
pub async fn run(args: Args) -> Result<(), Error> {
    let progress = Progress::new();
    let outcome = prove(&progress).await;
    if args.keep {
        progress.say(&format!("remove: cargo xtask cluster down --name {CLUSTER}"));
    } else {
        let removed = Cluster::down(CLUSTER, &progress).await;
        // The first error is the one to report.
        if outcome.is_ok() {
            removed?;
        }
    }
    let shown = outcome?;
    println!("\nproof gitops: {} of {} expectations were met", shown.len(), shown.len());
    for line in shown {
        println!("  ok  {line}");
    }
    Ok(())
}

/// Installs everything and goes through the commits. Returns what was shown.
async fn prove(progress: &Progress) -> Result<Vec<String>, Error> {
    let site = Site::local(CLUSTER, progress).await?;
    Deployment::install(&site, &Options::for_demo(None), progress).await?;
    let world =
        World::ensure_all(&asu_tests::toolchain::cache_dir()).map_err(deploy::Error::from)?;
    flux::install(&site, progress).await?;
    let git = GitServer::start(&site, progress).await?;
    let router = Router::new(&site.url().await?);
    let proof = Proof { site: &site, git, router, progress, shown: Vec::new() };
    proof.go(&Files { world }).await
}

struct Proof<'a> {
    site: &'a Site,
    git: GitServer<'a>,
    router: Router,
    progress: &'a Progress,
    shown: Vec<String>,
}

impl Proof<'_> {
    async fn go(mut self, files: &Files) -> Result<Vec<String>, Error> {
        let (old, new) = (OLD, NEW);
        let first = self.commit(&files.offering(&[old]), &format!("Offer {old}")).await?;
        flux::follow(self.site, FOLDER).await?;
        self.applied(&first).await?;
        self.offered(&[old], &format!("{old} is offered after its commit")).await?;

        let second = self.commit(&files.offering(&[new, old]), &format!("Offer {new}")).await?;
        self.applied(&second).await?;
        self.offered(&[old, new], &format!("{new} is offered after its commit")).await?;
        self.quiet().await?;

        let bad = self.commit(&files.contradicting(), &format!("List {old} twice")).await?;
        self.refused(&bad, &format!("version {old} is listed in two branches")).await?;
        self.offered(&[old, new], "what was offered before the refused commit still is").await?;
        let good = self.revert(&bad, "the refused commit").await?;
        self.applied(&good).await?;
        self.offered(&[old, new], "after the revert of the refused commit, Flux is ready").await?;

        let back = self.revert(&second, &format!("\"Offer {new}\"")).await?;
        self.applied(&back).await?;
        self.offered(&[old], &format!("{new} is gone after the revert, {old} is not")).await?;

        let kind = "kustomizations.kustomize.toolkit.fluxcd.io";
        self.progress.say("delete the Kustomization");
        self.site.kubectl(&["delete", kind, flux::NAME, "-n", flux::NAMESPACE]).await?;
        self.offered(&[], "the Distribution is pruned with its Kustomization").await?;
        Ok(self.shown)
    }

    async fn commit(&self, file: &Value, message: &str) -> Result<String, Error> {
        // JSON is YAML.
        let text = format!("{file:#}\n");
        let commit = self.git.commit(FILE, &text, message).await?;
        self.progress.say(&format!("commit {}: {message}", short(&commit)));
        Ok(commit)
    }

    async fn revert(&self, commit: &str, what: &str) -> Result<String, Error> {
        let made = self.git.revert(commit).await?;
        self.progress.say(&format!("commit {}: git revert of {what}", short(&made)));
        Ok(made)
    }

    /// Waits until Flux reports that a commit is applied and everything of it healthy.
    async fn applied(&self, commit: &str) -> Result<(), Error> {
        let what = format!("Flux has applied {} and everything is healthy", short(commit));
        self.until(&what, async || {
            let (object, ready, said) = self.kustomization().await?;
            let applied = text(&object, "/status/lastAppliedRevision").ends_with(commit);
            Ok(if applied && ready == "True" { Ok(()) } else { Err(said) })
        })
        .await?;
        self.progress.say(&format!("Flux is ready at {}", short(commit)));
        Ok(())
    }

    /// Waits until Flux reports a commit as unhealthy, with the operator's message.
    async fn refused(&mut self, commit: &str, why: &str) -> Result<(), Error> {
        let what = format!("Flux reports {} as unhealthy: {why}", short(commit));
        self.until(&what, async || {
            let (object, ready, said) = self.kustomization().await?;
            let attempted = text(&object, "/status/lastAttemptedRevision").ends_with(commit);
            Ok(if attempted && ready == "False" { Ok(()) } else { Err(said) })
        })
        .await?;
        let (_, _, said) = self.kustomization().await?;
        self.progress.say(&format!("Flux says: {said}"));
        let kubectl = ["get", "dist", NAME, "-n", deploy::NAMESPACE, "-o", "json"];
        let object = json_of(&self.site.kubectl(&kubectl).await?);
        let stalled = condition(&object, "Stalled");
        if stalled != ("True".to_owned(), why.to_owned()) {
            let limit = 0;
            return Err(Error::Missing { what, seen: format!("Stalled: {stalled:?}"), limit });
        }
        self.shown.push(format!("a contradiction is Stalled with its message: {why}"));
        Ok(())
    }

    /// Waits until the API offers exactly these versions of the Distribution; none if it does not exist.
    async fn offered(&mut self, wanted: &[&str], what: &str) -> Result<(), Error> {
        self.until(what, async || {
            let path = format!("/json/v1/overview.json?distro={NAME}");
            let answer = self.router.ask(reqwest::Method::GET, &path, None).await?;
            let mut versions = versions(&answer.body);
            versions.sort();
            let known = if wanted.is_empty() { 400 } else { 200 };
            let met = answer.status == known && versions == wanted;
            Ok(if met { Ok(()) } else { Err(format!("{} {versions:?}", answer.status)) })
        })
        .await?;
        self.progress.say(&format!("overview.json offers {wanted:?}"));
        self.shown.push(what.to_owned());
        Ok(())
    }

    /// Shows that Flux writes nothing to the Distribution while nothing is committed: it reconciles at least
    /// twice, and neither the generation nor the fields that it manages change.
    async fn quiet(&mut self) -> Result<(), Error> {
        let kubectl =
            ["get", "dist", NAME, "-n", deploy::NAMESPACE, "--show-managed-fields", "-o", "json"];
        let before = json_of(&self.site.kubectl(&kubectl).await?);
        for _ in 0..2 {
            self.reconciled().await?;
        }
        let after = json_of(&self.site.kubectl(&kubectl).await?);
        if marks(&before) != marks(&after) {
            let seen = format!("{:#} and then {:#}", marks(&before), marks(&after));
            let what = "no change of the Distribution".to_owned();
            return Err(Error::Missing { what, seen, limit: 0 });
        }
        self.shown.push("two more reconciliations by Flux write nothing".to_owned());
        Ok(())
    }

    /// Asks Flux for a reconciliation, and waits until it has handled the request.
    async fn reconciled(&self) -> Result<(), Error> {
        let stamp = jiff::Timestamp::now().to_string();
        let annotation = format!("reconcile.fluxcd.io/requestedAt={stamp}");
        let kind = "kustomizations.kustomize.toolkit.fluxcd.io";
        let annotate = ["annotate", kind, flux::NAME, "-n", flux::NAMESPACE, "--overwrite"];
        self.site.kubectl(&[&annotate[..], &[annotation.as_str()]].concat()).await?;
        self.until("Flux has reconciled again", async || {
            let (object, ready, said) = self.kustomization().await?;
            let handled = text(&object, "/status/lastHandledReconcileAt") == stamp;
            Ok(if handled && ready == "True" { Ok(()) } else { Err(said) })
        })
        .await
    }

    /// The Kustomization, and value and message of its condition `Ready`.
    async fn kustomization(&self) -> Result<(Value, String, String), Error> {
        let kind = "kustomizations.kustomize.toolkit.fluxcd.io";
        let get = ["get", kind, flux::NAME, "-n", flux::NAMESPACE, "-o", "json"];
        let object = json_of(&self.site.kubectl(&get).await?);
        let (ready, message) = condition(&object, "Ready");
        Ok((object, ready, message))
    }

    async fn until(
        &self,
        what: &str,
        look: impl AsyncFn() -> Result<Result<(), String>, Error>,
    ) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            let Err(seen) = look().await? else { return Ok(()) };
            if started.elapsed() > WITHIN {
                return Err(Error::Missing { what: what.into(), seen, limit: WITHIN.as_secs() });
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// What the file in Git says.
struct Files {
    world: World,
}

impl Files {
    /// A Distribution that offers these versions.
    fn offering(&self, versions: &[&str]) -> Value {
        let key = &self.world.public_key;
        json!({
            "apiVersion": "asu.dev/v1alpha1", "kind": "Distribution",
            "metadata": { "name": NAME, "namespace": deploy::NAMESPACE },
            "spec": {
                "title": "Site",
                "upstream": { "fetchURLs": [upstream::URL], "publicURL": self.world.base_url },
                "branches": [{ "name": "24.10", "versions": versions, "keys": [key] }],
            },
        })
    }

    /// A Distribution that contradicts itself in a way that only the operator notices.
    fn contradicting(&self) -> Value {
        let mut file = self.offering(&[NEW, OLD]);
        let mut copy = file["spec"]["branches"][0].clone();
        copy["name"] = json!("copy");
        copy["versions"] = json!([OLD]);
        file["spec"]["branches"] = json!([file["spec"]["branches"][0], copy]);
        file
    }
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Value and message of a condition.
fn condition(object: &Value, type_: &str) -> (String, String) {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let found = conditions.into_iter().flatten().find(|found| found["type"] == type_);
    let field = |name| found.map_or("", |found| text(found, name)).to_owned();
    (field("/status"), field("/message"))
}

/// All versions of an overview.
fn versions(overview: &Value) -> Vec<String> {
    let branches = overview["branches"].as_object().into_iter().flatten();
    let lists = branches.filter_map(|(_, branch)| branch["versions"].as_array());
    lists.flatten().filter_map(|version| version.as_str().map(str::to_owned)).collect()
}

/// The generation of an object, and the fields that Flux manages.
fn marks(object: &Value) -> Value {
    let managers = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let flux: Vec<&Value> = managers
        .into_iter()
        .flatten()
        .filter(|entry| entry["manager"] == "kustomize-controller")
        .collect();
    json!({ "generation": object.pointer("/metadata/generation"), "flux": flux })
}

fn short(commit: &str) -> String {
    commit.chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_all_branches_are_found() {
        let overview =
            json!({"branches": {"a": {"versions": ["1"]}, "b": {"versions": ["3", "2"]}}});
        assert_eq!(versions(&overview), ["1", "3", "2"]);
        assert_eq!(versions(&json!({"detail": "Unsupported distro"})), [""; 0]);
    }

    #[test]
    fn only_the_fields_of_flux_are_compared() {
        let object = |operator: &str| {
            let fields = json!([
                {"manager": "asu-operator", "time": operator},
                {"manager": "kustomize-controller", "time": "1"},
            ]);
            json!({"metadata": {"generation": 3, "managedFields": fields}})
        };
        assert_eq!(marks(&object("1")), marks(&object("2")));
        assert_eq!(marks(&object("1"))["flux"].as_array().map(Vec::len), Some(1));
    }
}
