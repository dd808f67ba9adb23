//! Distributions in Git: applied by a GitOps controller, changed, reverted, and wrong.

use asu_crds::{Distribution, FirmwareBuild, ImageBuilderCache};
use asu_tests::{
    fixtures::{Upstream, World as Fixture},
    gitops::{Change, Folder, Health, health},
    given::{Generation, Object, Operator, World, fixture, namespace, plane},
};
use kube::{ResourceExt as _, api::DynamicObject};
use serde_json::{Value, json};

use super::catalogs::{TARGET, reason, status};

/// The two versions that the download servers have, each with its server.
struct Servers {
    opkg: (Fixture, Upstream),
    apk: (Fixture, Upstream),
}

impl Servers {
    fn start() -> Self {
        Self { opkg: fixture(Generation::Opkg), apk: fixture(Generation::Apk) }
    }

    fn versions(&self) -> [&str; 2] {
        [self.apk.0.version(), self.opkg.0.version()]
    }

    /// The file in Git: a Distribution that offers these versions.
    fn file(&self, versions: &[&str]) -> Value {
        let branch = |(fixture, _): &(Fixture, Upstream)| {
            let version = fixture.version();
            let (name, _) = version.rsplit_once('.').expect("a version with a branch");
            let branch = json!({"name": name, "versions": [version], "keys": [fixture.public_key]});
            versions.contains(&version).then_some(branch)
        };
        let branches: Vec<Value> = [&self.apk, &self.opkg].into_iter().filter_map(branch).collect();
        json!({
            "apiVersion": "asu.dev/v1alpha1",
            "kind": "Distribution",
            "metadata": {"name": "fixture"},
            "spec": {
                "title": "Fixture",
                "upstream": {
                    "fetchURLs": [self.opkg.1.base_url(), self.apk.1.base_url()],
                    "publicURL": self.opkg.0.base_url,
                },
                "branches": branches,
            },
        })
    }
}

/// A world whose operator offers what the folder says.
async fn started() -> (World, Servers, Folder, Operator) {
    let servers = Servers::start();
    let (world, operator) = World::with_operator(&[]).await;
    let mut folder = Folder::new(&world.client, &world.namespace);
    let changes = folder.apply(&[servers.file(&servers.versions())]).await.unwrap();
    assert_eq!(changes, [Change::Created]);
    offers(&world, &servers.versions()).await;
    (world, servers, folder, operator)
}

/// Waits until exactly these versions are offered, and the object is healthy.
async fn offers(world: &World, wanted: &[&str]) {
    world
        .until(&format!("{wanted:?} is offered"), async || {
            let catalog = world.pg_store().load_catalog().await.ok()?;
            let found = catalog.distributions.into_iter().find(|found| found.name == "fixture")?;
            let versions: Vec<String> =
                found.offer.branches.iter().flat_map(|branch| branch.versions.clone()).collect();
            let object = world.api::<Distribution>().get("fixture").await.ok()?;
            (versions == wanted && healthy(&object) == Health::Current).then_some(())
        })
        .await;
}

fn healthy<K: Object>(object: &K) -> Health {
    health(&serde_json::to_value(object).unwrap())
}

/// What a write that changes nothing must not change.
fn marks(object: &DynamicObject) -> (Option<i64>, Option<String>, Value) {
    let fields = serde_json::to_value(object.managed_fields()).unwrap();
    (object.metadata.generation, object.resource_version(), fields)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_applied_again_changes_nothing() {
    let (_world, servers, mut folder, _operator) = started().await;
    let file = servers.file(&servers.versions());
    let before = folder.get("fixture").await.unwrap();
    assert_eq!(folder.apply(std::slice::from_ref(&file)).await.unwrap(), [Change::Unchanged]);
    let forced = folder.force(&file).await.unwrap();
    assert_eq!(marks(&forced), marks(&before));
    assert_eq!(forced.metadata.generation, Some(1), "the operator never writes the spec");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_distribution_of_charts_and_documents_is_applied_again_without_a_change() {
    let plane = plane().await;
    let client = plane.client().await.unwrap();
    let mut folder = Folder::new(&client, &namespace(&client).await);
    let mut files = yaml_objects(&read("manifests/distributions.yaml"));
    let document = read("docs/gitops.md");
    for block in document.split("```yaml\n").skip(1) {
        files.extend(yaml_objects(block.split("```").next().unwrap()));
    }
    let mut count = 0;
    for mut file in files.into_iter().filter(|file| file["kind"] == "Distribution") {
        file["metadata"].as_object_mut().unwrap().remove("namespace");
        folder.force(&file).await.unwrap();
        // A creation does not store the default of the status, so the next write does, once.
        let made = folder.force(&file).await.unwrap();
        assert_eq!(marks(&folder.force(&file).await.unwrap()), marks(&made));
        assert_eq!(folder.apply(&[file]).await.unwrap()[0], Change::Unchanged);
        count += 1;
    }
    assert!(count > 1, "one of the chart and those of the document");
}

fn read(path: &str) -> String {
    std::fs::read_to_string(asu_tests::root().join(path)).unwrap()
}

fn yaml_objects(text: &str) -> Vec<Value> {
    let parts = text.split("\n---").filter(|part| part.contains("kind:"));
    parts.map(|part| serde_yaml::from_str(part.trim_start_matches("---")).unwrap()).collect()
}

/// A build as a person makes it with `render-build` and kubectl.
async fn build_of(world: &World, version: &str, package: &str) -> FirmwareBuild {
    let request = json!({
        "distribution": "fixture", "version": version, "target": TARGET,
        "profile": "acme_router-a", "packages": [package],
    });
    let rendered = asu_operator::render::build(&request.to_string()).expect("an object");
    world.create::<FirmwareBuild>(&serde_yaml::from_str(&rendered).expect("YAML")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_removed_from_git_is_not_offered_until_the_removal_is_reverted() {
    let (world, servers, mut folder, _operator) = started().await;
    let [kept, removed] = servers.versions();
    let running = build_of(&world, removed, "fixture-hello").await;
    let accepted = world.status(&running, "it is accepted", |s| s.resolved.is_some()).await;
    let cache = accepted.resolved.unwrap().cache_name;
    world.fill_cache(&cache).await;
    world.job_of(&running).await;

    let changes = folder.apply(&[servers.file(&[kept])]).await.unwrap();
    assert_eq!(changes, [Change::Configured]);
    offers(&world, &[kept]).await;
    let refused = build_of(&world, removed, "fixture-service").await;
    assert_eq!(world.archived(&refused).await.reason.as_deref(), Some("Refused"));
    let Health::Failed(message) = healthy(&get::<FirmwareBuild>(&world, &refused).await) else {
        panic!("a refused build is not healthy");
    };
    assert!(message.contains(removed), "{message}");
    world.succeed(&running).await;
    let ended = world.archived(&running).await;
    assert_eq!(ended.reason.as_deref(), Some("Succeeded"), "a running build goes on");
    assert_eq!(healthy(&get::<FirmwareBuild>(&world, &running).await), Health::Current);

    folder.apply(&[servers.file(&[kept, removed])]).await.unwrap();
    offers(&world, &[kept, removed]).await;
    world
        .until("the cache is healthy", async || {
            let cache = world.api::<ImageBuilderCache>().get(&cache).await.ok()?;
            (healthy(&cache) == Health::Current).then_some(())
        })
        .await;
}

async fn get<K: Object>(world: &World, object: &K) -> K {
    world.api::<K>().get(&object.name_any()).await.unwrap()
}

/// Changes the branches of a Distribution, which offers this version.
type Mistake = fn(&mut Value, &str);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contradiction_in_git_is_stalled_with_a_message_until_it_is_reverted() {
    let (world, servers, mut folder, _operator) = started().await;
    let good = servers.file(&servers.versions());
    let version = servers.opkg.0.version();
    let mistakes: [(Mistake, String); 3] = [
        (
            |branches, version| branches[0]["versions"] = json!([version]),
            format!("version {version} is listed in two branches"),
        ),
        (|branches, _| branches[1]["endOfLife"] = json!("2026-02-31"), "2026-02-31".to_owned()),
        (
            |branches, _| {
                for branch in branches.as_array_mut().unwrap() {
                    branch["keys"] = json!(["n".repeat(56)]);
                }
            },
            "spec.branches[25.12].keys".to_owned(),
        ),
    ];
    for (mistake, why) in mistakes {
        let mut bad = good.clone();
        mistake(&mut bad["spec"]["branches"], version);
        assert_eq!(folder.apply(&[bad]).await.unwrap(), [Change::Configured]);
        status(&world, &why, |status| reason(status) == "Refused").await;
        let object = world.api::<Distribution>().get("fixture").await.unwrap();
        let Health::Failed(message) = healthy(&object) else { panic!("{why}: {object:?}") };
        assert!(message.contains(&why), "{message}");
        let catalog = world.pg_store().load_catalog().await.unwrap();
        let offered = catalog.distributions.iter().find(|found| found.name == "fixture").unwrap();
        assert_eq!(offered.versions.len(), 2, "the last good catalog stays");
        folder.apply(std::slice::from_ref(&good)).await.unwrap();
        offers(&world, &servers.versions()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_no_controller_has_seen_is_in_progress() {
    async fn assert_unseen<K: Object>(client: &kube::Client, name: &str, object: &K) {
        let api = kube::Api::<K>::namespaced(client.clone(), name);
        let made = api.create(&kube::api::PostParams::default(), object).await.unwrap();
        assert!(matches!(healthy(&made), Health::InProgress(_)), "{made:?}");
    }
    let plane = plane().await;
    let client = plane.client().await.unwrap();
    let name = namespace(&client).await;
    assert_unseen(&client, &name, &asu_crds::examples::distribution()).await;
    assert_unseen(&client, &name, &asu_crds::examples::cache()).await;
    assert_unseen(&client, &name, &asu_crds::examples::build()).await;
}
