//! Judges that are models: behind an endpoint played by a server on this machine, and on this machine itself.

#![allow(clippy::unwrap_used, reason = "a test stops where something is not there")]

#[cfg(feature = "hub")]
#[path = "judges/endpoint.rs"]
mod endpoint;
#[cfg(feature = "hub")]
#[path = "common/judge_server.rs"]
mod judge_server;
#[path = "judges/local.rs"]
mod local;
