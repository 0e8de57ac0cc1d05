//! The checks of a signed request, in the order in which a receiver makes them.

use std::time::Duration;

use domain::{
    signing::{
        SigningKey,
        asymmetric::{self, PublicKey},
        hmac_hex, jwt, standard,
    },
    time::Timestamp,
};

/// What a signature is verified with.
#[derive(Debug)]
pub(crate) enum Key {
    /// Standard Webhooks, `v1`.
    Standard(SigningKey),
    /// Standard Webhooks, `v1a`.
    Public(PublicKey),
    /// The HMAC of the body.
    HmacHex(SigningKey),
    /// A token of HS256.
    Jwt(SigningKey),
}

/// A request as far as it is signed; texts are those of its headers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) id: &'a str,
    pub(crate) timestamp: &'a str,
    pub(crate) signature: &'a str,
    pub(crate) body: &'a [u8],
}

/// A check that was made, and what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) name: &'static str,
    pub(crate) problem: Option<String>,
}

impl Checked {
    fn new(name: &'static str, problem: Option<String>) -> Self {
        Self { name, problem }
    }
}

/// Makes all checks, those after a failed one too: whoever looks for a fault wants to see all of them.
pub(crate) fn check(
    key: &Key,
    signed: &Signed<'_>,
    now: Timestamp,
    tolerance: Duration,
) -> Vec<Checked> {
    let seconds = signed.timestamp.parse::<i64>().ok();
    let by_time = |is_right: &dyn Fn(i64) -> bool, version: &str| {
        let problem = match seconds {
            None => Some("can't be checked without a timestamp".to_owned()),
            Some(seconds) if is_right(seconds) => None,
            Some(_) => Some(standard_problem(signed, version)),
        };
        Checked::new("signature", problem)
    };
    let head = || {
        vec![
            Checked::new("id", id_problem(signed.id)),
            Checked::new("timestamp", time_problem(seconds, now, tolerance)),
        ]
    };
    match key {
        Key::Standard(key) => {
            let verify =
                |seconds| standard::verify(key, signed.id, seconds, signed.body, signed.signature);
            let mut checks = head();
            checks.push(by_time(&verify, "v1"));
            checks
        }
        Key::Public(key) => {
            let verify = |seconds| {
                asymmetric::verify(key, signed.id, seconds, signed.body, signed.signature)
            };
            let mut checks = head();
            checks.push(by_time(&verify, "v1a"));
            checks
        }
        Key::HmacHex(key) => {
            let is_right = hmac_hex::verify(key, signed.body, signed.signature);
            let problem = (!is_right).then(|| OTHER.to_owned());
            vec![Checked::new("signature", problem)]
        }
        Key::Jwt(key) => {
            let expected = jwt::Expected {
                url: None,
                body: signed.body,
                now,
            };
            let problem = jwt::verify(key, signed.signature, expected).err();
            vec![Checked::new(
                "token",
                problem.map(|refused| refused.to_string()),
            )]
        }
    }
}

const OTHER: &str = "is none of this secret for this body: the secret is another one, or the body is not the bytes that were sent";

fn standard_problem(signed: &Signed<'_>, version: &str) -> String {
    let prefix = format!("{version},");
    let mut parts = signed.signature.split(' ');
    if parts.any(|part| part.starts_with(&prefix)) {
        OTHER.to_owned()
    } else {
        format!("holds no {version} signature, which begins with {prefix}")
    }
}

fn id_problem(id: &str) -> Option<String> {
    id.is_empty().then(|| "is missing".to_owned())
}

fn time_problem(seconds: Option<i64>, now: Timestamp, tolerance: Duration) -> Option<String> {
    let Some(seconds) = seconds else {
        return Some("must be seconds since 1970".to_owned());
    };
    let sent = Timestamp::from_millis(seconds.saturating_mul(1000));
    let (ago, ahead) = (now.since(sent), sent.since(now));
    if ago > tolerance {
        Some(format!("is {ago:?} old, of at most {tolerance:?}"))
    } else if ahead > tolerance {
        Some(format!(
            "is {ahead:?} ahead, of at most {tolerance:?}: one of the clocks is wrong"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{
        signing::{SigningKey, asymmetric::PrivateKey, hmac_hex},
        time::Timestamp,
    };

    use super::{Key, Signed, check};

    /// A vector of the reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const REQUEST: Signed<'static> = Signed {
        id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp: "1614265330",
        signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        body: b"{\"test\": 2432232314}",
    };

    fn problems(key: &Key, signed: &Signed<'_>, at_s: i64) -> Vec<&'static str> {
        let now = Timestamp::from_millis(at_s * 1000);
        let checks = check(key, signed, now, Duration::from_secs(300));
        let failed = checks.into_iter().filter(|one| one.problem.is_some());
        failed.map(|one| one.name).collect()
    }

    #[test]
    fn each_check_fails_by_itself() {
        let key = Key::Standard(SigningKey::decode(SECRET).unwrap());
        let other =
            Key::Standard(SigningKey::decode("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap());
        let sent = 1_614_265_330;
        let with = |change: fn(&mut Signed<'static>)| {
            let mut signed = REQUEST;
            change(&mut signed);
            signed
        };

        assert!(problems(&key, &REQUEST, sent).is_empty());
        assert!(problems(&key, &REQUEST, sent + 300).is_empty());
        assert_eq!(problems(&key, &REQUEST, sent + 301), ["timestamp"]);
        assert_eq!(problems(&key, &REQUEST, sent - 301), ["timestamp"]);
        assert_eq!(problems(&other, &REQUEST, sent), ["signature"]);
        assert_eq!(
            problems(&key, &with(|it| it.body = b"{}"), sent),
            ["signature"]
        );
        assert_eq!(
            problems(&key, &with(|it| it.id = ""), sent),
            ["id", "signature"]
        );
        assert_eq!(
            problems(&key, &with(|it| it.timestamp = "now"), sent),
            ["timestamp", "signature"]
        );
        let unversioned = with(|it| it.signature = "g0hM9SsE");
        let checks = check(
            &key,
            &unversioned,
            Timestamp::from_millis(sent * 1000),
            Duration::MAX,
        );
        assert!(
            checks[2]
                .problem
                .as_ref()
                .unwrap()
                .contains("holds no v1 signature")
        );
    }

    #[test]
    fn the_other_schemes_are_checked_too() {
        let text = "a-secret-of-thirty-two-characters";
        let key = SigningKey::of_text(text, 16).unwrap();
        let value = hmac_hex::sign(&key, REQUEST.body);
        let hmac = Key::HmacHex(key);
        let signed = |signature| Signed {
            signature,
            ..REQUEST
        };
        let public = Key::Public(PrivateKey::from_seed([7; 32]).public_key());

        assert!(problems(&hmac, &signed(&value), 0).is_empty());
        assert_eq!(problems(&hmac, &signed("sha256=00"), 0), ["signature"]);
        assert_eq!(problems(&public, &REQUEST, 1_614_265_330), ["signature"]);
        let jwt = Key::Jwt(SigningKey::of_text(text, 16).unwrap());
        assert_eq!(problems(&jwt, &REQUEST, 0), ["token"]);
    }
}
