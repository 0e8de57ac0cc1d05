//! What each parser takes and refuses.

use std::{fmt::Debug, time::Duration};

use super::{
    EgressAllow, Invalid, address, boolean, broker_urls, dns_servers, egress_allow, integer,
    log_filter, name_prefix, proxy, seconds, span, url,
};
use crate::secret::Secret;

fn takes<T: Debug + PartialEq>(result: Result<T, Invalid>, expected: T) {
    assert_eq!(result, Ok(expected));
}

fn refuses<T: Debug>(result: Result<T, Invalid>, problem: &str) {
    assert_eq!(result.unwrap_err().to_string(), problem);
}

#[test]
fn booleans_are_words_or_digits() {
    takes(boolean("true"), true);
    takes(boolean("1"), true);
    takes(boolean("false"), false);
    takes(boolean("0"), false);
    refuses(boolean("TRUE"), "must be true or false");
    refuses(boolean(""), "must be true or false");
}

#[test]
fn numbers_keep_to_their_bounds() {
    takes(integer(1..=65_535_u32)("65535"), 65_535);
    refuses(integer(1..=9_u8)("10"), "must be a number from 1 to 9");
    refuses(integer(1..=9_u8)("1.5"), "must be a number from 1 to 9");
    takes(seconds(1..=300)("300"), Duration::from_secs(300));
    refuses(
        seconds(1..=300)("301"),
        "must be whole seconds from 1 to 300",
    );
}

#[test]
fn spans_have_a_unit_and_a_least() {
    let least = Duration::from_secs(60);

    takes(span(least)("30d"), Duration::from_secs(30 * 86_400));
    takes(span(least)("12h"), Duration::from_secs(12 * 3_600));
    takes(span(least)("1m"), least);
    let problem = "must be a time such as 12h or 30d of at least 60 s";
    refuses(span(least)("59s"), problem);
    refuses(span(least)("30"), problem);
    refuses(span(least)("99999999999999999999d"), problem);
    refuses(span(least)("9999999999999999999d"), problem);
}

#[test]
fn addresses_and_urls_are_absolute() {
    takes(address("0.0.0.0:0"), "0.0.0.0:0".parse().unwrap());
    refuses(
        address("localhost:80"),
        "must be an address such as 127.0.0.1:8080",
    );
    takes(
        url(&["https"])("https://a/b"),
        "https://a/b".parse().unwrap(),
    );
    refuses(
        url(&["http", "https"])("ftp://a"),
        "must be a URL with scheme http or https",
    );
}

#[test]
fn broker_urls_come_alone_or_in_a_list() {
    for text in [
        "127.0.0.1:4222",
        "nats://a",
        "tls://u:p@a:4222, wss://b",
        "nats://[::1]:4222",
    ] {
        takes(broker_urls(text), text.to_owned());
    }
    for text in [
        "",
        "nats://",
        "http://a",
        "nats://a,,nats://b",
        "nats://a b",
    ] {
        assert!(broker_urls(text).is_err(), "{text}");
    }
}

#[test]
fn prefixes_are_safe_in_names_of_streams_and_subjects() {
    takes(name_prefix("ph-1"), "ph-1".to_owned());
    for text in ["", "a.b", "a_b", "Ab", "a*", &"a".repeat(33)] {
        assert!(name_prefix(text).is_err(), "{text}");
    }
}

#[test]
fn egress_takes_networks_addresses_and_names() {
    let allow = egress_allow("10.1.2.3/8, ::1,192.168.0.7 ,Hooks.Internal").unwrap();

    assert_eq!(
        allow,
        EgressAllow {
            networks: ["10.0.0.0/8", "::1/128", "192.168.0.7/32"]
                .map(|text| text.parse().unwrap())
                .to_vec(),
            hosts: vec!["hooks.internal".to_owned()],
        }
    );
}

#[test]
fn an_empty_egress_list_opens_nothing() {
    takes(egress_allow(""), EgressAllow::default());
    takes(egress_allow(" , "), EgressAllow::default());
}

#[test]
fn egress_refuses_what_is_neither_network_nor_name() {
    for text in [
        "10.0.0.0/33",
        "300.1.1.1",
        "a b",
        "http://a",
        "*.internal",
        "a..b",
    ] {
        assert!(egress_allow(text).is_err(), "{text}");
    }
}

#[test]
fn log_filters_are_checked_before_they_are_used() {
    takes(
        log_filter("info,delivery=debug"),
        "info,delivery=debug".to_owned(),
    );
    assert!(log_filter("delivery=loud").is_err());
    assert!(log_filter("a [{\u{fffd}[").is_err());
}

#[test]
fn name_servers_are_addresses_with_or_without_a_port() {
    let servers = |text| dns_servers(text).map(|found| format!("{found:?}"));

    assert_eq!(servers("").unwrap(), "[]");
    assert_eq!(
        servers("10.0.0.53, [fd00::53]:5353,fd00::53").unwrap(),
        "[10.0.0.53:53, [fd00::53]:5353, [fd00::53]:53]"
    );
    for bad in [
        "ns.example",
        "10.0.0",
        "10.0.0.53:x",
        &"10.0.0.53,".repeat(9),
    ] {
        assert!(servers(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_proxy_is_a_bare_http_url_and_its_password_is_never_shown() {
    let read = |text: &str| proxy(&Secret::new(text.to_owned()));
    let found = |text: &str| {
        let proxy = read(text).unwrap().unwrap();
        let credentials = proxy
            .credentials
            .as_ref()
            .map(|pair| pair.expose().to_owned());
        (proxy.host, proxy.port, credentials)
    };
    let plain = |host: &str, port| (host.to_owned(), port, None);

    assert!(read("").unwrap().is_none());
    assert_eq!(
        found("http://proxy.example:3128"),
        plain("proxy.example", 3128)
    );
    assert_eq!(found("http://proxy.example/"), plain("proxy.example", 80));
    assert_eq!(found("http://[fd00::1]:3128"), plain("fd00::1", 3128));
    assert_eq!(
        found("http://me:p%40ss%3A@10.0.0.1:3128").2.as_deref(),
        Some("me:p@ss:")
    );
    assert_eq!(found("http://me@10.0.0.1").2.as_deref(), Some("me:"));
    for bad in [
        "proxy.example:3128",
        "https://me:s3cret@proxy.example",
        "socks5://me:s3cret@proxy.example",
        "http://me:s3cret@proxy.example/path",
        "http://me:s3cret@proxy.example?query",
        "http://me:s3cret%0d%0aX-Y:z@proxy.example",
        "http://m%3ae:s3cret@proxy.example",
        "http://",
    ] {
        let invalid = read(bad).unwrap_err().to_string();

        assert!(!invalid.contains("s3cret"), "{bad}: {invalid}");
    }
    let shown = format!("{:?}", read("http://me:s3cret@proxy.example").unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}
