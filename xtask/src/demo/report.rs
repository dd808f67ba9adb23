//! Prints the results of the demo, and the next steps.

use std::path::PathBuf;

use asu_core::request_hash::object_name;
use asu_tests::{
    deploy::{NAMESPACE, Site},
    router::{Answer, Image},
};

use super::{Api, Error};

/// The content of the report.
pub(super) struct Report<'a> {
    pub(super) site: &'a Site,
    pub(super) context: Option<&'a str>,
    pub(super) url: &'a str,
    pub(super) answer: &'a Answer,
    pub(super) api: Api,
}

impl Report<'_> {
    /// Waits until the object has the state of the API's answer, because the build is archived before its
    /// object is updated. Does not wait for the object of an older build, which may be deleted.
    async fn settle(&self) {
        let Ok(hash) = self.answer.text("request_hash").parse() else { return };
        let object = format!("fwb/{}", object_name(&hash));
        let wait = ["wait", "--for=condition=Ready", "--timeout=10s", "--namespace", NAMESPACE];
        let _ = self.site.kubectl(&[&wait[..], &[object.as_str()]].concat()).await;
    }

    /// Where the build can be read, with names.
    fn addresses(&self) -> [(&'static str, String); 2] {
        let hash = self.answer.text("request_hash");
        match self.api {
            Api::V1 => [
                ("answer", format!("/api/v1/build/{hash}")),
                ("log", format!("/api/v1/build/{hash}/log")),
            ],
            Api::Legacy => [
                ("answer", format!("/api/build-request/{hash}")),
                ("files", self.answer.text("files").to_owned()),
            ],
        }
    }

    /// Prints it.
    ///
    /// # Errors
    /// When kubectl fails.
    pub(super) async fn print(&self, images: &[Image], paths: &[PathBuf]) -> Result<(), Error> {
        self.settle().await;
        let kinds = ["get", "dist,ibc,fwb", "--namespace", NAMESPACE];
        println!("\n{}", self.site.kubectl(&kinds).await?);
        for (image, path) in images.iter().zip(paths) {
            println!("image   {}", path.display());
            println!(
                "        {} bytes, sha256 {} (as the answer says)",
                image.bytes.len(),
                image.sha256
            );
        }
        let url = self.url;
        println!();
        for (name, path) in self.addresses() {
            println!("{name:<7} {url}{path}");
        }
        println!("catalog {url}/json/v1/overview.json");
        println!("OpenAPI {url}/openapi.json");
        println!();
        match self.context {
            None => {
                println!("inspect:       eval \"$(cargo xtask cluster env)\"");
                println!(
                    "               kubectl get asu -n {NAMESPACE} -o wide; kubectl describe fwb -n {NAMESPACE}"
                );
                println!("remove:        cargo xtask cluster down");
            }
            Some(context) => {
                let flags = format!("--context {context} -n {NAMESPACE}");
                println!("inspect:       kubectl {flags} get asu -o wide");
                println!("remove:        kubectl {flags} delete fwb,ibc --all");
                // The Distributions are deleted first, while the operator still runs and removes their finalizers.
                for release in ["asu-distributions --wait", "asu"] {
                    println!(
                        "               helm uninstall --kube-context {context} -n {NAMESPACE} {release}"
                    );
                }
                println!(
                    "               kubectl --context {context} delete namespace {NAMESPACE} upstream --ignore-not-found"
                );
                println!(
                    "               kubectl --context {context} get crd -o name | grep asu.dev | xargs -r kubectl --context {context} delete"
                );
            }
        }
        Ok(())
    }
}
