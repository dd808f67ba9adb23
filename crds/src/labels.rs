//! Names of labels, annotations, finalizers and field managers. They must not change between
//! releases, because existing objects have them.

/// Standard label of everything that the operator creates.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`].
pub const OPERATOR: &str = "asu-operator";
/// Standard label: `build` or `populate`.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// Label of Jobs and pods with the name of the FirmwareBuild.
pub const BUILD: &str = "asu.dev/build";
/// Label of Jobs, pods and claims with the name of the ImageBuilderCache.
pub const CACHE: &str = "asu.dev/cache";
/// Annotation of a FirmwareBuild that allows its deletion without a record in the database.
pub const ABANDON_RECORD: &str = "asu.dev/abandon-record";
/// Annotation of a Distribution with revisions, separated by spaces, to which a mirror may go back
/// although they are older.
pub const ACCEPT_REVISIONS: &str = "asu.dev/accept-revisions";
/// Annotation of an ImageBuilderCache whose tree is to be made anew, and of a Distribution whose
/// download servers are to be read now: each new value is handled once.
pub const REFRESH: &str = "asu.dev/refresh";
/// Finalizer of a FirmwareBuild, removed when its record is in the database.
pub const ARCHIVE_FINALIZER: &str = "asu.dev/archive";
/// Finalizer of an ImageBuilderCache, removed when no build uses its tree.
pub const VOLUME_FINALIZER: &str = "asu.dev/volume";
/// Finalizer of a Distribution, removed when its catalog is deleted.
pub const CATALOG_FINALIZER: &str = "asu.dev/catalog";
/// Field manager of the API.
pub const API_MANAGER: &str = "asu-api";
/// Field manager of the FirmwareBuild controller.
pub const BUILD_MANAGER: &str = "asu-operator-build";
/// Field manager of the ImageBuilderCache controller.
pub const CACHE_MANAGER: &str = "asu-operator-cache";
/// Field manager of the Distribution controller.
pub const DISTRIBUTION_MANAGER: &str = "asu-operator-distribution";
