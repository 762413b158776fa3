//! The address of a caller as limits count it: an address of IPv4, or the network of IPv6 that one
//! customer of a provider gets.

use crate::api::error::ApiError;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Once;

/// The address of the caller, as limits count it. `api::layers` adds it to each request.
#[derive(Debug, Clone, Copy)]
pub struct Caller(pub IpAddr);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Self>().copied();
        caller.ok_or_else(|| ApiError::internal("the request has no caller"))
    }
}

/// The block of an address: 256 addresses of IPv4, or a network /48 of IPv6, which is the least
/// that a customer of a hosting provider can easily get.
pub fn block_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            IpAddr::from([a, b, c, 0, 0, 0, 0, 0])
        }
    }
}

/// The load balancers whose `X-Forwarded-For` is trusted.
pub struct Proxies {
    trusted: Vec<IpNet>,
    warned: Once,
}

impl Proxies {
    /// The load balancers in these blocks of addresses.
    pub fn new(trusted: &[IpNet]) -> Self {
        Self { trusted: trusted.to_vec(), warned: Once::new() }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|block| block.contains(&address))
    }

    /// Whether a trusted load balancer says that the caller came over TLS.
    pub fn terminated_tls(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        // The header of the nearest load balancer is the last one.
        let said = headers.get_all("x-forwarded-proto").iter().next_back();
        let said = said.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let nearest = said.rsplit(',').next().unwrap_or_default().trim();
        nearest.eq_ignore_ascii_case("https") && self.trusts(peer.to_canonical())
    }

    /// The caller behind a connection: its other side, or the address that a trusted load balancer
    /// names. Every proxy appends the address that it sees, so the last address that is not trusted
    /// is the caller.
    pub fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        network(self.forwarded(peer, headers).unwrap_or(peer))
    }

    /// The other side of a connection, as limits count it; `None` for a trusted load balancer.
    pub fn connected(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        (!self.trusts(peer)).then(|| network(peer))
    }

    fn forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        if !self.trusts(peer) {
            return None;
        }
        let values: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
        for value in values.into_iter().rev() {
            for text in value.as_bytes().rsplit(|byte| *byte == b',') {
                let text = String::from_utf8_lossy(text);
                match parse(&text) {
                    Some(address) if self.trusts(address) => {}
                    Some(address) => return Some(address),
                    None => {
                        self.warn(peer, &text);
                        return None;
                    }
                }
            }
        }
        None
    }

    /// Warns once, because every request would say the same.
    fn warn(&self, proxy: IpAddr, said: &str) {
        self.warned.call_once(|| {
            let said: String = said.trim().chars().take(100).collect();
            tracing::warn!(
                %proxy,
                ?said,
                "a trusted proxy sends an X-Forwarded-For that is no address: all people behind it \
                 count as one for the limits"
            );
        });
    }
}

/// An address as proxies write it: alone, with a port, in brackets, in quotes.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().ok().map(|socket: SocketAddr| socket.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// The addresses that limits count as one caller. A caller with one address of IPv6 has all 2^64
/// addresses of its network.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_block;

    #[test]
    fn only_a_trusted_proxy_is_believed_about_the_caller() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let blocks = ["10.0.0.1", "::ffff:10.0.0.2", "10.1.0.0/16", "::ffff:10.2.0.0/112"];
        let blocks: Vec<IpNet> = blocks.iter().map(|text| parse_block(text).unwrap()).collect();
        let proxies = Proxies::new(&blocks);
        for (peer, forwarded, caller) in [
            ("9.9.9.9", "1.2.3.4", "9.9.9.9"),
            ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
            ("::ffff:10.0.0.1", "6.6.6.6,1.2.3.4:80,[::ffff:10.0.0.2]:1", "1.2.3.4"),
            ("10.0.0.2", "[2001:db8:1:2:3::4]:5", "2001:db8:1:2::"),
            ("2001:db8:1:2:3::4", "1.2.3.4", "2001:db8:1:2::"),
            ("10.1.2.3", "6.6.6.6, 1.2.3.4:5678, 10.2.9.9", "1.2.3.4"),
            ("10.3.0.1", "1.2.3.4", "10.3.0.1"),
            ("10.0.0.1", "nonsense", "10.0.0.1"),
            ("10.0.0.1", "1.2.3.4, nonsense", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.2", "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
            let found = proxies.caller(address(peer), &headers);
            assert_eq!(found, address(caller), "{peer} says {forwarded}");
        }
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "6.6.6.6".parse().unwrap());
        headers.append("x-forwarded-for", "1.2.3.4".parse().unwrap());
        assert_eq!(proxies.caller(address("10.0.0.1"), &headers), address("1.2.3.4"));
        for wrong in ["", "10.0.0.0/33", "example.com", "10.0.0.0/8/8"] {
            assert!(parse_block(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_about_tls() {
        let proxies = Proxies::new(&[parse_block("10.0.0.0/8").unwrap()]);
        for (peer, said, by_tls) in [
            ("10.0.0.1", "https", true),
            ("::ffff:10.0.0.1", "http, HTTPS", true),
            ("10.0.0.1", "https, http", false),
            ("10.0.0.1", "", false),
            ("9.9.9.9", "https", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-proto", said.parse().unwrap());
            let found = proxies.terminated_tls(peer.parse().unwrap(), &headers);
            assert_eq!(found, by_tls, "{peer} says {said}");
        }
    }
}
