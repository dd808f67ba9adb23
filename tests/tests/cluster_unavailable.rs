//! What clients see through the ingress while no pod of the API can answer.
#![expect(clippy::unwrap_used, reason = "a failing step ends its test")]

use asu_tests::{
    deploy::{NAMESPACE, apply},
    scenario::{System, WITHIN},
};
use http::Method;
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use serde_json::{Value, json};

const HOST: &str = "unavailable.example.org";

/// A Service that no pod belongs to.
fn nothing() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "nothing", "namespace": NAMESPACE},
        "spec": {"selector": {"app": "nothing"}, "ports": [{"port": 80}]},
    })
}

/// An Ingress of the host with the annotations of an installed one.
async fn like(ingresses: &Api<Ingress>, installed: &str, name: &str, service: &str) -> Value {
    let mut annotations = ingresses.get(installed).await.unwrap().metadata.annotations.unwrap();
    if let Some(priority) = annotations.get_mut("traefik.ingress.kubernetes.io/router.priority") {
        // The installed Ingress of the API is for all hosts, and would be before this one.
        "1000".clone_into(priority);
    }
    let backend = json!({"service": {"name": service, "port": {"number": 80}}});
    let path = json!({"path": "/", "pathType": "Prefix", "backend": backend});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name, "namespace": NAMESPACE, "annotations": annotations},
        "spec": {"rules": [{"host": HOST, "http": {"paths": [path]}}]},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_api_web_clients_get_json_with_503_and_may_read_it() {
    let system = System::attach().await.unwrap();
    let ingresses: Api<Ingress> = Api::namespaced(system.client.clone(), NAMESPACE);
    for object in [
        nothing(),
        like(&ingresses, "asu", "nothing", "nothing").await,
        like(&ingresses, "asu-unavailable", "instead", "asu-unavailable").await,
    ] {
        apply(&system.site, &object).await.unwrap();
    }
    let url = format!("{}/api/v1/build", system.site.url().await.unwrap());
    let http = reqwest::Client::new();
    let send = async |method: Method| {
        let request = http.request(method, &url).header("host", HOST);
        let request = request.header("origin", "http://192.168.1.1").body("{}");
        request.header("access-control-request-method", "POST").send().await.unwrap()
    };
    let known = system.until("the ingress knows the host", WITHIN, || async {
        let status = send(Method::GET).await.status().as_u16();
        Ok(if status == 503 { Ok(()) } else { Err(status.to_string()) })
    });
    known.await.unwrap();
    let preflight = send(Method::OPTIONS).await;
    assert!(preflight.status().is_success(), "{}", preflight.status());
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    for method in [Method::GET, Method::POST] {
        let answer = send(method).await;
        let origins = answer.headers().get_all("access-control-allow-origin");
        assert_eq!(origins.iter().collect::<Vec<_>>(), ["*"]);
        assert_eq!(answer.headers()["retry-after"], "300");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["status"], 503);
        assert!(body["error"].is_string() && body["detail"].is_string(), "{body}");
    }
    for object in ["ingress/nothing", "ingress/instead", "service/nothing"] {
        system.site.kubectl(&["delete", object, "-n", NAMESPACE]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_the_api_pass_the_ingress_unchanged_with_one_header_for_other_origins() {
    let system = System::attach().await.unwrap();
    let base = system.site.url().await.unwrap();
    let http = reqwest::Client::new();
    for (path, status) in [("/json/v1/overview.json", 200), ("/api/v1/build/0", 404)] {
        for origin in [None, Some("http://192.168.1.1")] {
            let request = http.get(format!("{base}{path}"));
            let request = origin.into_iter().fold(request, |r, origin| r.header("origin", origin));
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), status);
            let origins = answer.headers().get_all("access-control-allow-origin");
            assert_eq!(origins.iter().collect::<Vec<_>>(), ["*"], "{path} {origin:?}");
        }
    }
}
