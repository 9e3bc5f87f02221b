//! The types that look at the value alone, and take no argument or one that switches a variant on.

use super::{address, host, word};
use crate::model::value_type::ValueType;

/// A check of a value that needs nothing else, and what it expects.
pub(super) struct Check {
    pub test: fn(&[u8]) -> bool,
    pub expected: &'static str,
    /// The type of the values, if it is not a string.
    pub value_type: Option<ValueType>,
}

impl Check {
    pub const fn new(test: fn(&[u8]) -> bool, expected: &'static str) -> Self {
        Self { test, expected, value_type: None }
    }

    pub const fn of(self, value_type: ValueType) -> Self {
        Self { value_type: Some(value_type), ..self }
    }
}

/// A type of this kind.
pub(super) struct Plain {
    pub name: &'static str,
    pub check: Check,
    /// What it is with a true argument.
    pub variant: Option<Check>,
}

const fn plain(name: &'static str, test: fn(&[u8]) -> bool, expected: &'static str) -> Plain {
    Plain { name, check: Check::new(test, expected), variant: None }
}

impl Plain {
    const fn or(mut self, test: fn(&[u8]) -> bool, expected: &'static str) -> Self {
        self.variant = Some(Check::new(test, expected));
        self
    }

    const fn of(mut self, value_type: ValueType) -> Self {
        self.check.value_type = Some(value_type);
        self
    }
}

/// The types, by name.
pub(super) static PLAIN: [Plain; 40] = [
    plain("bool", word::bool, "one of 1, 0, true, false, yes, no, on, off, enabled, disabled")
        .of(ValueType::Bool),
    plain("cidr", address::cidr, "an IP address, optionally with a prefix length")
        .or(address::cidr_or_back, "an IP address, optionally with a prefix length, which may be negative"),
    plain("cidr4", address::cidr4, "an IPv4 address, optionally with a prefix length").or(
        address::cidr4_or_back,
        "an IPv4 address, optionally with a prefix length, which may be negative",
    ),
    plain("cidr6", address::cidr6, "an IPv6 address, optionally with a prefix length").or(
        address::cidr6_or_back,
        "an IPv6 address, optionally with a prefix length, which may be negative",
    ),
    plain("dateyyyymmdd", word::date, "a day in 2015 or later, as YYYY-MM-DD"),
    plain("email", host::email, "an e-mail address"),
    plain("float", word::float, "a decimal number").of(ValueType::Float),
    plain("host", host::host, "a host name or an IP address")
        .or(host::host_or_ip4, "a host name or an IPv4 address"),
    plain("hostname", host::hostname, "a host name")
        .or(host::hostname_without_underscore, "a host name that does not begin with '_'"),
    plain("hostport", host::hostport, "a host name or an IPv4 address, with a port behind ':'"),
    plain("ip4addr", address::ip4addr, "an IPv4 address"),
    plain("ip4addrport", host::ip4addrport, "an IPv4 address with a port behind ':'"),
    plain("ip4prefix", address::ip4prefix, "a prefix length from 0 to 32").of(ValueType::Int),
    plain("ip6addr", address::ip6addr, "an IPv6 address"),
    plain("ip6hostid", address::ip6hostid, "the host part of an IPv6 address, 'eui64' or 'random'"),
    plain("ip6prefix", address::ip6prefix, "a prefix length from 0 to 128").of(ValueType::Int),
    plain("ipaddr", address::ipaddr, "an IP address"),
    plain("ipaddrport", host::ipaddrport, "an IP address with a port behind ':'")
        .or(host::ipaddrport_in_brackets, "an IP address, in brackets if it is IPv6, with a port behind ':'"),
    plain("ipmask", address::ipmask, "an IP address, optionally with a network mask").or(
        address::ipmask_or_back,
        "an IP address, optionally with a network mask or a negative prefix length",
    ),
    plain("ipmask4", address::ipmask4, "an IPv4 address, optionally with a network mask").or(
        address::ipmask4_or_back,
        "an IPv4 address, optionally with a network mask or a negative prefix length",
    ),
    plain("ipmask6", address::ipmask6, "an IPv6 address, optionally with a mask")
        .or(address::ipmask6_or_back, "an IPv6 address, optionally with a mask or a negative prefix length"),
    plain("ipnet4", address::ipnet4, "an IPv4 address with a network mask"),
    plain("ipnet6", address::ipnet6, "an IPv6 address with a network mask"),
    plain("iprange", address::iprange, "two IP addresses with '-' between, the lower first"),
    plain("iprange4", address::iprange4, "two IPv4 addresses with '-' between, the lower first"),
    plain("iprange6", address::iprange6, "two IPv6 addresses with '-' between, the lower first"),
    plain("macaddr", host::macaddr, "a MAC address: six pairs of hexadecimal digits between colons")
        .or(host::macaddr_of_group, "the MAC address of a group"),
    plain("macrange", host::macrange, "two MAC addresses with '-' between, the lower first"),
    plain("netdevname", host::netdevname, "the name of a network interface"),
    plain("netmask4", address::netmask4, "an IPv4 network mask"),
    plain("netmask6", address::netmask6, "an IPv6 network mask"),
    plain("network", host::network, "the name of a network, a host name or an IP address"),
    plain("phonedigit", word::phonedigit, "digits of a telephone, with '*', '#', '!' and '.'"),
    plain("port", host::port, "a port from 0 to 65535").of(ValueType::Int),
    plain("portrange", host::portrange, "a port, or two with '-' between, the lower first"),
    plain("timehhmmss", word::time, "a time of day, as HH:MM:SS"),
    plain("uciname", host::uciname, "a name of letters, digits and '_'"),
    plain("ufloat", word::ufloat, "a decimal number that is not negative").of(ValueType::Float),
    plain("wepkey", word::wepkey, "a WEP key: 5 or 13 characters, or 10 or 26 hexadecimal digits"),
    plain("wpakey", word::wpakey, "a WPA key: 8 to 63 characters, or 64 hexadecimal digits"),
];

/// Finds a type by its name.
pub(super) fn find(name: &[u8]) -> Option<&'static Plain> {
    let at = PLAIN.binary_search_by(|plain| plain.name.as_bytes().cmp(name)).ok()?;
    PLAIN.get(at)
}
