//! The webhook config that a listener registers for itself, and removes.

use std::time::Duration;

use domain::{
    draft::url_key,
    endpoint::EventPattern,
    signing::{SigningKey, secret_from},
};
use http::Method;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::{
    api::{Api, Call},
    configs,
    failure::{Ended, Failure, failed},
    output::{self, plain},
};

/// The label by which the webhook configs of listeners are known.
const LABEL: &str = "posthorn-listen";
const NAME_MAX_CHARS: usize = 100;
/// How long removing may take: somebody has pressed Ctrl-C.
const REMOVE_BOUND: Duration = Duration::from_secs(10);
/// How often what was answered as unavailable is asked again, and after how long.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);
const MAYBE_LEFT: &str =
    "what was registered, if anything, is removed by the next posthorn listen of the same name";

/// What is to be registered.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) url: Url,
    pub(super) events: &'a [EventPattern],
    pub(super) name: String,
}

/// A webhook config that is ours.
#[derive(Debug)]
pub(super) struct Registered {
    id: String,
    key: SigningKey,
}

/// Returns what the listener is called.
///
/// # Errors
/// [`Failure::Usage`] for a name that can't be a label.
pub(super) fn name(given: Option<&str>) -> Result<String, Failure> {
    let machine = rustix::system::uname();
    let name = match given {
        Some(name) => name.to_owned(),
        None => machine.nodename().to_string_lossy().into_owned(),
    };
    let chars = name.chars().count();
    if (1..=NAME_MAX_CHARS).contains(&chars) && !name.chars().any(char::is_control) {
        Ok(name)
    } else {
        Err(Failure::Usage(format!(
            "--name: must be 1 to {NAME_MAX_CHARS} characters, none of them a control character"
        )))
    }
}

/// Registers the webhook config, after removing what an earlier listener of the name has left.
///
/// # Errors
/// [`Failure`] when the API refuses, or the URL is another webhook config's.
pub(super) async fn register(api: &Api, wanted: &Wanted<'_>) -> Result<Registered, Failure> {
    #[derive(Deserialize)]
    struct Made {
        id: String,
    }
    let url_key_wanted = url_key(wanted.url.as_str());
    for config in configs::all(api, None).await? {
        let text = |field: &str| config.get(field).and_then(serde_json::Value::as_str);
        let (id, url) = (
            text("id").unwrap_or_default(),
            text("url").unwrap_or_default(),
        );
        let label = config.get("metadata").and_then(|labels| labels.get(LABEL));
        if label.and_then(serde_json::Value::as_str) == Some(wanted.name.as_str()) {
            remove(api, id).await?;
            output::note(format_args!(
                "removed {}, left by an earlier listen",
                plain(id)
            ));
        } else if url_key(url) == url_key_wanted {
            return Err(Failure::Failed(format!(
                "{} is the URL of the webhook config {} already: choose another --address or --public-url",
                wanted.url,
                plain(id)
            )));
        }
    }
    let secret = secret_from(lifecycle::entropy::bytes());
    let key = SigningKey::decode(&secret).map_err(failed("make a secret"))?;
    let config = json!([{
        "url": wanted.url.as_str(), "events": wanted.events, "secret": secret,
        "description": format!("posthorn listen on {}", wanted.name),
        "metadata": {LABEL: wanted.name},
    }]);
    let call = Call::admin(Method::PUT, &["webhooks", "configs"]).json(&config);
    let made = patiently(async || api.read::<Vec<Made>>(&call).await).await;
    let made = made.inspect_err(|_failure| output::note(MAYBE_LEFT))?;
    let made = made.into_iter().next();
    let Made { id } = made.ok_or_else(|| Failure::Failed("nothing was registered".to_owned()))?;
    output::note(format_args!(
        "listening as {} on {}",
        plain(&id),
        wanted.url
    ));
    Ok(Registered { id, key })
}

/// Asks again what is answered as unavailable: what was saved and is not in force everywhere is, too, and the same
/// request completes it.
async fn patiently<T>(ask: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut tries = 0;
    loop {
        match ask().await {
            Err(Failure::Unavailable(_)) if tries < TRIES => tries += 1,
            answer => return answer,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Registered {
    /// Returns what its requests are verified with.
    pub(super) fn key(&self) -> SigningKey {
        self.key.clone()
    }

    /// Removes it.
    ///
    /// # Errors
    /// [`Failure`] when it may still be there.
    pub(super) async fn remove(self, api: &Api) -> Ended {
        let removed = tokio::time::timeout(REMOVE_BOUND, remove(api, &self.id)).await;
        match removed {
            Ok(Ok(())) => {
                output::note(format_args!("removed {}", plain(&self.id)));
                Ok(())
            }
            Ok(Err(failure)) => {
                self.tell_left();
                Err(failure)
            }
            Err(_elapsed) => {
                self.tell_left();
                Err(Failure::Unavailable("the API does not answer".to_owned()))
            }
        }
    }

    fn tell_left(&self) {
        output::note(format_args!(
            "{} may still be there: the next posthorn listen of the same name removes it",
            plain(&self.id)
        ));
    }
}

async fn remove(api: &Api, id: &str) -> Ended {
    let call = Call::admin(Method::DELETE, &["webhooks", "configs", id]);
    match patiently(async || api.ask(&call).await).await {
        Ok(_gone) => Ok(()),
        // Somebody else removed it, or we did, and it was not in force at once.
        Err(Failure::Failed(why)) if why.contains("(NOT_FOUND,") => Ok(()),
        Err(failure) => Err(failure),
    }
}
