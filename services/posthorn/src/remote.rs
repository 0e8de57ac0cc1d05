//! Where Posthorn's API is, and as whom we ask it.

use std::path::PathBuf;

use clap::Args;
use config::{Reader, Secret, Source, parse};
use url::Url;

use crate::failure::Failure;

/// Where `posthorn dev` serves everything.
const URL_DEFAULT: &str = "http://127.0.0.1:8700";
const NO_TOKEN: &str =
    "no token is given: set POSTHORN_TOKEN or POSTHORN_TOKEN_FILE, or name a file by --token-file";

const URL_HELP: &str = "Address of the API [env: POSTHORN_URL] [default: http://127.0.0.1:8700]";
const TOKEN_HELP: &str =
    "File with the token [default: POSTHORN_TOKEN, or the file that POSTHORN_TOKEN_FILE names]";
const ORGANISATION_HELP: &str =
    "Organisation that is meant; operators must name it [env: POSTHORN_ORGANISATION]";

/// The options of every command that asks the API.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Remote {
    #[arg(long, value_name = "URL", help = URL_HELP)]
    url: Option<String>,
    #[arg(long, value_name = "FILE", help = TOKEN_HELP)]
    token_file: Option<PathBuf>,
    #[arg(long, value_name = "ID", help = ORGANISATION_HELP)]
    pub(crate) organisation: Option<String>,
}

/// The options with what the variables say where they are silent.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) url: Url,
    pub(crate) token: Secret,
    pub(crate) organisation: Option<String>,
}

impl Remote {
    /// Returns where the API is and as whom it is asked.
    ///
    /// # Errors
    /// [`Failure::Config`] or [`Failure::Usage`].
    pub(crate) fn access(&self, source: &Source) -> Result<Access, Failure> {
        let variables = Variables::read(source)?;
        let url = match &self.url {
            Some(text) => {
                api_url(text).map_err(|error| Failure::Usage(format!("--url: {error}")))?
            }
            None => match variables.url {
                Some(url) => url,
                None => api_url(URL_DEFAULT).map_err(Failure::Config)?,
            },
        };
        let token = match &self.token_file {
            Some(file) => token_in(file)?,
            None => (variables.token).ok_or_else(|| Failure::Config(NO_TOKEN.to_owned()))?,
        };
        Ok(Access {
            url,
            token,
            organisation: self.organisation.clone().or(variables.organisation),
        })
    }

    /// Returns the organisation that is meant, if one is named.
    ///
    /// # Errors
    /// [`Failure::Config`].
    pub(crate) fn organisation(&self, source: &Source) -> Result<Option<String>, Failure> {
        match &self.organisation {
            Some(named) => Ok(Some(named.clone())),
            None => Ok(Variables::read(source)?.organisation),
        }
    }
}

/// What the environment says of the connection.
struct Variables {
    url: Option<Url>,
    token: Option<Secret>,
    organisation: Option<String>,
}

impl Variables {
    fn read(source: &Source) -> Result<Self, Failure> {
        let mut reader = Reader::new(source);
        let url = reader.optional("URL", api_url);
        let token = reader.optional_secret("TOKEN", parse::secret(1));
        let organisation = reader.optional("ORGANISATION", parse::text(1..=64));
        reader
            .finish(|| {
                Some(Self {
                    url,
                    token,
                    organisation,
                })
            })
            .map_err(|faults| Failure::Config(faults.to_string()))
    }
}

/// Takes the address of the API, which may have a path in front of `/api`.
fn api_url(text: &str) -> Result<Url, String> {
    let url = parse::url(&["http", "https"])(text).map_err(|error| error.to_string())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold no login: the token is given by POSTHORN_TOKEN".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have no query and no fragment".to_owned());
    }
    Ok(url)
}

fn token_in(file: &PathBuf) -> Result<Secret, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::Config(format!(
            "--token-file {}: can't be read: {error}",
            file.display()
        ))
    })?;
    let token = Secret::new(text.trim().to_owned());
    if token.expose().is_empty() {
        return Err(Failure::Config(format!(
            "--token-file {}: is empty",
            file.display()
        )));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use config::Source;

    use super::Remote;
    use crate::failure::Failure;

    fn remote(url: Option<&str>) -> Remote {
        Remote {
            url: url.map(str::to_owned),
            token_file: None,
            organisation: None,
        }
    }

    #[test]
    fn options_go_before_variables_and_these_before_defaults() {
        let token = ("POSTHORN_TOKEN", "pht_x");
        let set = [
            token,
            ("POSTHORN_URL", "https://hooks.example/in"),
            ("POSTHORN_ORGANISATION", "acme"),
        ];
        let access =
            |url, pairs: &[(&str, &str)]| remote(url).access(&Source::from_pairs(pairs)).unwrap();

        assert_eq!(
            access(None, &[token]).url.as_str(),
            "http://127.0.0.1:8700/"
        );
        assert_eq!(access(None, &set).url.as_str(), "https://hooks.example/in");
        assert_eq!(access(None, &set).organisation.as_deref(), Some("acme"));
        assert_eq!(access(Some("http://a"), &set).url.as_str(), "http://a/");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let message = |url: Option<&str>, pairs: &[(&str, &str)]| {
            remote(url).access(&Source::from_pairs(pairs)).unwrap_err()
        };

        for (url, pairs, words) in [
            (None, &[][..], "POSTHORN_TOKEN"),
            (
                None,
                &[("POSTHORN_URL", "ftp://x")][..],
                "POSTHORN_URL: must",
            ),
            (
                None,
                &[("POSTHORN_TOKN", "x")][..],
                "did you mean POSTHORN_TOKEN",
            ),
            (
                None,
                &[("POSTHORN_ORGANISATION", "")][..],
                "POSTHORN_ORGANISATION",
            ),
        ] {
            let Failure::Config(message) = message(url, pairs) else {
                panic!("{words}");
            };
            assert!(message.contains(words), "{message}");
        }
        assert!(matches!(
            message(Some("http://u:p@x"), &[("POSTHORN_TOKEN", "x")]),
            Failure::Usage(message) if message.starts_with("--url: must hold no login")
        ));
    }
}
