//! Which addresses can belong to a place at all.
//!
//! Documentation ranges are not among those left out: operators try things with them, and no table of the world
//! holds them anyway.

use std::net::IpAddr;

/// Whether a network of the world could use `address`. Expects it in canonical form.
pub fn has_a_place(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b); // RFC 6598, behind a provider's address translation
            !(a == 0 || a >= 224 || v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared)
        }
        IpAddr::V6(v6) => {
            !(v6.is_unspecified()
                || v6.is_loopback()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.is_multicast())
        }
    }
}
