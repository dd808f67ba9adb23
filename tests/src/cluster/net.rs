//! Ports of this machine.

use std::net::TcpListener;

use super::Error;

/// Ports of loopback that nobody listens on. They are held together until all are known, so that they differ.
pub(super) fn free_ports<const N: usize>() -> Result<[u16; N], Error> {
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(Error::io("127.0.0.1"))?;
        *port = listener.local_addr().map_err(Error::io("127.0.0.1"))?.port();
        listeners.push(listener);
    }
    Ok(ports)
}

/// Whether a port of loopback can be listened on.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
