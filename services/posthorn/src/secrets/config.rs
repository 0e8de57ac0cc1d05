//! What `posthorn secrets` is configured with: the variables of the services that it needs, and no others.

use ::config::{Common, Faults, Nats, Reader, Source};
use jetstream::sealing::Keyring;

/// Everything that the command is configured with.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) nats: Nats,
    /// The keys, the one that seals first.
    pub(crate) keyring: Keyring,
}

impl Config {
    /// Reads and checks every variable.
    pub(crate) fn read(source: &Source) -> Result<Self, Faults> {
        let mut reader = Reader::new(source);
        // It may be given the environment of any service, and listens nowhere.
        let common = Common::read(&mut reader, ([127, 0, 0, 1], 0).into());
        let keyring =
            reader.required_secret("SECRETS_KEY", |secret| Keyring::parse(secret.expose()));
        reader.finish(|| {
            Some(Self {
                nats: common.nats,
                keyring: keyring?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use ::config::Source;

    use super::Config;

    #[test]
    fn the_environment_of_a_service_will_do_and_no_key_is_printed() {
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let of_admin = [
            ("POSTHORN_NATS_URL", "nats://broker:4222"),
            ("POSTHORN_STORE_URL", "sqlite:x.db"),
            ("POSTHORN_OPERATOR_TOKEN", "an-operator-token"),
            ("POSTHORN_SECRETS_KEY", key),
        ];

        let config = Config::read(&Source::from_pairs(&of_admin)).unwrap();
        let faults = Config::read(&Source::from_pairs(&[(
            "POSTHORN_SECRETS_KEY",
            "not-a-key",
        )]));

        assert_eq!(config.nats.url, "nats://broker:4222");
        let faults = faults.unwrap_err().to_string();
        assert!(
            faults.starts_with("POSTHORN_SECRETS_KEY: must be"),
            "{faults}"
        );
        assert!(!faults.contains("not-a-key"), "{faults}");
    }
}
