//! HTTP itself: the list of routes, what is the same for all of them, and the sockets.

pub mod body;
pub mod clients;
pub mod idle;
pub mod layers;
pub mod path;
pub mod request_id;
pub mod router;
pub mod server;
