//! Ports of this machine.

use std::{io, net::TcpListener};

/// Ports of loopback that nobody listens on. They are held together until all are known, so that they
/// differ.
///
/// # Errors
/// What the system said.
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

/// Whether a port of loopback can be listened on.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
