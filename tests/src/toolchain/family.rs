//! Families of programs. Each has its own Go module, because their dependencies conflict.

/// A family: one folder of `tests/toolchain/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// The Kubernetes commands.
    Kubernetes,
    /// The database of the API server.
    Etcd,
    /// containerd 2 with its shim and `ctr`. Debian's 1.6 cannot give pods a user namespace or an image volume.
    Containerd,
    /// The OCI runtime, for the same reason.
    Runc,
    /// Cluster DNS.
    Coredns,
    /// Helm 4.
    Helm,
    /// The ingress controller.
    Traefik,
    /// The volume provisioner, which uses folders of the node.
    LocalPath,
    /// Validates manifests with schemas.
    Kubeconform,
    /// The controllers of Flux, a GitOps controller.
    Flux,
}

/// A command of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// File name of the built program.
    pub name: &'static str,
    /// Go package it is built from.
    pub package: &'static str,
}

const fn program(name: &'static str, package: &'static str) -> Program {
    Program { name, package }
}

const KUBERNETES: &[Program] = &[
    program("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    program("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    program("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    program("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
    program("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
    program("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
];

const CONTAINERD: &[Program] = &[
    program("containerd", "github.com/containerd/containerd/v2/cmd/containerd"),
    program(
        "containerd-shim-runc-v2",
        "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
    ),
    program("ctr", "github.com/containerd/containerd/v2/cmd/ctr"),
];

const FLUX: &[Program] = &[
    program("source-controller", "github.com/fluxcd/source-controller"),
    program("kustomize-controller", "github.com/fluxcd/kustomize-controller"),
];

/// Without this version, kubectl and the servers report v0.0.0 and refuse the version skew.
const KUBERNETES_LDFLAGS: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.35.4 \
     -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35 \
     -X k8s.io/component-base/version.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=v1.35.4";

impl Family {
    /// All families of the local cluster. Those of the control plane are built first.
    pub const ALL: &'static [Self] = &[
        Self::Etcd,
        Self::Kubernetes,
        Self::Containerd,
        Self::Runc,
        Self::LocalPath,
        Self::Coredns,
        Self::Helm,
        Self::Traefik,
        Self::Kubeconform,
    ];

    /// Families that only `cargo xtask proof` uses.
    pub const PROOFS: &'static [Self] = &[Self::Flux];

    /// Name of its folder below `tests/toolchain/` and in the cache.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Etcd => "etcd",
            Self::Containerd => "containerd",
            Self::Runc => "runc",
            Self::Coredns => "coredns",
            Self::Helm => "helm",
            Self::Traefik => "traefik",
            Self::LocalPath => "local-path",
            Self::Kubeconform => "kubeconform",
            Self::Flux => "flux",
        }
    }

    /// The commands built from it.
    pub fn programs(self) -> &'static [Program] {
        match self {
            Self::Kubernetes => KUBERNETES,
            Self::Flux => FLUX,
            Self::Etcd => const { &[program("etcd", "go.etcd.io/etcd/server/v3")] },
            Self::Containerd => CONTAINERD,
            Self::Runc => const { &[program("runc", "github.com/opencontainers/runc")] },
            Self::Coredns => const { &[program("coredns", "github.com/coredns/coredns")] },
            Self::Helm => const { &[program("helm", "helm.sh/helm/v4/cmd/helm")] },
            Self::Traefik => {
                const { &[program("traefik", "github.com/traefik/traefik/v3/cmd/traefik")] }
            }
            Self::LocalPath => {
                const {
                    &[program(
                        "local-path-provisioner",
                        "github.com/rancher/local-path-provisioner",
                    )]
                }
            }
            Self::Kubeconform => {
                const { &[program("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform")] }
            }
        }
    }

    /// Additional arguments of `go build`; part of the cache key.
    pub(super) fn flags(self) -> Vec<String> {
        let mut flags: Vec<String> =
            ["-p", "2", "-buildvcs=false", "-trimpath", "-ldflags"].map(str::to_owned).to_vec();
        flags.push(self.ldflags().to_owned());
        if let Some(tags) = self.tags() {
            flags.push(format!("-tags={tags}"));
        }
        flags
    }

    /// Whether cgo is needed: only for runc, which uses libseccomp and enters namespaces in C.
    pub(super) fn cgo(self) -> bool {
        self == Self::Runc
    }

    /// A module whose archive lacks a file that the build needs, and this file. Traefik embeds its web page, which
    /// its module archive does not contain.
    pub(super) fn missing_file(self) -> Option<(&'static str, &'static str)> {
        (self == Self::Traefik)
            .then_some(("github.com/traefik/traefik/v3", "webui/static/index.html"))
    }

    fn ldflags(self) -> &'static str {
        match self {
            Self::Kubernetes => KUBERNETES_LDFLAGS,
            Self::Containerd => {
                "-s -w -X github.com/containerd/containerd/v2/version.Version=v2.4.2"
            }
            Self::Runc => "-s -w -X main.version=1.5.2",
            _ => "-s -w",
        }
    }

    fn tags(self) -> Option<&'static str> {
        match self {
            Self::Containerd => Some("no_btrfs,no_devmapper,no_zfs"),
            Self::Runc => Some("seccomp,netgo,osusergo"),
            _ => None,
        }
    }
}
