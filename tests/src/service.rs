//! The five services and the variables that each of them takes.

/// One of the five services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Takes events over HTTP.
    Ingest,
    /// Makes jobs of events.
    FanOut,
    /// Sends requests to endpoints.
    Delivery,
    /// Writes attempt records into the store.
    LogWriter,
    /// Serves the Admin API.
    Admin,
}

/// Values that the services of one installation share.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `{service}` in it stands for the service's name.
    pub(crate) nats_url: String,
    pub(crate) store_url: String,
    pub(crate) operator_token: String,
    pub(crate) secrets_key: String,
    pub(crate) log_filter: String,
}

impl Service {
    /// All five, upstream first: the order in which they are drained.
    pub const ALL: [Self; 5] = [
        Self::Ingest,
        Self::FanOut,
        Self::Delivery,
        Self::LogWriter,
        Self::Admin,
    ];

    /// Returns its name, which is also its user's on a broker that asks for one.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::FanOut => "fan-out",
            Self::Delivery => "delivery",
            Self::LogWriter => "log-writer",
            Self::Admin => "admin",
        }
    }

    /// Returns the name of its binary.
    #[must_use]
    pub fn binary(self) -> &'static str {
        match self {
            Self::Ingest => "posthorn-ingest",
            Self::FanOut => "posthorn-fan-out",
            Self::Delivery => "posthorn-delivery",
            Self::LogWriter => "posthorn-log-writer",
            Self::Admin => "posthorn-admin",
        }
    }

    /// Returns the variables of this service; unknown ones are refused, so each gets only its own.
    pub(crate) fn variables(self, settings: &Settings) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            (
                "POSTHORN_NATS_URL",
                settings.nats_url.replace("{service}", self.name()),
            ),
            ("POSTHORN_LOG", settings.log_filter.clone()),
            ("POSTHORN_LOG_FORMAT", "json".to_owned()),
        ];
        if matches!(self, Self::LogWriter | Self::Admin) {
            variables.push(("POSTHORN_STORE_URL", settings.store_url.clone()));
        }
        if self == Self::Admin {
            variables.push(("POSTHORN_OPERATOR_TOKEN", settings.operator_token.clone()));
        }
        if matches!(self, Self::Delivery | Self::Admin) {
            variables.push(("POSTHORN_SECRETS_KEY", settings.secrets_key.clone()));
            variables.push(("POSTHORN_ALLOW_HTTP", "true".to_owned()));
            variables.push(("POSTHORN_EGRESS_ALLOW", "127.0.0.0/8".to_owned()));
        }
        variables
    }
}
