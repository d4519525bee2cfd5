//! Where an endpoint is: https, or this machine.

/// The parts of an endpoint's address. What is not plainly an address is refused rather than guessed at: the key is
/// bound to the host that is read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::judge) struct Address {
    /// Whether the connection is encrypted.
    pub https: bool,
    /// The host in lower case; an IPv6 address in its brackets.
    pub host: String,
    /// The port, where it is not the scheme's own.
    pub port: Option<u16>,
    /// The path without a slash at its end.
    path: String,
}

impl Address {
    /// Reads an address; an error says what is wrong with it.
    pub fn parse(url: &str) -> Result<Self, String> {
        let lower = url.to_ascii_lowercase();
        let (https, rest) = match (lower.starts_with("https://"), lower.starts_with("http://")) {
            (true, _) => (true, &url[8..]),
            (_, true) => (false, &url[7..]),
            _ => {
                return Err("must begin with https:// (or http:// for a server on this machine)".to_owned());
            }
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err(
                "must not hold a user or a key: keys come from the environment or the keyring".to_owned()
            );
        }
        let fine = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
        if !path.bytes().all(fine) || path.split('/').any(|part| part == ".." || part == ".") {
            return Err(
                "must be a plain address without ? or #, such as https://api.example.com/v1".to_owned()
            );
        }
        let split = if authority.starts_with('[') {
            authority.find("]:").map(|at| at + 1)
        } else {
            authority.find(':')
        };
        let (host, port) =
            split.map_or((authority, None), |at| (&authority[..at], Some(&authority[at + 1..])));
        let host = host.to_ascii_lowercase();
        if !is_host(&host) {
            return Err(format!("names no host that can be: \"{host}\""));
        }
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) if port > 0 => Some(port),
            _ => return Err("has a port that is no number between 1 and 65535".to_owned()),
        };
        let port = port.filter(|&port| port != if https { 443 } else { 80 });
        let address = Self { https, host, port, path: path.trim_end_matches('/').to_owned() };
        if !https && !address.is_loopback() {
            return Err("must be https: answers and keys must not travel in the open (http is for this machine alone)".to_owned());
        }
        Ok(address)
    }

    /// Whether the endpoint is on this machine.
    pub fn is_loopback(&self) -> bool {
        crate::net::is_loopback_host(&self.host)
    }

    /// The host as people name it, with the port where it is not the usual one.
    pub fn place(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    /// Where questions go.
    #[cfg(feature = "hub")]
    pub fn completions(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}{}/chat/completions", self.place(), self.path)
    }
}

/// Whether this is an IP address or a name of labels as DNS has them.
fn is_host(host: &str) -> bool {
    if let Some(ip) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return ip.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let labels: Vec<&str> = host.split('.').collect();
    // A name whose last label is a number is an IPv4 address, in one of several spellings: only the plain one is read.
    let is_number = |label: &str| label.bytes().all(|b| b.is_ascii_digit()) || label.starts_with("0x");
    if labels.last().is_some_and(|last| is_number(last)) {
        return host.parse::<std::net::Ipv4Addr>().is_ok();
    }
    let is_label = |label: &&str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    labels.iter().all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn https_and_this_machine_are_fine() {
        let place = |url: &str| Address::parse(url).unwrap().place();
        assert_eq!(place("https://api.openai.com/v1"), "api.openai.com");
        assert_eq!(place("HTTPS://API.OpenAI.com:443/v1/"), "api.openai.com");
        assert_eq!(place("https://gate.example:8443"), "gate.example:8443");
        assert_eq!(place("http://127.0.0.1:8000/v1"), "127.0.0.1:8000");
        assert_eq!(place("http://localhost:11434/v1"), "localhost:11434");
        assert_eq!(place("http://[::1]:8000"), "[::1]:8000");
    }

    #[test]
    fn what_is_open_or_unclear_is_refused() {
        for (url, words) in [
            ("http://api.openai.com/v1", "must be https"),
            ("http://127.0.0.1.example/v1", "must be https"),
            ("http://localhost.evil.com", "must be https"),
            ("ftp://127.0.0.1", "must begin with"),
            ("api.openai.com", "must begin with"),
            ("https://key@evil.com", "must not hold a user"),
            ("https://api.openai.com@evil.com/v1", "must not hold a user"),
            ("https://evil.com\\@api.openai.com", "must not hold a user"),
            ("https://evil.com\\.api.openai.com", "no host"),
            ("https://evil.com?api.openai.com", "no host"),
            ("https://evil.com#.openai.com", "no host"),
            ("https://a.com/v1?key=1", "without ? or #"),
            ("https://a.com/../v1", "without ? or #"),
            ("https://a..com", "no host"),
            ("https://a.com.", "no host"),
            ("https://-a.com", "no host"),
            ("https://a_b.com", "no host"),
            ("https://2130706433", "no host"),
            ("https://0x7f.1", "no host"),
            ("https://", "no host"),
            ("https://a.com:0", "port"),
            ("https://a.com:x", "port"),
            ("https://ünï.com", "no host"),
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(error.contains(words), "{url}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_to_be_read(url in "(https?://)?.{0,40}") {
            let _ = Address::parse(&url);
        }
    }

    #[cfg(feature = "hub")]
    proptest! {
        #[test]
        fn whatever_is_taken_is_read_alike_by_the_client(url in "https?://[a-zA-Z0-9.:@/?#\\\\\\[\\]_-]{1,40}") {
            if let Ok(address) = Address::parse(&url) {
                let read = reqwest::Url::parse(&address.completions()).unwrap();
                prop_assert_eq!(read.host_str(), Some(address.host.as_str()));
                prop_assert_eq!(read.port(), address.port);
                prop_assert_eq!(read.scheme() == "https", address.https);
            }
        }
    }
}
