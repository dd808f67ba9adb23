//! A listener on this machine's loopback that leads into the cluster's network namespace.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::{TcpListener, TcpStream};

use super::Error;

/// Serves until it is ended: a connection to a port of 127.0.0.1 out here becomes one to the same port in there.
///
/// A socket belongs to the namespace it was made in. So the listeners are made first, then this thread moves, and
/// whatever it connects from then on is inside. It must be called from a thread that runs nothing else.
pub fn serve(netns: &Path, ports: &[u16]) -> Result<(), Error> {
    let mut listeners = Vec::new();
    for port in ports {
        let address = SocketAddr::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port));
        let listener =
            std::net::TcpListener::bind(address).map_err(Error::io(address.to_string()))?;
        listener.set_nonblocking(true).map_err(Error::io(address.to_string()))?;
        listeners.push((listener, address));
    }
    let namespace = std::fs::File::open(netns).map_err(Error::io(netns))?;
    move_into_link_name_space(
        std::os::fd::AsFd::as_fd(&namespace),
        Some(LinkNameSpaceType::Network),
    )
    .map_err(|error| Error::io(netns)(error.into()))?;
    // One thread only: others of a runtime would have to move too.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::io(netns))?;
    runtime.block_on(async {
        let served = listeners.into_iter().map(|(listener, target)| accept(listener, target));
        futures::future::try_join_all(served).await.map(drop)
    })
}

async fn accept(listener: std::net::TcpListener, target: SocketAddr) -> Result<(), Error> {
    let listener = TcpListener::from_std(listener).map_err(Error::io(target.to_string()))?;
    loop {
        match listener.accept().await {
            Ok((outside, _)) => drop(tokio::spawn(connect(outside, target))),
            // Out of file descriptors: those in use come free again.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

async fn connect(mut outside: TcpStream, target: SocketAddr) {
    // When nobody listens inside, closing the connection says so.
    if let Ok(mut inside) = TcpStream::connect(target).await {
        let _ = (outside.set_nodelay(true), inside.set_nodelay(true));
        let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
    }
}
