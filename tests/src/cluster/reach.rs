//! Outside hosts that the pods of a cluster may reach. Its network namespace has no route out. For each of these hosts,
//! a relay listens on an address inside the namespace, and the cluster's DNS resolves the host to this address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Last byte of the first relay's address; nodes have lower numbers.
const FIRST: u8 = 101;
/// Maximum number of hosts of one cluster.
const MAX_HOSTS: usize = 100;

/// An outside host and port: `HOST:PORT`, or `HOST:PORT=ADDRESS:PORT` to connect to another address than that in DNS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reach {
    /// Host name that pods use.
    pub host: String,
    /// Port inside, and also outside unless `target` is set.
    pub port: u16,
    /// Address that the relay connects to instead of the host.
    pub target: Option<SocketAddr>,
}

/// The text is not an outside host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no HOST:PORT or HOST:PORT=ADDRESS:PORT; HOST is a name with a dot, not an address"
)]
pub struct BadReach(String);

impl Reach {
    /// An outside host by its name.
    ///
    /// # Errors
    /// When the name is not a DNS name, is an address, or is a name of the cluster itself.
    pub fn new(host: &str, port: u16) -> Result<Self, BadReach> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        let name = host.len() <= 253 && host.contains('.') && host.split('.').all(label);
        // Names of the cluster: SERVICE.NAMESPACE.svc, with or without the cluster's domain.
        let own = matches!(
            host.rsplit('.').collect::<Vec<_>>().as_slice(),
            ["local", "cluster", ..] | ["svc", ..]
        );
        if !name || own || host.parse::<IpAddr>().is_ok() {
            return Err(BadReach(format!("{host}:{port}")));
        }
        Ok(Self { host, port, target: None })
    }

    /// Address that the relay connects to.
    fn destination(&self) -> String {
        self.target
            .map_or_else(|| format!("{}:{}", self.host, self.port), |target| target.to_string())
    }
}

impl FromStr for Reach {
    type Err = BadReach;

    fn from_str(text: &str) -> Result<Self, BadReach> {
        let bad = || BadReach(text.to_owned());
        let (name, target) = match text.split_once('=') {
            Some((name, target)) => (name, Some(target.parse().map_err(|_| bad())?)),
            None => (text, None),
        };
        let (host, port) = name.rsplit_once(':').ok_or_else(bad)?;
        Ok(Self { target, ..Self::new(host, port.parse().map_err(|_| bad())?)? })
    }
}

impl TryFrom<String> for Reach {
    type Error = BadReach;

    fn try_from(text: String) -> Result<Self, BadReach> {
        text.parse()
    }
}

impl From<Reach> for String {
    fn from(reach: Reach) -> Self {
        reach.to_string()
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)?;
        self.target.map_or(Ok(()), |target| write!(f, "={target}"))
    }
}

/// Adds hosts to those of a cluster. A host that exists already gets its new target.
pub(super) fn merge(known: &mut Vec<Reach>, more: &[Reach]) {
    for reach in more {
        known.retain(|known| (&known.host, known.port) != (&reach.host, reach.port));
        known.push(reach.clone());
    }
    known.sort_by(|a, b| (&a.host, a.port).cmp(&(&b.host, b.port)));
}

/// The hosts' names, each with its address inside.
pub(super) fn addresses(all: &[Reach]) -> Vec<(&str, Ipv4Addr)> {
    let mut hosts: Vec<&str> = all.iter().map(|reach| reach.host.as_str()).collect();
    hosts.dedup();
    hosts
        .into_iter()
        .take(MAX_HOSTS)
        .zip(FIRST..)
        .map(|(host, last)| (host, Ipv4Addr::new(192, 168, 77, last)))
        .collect()
}

/// Routes of the relay, as arguments of its command line.
pub(super) fn routes(all: &[Reach]) -> Vec<String> {
    let addresses = addresses(all);
    all.iter()
        .filter_map(|reach| {
            let (_, address) = addresses.iter().find(|(host, _)| *host == reach.host)?;
            Some(format!("{address}:{}={}", reach.port, reach.destination()))
        })
        .collect()
}

/// The DNS server's settings: one block for each host.
pub(super) fn dns(all: &[Reach], port: u16) -> String {
    let block = |(host, address): (&str, Ipv4Addr)| {
        format!(
            "{host}:{port} {{\n        errors\n        hosts {{\n            {address} {host}\n        }}\n    }}\n    "
        )
    };
    addresses(all).into_iter().map(block).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_of_the_world_alone() {
        for good in ["a.example:80", "a.example:80=127.0.0.1:8000", "A.Example.:443"] {
            assert!(good.parse::<Reach>().is_ok(), "{good}");
        }
        let bad =
            ["a.example", "localhost:80", "10.0.0.1:80", "x.svc:80", "x.y.svc.cluster.local:80"];
        for bad in bad.into_iter().chain(["a b.example:80", "a.example:0x", "a.example:80=b:1", ""])
        {
            assert!(bad.parse::<Reach>().is_err(), "{bad}");
        }
    }

    #[test]
    fn text_and_value_are_the_same() {
        for text in ["a.example:80", "a.example:80=127.0.0.1:8000"] {
            assert_eq!(text.parse::<Reach>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn ports_of_one_host_share_its_address() {
        let mut all = Vec::new();
        let of = |text: &str| text.parse::<Reach>().unwrap();
        merge(&mut all, &[of("b.example:443"), of("a.example:80"), of("b.example:80")]);
        merge(&mut all, &[of("a.example:80=127.0.0.1:8000")]);
        assert_eq!(
            routes(&all),
            [
                "192.168.77.101:80=127.0.0.1:8000",
                "192.168.77.102:80=b.example:80",
                "192.168.77.102:443=b.example:443",
            ]
        );
        assert_eq!(dns(&all, 53).matches("hosts {").count(), 2);
    }
}
