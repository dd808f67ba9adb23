//! The control plane of these tests.

use std::sync::{Arc, Weak};

use asu_tests::cluster::ControlPlane;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt as _, api::PostParams};
use tokio::sync::Mutex;

/// The one that tests of this process which run at the same time share: each has a namespace of its
/// own.
pub async fn shared() -> Arc<ControlPlane> {
    static SHARED: Mutex<Weak<ControlPlane>> = Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    if let Some(running) = shared.upgrade() {
        return running;
    }
    let started = Arc::new(ControlPlane::start().await.expect("a control plane"));
    started.install_definitions().await.expect("the definitions");
    *shared = Arc::downgrade(&started);
    started
}

/// A new namespace.
pub async fn namespace(client: &Client) -> String {
    let mut namespace = Namespace::default();
    namespace.metadata.generate_name = Some("operator-".into());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let made = namespaces.create(&PostParams::default(), &namespace).await;
    made.expect("a namespace").name_any()
}
