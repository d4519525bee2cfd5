//! What every room that asks the network agrees on: which addresses are safe, and what a failure says to people.

#[cfg(feature = "hub")]
use reqwest::Url;

/// Whether a host is this machine.
#[must_use]
pub fn is_loopback_host(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether an address is on this machine.
#[cfg(feature = "hub")]
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    is_loopback_host(url.host_str().unwrap_or_default())
}

/// Whether files and tokens may travel to an address: https, or this machine where the first address (`local`) is on it.
#[cfg(feature = "hub")]
#[must_use]
pub fn is_safe(url: &Url, local: bool) -> bool {
    url.host_str().is_some()
        && (url.scheme() == "https" || (local && url.scheme() == "http" && is_loopback(url)))
}

/// The innermost cause of an error: the one that says something to people.
#[cfg(feature = "hub")]
#[must_use]
pub fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
