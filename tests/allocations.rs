//! What must not allocate. A process of its own, since it counts the allocations of the whole process' threads.

use allocation_counter::measure;
use cms::datatype::{Answer, Context, Datatype, Files, Reference};

/// Accepts each value of each package.
struct Everything;

impl Context for Everything {
    fn accepts(&self, _: &Reference, _: &[u8]) -> Answer {
        Answer::Yes
    }
}

#[test]
fn a_value_that_passes_is_checked_without_allocating() {
    let cases = [
        ("bool", "ON"),
        ("integer(16)", "-0xff"),
        ("range(1,65535)", "8080"),
        ("and(port,not(22))", "80"),
        ("float", "1.5e3"),
        ("or(hexstring(4,8),\"auto\",42)", "42.0"),
        ("or(cidr4,cidr6,ipmask,iprange)", "2001:db8::1-2001:db8::2"),
        ("or(netmask4,ip6hostid)", "::1"),
        ("list(neg(or(uciname,hostname,ip4addr)))", "lan !wan  !192.0.2.1 example.com"),
        ("or(macaddr(1),macaddr)", "00:11:22:33:44:55"),
        ("email", "a@example.com"),
        ("or(dateyyyymmdd,timehhmmss)", "23:59:59"),
        ("directory", "/"),
        ("or(port,uci(\"network\",\"@interface\"))", "lan"),
        ("required|alpha_num|min:3|max:32|not_in:root,admin", "username"),
        ("integer|between:1,10", "10"),
    ];
    let regular = [("regexp(\"[a-z]+[0-9]*\")", "eth0"), ("required|regex:^(a|b)+$", "abab")];
    let cases = cases.iter().chain(if cfg!(feature = "regex") { &regular[..] } else { &[] });
    for (kind, value) in cases {
        let datatype = Datatype::parse(kind.as_bytes()).expect(kind);
        let counted = measure(|| {
            for _ in 0..10 {
                assert_eq!(datatype.check(value.as_bytes(), &Everything), Ok(()), "{kind}");
            }
        });
        assert_eq!(counted.count_total, 0, "{kind}: {counted:?}");
    }
    // The counter counts: a value that does not pass has a failure, which is allocated.
    let port = Datatype::parse(b"port").expect("a type");
    assert!(measure(|| drop(port.check(b"x", &Files::default()))).count_total > 0);
}
