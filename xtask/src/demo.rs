//! `cargo xtask demo`: from nothing to a firmware image, the way operators and routers do it.

use std::{path::PathBuf, time::Duration};

use asu_tests::{
    deploy::{self, Deployment, NAMESPACE, Site},
    progress::Progress,
    router::{self, Answer, Image, Router},
};
use serde_json::Value;

/// Name of the demo's cluster.
const CLUSTER: &str = "local";
/// A build has a cache to fill first, and then runs for as long as its Distribution allows.
const WITHIN: Duration = Duration::from_mins(15);

/// Arguments of `cargo xtask demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Use this context of your kubeconfig instead of a local cluster.
    #[arg(long, value_name = "NAME", requires = "registry")]
    context: Option<String>,
    /// Push the images to this registry, from which the nodes of --context can pull.
    #[arg(long, value_name = "REF", requires = "context")]
    registry: Option<String>,
    /// Where the API is reached on that cluster; its ingress' own address when absent.
    #[arg(long, value_name = "URL", requires = "context")]
    url: Option<String>,
    /// A Distribution (YAML) instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    distribution: Option<PathBuf>,
    /// A build request (JSON, as routers send it) instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// Folder for the image.
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    output: PathBuf,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The installation.
    #[error(transparent)]
    Deploy(#[from] deploy::Error),
    /// The build.
    #[error(transparent)]
    Router(#[from] router::Error),
    /// A file.
    #[error("{path}: {problem}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The answer names no image.
    #[error("the build succeeded but its answer names no image")]
    NoImage,
}

impl Error {
    /// 3 when the machine lacks something, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Deploy(error) => error.exit_code(),
            _ => 1,
        }
    }
}

/// Runs the demo.
///
/// # Errors
/// The step that failed.
pub async fn run(args: DemoArgs) -> Result<(), Error> {
    let progress = Progress::new();
    let request = request(args.request.as_deref())?;
    let site = match (&args.context, &args.registry) {
        (Some(context), Some(registry)) => {
            Site::context(context, registry, args.url.clone(), &progress).await?
        }
        _ => Site::local(CLUSTER, &progress).await?,
    };
    let upstream = if args.distribution.is_some() {
        "the download server that your Distribution names"
    } else {
        "the fixture: a miniature ImageBuilder and packages of our own"
    };
    progress.say(&format!("upstream is {upstream}"));
    let options = deploy::Options::for_demo(args.distribution.clone());
    Deployment::install(&site, &options, &progress).await?;
    let url = site.url().await?;
    let router = Router::new(&url);
    progress.say(&format!("POST {url}/api/v1/build"));
    let answer =
        router.build(&request, WITHIN, |state| progress.say(&format!("build: {state}"))).await?;
    let images = router.images(&answer).await?;
    let paths = save(&args.output, &images)?;
    report(&site, &args, &url, &answer, &images, &paths).await
}

fn request(path: Option<&std::path::Path>) -> Result<Value, Error> {
    let built_in = include_str!("demo-request.json");
    let (path, text) = match path {
        None => (PathBuf::from("demo-request.json"), built_in.to_owned()),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Error::File { path: path.into(), problem: error.to_string() })?;
            (path.to_path_buf(), text)
        }
    };
    serde_json::from_str(&text).map_err(|error| Error::File { path, problem: error.to_string() })
}

fn save(folder: &std::path::Path, images: &[Image]) -> Result<Vec<PathBuf>, Error> {
    let folder = asu_tests::root().join(folder);
    let file = |path: &std::path::Path, error: std::io::Error| Error::File {
        path: path.into(),
        problem: error.to_string(),
    };
    std::fs::create_dir_all(&folder).map_err(|error| file(&folder, error))?;
    let mut paths = Vec::new();
    for image in images {
        let path = folder.join(&image.name);
        std::fs::write(&path, &image.bytes).map_err(|error| file(&path, error))?;
        paths.push(path);
    }
    if paths.is_empty() { Err(Error::NoImage) } else { Ok(paths) }
}

async fn report(
    site: &Site,
    args: &DemoArgs,
    url: &str,
    answer: &Answer,
    images: &[Image],
    paths: &[PathBuf],
) -> Result<(), Error> {
    let table = site.kubectl(&["get", "dist,ibc,fwb", "--namespace", NAMESPACE]).await?;
    println!("\n{table}");
    for (image, path) in images.iter().zip(paths) {
        println!("image   {}", path.display());
        println!(
            "        {} bytes, sha256 {} (as the answer says)",
            image.bytes.len(),
            image.sha256
        );
    }
    println!("\nanswer  {url}/api/v1/build/{}", answer.text("request_hash"));
    println!("log     {url}/api/v1/build/{}/log", answer.text("request_hash"));
    println!("offers  {url}/json/v1/overview.json");
    println!("OpenAPI {url}/openapi.json");
    if args.context.is_none() {
        println!("\nlook further:  eval \"$(cargo xtask cluster env)\"");
        println!("               kubectl get asu -A -o wide; kubectl describe fwb -n {NAMESPACE}");
        println!("tear down:     cargo xtask cluster down");
    } else {
        println!("\nlook further:  kubectl get asu -n {NAMESPACE} -o wide");
        println!("tear down:     helm uninstall -n {NAMESPACE} asu-distributions asu");
    }
    Ok(())
}
