//! A seccomp filter that refuses network sockets. The warm-up of a tree runs code of the
//! ImageBuilder and needs no network, but its pod has one for the download.

use std::{collections::BTreeMap, io};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

#[cfg(target_arch = "x86_64")]
const SOCKET: i64 = 41;
#[cfg(target_arch = "aarch64")]
const SOCKET: i64 = 198;
/// The same number on every architecture. io_uring can create sockets without the system call
/// `socket`.
const IO_URING_SETUP: i64 = 425;
const AF_UNIX: u64 = 1;
const EACCES: u32 = 13;

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let local_only = SeccompRule::new(vec![SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Ne,
        AF_UNIX,
    )?])?;
    // A call with an empty list of rules always matches.
    let rules = BTreeMap::from([(SOCKET, vec![local_only]), (IO_URING_SETUP, Vec::new())]);
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(EACCES),
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?
    .try_into()
}

/// Makes every socket but Unix sockets fail with EACCES in this process and its children, for good.
pub(super) fn forbid() -> io::Result<()> {
    let program = filter().map_err(io::Error::other)?;
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}
