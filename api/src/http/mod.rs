//! HTTP itself: the list of routes, what is the same for all of them, and the sockets.

pub mod clients;
pub mod front;
pub mod idle;
pub mod path;
pub mod router;
pub mod server;
