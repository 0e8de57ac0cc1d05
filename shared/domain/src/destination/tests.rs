use std::net::IpAddr;

use url::Url;

use super::{Policy, Refused};

/// What a spelling must come to.
#[derive(Debug, PartialEq)]
enum Is {
    /// This address, which may not be called.
    Blocked(&'static str),
    /// This address, which may.
    Open(&'static str),
    /// This name, whose addresses are checked when it is dialled.
    Name(&'static str),
    /// No URL at all.
    NoUrl,
    /// A URL with user info.
    UserInfo,
}

use Is::{Blocked, Name, NoUrl, Open, UserInfo};

/// What stands between `https://` and the path; what it is; and why anybody would write it.
const SPELLINGS: &[(&str, Is, &str)] = &[
    // IPv4, each block of the registry.
    (
        "0.0.0.0",
        Blocked("0.0.0.0"),
        "this host, on Linux loopback",
    ),
    ("0.1.2.3", Blocked("0.1.2.3"), "this network"),
    ("10.1.2.3", Blocked("10.1.2.3"), "private"),
    ("100.64.0.1", Blocked("100.64.0.1"), "carrier-grade NAT"),
    (
        "100.100.100.200",
        Blocked("100.100.100.200"),
        "metadata of a cloud within it",
    ),
    (
        "100.128.0.1",
        Open("100.128.0.1"),
        "the first behind carrier-grade NAT",
    ),
    ("127.0.0.1", Blocked("127.0.0.1"), "loopback"),
    (
        "127.255.255.254",
        Blocked("127.255.255.254"),
        "all of 127/8 is loopback",
    ),
    (
        "168.63.129.16",
        Blocked("168.63.129.16"),
        "a cloud's metadata on a public address",
    ),
    (
        "168.63.129.17",
        Open("168.63.129.17"),
        "its neighbour is somebody else's",
    ),
    (
        "169.254.169.254",
        Blocked("169.254.169.254"),
        "link-local, metadata of most clouds",
    ),
    (
        "172.15.255.255",
        Open("172.15.255.255"),
        "the last before the private block",
    ),
    ("172.16.0.1", Blocked("172.16.0.1"), "private"),
    (
        "172.31.255.255",
        Blocked("172.31.255.255"),
        "private, its last",
    ),
    ("172.32.0.1", Open("172.32.0.1"), "the first behind it"),
    (
        "192.0.0.192",
        Blocked("192.0.0.192"),
        "protocol assignments, metadata of a cloud",
    ),
    ("192.0.2.1", Blocked("192.0.2.1"), "documentation"),
    ("192.31.196.1", Blocked("192.31.196.1"), "AS112"),
    ("192.52.193.1", Blocked("192.52.193.1"), "AMT"),
    ("192.88.99.1", Blocked("192.88.99.1"), "6to4 relays"),
    ("192.168.1.1", Blocked("192.168.1.1"), "private"),
    ("198.18.0.1", Blocked("198.18.0.1"), "benchmarks"),
    (
        "198.19.255.255",
        Blocked("198.19.255.255"),
        "benchmarks, its last",
    ),
    ("198.51.100.1", Blocked("198.51.100.1"), "documentation"),
    ("203.0.113.1", Blocked("203.0.113.1"), "documentation"),
    ("224.0.0.1", Blocked("224.0.0.1"), "multicast"),
    ("240.0.0.1", Blocked("240.0.0.1"), "reserved"),
    ("255.255.255.255", Blocked("255.255.255.255"), "broadcast"),
    ("8.8.8.8", Open("8.8.8.8"), "public"),
    ("8.8.8.8:8443", Open("8.8.8.8"), "public, on another port"),
    // Other spellings of IPv4.
    ("2130706433", Blocked("127.0.0.1"), "decimal"),
    ("0x7f000001", Blocked("127.0.0.1"), "hexadecimal"),
    (
        "0X7F.1",
        Blocked("127.0.0.1"),
        "hexadecimal and short, in capitals",
    ),
    ("017700000001", Blocked("127.0.0.1"), "octal"),
    ("0177.0.0.01", Blocked("127.0.0.1"), "octal parts"),
    ("127.1", Blocked("127.0.0.1"), "short"),
    ("127.0.1", Blocked("127.0.0.1"), "three parts"),
    ("0x7f.0.0.0x1", Blocked("127.0.0.1"), "mixed parts"),
    ("0", Blocked("0.0.0.0"), "shortest"),
    ("0x", Blocked("0.0.0.0"), "an empty hexadecimal number is 0"),
    ("127.0.0.1.", Blocked("127.0.0.1"), "trailing dot"),
    ("127.0.0.1..", NoUrl, "two trailing dots"),
    ("256.0.0.1", NoUrl, "no byte"),
    ("4294967296", NoUrl, "one above the last address"),
    ("1.2.3.4.5", NoUrl, "five parts"),
    ("127.0.0.08", NoUrl, "no octal digit"),
    (
        "%31%32%37.0.0.1",
        Blocked("127.0.0.1"),
        "percent-encoded digits",
    ),
    (
        "127%2e0%2e0%2e1",
        Blocked("127.0.0.1"),
        "percent-encoded dots",
    ),
    ("１２７.0.0.1", Blocked("127.0.0.1"), "full-width digits"),
    (
        "127。0。0。1",
        Blocked("127.0.0.1"),
        "ideographic full stops",
    ),
    ("①②⑦.⓪.⓪.①", Blocked("127.0.0.1"), "circled digits"),
    ("127.0.0.1:443", Blocked("127.0.0.1"), "the default port"),
    ("127.0.0.1:99999", NoUrl, "no port"),
    (
        "12\t7.0.0.1",
        Blocked("127.0.0.1"),
        "a tab, which parsers drop",
    ),
    ("127.0.\n0.1", Blocked("127.0.0.1"), "a line feed, likewise"),
    // IPv6.
    ("[::]", Blocked("::"), "unspecified"),
    ("[::1]", Blocked("::1"), "loopback"),
    ("[0:0:0:0:0:0:0:1]", Blocked("::1"), "loopback in full"),
    ("[::ffff:127.0.0.1]", Blocked("127.0.0.1"), "IPv4-mapped"),
    (
        "[::ffff:7f00:1]",
        Blocked("127.0.0.1"),
        "IPv4-mapped in hexadecimal",
    ),
    (
        "[::FFFF:A9FE:A9FE]",
        Blocked("169.254.169.254"),
        "IPv4-mapped in capitals",
    ),
    (
        "[::ffff:8.8.8.8]",
        Open("8.8.8.8"),
        "IPv4-mapped and public",
    ),
    ("[::127.0.0.1]", Blocked("::127.0.0.1"), "IPv4-compatible"),
    (
        "[::8.8.8.8]",
        Blocked("::8.8.8.8"),
        "IPv4-compatible, retired",
    ),
    (
        "[::ffff:0:127.0.0.1]",
        Blocked("::ffff:0:127.0.0.1"),
        "IPv4-translated",
    ),
    (
        "[64:ff9b::7f00:1]",
        Blocked("64:ff9b::7f00:1"),
        "NAT64 to loopback",
    ),
    (
        "[64:ff9b::8.8.8.8]",
        Blocked("64:ff9b::808:808"),
        "NAT64, closed unless opened",
    ),
    (
        "[64:ff9b:1::1]",
        Blocked("64:ff9b:1::1"),
        "NAT64 for local use",
    ),
    (
        "[2002:7f00:1::]",
        Blocked("2002:7f00:1::"),
        "6to4 of loopback",
    ),
    ("[2002:808:808::1]", Blocked("2002:808:808::1"), "6to4"),
    ("[2001::1]", Blocked("2001::1"), "Teredo"),
    ("[2001:20::1]", Blocked("2001:20::1"), "ORCHID"),
    ("[2001:db8::1]", Blocked("2001:db8::1"), "documentation"),
    ("[3fff::1]", Blocked("3fff::1"), "documentation"),
    ("[2620:4f:8000::1]", Blocked("2620:4f:8000::1"), "AS112"),
    ("[100::1]", Blocked("100::1"), "discard"),
    ("[5f00::1]", Blocked("5f00::1"), "segment routing"),
    ("[fc00::1]", Blocked("fc00::1"), "unique local"),
    (
        "[fd00:ec2::254]",
        Blocked("fd00:ec2::254"),
        "metadata of a cloud",
    ),
    ("[fe80::1]", Blocked("fe80::1"), "link-local"),
    ("[fec0::1]", Blocked("fec0::1"), "site-local"),
    ("[ff02::1]", Blocked("ff02::1"), "multicast"),
    (
        "[2606:4700:4700::1111]",
        Open("2606:4700:4700::1111"),
        "public",
    ),
    (
        "[2606:4700:4700::1111]:8443",
        Open("2606:4700:4700::1111"),
        "public, on another port",
    ),
    ("[fe80::1%25eth0]", NoUrl, "a zone id"),
    ("[::1", NoUrl, "no bracket behind it"),
    ("::1", NoUrl, "no brackets"),
    ("[127.0.0.1]", NoUrl, "IPv4 in brackets"),
    // User info in front of what is called.
    (
        "8.8.8.8@127.0.0.1",
        UserInfo,
        "a user that looks like the host",
    ),
    ("@127.0.0.1", UserInfo, "an empty user"),
    (
        ":@a.example",
        UserInfo,
        "an empty user with an empty password",
    ),
    ("user:pass@a.example", UserInfo, "a password"),
    (
        "a.example%40b.example",
        NoUrl,
        "a percent-encoded at sign in a host",
    ),
    (
        "a.example\\@127.0.0.1",
        Name("a.example"),
        "a backslash ends the host as a slash does",
    ),
    ("127.0.0.1\\.a.example", Blocked("127.0.0.1"), "likewise"),
    (
        "a.example?@127.0.0.1",
        Name("a.example"),
        "the query begins before the at sign",
    ),
    // Names: what they lead to is looked at when they are dialled.
    ("localhost", Name("localhost"), "a name like any other"),
    (
        "LOCALHOST.",
        Name("localhost."),
        "in capitals, with a trailing dot",
    ),
    (
        "127.0.0.1.nip.example",
        Name("127.0.0.1.nip.example"),
        "a name with an address in it",
    ),
    ("bücher.example", Name("xn--bcher-kva.example"), "IDNA"),
    (
        "ＥＸＡＭＰＬＥ.com",
        Name("example.com"),
        "full-width letters",
    ),
    (
        "exa\u{ad}mple.com",
        Name("example.com"),
        "a soft hyphen, which IDNA drops",
    ),
    (
        "ex\tample.com",
        Name("example.com"),
        "a tab, which parsers drop",
    ),
    ("a.example%00.b.example", NoUrl, "NUL"),
    ("a.example%2f.b.example", NoUrl, "a percent-encoded slash"),
    ("a b.example", NoUrl, "a space"),
    (
        "",
        Name("x"),
        "an empty host: parsers take the path for it, and drafts refuse that",
    ),
    (":443", NoUrl, "a port alone"),
    ("a..example", NoUrl, "an empty label"),
    ("..", NoUrl, "nothing but dots"),
];

#[test]
fn every_spelling_comes_to_what_it_is() {
    let mut faults = Vec::new();
    for (spelling, expected, why) in SPELLINGS {
        let found = Policy::default().check_url(&format!("https://{spelling}/x"));

        if !is(&found, expected) {
            faults.push(format!("{spelling} ({why}): {found:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn an_address_that_is_dialled_is_checked_as_one_that_is_written() {
    for (spelling, expected, why) in SPELLINGS {
        let (text, is_open) = match expected {
            Blocked(text) => (text, false),
            Open(text) => (text, true),
            Name(_) | NoUrl | UserInfo => continue,
        };
        let address = text.parse().unwrap();

        let checked = Policy::default().check_resolved("hooks.example", address);

        assert_eq!(checked.is_ok(), is_open, "{spelling}: {why}");
    }
}

#[test]
fn a_url_is_refused_for_its_form() {
    let check = |text: &str, refused: Refused| {
        assert_eq!(Policy::default().check_url(text), Err(refused), "{text}");
    };
    check("", Refused::NotAUrl);
    check("/relative", Refused::NotAUrl);
    check("https://", Refused::NotAUrl);
    check("http://a.example/", Refused::NotHttps);
    check("HTTP://a.example/", Refused::NotHttps);
    check("ftp://a.example/", Refused::NotHttp);
    check("file:///etc/passwd", Refused::NotHttp);
    check("gopher://a.example/", Refused::NotHttp);
    check("https:\\\\user@a.example/", Refused::UserInfo);
    check("https:user@a.example/", Refused::UserInfo);
    check("https://a.example/#x", Refused::Fragment);
    check(
        &format!("https://a.example/{}", "x".repeat(2_048)),
        Refused::TooLong,
    );
}

#[test]
fn an_at_sign_behind_the_host_is_no_user_info() {
    for text in [
        "https://a.example/@user",
        "https://a.example?mail=user@b.example",
    ] {
        assert!(Policy::default().check_url(text).is_ok(), "{text}");
    }
}

#[test]
fn an_operator_opens_networks_and_hosts() {
    let open = Policy {
        allow_http: true,
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        hosts: vec![
            "receiver.internal".to_owned(),
            "xn--bcher-kva.internal".to_owned(),
        ],
    };
    let private: IpAddr = "10.0.0.1".parse().unwrap();

    assert!(open.check_url("http://127.0.0.1:8080/").is_ok());
    assert!(open.check_url("http://[::ffff:127.0.0.1]/").is_ok());
    assert!(open.check_url("http://10.0.0.1/").is_err());
    for (name, is_open) in [
        ("receiver.internal", true),
        ("Receiver.internal.", true),
        ("xn--bcher-kva.internal", true),
        ("other.internal", false),
        ("x.receiver.internal", false),
        ("receiver.internal.evil.example", false),
        ("evilreceiver.internal", false),
    ] {
        assert_eq!(
            open.check_resolved(name, private).is_ok(),
            is_open,
            "{name}"
        );
    }
}

#[test]
fn nat64_that_is_opened_leads_to_public_addresses_only() {
    let open = |networks: &[&str]| Policy {
        networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
        ..Policy::default()
    };
    let check = |policy: &Policy, text: &str| policy.check_address(text.parse().unwrap()).is_ok();

    let nat64 = open(&["64:ff9b::/96"]);
    assert!(check(&nat64, "64:ff9b::8.8.8.8"));
    assert!(!check(&nat64, "64:ff9b::10.0.0.1"));
    assert!(!check(&nat64, "64:ff9b::169.254.169.254"));
    let both = open(&["64:ff9b::/96", "10.0.0.0/8"]);
    assert!(check(&both, "64:ff9b::10.0.0.1"));
    assert!(!check(&open(&["10.0.0.0/8"]), "64:ff9b::10.0.0.1"));
}

fn is(found: &Result<Url, Refused>, expected: &Is) -> bool {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    match (found, expected) {
        (Err(Refused::Blocked(found)), Blocked(at)) => *found == address(at),
        (Err(Refused::UserInfo), UserInfo) | (Err(Refused::NotAUrl), NoUrl) => true,
        (Ok(url), Name(name)) => url.domain() == Some(*name),
        (Ok(url), Open(at)) => {
            let host = url.host_str().unwrap_or_default();
            let dialled = host.trim_matches(['[', ']']).parse::<IpAddr>();
            dialled.is_ok_and(|dialled| dialled.to_canonical() == address(at))
        }
        _ => false,
    }
}
