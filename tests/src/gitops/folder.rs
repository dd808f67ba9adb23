//! Applies the Distributions of a folder as kustomize-controller of Flux does.

use std::collections::BTreeSet;

use asu_crds::Distribution;
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
};
use serde_json::Value;

/// Field manager of kustomize-controller.
const MANAGER: &str = "kustomize-controller";

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It did not exist.
    Created,
    /// It differed from the folder.
    Configured,
    /// It was as the folder says, so nothing was written.
    Unchanged,
    /// It was deleted, because the folder no longer contains it.
    Pruned,
}

/// A folder of Distributions, and the names of the objects that were applied from it.
pub struct Folder {
    api: Api<DynamicObject>,
    inventory: BTreeSet<String>,
}

impl Folder {
    /// A folder for a namespace, from which nothing was applied yet.
    pub fn new(client: &Client, namespace: &str) -> Self {
        let kind = ApiResource::erase::<Distribution>(&());
        let api = Api::namespaced_with(client.clone(), namespace, &kind);
        Self { api, inventory: BTreeSet::new() }
    }

    /// Applies the folder's content: compares each object with the result of a dry run, writes it if they
    /// differ, and then deletes the objects that a former content had.
    ///
    /// # Errors
    /// What the API server refuses.
    pub async fn apply(&mut self, content: &[Value]) -> Result<Vec<Change>, kube::Error> {
        let mut changes = Vec::new();
        let mut names = BTreeSet::new();
        for object in content {
            let name = name(object);
            let live = self.api.get_opt(&name).await?;
            let wanted = self.patch(object, true).await?;
            changes.push(match live {
                Some(live) if same(&live, &wanted) => Change::Unchanged,
                live => {
                    self.patch(object, false).await?;
                    if live.is_some() { Change::Configured } else { Change::Created }
                }
            });
            names.insert(name);
        }
        for gone in self.inventory.difference(&names) {
            self.api.delete(gone, &DeleteParams::default()).await?;
            changes.push(Change::Pruned);
        }
        self.inventory = names;
        Ok(changes)
    }

    /// Applies an object without a comparison, and returns it as it then is.
    ///
    /// # Errors
    /// What the API server refuses.
    pub async fn force(&self, object: &Value) -> Result<DynamicObject, kube::Error> {
        self.patch(object, false).await
    }

    async fn patch(&self, object: &Value, dry_run: bool) -> Result<DynamicObject, kube::Error> {
        let params = PatchParams { dry_run, ..PatchParams::apply(MANAGER).force() };
        // Unknown fields are errors, as with kubectl.
        let params = params.validation_strict();
        self.api.patch(&name(object), &params, &Patch::Apply(object)).await
    }

    /// An object of the folder's namespace.
    ///
    /// # Errors
    /// When it does not exist.
    pub async fn get(&self, name: &str) -> Result<DynamicObject, kube::Error> {
        self.api.get(name).await
    }
}

fn name(object: &Value) -> String {
    let name = object.pointer("/metadata/name").and_then(Value::as_str);
    name.unwrap_or_default().to_owned()
}

/// Whether two states of an object differ only in what controllers write.
fn same(live: &DynamicObject, wanted: &DynamicObject) -> bool {
    let metadata = |object: &DynamicObject| (object.labels().clone(), object.annotations().clone());
    metadata(live) == metadata(wanted) && live.data.get("spec") == wanted.data.get("spec")
}
