//! The builder image on the deployed system: every tool that the prerequisite checks of genuine
//! ImageBuilders ask for is there, for the user and under the limits that build pods have.
#![expect(clippy::unwrap_used, reason = "a failing step ends its test")]

use std::{collections::BTreeMap, time::Duration};

use asu_tests::scenario::System;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, LogParams, PostParams};
use serde_json::json;

/// A pod has to be scheduled on a machine that does other things.
const WITHIN: Duration = Duration::from_mins(2);

/// Runs one check for each requirement and prints `ok NAME` or `missing NAME`.
const CHECKS: &str = r#"
check() { name=$1; shift; if "$@" >/dev/null 2>&1 </dev/null; then echo "ok $name"; else echo "missing $name"; fi; }
sh_check() { name=$1; check "$name" sh -c "$2"; }
gnu() { for tool in "$@"; do "$tool" --version 2>/dev/null | head -n 1 | grep -q GNU || return 1; done; }

sh_check 'user 2001:2000' '[ "$(id -u):$(id -g)" = 2001:2000 ]'
sh_check 'read-only root' '! touch /probe && ! touch /usr/local/bin/probe'
sh_check 'no capabilities' 'grep -Eq "^CapEff:[[:space:]]*0+$" /proc/self/status && grep -Eq "^CapBnd:[[:space:]]*0+$" /proc/self/status'
sh_check 'umask 022' '[ "$(umask)" = 0022 ]'
sh_check 'case-sensitive file system' 'd=$(mktemp -d /asu/work/case.XXXXXX) && touch "$d/a" && [ ! -e "$d/A" ]'

sh_check 'GNU make >= 4.1' 'make --version | head -n 1 | grep -Eq "GNU Make (4\.[1-9]|4\.[1-9][0-9]|[5-9])"'
check 'bash' bash --version
check 'coreutils' gnu cp date install stat realpath nproc seq sort head mktemp sha256sum md5sum env touch ln
check 'findutils' gnu find xargs
sh_check 'xargs -r' '[ -z "$(printf "" | xargs -r echo x)" ] && xargs -r --version'
check 'grep' gnu grep
sh_check 'egrep' 'printf "a\n" | egrep "^(a|b)$"'
sh_check 'GNU awk' 'awk --version | head -n 1 | grep -q "GNU Awk"'
sh_check 'tar' 'cd /asu/work && echo t > t && tar -cf t.tar t && [ "$(tar -xOf t.tar)" = t ] && tar --version | grep -q GNU'
sh_check 'gzip' '[ "$(printf x | gzip -nc | gzip -dc)" = x ]'
sh_check 'bzip2' '[ "$(printf x | bzip2 -c | bzip2 -dc)" = x ]'
check 'unzip' unzip -v
sh_check 'patch' 'patch --version | grep -q "GNU patch"'
sh_check 'diff' 'diff --version | grep -q GNU'
check 'file' file --version
sh_check 'which' '[ "$(which sh)" ]'
sh_check 'getopt of util-linux' 'getopt --version | grep -q util-linux && getopt -o a --long word: -- --word x'
check 'perl 5' perl -e 'exit($] < 5)'
for module in Data::Dumper FindBin File::Copy File::Compare Thread::Queue IPC::Cmd; do
	check "perl $module" perl "-M$module" -e 1
done
check 'python3 >= 3.7' python3 -c 'import sys; sys.exit(sys.version_info < (3, 7))'
check 'python3 standard library' python3 -c 'import ntpath, json, hashlib, glob, gzip, zlib, ssl'
check 'python3 distutils' python3 -c 'import sys; sys.version_info >= (3, 12) or __import__("distutils.util")'
sh_check 'GNU wget' 'wget --version | head -n 1 | grep -q GNU'
check 'ca-certificates' test -s /etc/ssl/certs/ca-certificates.crt
sh_check 'xz' '[ "$(printf x | xz -c | xz -dc)" = x ]'
sh_check 'zstd' '[ "$(printf x | zstd -c | zstd -dc)" = x ]'
echo end
"#;

/// Every name that [`CHECKS`] must print.
const REQUIRED: [&str; 36] = [
    "user 2001:2000",
    "read-only root",
    "no capabilities",
    "umask 022",
    "case-sensitive file system",
    "GNU make >= 4.1",
    "bash",
    "coreutils",
    "findutils",
    "xargs -r",
    "grep",
    "egrep",
    "GNU awk",
    "tar",
    "gzip",
    "bzip2",
    "unzip",
    "patch",
    "diff",
    "file",
    "which",
    "getopt of util-linux",
    "perl 5",
    "perl Data::Dumper",
    "perl FindBin",
    "perl File::Copy",
    "perl File::Compare",
    "perl Thread::Queue",
    "perl IPC::Cmd",
    "python3 >= 3.7",
    "python3 standard library",
    "python3 distutils",
    "GNU wget",
    "ca-certificates",
    "xz",
    "zstd",
];

/// The image that the deployed caches were warmed up in.
async fn builder_image(system: &System) -> String {
    system
        .until("a cache names its builder image", WITHIN, || async {
            let caches = system.caches().list(&ListParams::default()).await?;
            let image = caches.items.into_iter().find_map(|cache| {
                cache
                    .status
                    .and_then(|status| status.builder_image)
                    .filter(|image| !image.is_empty())
            });
            Ok(image.ok_or_else(|| "no cache has status.builderImage".to_owned()))
        })
        .await
        .unwrap()
}

/// A pod as the operator's build pods are, but for the command: the checks run below `confine`, as
/// make does, with the environment that make gets.
fn probe(image: &str) -> Pod {
    let volumes = ["work", "tmp"];
    serde_json::from_value(json!({
        "metadata": { "generateName": "builder-image-probe-" },
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": "asu-build",
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
            "volumes": volumes.map(|name| json!({ "name": name, "emptyDir": {} })),
            "containers": [{
                "name": "probe",
                "image": image,
                "command": [
                    "/usr/local/bin/asu-builder", "confine", "--", "/usr/bin/env", "-i",
                    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "HOME=/asu/work", "LC_ALL=C", "TZ=UTC", "/bin/sh", "-c", CHECKS,
                ],
                "volumeMounts": [
                    { "name": "work", "mountPath": "/asu/work" },
                    { "name": "tmp", "mountPath": "/tmp" },
                ],
                "resources": { "limits": { "cpu": "1", "memory": "256Mi" } },
                "securityContext": {
                    "runAsUser": 2001,
                    "runAsGroup": 2000,
                    "runAsNonRoot": true,
                    "readOnlyRootFilesystem": true,
                    "allowPrivilegeEscalation": false,
                    "capabilities": { "drop": ["ALL"] },
                    "seccompProfile": { "type": "RuntimeDefault" },
                },
            }],
        },
    }))
    .unwrap()
}

/// Runs the probe to its end and returns what it printed.
async fn run_probe(system: &System, image: &str) -> String {
    let pods = system.pods();
    let pod = pods.create(&PostParams::default(), &probe(image)).await.unwrap();
    let name = pod.metadata.name.unwrap_or_default();
    let ended = system
        .until("the probe ended", WITHIN, || async {
            let status = pods.get(&name).await?.status.unwrap_or_default();
            Ok(match status.phase.as_deref() {
                Some("Succeeded" | "Failed") => Ok(()),
                _ => Err(format!("{:?} {:?}", status.phase, status.container_statuses)),
            })
        })
        .await;
    let printed = pods.logs(&name, &LogParams::default()).await;
    pods.delete(&name, &DeleteParams::default().grace_period(0)).await.unwrap();
    ended.unwrap();
    printed.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_builder_image_passes_every_prerequisite_check_as_the_build_pods_user() {
    let system = System::attach().await.unwrap();
    let image = builder_image(&system).await;
    let printed = run_probe(&system, &image).await;
    println!("{image}\n{printed}");
    let found: BTreeMap<&str, &str> = printed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(verdict, name)| (name, verdict))
        .collect();
    let missing: Vec<&str> =
        REQUIRED.into_iter().filter(|name| found.get(name) != Some(&"ok")).collect();
    assert!(missing.is_empty(), "missing in {image}: {missing:?}\n{printed}");
    assert_eq!(found.len(), REQUIRED.len(), "a check is not required: {printed}");
    assert!(printed.trim_end().ends_with("end"), "the checks did not come to their end: {printed}");
}
