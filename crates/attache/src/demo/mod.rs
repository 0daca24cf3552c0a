//! `attache demo`: stories told with the same parts that an operator and a device use, over real sockets.

mod cast;
mod open_line;
mod server;
mod smart_home;
mod timeline;

pub(crate) use smart_home::run as smart_home;
