//! Determines the client of a request, and limits the number of concurrent downloads of a client.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::HeaderMap;

use crate::error::ApiError;

/// Header to which each proxy appends the address of its peer.
const FORWARDED: &str = "x-forwarded-for";

/// Address of the other end of a connection, an extension of its requests.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// A client for the limits: an IPv4 address, or the /64 network of an IPv6 address, because a client can
/// use any address of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

impl Client {
    /// The client of a request that passed `hops` trusted proxies. Each of them appended the address of
    /// its peer; entries further to the left come from the client and are ignored. If there are too few
    /// entries, it is the peer.
    pub fn of(peer: Option<Peer>, headers: &HeaderMap, hops: usize) -> Option<Self> {
        let entries: Vec<&str> = headers
            .get_all(FORWARDED)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect();
        let forwarded = hops
            .checked_sub(1)
            .and_then(|before| entries.iter().rev().nth(before))
            .and_then(|entry| entry.parse().ok());
        forwarded.or_else(|| peer.map(|Peer(address)| address.ip())).map(Self::network)
    }

    fn network(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }
}

/// Number of running downloads by client. It has at most one entry for each download.
#[derive(Clone, Debug, Default)]
pub struct Sending(Arc<Mutex<HashMap<Client, usize>>>);

impl Sending {
    fn lock(&self) -> MutexGuard<'_, HashMap<Client, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a download of a client, which may have `most`. For an unknown client there is no limit.
    ///
    /// # Errors
    /// [`ApiError::TooManyDownloads`] at the limit.
    pub fn enter(&self, client: Option<Client>, most: usize) -> Result<Sent, ApiError> {
        if let Some(client) = client {
            let mut sending = self.lock();
            let count = sending.entry(client).or_insert(0);
            if *count >= most {
                return Err(ApiError::TooManyDownloads(most));
            }
            *count = count.saturating_add(1);
        }
        Ok(Sent { sending: self.clone(), client })
    }
}

/// A counted download. Dropping it ends the download.
#[derive(Debug)]
pub struct Sent {
    sending: Sending,
    client: Option<Client>,
}

impl Drop for Sent {
    fn drop(&mut self) {
        let Some(client) = self.client else { return };
        let mut sending = self.sending.lock();
        if let Some(count) = sending.get_mut(&client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                sending.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], hops: usize) -> Option<Client> {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED, value.parse().unwrap());
        }
        Client::of(Some(Peer(SocketAddr::new(peer.parse().unwrap(), 9))), &headers, hops)
    }

    fn is(client: Option<Client>, address: &str) {
        assert_eq!(client, Some(Client(address.parse().unwrap())));
    }

    #[test]
    fn only_entries_of_trusted_proxies_determine_the_client() {
        is(client("10.0.0.1", &["6.6.6.6, 192.0.2.7"], 1), "192.0.2.7");
        is(client("10.0.0.1", &["6.6.6.6", "192.0.2.7, 10.0.0.9"], 2), "192.0.2.7");
        is(client("10.0.0.1", &["6.6.6.6"], 0), "10.0.0.1");
        is(client("10.0.0.1", &["6.6.6.6"], 2), "10.0.0.1");
        is(client("10.0.0.1", &["nonsense"], 1), "10.0.0.1");
        is(client("10.0.0.1", &[], 1), "10.0.0.1");
    }

    #[test]
    fn addresses_of_an_ipv6_network_are_the_same_client() {
        is(client("2001:db8:1:2:3:4:5:6", &[], 1), "2001:db8:1:2::");
        is(client("::ffff:192.0.2.7", &[], 1), "192.0.2.7");
    }

    #[test]
    fn the_limit_of_a_client_does_not_affect_other_clients() {
        let sending = Sending::default();
        let (one, other) = (client("192.0.2.1", &[], 1), client("192.0.2.2", &[], 1));
        let held = [sending.enter(one, 2).unwrap(), sending.enter(one, 2).unwrap()];
        assert!(matches!(sending.enter(one, 2), Err(ApiError::TooManyDownloads(2))));
        assert!(sending.enter(other, 2).is_ok() && sending.enter(None, 0).is_ok());
        drop(held);
        assert!(sending.enter(one, 2).is_ok());
        assert!(sending.lock().is_empty());
    }
}
