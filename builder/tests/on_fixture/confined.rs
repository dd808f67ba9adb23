//! Tests of the restrictions that `confine` sets for commands of an ImageBuilder.

use std::process::Command;

use crate::bench::program;

fn confined(arguments: &[&str], python: &str) -> String {
    let ran = Command::new(program())
        .arg("confine")
        .args(arguments)
        .args(["--", "python3", "-c", python])
        .output()
        .expect("the program");
    assert!(ran.status.success(), "{ran:?}");
    String::from_utf8_lossy(&ran.stdout).trim().to_owned()
}

#[test]
fn without_network_only_local_sockets_can_be_created() {
    let script = "
import socket
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_PACKET, socket.AF_NETLINK):
    try:
        socket.socket(family, socket.SOCK_RAW if family == socket.AF_PACKET else socket.SOCK_DGRAM)
        print('made', family)
    except PermissionError:
        pass
socket.socket(socket.AF_UNIX).close()
print('done')";
    assert_eq!(confined(&["--no-network"], script), "done");
}

#[test]
fn umask_open_files_and_cpus_are_set() {
    let script = "
import os, resource
print(oct(os.umask(0)), resource.getrlimit(resource.RLIMIT_NOFILE), os.sched_getaffinity(0))";
    assert_eq!(confined(&["--cpus", "0"], script), "0o22 (4096, 4096) {0}");
}

#[test]
fn help_contains_the_exit_codes() {
    for subcommand in ["populate", "build", "publish"] {
        let ran = Command::new(program()).args([subcommand, "--help"]).output();
        let help = String::from_utf8_lossy(&ran.expect("the program").stdout).into_owned();
        assert!(help.contains("Exit codes: 0"), "{help}");
    }
}
