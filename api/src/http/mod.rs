//! HTTP: the list of routes, the layers that all routes share, and the sockets.

pub mod body;
pub mod clients;
pub mod idle;
pub mod layers;
pub mod path;
pub mod request_id;
pub mod router;
pub mod server;
