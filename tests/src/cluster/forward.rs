//! Relays between this machine and the cluster's network namespace, which has no route out.
//!
//! A socket belongs to the namespace it was made in, whatever its thread does later.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener as StdListener};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::str::FromStr;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::{TcpListener, TcpStream};

use super::Error;

/// Where a relay listens and where each connection leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Address that the relay listens on.
    pub listen: SocketAddr,
    /// `HOST:PORT` to connect to; the name is resolved for each connection.
    pub to: String,
}

impl FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (listen, to) = text.split_once('=').ok_or("no ADDRESS:PORT=HOST:PORT")?;
        let listen = listen.parse().map_err(|error| format!("{listen}: {error}"))?;
        Ok(Self { listen, to: to.to_owned() })
    }
}

/// Relays until the process is ended: a connection to a port of 127.0.0.1 on this machine leads to the same port
/// inside the namespace. Must be called from a thread that runs nothing else.
pub fn inwards(netns: &Path, ports: &[u16]) -> Result<(), Error> {
    let loopback = |port: &u16| {
        let listen = SocketAddr::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port));
        Route { listen, to: listen.to_string() }
    };
    let listeners = bind(ports.iter().map(loopback))?;
    enter(netns)?;
    serve(listeners)
}

/// Relays until the process is ended: a connection to an address inside the namespace leads to a host outside. Must
/// be called from a thread that runs nothing else.
pub fn outwards(netns: &Path, routes: Vec<Route>) -> Result<(), Error> {
    let outside = Path::new("/proc/thread-self/ns/net");
    let back = std::fs::File::open(outside).map_err(Error::io(outside))?;
    enter(netns)?;
    let listeners = bind(routes.into_iter())?;
    enter_open(&back, outside)?;
    serve(listeners)
}

fn bind(routes: impl Iterator<Item = Route>) -> Result<Vec<(StdListener, Route)>, Error> {
    let bound = |route: Route| {
        let address = || route.listen.to_string();
        let listener = StdListener::bind(route.listen).map_err(Error::io(address()))?;
        listener.set_nonblocking(true).map_err(Error::io(address()))?;
        Ok((listener, route))
    };
    routes.map(bound).collect()
}

fn enter(netns: &Path) -> Result<(), Error> {
    enter_open(&std::fs::File::open(netns).map_err(Error::io(netns))?, netns)
}

fn enter_open(namespace: &std::fs::File, path: &Path) -> Result<(), Error> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(|error| Error::io(path)(error.into()))
}

/// Relays with a single-threaded runtime, because only this thread enters the namespace.
fn serve(listeners: Vec<(StdListener, Route)>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::io("runtime"))?;
    runtime.block_on(async {
        let served = listeners.into_iter().map(|(listener, route)| accept(listener, route.to));
        futures::future::try_join_all(served).await.map(drop)
    })
}

async fn accept(listener: StdListener, to: String) -> Result<(), Error> {
    let listener = TcpListener::from_std(listener).map_err(Error::io(&to))?;
    loop {
        match listener.accept().await {
            Ok((near, _)) => drop(tokio::spawn(connect(near, to.clone()))),
            // No file descriptor is free: waits until connections are closed.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

async fn connect(mut near: TcpStream, to: String) {
    // If nothing listens there, the connection is closed.
    if let Ok(mut far) = TcpStream::connect(&to).await {
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    }
}
