//! The rules of the API of `asu` 0.2.0 (2018 and 2019): how its clients name versions, devices and
//! packages, what they are offered, and which file of a build they get. Clients of that API are auc,
//! LuCI and Chef of those years. HTTP and JSON are in `api/src/legacy`.

pub mod check;
pub mod device;
pub mod key;
pub mod package_names;
pub mod sysupgrade;
pub mod versions;
