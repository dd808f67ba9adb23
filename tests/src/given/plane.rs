//! Control planes with the CustomResourceDefinitions, and namespaces on them.

use std::sync::{Arc, Weak};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt as _, api::PostParams};
use tokio::sync::Mutex;

use crate::cluster::ControlPlane;

/// The control plane that concurrent tests of this process share: each has its own namespace.
pub async fn plane() -> Arc<ControlPlane> {
    static SHARED: Mutex<Weak<ControlPlane>> = Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    if let Some(running) = shared.upgrade() {
        return running;
    }
    let started = own_plane().await;
    *shared = Arc::downgrade(&started);
    started
}

/// A control plane for one test, which may freeze it.
pub async fn own_plane() -> Arc<ControlPlane> {
    let plane = ControlPlane::start().await.expect("a control plane");
    plane.install_definitions().await.expect("the definitions");
    Arc::new(plane)
}

/// A new namespace.
pub async fn namespace(client: &Client) -> String {
    let mut namespace = Namespace::default();
    namespace.metadata.generate_name = Some("test-".into());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let made = namespaces.create(&PostParams::default(), &namespace).await;
    made.expect("a namespace").name_any()
}
