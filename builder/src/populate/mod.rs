//! The subcommand `populate`: downloads, verifies and unpacks an ImageBuilder in a temporary
//! folder, renames it into place, warms it up there, and writes its marker. A tree without a marker
//! is never used.

mod download;
mod error;
mod fetch;
mod image;
mod lock;
mod marker;
mod warm_up;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use asu_core::{
    plan::{Marker, PLAN_SCHEMA, PlanImage, PopulatePlan},
    populate_progress::{PopulateStep, Progress},
    result::{PopulateFailure, PopulateResult},
};
use asu_upstream::{UnpackLimits, Unpacked};

pub use error::PopulateError;
use lock::FolderLock;
use warm_up::TreeFacts;
pub use warm_up::{WarmUp, warm_up};

use crate::{
    files::{make_folder, read_json, remove_tree},
    memory::Memory,
    paths::Paths,
    tree,
};

/// Size of a tree.
struct Size {
    entries: u64,
    bytes: u64,
}

impl Size {
    fn of(unpacked: &Unpacked) -> Self {
        Self { entries: unpacked.entries, bytes: unpacked.bytes }
    }
}

/// Maximum time for the shutdown of a `populate` that timed out.
const GRACE: Duration = Duration::from_secs(5);

/// Fills the cache and writes the result as termination message.
pub async fn run(paths: &Paths, builder: &Path) -> PopulateResult {
    let result = match read_json::<PopulatePlan>(&paths.plan()) {
        Ok(plan) => {
            guard_time(paths.termination_log(), plan.seconds);
            let memory = Memory::watch(paths.root());
            match populate(paths, builder, &plan, &memory).await {
                Ok(marker) => PopulateResult::ready(&marker),
                Err(error) => {
                    // An OOM kill takes precedence over any other error.
                    let error = memory.exhausted().map_or(error, PopulateError::Memory);
                    PopulateResult::failed(error.reason(), &error.to_string())
                }
            }
        }
        Err(error) => PopulateResult::failed(PopulateFailure::Internal, &error.to_string()),
    };
    leave(&paths.termination_log(), &result);
    result
}

fn leave(file: &Path, result: &PopulateResult) {
    let text = serde_json::to_string(result).unwrap_or_default();
    if let Err(error) = fs::write(file, &text) {
        tracing::error!(%error, file = %file.display(), "the termination message cannot be written");
    }
    println!("populate: {text}");
}

/// Exits the process when the time limit is exceeded: unpacking and `syncfs` cannot be interrupted
/// otherwise.
fn guard_time(file: PathBuf, seconds: u64) {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(seconds) + GRACE);
        leave(
            &file,
            &PopulateResult::failed(
                PopulateFailure::TimedOut,
                &format!("populate took longer than {seconds} s"),
            ),
        );
        std::process::exit(1);
    });
}

async fn populate(
    paths: &Paths,
    builder: &Path,
    plan: &PopulatePlan,
    memory: &Memory,
) -> Result<Marker, PopulateError> {
    if plan.schema != PLAN_SCHEMA {
        return Err(PopulateError::Plan(format!(
            "the plan has the format {}, but this program supports only {PLAN_SCHEMA}",
            plan.schema
        )));
    }
    let deadline = Instant::now() + Duration::from_secs(plan.seconds);
    let folder = paths.image_builder();
    // Another pod may still fill the same folder: its Job was just deleted, or its node is
    // unreachable.
    let alone = lock::wait(&folder, deadline).await?;
    if let Some(marker) = ready(paths, plan) {
        println!("populate: the tree is already ready");
        return Ok(marker);
    }
    let temporary = folder.join(format!("tmp-{}", plain(&plan.uid)?));
    remove_leftovers(&folder, &alone)?;
    make_folder(&temporary).map_err(PopulateError::io("make", &temporary))?;
    let made = fill(paths, builder, plan, &temporary, (deadline, memory)).await;
    // An error of the clean-up must not hide the cause of the failure.
    let removed = remove_tree(&temporary);
    let marker = made?;
    removed.map_err(PopulateError::io("remove", &temporary))?;
    Ok(marker)
}

async fn fill(
    paths: &Paths,
    builder: &Path,
    plan: &PopulatePlan,
    temporary: &Path,
    (deadline, memory): (Instant, &Memory),
) -> Result<Marker, PopulateError> {
    let size = match &plan.image {
        Some(image) => from_image(paths, plan, image, temporary)?,
        None => from_tarball(paths, plan, temporary).await?,
    };
    let facts = in_place(paths, builder, temporary, deadline)?;
    is_wanted(plan, &facts)?;
    // A tree is discarded if a process was OOM-killed while it was made.
    memory.exhausted().map_or(Ok(()), |failure| Err(PopulateError::Memory(failure)))?;
    mark(paths, plan, facts, &size)
}

/// Downloads and unpacks the tarball, and moves the tree into place.
async fn from_tarball(
    paths: &Paths,
    plan: &PopulatePlan,
    temporary: &Path,
) -> Result<Size, PopulateError> {
    let tarball = download::fetch(&paths.image_builder(), plan).await?;
    let unpacked = unpack(plan, tarball.path(), &temporary.join("unpacked"));
    // The tarball is also removed if it is bad. A run that is killed here leaves it to the next.
    let removed = tarball.remove();
    let unpacked = unpacked?;
    removed?;
    switch(paths, &temporary.join("unpacked").join(&unpacked.top_dir))?;
    Ok(Size::of(&unpacked))
}

/// Copies the tree from the OCI image, and moves it into place.
fn from_image(
    paths: &Paths,
    plan: &PopulatePlan,
    image: &PlanImage,
    temporary: &Path,
) -> Result<Size, PopulateError> {
    println!("{}", Progress::of(PopulateStep::Unpacking).log_line());
    let copied = temporary.join("unpacked");
    let size = image::copy_tree(plan, image, &paths.image(), &copied)?;
    switch(paths, &copied)?;
    Ok(size)
}

/// Checks that an ImageBuilder from an OCI image has the revision of the catalog: the image has no signature
/// that says what it contains, and its tag may be older or newer than the catalog.
fn is_wanted(plan: &PopulatePlan, facts: &TreeFacts) -> Result<(), PopulateError> {
    let Some(image) = &plan.image else { return Ok(()) };
    match &image.revision {
        Some(wanted) if *wanted != facts.info.revision => {
            let found = &facts.info.revision;
            let problem = format!("has the revision {found}, but the catalog has {wanted}");
            Err(PopulateError::image(image, &problem))
        }
        _ => Ok(()),
    }
}

/// Fills the cache from a local tarball without verification: for the conformance suite, which runs
/// any ImageBuilder through the code that pods run.
///
/// # Errors
/// Why the tarball cannot be used.
pub fn install(
    paths: &Paths,
    builder: &Path,
    plan: &PopulatePlan,
    tarball: &Path,
) -> Result<Marker, PopulateError> {
    let deadline = Instant::now() + Duration::from_secs(plan.seconds);
    let folder = paths.image_builder();
    let temporary = folder.join(format!("tmp-{}", plain(&plan.uid)?));
    let alone = lock::take(&folder)?.ok_or(PopulateError::Locked)?;
    remove_leftovers(&folder, &alone)?;
    make_folder(&temporary).map_err(PopulateError::io("make", &temporary))?;
    let unpacked = unpack(plan, tarball, &temporary.join("unpacked"))?;
    switch(paths, &temporary.join("unpacked").join(&unpacked.top_dir))?;
    let facts = in_place(paths, builder, &temporary, deadline)?;
    let marker = mark(paths, plan, facts, &Size::of(&unpacked))?;
    remove_tree(&temporary).map_err(PopulateError::io("remove", &temporary))?;
    Ok(marker)
}

/// Warms up the tree in its final place.
fn in_place(
    paths: &Paths,
    builder: &Path,
    temporary: &Path,
    deadline: Instant,
) -> Result<TreeFacts, PopulateError> {
    println!("{}", Progress::of(PopulateStep::WarmingUp).log_line());
    warm_up(&WarmUp { tree: &paths.tree(), home: temporary, builder, deadline })
}

/// Writes the marker, after which the tree is ready.
fn mark(
    paths: &Paths,
    plan: &PopulatePlan,
    facts: TreeFacts,
    size: &Size,
) -> Result<Marker, PopulateError> {
    let marker = Marker {
        schema: PLAN_SCHEMA,
        sha256: plan.sha256,
        builder_image: plan.builder_image.clone(),
        package_manager: facts.package_manager,
        revision: facts.info.revision,
        default_packages: facts.info.default_packages,
        profiles: facts.info.profiles,
        filesystems: facts.filesystems,
        single_resolution: facts.single_resolution,
        bytes: size.bytes,
        entries: size.entries,
    };
    marker::write(paths, &marker)?;
    Ok(marker)
}

/// The marker of an existing tree, if it was made from this tarball with this builder image.
fn ready(paths: &Paths, plan: &PopulatePlan) -> Option<Marker> {
    // An incomplete tree, which builds would reject, is made again.
    let marker = tree::marked(paths).ok()?.marker;
    let same = marker.schema == PLAN_SCHEMA
        && marker.sha256 == plan.sha256
        && marker.builder_image == plan.builder_image;
    same.then_some(marker)
}

/// Removes the folders of killed runs. On a volume without locks another run may still be filling
/// one: then they are kept until the tree is removed.
fn remove_leftovers(folder: &Path, alone: &FolderLock) -> Result<(), PopulateError> {
    if matches!(alone, FolderLock::Unknown) {
        return Ok(());
    }
    let entries = fs::read_dir(folder).map_err(PopulateError::io("read", folder))?;
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with("tmp-") {
            remove_tree(&entry.path()).map_err(PopulateError::io("remove", &entry.path()))?;
        }
    }
    Ok(())
}

fn unpack(plan: &PopulatePlan, tarball: &Path, to: &Path) -> Result<Unpacked, PopulateError> {
    make_folder(to).map_err(PopulateError::io("make", to))?;
    println!("{}", Progress::of(PopulateStep::Unpacking).log_line());
    let limits = UnpackLimits { entries: plan.max_entries, bytes: plan.max_tree_bytes };
    let unpacked = asu_upstream::unpack(tarball, to, &limits)?;
    println!("populate: unpacked {} entries, {} bytes", unpacked.entries, unpacked.bytes);
    Ok(unpacked)
}

/// Moves the tree into place. An old tree is removed, its marker first: an incomplete tree must not
/// have one.
fn switch(paths: &Paths, unpacked: &Path) -> Result<(), PopulateError> {
    let (tree, marker) = (paths.tree(), paths.marker());
    remove_tree(&marker).map_err(PopulateError::io("remove", &marker))?;
    marker::sync_folder(&paths.image_builder())?;
    remove_tree(&tree).map_err(PopulateError::io("remove", &tree))?;
    fs::rename(unpacked, &tree).map_err(PopulateError::io("rename", unpacked))
}

fn plain(uid: &str) -> Result<&str, PopulateError> {
    if asu_core::result::is_plain_file_name(uid) {
        Ok(uid)
    } else {
        Err(PopulateError::Plan("the uid in the plan is not a plain name".into()))
    }
}
