use super::{CERTIFICATES_MAX, Certificates, Invalid, PEM_MAX_BYTES};

/// Made by `openssl req -x509 -newkey ec -days 3650`; its end is a `UTCTime`.
const SOON: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBczCCARmgAwIBAgIUP39ONJ5w4yzqGhwiRSzLGYLLQc0wCgYIKoZIzj0EAwIw\n\
DzENMAsGA1UEAwwEc29vbjAeFw0yNjExMjExNjA3NDVaFw0zNjExMTgxNjA3NDVa\n\
MA8xDTALBgNVBAMMBHNvb24wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQPgchL\n\
XuMK03Erip4OjxEbCisqcm8Jf4lAOFrVXU+6ETfU6QzsRsJ54Wq/VFz65g5u17MC\n\
SrbuCPhbpmYPUzC7o1MwUTAdBgNVHQ4EFgQUPBOAVXVSxL51F5JL1krKbRjrokMw\n\
HwYDVR0jBBgwFoAUPBOAVXVSxL51F5JL1krKbRjrokMwDwYDVR0TAQH/BAUwAwEB\n\
/zAKBggqhkjOPQQDAgNIADBFAiEAkFK6zGmed4QZJDXLbUU6Kz9j86fYV/ZIOHxp\n\
p+B7E54CIG2dgMc5UzHNC8WJ6mlJxPP4YPPK7q6W4l4x9AvIky2V\n\
-----END CERTIFICATE-----\n\
";
/// Likewise for 20,000 days; its end is a `GeneralizedTime`.
const LATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBdjCCARugAwIBAgIUN4RI0fSKrf7rbLU5jOD6r3ytIW4wCgYIKoZIzj0EAwIw\n\
DzENMAsGA1UEAwwEbGF0ZTAgFw0yNjExMjExNjA3MThaGA8yMDgxMDgyNDE2MDcx\n\
OFowDzENMAsGA1UEAwwEbGF0ZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAGw\n\
tJXSvvh/PA7ezAg3AQJZ2zhTV6su1yby00VcKMYlAP1ftZj5VvdPC9bHXSOjf5fK\n\
FyCiq2aGZo6ncb9+DyKjUzBRMB0GA1UdDgQWBBTQ+vRFjF7lxJRnjX+wAWBew8qZ\n\
nzAfBgNVHSMEGDAWgBTQ+vRFjF7lxJRnjX+wAWBew8qZnzAPBgNVHRMBAf8EBTAD\n\
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQCdDV41wGTAHwlcIhVcrFTHc87C0ki3FPP/\n\
SULXBgi0TQIhAObIcOnuTgYmtgQ+CEcHj1MOITKsFYyuV8tFQbsfuhGp\n\
-----END CERTIFICATE-----\n\
";

#[test]
fn a_certificate_tells_until_when_it_holds() {
    let ends = |pem: &str| Certificates::parse(pem).unwrap().expires_at().to_string();

    assert_eq!(ends(SOON), "2036-11-18T16:07:45.000Z");
    assert_eq!(ends(LATE), "2081-08-24T16:07:18.000Z");
    assert_eq!(
        ends(&format!("{SOON}{LATE}")),
        ends(SOON),
        "the first one counts"
    );
}

#[test]
fn what_tools_write_around_a_certificate_is_dropped() {
    let told = format!(
        "subject=CN = soon\r\n\r\n{}\nBag Attributes\n",
        SOON.replace('\n', "\r\n")
    );

    let read = Certificates::parse(&told).unwrap();

    assert_eq!(read.to_pem(), SOON);
    assert_eq!(read.ders().len(), 1);
}

#[test]
fn what_is_no_list_of_certificates_is_refused() {
    let check = |pem: &str, invalid: Invalid| {
        assert_eq!(Certificates::parse(pem), Err(invalid), "{pem}");
    };
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    check("", Invalid::None);
    check("no PEM", Invalid::None);
    check(key, Invalid::Other);
    check(&format!("{SOON}{key}"), Invalid::Other);
    check(&SOON.repeat(CERTIFICATES_MAX + 1), Invalid::TooMany);
    check(&" ".repeat(PEM_MAX_BYTES + 1), Invalid::TooLong);
    check("-----BEGIN CERTIFICATE-----\nAAAA\n", Invalid::Damaged);
    check("-----END CERTIFICATE-----\n", Invalid::Damaged);
    check(
        "-----BEGIN CERTIFICATE-----\nno base64\n-----END CERTIFICATE-----\n",
        Invalid::Damaged,
    );
    check(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        Invalid::Damaged,
    );
    check(
        &format!("-----BEGIN CERTIFICATE-----\n{SOON}"),
        Invalid::Damaged,
    );
}

#[test]
fn a_certificate_that_is_cut_or_changed_anywhere_does_no_harm() {
    let der = Certificates::parse(SOON).unwrap().ders()[0].clone();
    for at in 0..der.len() {
        let mut changed = der.clone();
        for byte in [0, 1, 0x30, 0x7f, 0x80, 0x83, 0xff] {
            changed[at] = byte;
            let _expiry = super::expires_at(&changed);
        }

        assert_eq!(super::expires_at(&der[..at]), None, "cut at {at}");
    }
}
