//! What must not allocate. A process of its own, since it counts the allocations of the whole process' threads.

use std::path::Path;

use allocation_counter::measure;
use cms::datatype::{Answer, Context, Datatype, Files, Reference};
use cms::schema::{Alone, Schema};
use cms::text::{ParseOptions, parse};

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

#[test]
fn a_package_of_a_thousand_options_that_fits_its_schema_is_checked_without_allocating() {
    let text = "config section 'interface'\n\toption named '1'\n\toption min '1'\n\toption unknown 'refuse'\n\
                config field\n\toption section 'interface'\n\toption name 'proto'\n\toption type 'or(\"static\",\"dhcp\")'\n\
                \toption required '1'\n\
                config field\n\toption section 'interface'\n\toption name 'ipaddr'\n\toption type 'or(cidr4,ip4addr)'\n\
                \toption required '1'\n\toption depends 'proto=static'\n\
                config field\n\toption section 'interface'\n\toption name 'dns'\n\toption type 'ipaddr'\n\toption list '1'\n\
                config field\n\toption section 'interface'\n\toption name 'device'\n\
                \toption type 'uci(\"network\",\"@interface\")'\n\
                config field 'mtu'\n\toption type 'range(68,9200)'\n\toption size '4'\n";
    let schema = Schema::read("network", Path::new("network"), text.as_bytes().to_vec());
    assert_eq!(schema.mistakes, []);
    let section = |number: usize| {
        format!(
            "config interface 'i{number}'\n\toption proto 'static'\n\toption ipaddr '10.0.{}.{}/24'\n\
             \toption mtu '1500'\n\toption device 'i0'\n\tlist dns '1.1.1.1'\n\tlist dns '2001:db8::1'\n",
            number / 250,
            number % 250
        )
    };
    let text: String = (0..200).map(section).collect();
    let options = ParseOptions::new();
    let package = parse(b"network", text.into_bytes().into(), &options).expect("a package").package;
    assert_eq!(package.sections().map(|section| section.options().count()).sum::<usize>(), 1000);
    let counted = measure(|| assert_eq!(schema.check(&package, None, &Alone::default()), []));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
