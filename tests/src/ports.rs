//! Finds free TCP ports on the loopback interface, for servers that tests start.

use std::{io, net::TcpListener};

/// Distinct free ports. All of them are bound at the same time before they are released.
///
/// # Errors
/// When a port cannot be bound.
pub fn free<const N: usize>() -> io::Result<[u16; N]> {
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        *port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(ports)
}

/// Whether the port is free.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
