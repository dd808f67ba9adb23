//! `cargo xtask demo`: installs the system and builds a firmware image, like an operator and a router.

mod follow;
mod own_package;
mod report;
mod upstream;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use asu_tests::{
    chef::{Chef, Choice},
    cluster::Reach,
    deploy::{self, Deployment, Site},
    progress::Progress,
    router::{self, Answer, Image, Router},
};
use serde_json::Value;

/// Name of the demo's cluster.
const CLUSTER: &str = "local";
/// Time limit: the cache must be populated first, and then the build may take its full time limit.
const WITHIN: Duration = Duration::from_mins(20);

/// Arguments of `cargo xtask demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Use this context of your kubeconfig instead of a local cluster.
    #[arg(long, value_name = "NAME", requires = "registry")]
    context: Option<String>,
    /// Push the images to this registry, from which the nodes of --context can pull.
    #[arg(long, value_name = "REF", requires = "context")]
    registry: Option<String>,
    /// URL of the API on that cluster. Without this option, it is the address of its Ingress.
    #[arg(long, value_name = "URL", requires = "context")]
    url: Option<String>,
    /// `openwrt` or `libremesh`, the built-in miniature distributions, or a file with a Distribution
    /// (YAML) to use instead. On a local cluster, pods can reach only the outside hosts that it names.
    #[arg(long, value_name = "NAME|FILE")]
    distribution: Option<PathBuf>,
    /// Use the chart's Distribution of OpenWrt and OpenWrt's download server instead of the built-in
    /// miniature one. This downloads a few hundred megabytes.
    #[arg(long, conflicts_with = "distribution")]
    openwrt: bool,
    /// File with a build request (JSON, as routers send it) to use instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// An additional outside host that the pods of a local cluster may reach. May be given several times.
    #[arg(long, value_name = "HOST:PORT[=ADDRESS:PORT]", conflicts_with = "context")]
    reach: Vec<Reach>,
    /// The API that is used: `v1` like owut, or `legacy` like LibreMesh Chef. `legacy` uses the built-in
    /// child distribution unless another one is given.
    #[arg(long, value_enum, default_value_t = Api::V1)]
    api: Api,
    /// Folder to which the image is downloaded.
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    output: PathBuf,
}

/// A family of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Api {
    /// `/api/v1`.
    V1,
    /// That of asu 0.2.0 (2019).
    Legacy,
}

/// Why the demo failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The installation failed.
    #[error(transparent)]
    Deploy(#[from] deploy::Error),
    /// The build failed.
    #[error(transparent)]
    Router(#[from] router::Error),
    /// A request to the API server failed.
    #[error("Kubernetes: {0}")]
    Kube(#[from] Box<kube::Error>),
    /// A file could not be used.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A download server cannot be reached from this machine.
    #[error("{host} cannot be reached from this machine: {problem}")]
    Unreachable {
        /// Host name and port.
        host: String,
        /// The system's error.
        problem: String,
    },
    /// An image cannot be unpacked.
    #[error(transparent)]
    Image(#[from] asu_tests::image::Error),
    /// The image lacks the file of the distribution's own package.
    #[error("no image contains {0}, which is in a package of the distribution's own feed")]
    NoOwnPackage(&'static str),
    /// The answer contains no image.
    #[error("the build succeeded, but its answer contains no image")]
    NoImage,
}

impl DemoArgs {
    /// The file of a Distribution; none for the names of the built-in ones.
    fn file(&self) -> Option<&Path> {
        let file = self.distribution.as_deref()?;
        let built_in = ["openwrt", deploy::child::NAME].iter().any(|name| file == Path::new(name));
        (!built_in).then_some(file)
    }

    /// Whether the built-in child distribution is used.
    fn is_child(&self) -> bool {
        match self.distribution.as_deref() {
            Some(name) => name == Path::new(deploy::child::NAME),
            None => self.api == Api::Legacy && !self.openwrt,
        }
    }

    /// Arguments for the built-in Distribution and request, with this folder for the image.
    pub fn built_in(output: PathBuf) -> Self {
        Self {
            context: None,
            registry: None,
            url: None,
            distribution: None,
            openwrt: false,
            request: None,
            reach: Vec::new(),
            api: Api::V1,
            output,
        }
    }
}

impl Error {
    /// The exit code: 3 if the machine lacks a requirement, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Deploy(error) => error.exit_code(),
            _ => 1,
        }
    }

    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::File { path, problem: error.to_string() }
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

/// Runs the demo.
///
/// # Errors
/// The step that failed.
pub async fn run(args: &DemoArgs) -> Result<(), Error> {
    run_on(CLUSTER, args).await
}

/// Runs the demo on the local cluster with this name, or on the context in the arguments.
///
/// # Errors
/// The step that failed.
pub async fn run_on(cluster: &str, args: &DemoArgs) -> Result<(), Error> {
    let progress = Progress::new();
    let request = request(args)?;
    let upstream = upstream::Upstream::of(args, &request)?;
    progress.say(&format!("download server: {}", upstream.says));
    let site = if let (Some(context), Some(registry)) = (&args.context, &args.registry) {
        Site::context(context, registry, args.url.clone(), &progress).await?
    } else {
        upstream.answers(&progress).await?;
        Site::local_with(cluster, upstream.reach.clone(), &progress).await?
    };
    let child = args.is_child();
    let options = deploy::Options { child, ..deploy::Options::for_demo(upstream.distribution()) };
    Deployment::install(&site, &options, &progress).await?;
    let url = site.url().await?;
    let client = site.client().await?;
    let (answer, images) = tokio::select! {
        built = build(args.api, &url, &request, &progress) => built?,
        never = follow::objects(&client, &progress) => match never? {},
    };
    let paths = save(&args.output, &images)?;
    if child {
        own_package::show(&images, &progress).await?;
    }
    let context = args.context.as_deref();
    report::Report { site: &site, context, url: &url, answer: &answer, api: args.api }
        .print(&images, &paths)
        .await
}

/// Builds an image like a client of the API, and downloads it.
async fn build(
    api: Api,
    url: &str,
    request: &Value,
    progress: &Progress,
) -> Result<(Answer, Vec<Image>), Error> {
    let state = |state: &str| progress.say(&format!("the API answers: {state}"));
    if api == Api::V1 {
        progress.say(&format!("POST {url}/api/v1/build"));
        let router = Router::new(url);
        let answer = router.build(request, WITHIN, state).await?;
        let images = router.images(&answer).await?;
        return Ok((answer, images));
    }
    let chef = Chef::new(url);
    let asked = chef.request(&chosen(request)).await?;
    progress.say(&format!("POST {url}/api/build-request"));
    let answer = chef.build(&asked, WITHIN, state).await?;
    progress.say(&format!("files: {}", answer.text("files")));
    let images = chef.files(&answer).await?;
    Ok((answer, images))
}

/// What a person would choose in Chef for a request.
fn chosen(request: &Value) -> Choice {
    let text = |key: &str| request.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let packages = request.get("packages").and_then(Value::as_array).into_iter().flatten();
    Choice {
        distro: text("distro"),
        version: text("version"),
        model: text("model"),
        packages: packages.filter_map(Value::as_str).map(str::to_owned).collect(),
    }
}

fn request(args: &DemoArgs) -> Result<Value, Error> {
    let (path, text) = match &args.request {
        Some(path) => (path.clone(), std::fs::read_to_string(path).map_err(Error::file(path))?),
        None if args.is_child() => ("libremesh-request.json".into(), CHILD_REQUEST.to_owned()),
        None if args.openwrt => ("openwrt-request.json".into(), OPENWRT_REQUEST.to_owned()),
        None => ("request.json".into(), REQUEST.to_owned()),
    };
    serde_json::from_str(&text).map_err(|error| Error::File { path, problem: error.to_string() })
}

const REQUEST: &str = include_str!("request.json");
const CHILD_REQUEST: &str = include_str!("libremesh-request.json");
const OPENWRT_REQUEST: &str = include_str!("openwrt-request.json");

/// Writes the images. A relative folder is relative to the caller's working directory.
fn save(folder: &Path, images: &[Image]) -> Result<Vec<PathBuf>, Error> {
    std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let folder = folder.canonicalize().map_err(Error::file(folder))?;
    let mut paths = Vec::new();
    for image in images {
        let path = folder.join(&image.name);
        std::fs::write(&path, &image.bytes).map_err(Error::file(&path))?;
        paths.push(path);
    }
    if paths.is_empty() { Err(Error::NoImage) } else { Ok(paths) }
}
