//! Names of hosts, interfaces and sections; ports, hardware addresses, and what is made of them.

use super::address::{ip4addr, ip6addr, ipaddr, split};
use super::number::digits;
use crate::bytes;

/// The most bytes of a host name.
const MAX_HOST_NAME: usize = 253;

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub(super) fn uciname(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().copied().all(is_word)
}

/// A host name: labels of 1 to 63 letters, digits, `_` and `-`, none of which begins or ends with `-`. A name of
/// numbers alone would be a wrong address; one of several characters may end in a dot.
pub(super) fn hostname(value: &[u8]) -> bool {
    let name = value.strip_suffix(b".").filter(|name| name.len() >= 2).unwrap_or(value);
    if name.is_empty() || name.len() > MAX_HOST_NAME {
        return false;
    }
    let is_label = |label: &[u8]| {
        (1..=63).contains(&label.len())
            && label.iter().all(|byte| is_word(*byte) || *byte == b'-')
            && !label.starts_with(b"-")
            && !label.ends_with(b"-")
    };
    if !name.split(|byte| *byte == b'.').all(is_label) {
        return false;
    }
    let is_one_word = name.len() == value.len() && name.iter().copied().all(is_word);
    let is_number = name.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    is_one_word || (!is_number && name.last().is_some_and(u8::is_ascii_alphanumeric))
}

pub(super) fn hostname_without_underscore(value: &[u8]) -> bool {
    hostname(value) && !value.starts_with(b"_")
}

pub(super) fn host(value: &[u8]) -> bool {
    ipaddr(value) || hostname(value)
}

pub(super) fn host_or_ip4(value: &[u8]) -> bool {
    ip4addr(value) || hostname(value)
}

pub(super) fn network(value: &[u8]) -> bool {
    uciname(value) || host(value)
}

/// The name of a network interface, as the kernel limits it.
pub(super) fn netdevname(value: &[u8]) -> bool {
    let is_refused = |byte: &u8| matches!(byte, b'/' | b':' | b'%') || *byte <= b' ' || *byte == 0x7f;
    (1..=15).contains(&value.len()) && value != b"." && value != b".." && !value.iter().any(is_refused)
}

pub(super) fn port(value: &[u8]) -> bool {
    digits(value, 65535).is_some()
}

pub(super) fn portrange(value: &[u8]) -> bool {
    let Some((first, last)) = split(value, b'-') else { return port(value) };
    let ends = digits(first, 65535).zip(digits(last, 65535));
    ends.is_some_and(|(first, last)| first <= last)
}

/// Splits at the last colon.
fn before_port(value: &[u8]) -> Option<&[u8]> {
    let colon = bytes::find_last(b':', value)?;
    port(&value[colon + 1..]).then_some(&value[..colon])
}

pub(super) fn hostport(value: &[u8]) -> bool {
    before_port(value).is_some_and(host_or_ip4)
}

pub(super) fn ip4addrport(value: &[u8]) -> bool {
    before_port(value).is_some_and(ip4addr)
}

pub(super) fn ipaddrport(value: &[u8]) -> bool {
    before_port(value).is_some_and(ipaddr)
}

pub(super) fn ipaddrport_in_brackets(value: &[u8]) -> bool {
    let in_brackets = |address: &[u8]| {
        address.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).is_some_and(ip6addr)
    };
    before_port(value).is_some_and(|address| ip4addr(address) || in_brackets(address))
}

/// Reads six pairs of hexadecimal digits between colons.
fn mac(value: &[u8]) -> Option<[u8; 6]> {
    if value.len() != 17 {
        return None;
    }
    let mut octets = [0; 6];
    for (octet, part) in octets.iter_mut().zip(value.chunks(3)) {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *octet = digit(part[0])? << 4 | digit(part[1])?;
        if part.get(2).is_some_and(|colon| *colon != b':') {
            return None;
        }
    }
    Some(octets)
}

pub(super) fn macaddr(value: &[u8]) -> bool {
    mac(value).is_some()
}

pub(super) fn macaddr_of_group(value: &[u8]) -> bool {
    mac(value).is_some_and(|octets| octets[0] & 1 == 1)
}

pub(super) fn macrange(value: &[u8]) -> bool {
    let ends = split(value, b'-').and_then(|(first, last)| Some((mac(first)?, mac(last)?)));
    ends.is_some_and(|(first, last)| first <= last)
}

/// An address of mail: `LOCAL@DOMAIN`, with letters, digits and the marks that need no quotes on the left, and on the
/// right a host name or an IP address in brackets.
pub(super) fn email(value: &[u8]) -> bool {
    let Some(at) = bytes::find_last(b'@', value) else { return false };
    let (local, domain) = (&value[..at], &value[at + 1..]);
    let is_atom = |atom: &[u8]| {
        !atom.is_empty()
            && atom.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(byte))
    };
    let is_local = local.len() <= 64 && local.split(|byte| *byte == b'.').all(is_atom);
    let literal = domain.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    let is_domain = match literal {
        Some(literal) => ip4addr(literal) || literal.strip_prefix(b"IPv6:").is_some_and(ip6addr),
        None => hostname(domain) && !domain.ends_with(b"."),
    };
    value.len() <= 254 && is_local && is_domain
}

/// A URL with a host: `SCHEME://[USER@]HOST[:PORT][/...]`, without blanks.
pub(super) fn url(value: &[u8]) -> bool {
    let Some(at) = bytes::find_text(b"://", value) else { return false };
    let (scheme, rest) = (&value[..at], &value[at + 3..]);
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    let authority = rest.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next().unwrap_or(rest);
    let place = bytes::find_last(b'@', authority).map_or(authority, |at| &authority[at + 1..]);
    let is_place = host_or_ip4(place)
        || hostport(place)
        || ipaddrport_in_brackets(place)
        || place.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).is_some_and(ip6addr);
    is_scheme && is_place && !value.iter().any(|byte| *byte <= b' ' || *byte == 0x7f)
}
