//! Addresses of IPv4 and IPv6, with prefix lengths and masks.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::number::digits;
use crate::bytes;

/// Reads an IPv4 address: four numbers without zeros before them.
pub(super) fn v4(value: &[u8]) -> Option<Ipv4Addr> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Reads an IPv6 address without a zone.
pub(super) fn v6(value: &[u8]) -> Option<Ipv6Addr> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Splits at the first `byte`.
pub(super) fn split(value: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes::find(byte, value)?;
    Some((&value[..at], &value[at + 1..]))
}

pub(super) fn ip4addr(value: &[u8]) -> bool {
    v4(value).is_some()
}

pub(super) fn ip6addr(value: &[u8]) -> bool {
    v6(value).is_some()
}

pub(super) fn ipaddr(value: &[u8]) -> bool {
    ip4addr(value) || ip6addr(value)
}

/// An address that `is_address` accepts, with or without a prefix length of at most `most` bits; with `counts_back` it
/// may be negative, and counts from the end of the address.
fn cidr_of(value: &[u8], is_address: fn(&[u8]) -> bool, most: u32, counts_back: bool) -> bool {
    let Some((address, length)) = split(value, b'/') else { return is_address(value) };
    let length = length.strip_prefix(b"-").filter(|_| counts_back).unwrap_or(length);
    is_address(address) && digits(length, most).is_some()
}

pub(super) fn cidr4(value: &[u8]) -> bool {
    cidr_of(value, ip4addr, 32, false)
}

pub(super) fn cidr4_or_back(value: &[u8]) -> bool {
    cidr_of(value, ip4addr, 32, true)
}

pub(super) fn cidr6(value: &[u8]) -> bool {
    cidr_of(value, ip6addr, 128, false)
}

pub(super) fn cidr6_or_back(value: &[u8]) -> bool {
    cidr_of(value, ip6addr, 128, true)
}

pub(super) fn cidr(value: &[u8]) -> bool {
    cidr4(value) || cidr6(value)
}

pub(super) fn cidr_or_back(value: &[u8]) -> bool {
    cidr4_or_back(value) || cidr6_or_back(value)
}

pub(super) fn netmask4(value: &[u8]) -> bool {
    v4(value).is_some_and(|mask| u32::from(mask).leading_ones() + u32::from(mask).trailing_zeros() >= 32)
}

pub(super) fn netmask6(value: &[u8]) -> bool {
    v6(value).is_some_and(|mask| u128::from(mask).leading_ones() + u128::from(mask).trailing_zeros() >= 128)
}

/// A mask of host parts: the ones are at the end.
fn is_suffix(value: &[u8]) -> bool {
    v6(value).is_some_and(|mask| u128::from(mask).leading_zeros() + u128::from(mask).trailing_ones() >= 128)
}

pub(super) fn ipmask4(value: &[u8]) -> bool {
    match split(value, b'/') {
        Some((address, mask)) => ip4addr(address) && netmask4(mask),
        None => ip4addr(value),
    }
}

pub(super) fn ipmask6(value: &[u8]) -> bool {
    match split(value, b'/') {
        Some((address, mask)) => ip6addr(address) && (netmask6(mask) || is_suffix(mask)),
        None => ip6addr(value),
    }
}

/// An address with a negative prefix length.
fn counts_back(value: &[u8], is_address: fn(&[u8]) -> bool, most: u32) -> bool {
    split(value, b'/').is_some_and(|(address, length)| {
        is_address(address) && length.strip_prefix(b"-").is_some_and(|length| digits(length, most).is_some())
    })
}

pub(super) fn ipmask4_or_back(value: &[u8]) -> bool {
    ipmask4(value) || counts_back(value, ip4addr, 32)
}

pub(super) fn ipmask6_or_back(value: &[u8]) -> bool {
    ipmask6(value) || counts_back(value, ip6addr, 128)
}

pub(super) fn ipmask(value: &[u8]) -> bool {
    ipmask4(value) || ipmask6(value)
}

pub(super) fn ipmask_or_back(value: &[u8]) -> bool {
    ipmask4_or_back(value) || ipmask6_or_back(value)
}

pub(super) fn ip4prefix(value: &[u8]) -> bool {
    digits(value, 32).is_some()
}

pub(super) fn ip6prefix(value: &[u8]) -> bool {
    digits(value, 128).is_some()
}

pub(super) fn ipnet4(value: &[u8]) -> bool {
    split(value, b'/').is_some_and(|(address, mask)| ip4addr(address) && ip4addr(mask))
}

pub(super) fn ipnet6(value: &[u8]) -> bool {
    split(value, b'/').is_some_and(|(address, mask)| ip6addr(address) && ip6addr(mask))
}

pub(super) fn ip6hostid(value: &[u8]) -> bool {
    matches!(value, b"eui64" | b"random") || v6(value).is_some_and(|id| u128::from(id) >> 64 == 0)
}

pub(super) fn iprange4(value: &[u8]) -> bool {
    let ends = split(value, b'-').and_then(|(first, last)| Some((v4(first)?, v4(last)?)));
    ends.is_some_and(|(first, last)| first <= last)
}

pub(super) fn iprange6(value: &[u8]) -> bool {
    let ends = split(value, b'-').and_then(|(first, last)| Some((v6(first)?, v6(last)?)));
    ends.is_some_and(|(first, last)| first <= last)
}

pub(super) fn iprange(value: &[u8]) -> bool {
    iprange4(value) || iprange6(value)
}
