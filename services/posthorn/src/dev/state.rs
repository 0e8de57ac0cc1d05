//! The data directory: one process at a time, and what has to survive it.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use config::Secret;
use jetstream::sealing::Keyring;
use serde::Serialize;

/// The data directory; cheap to clone. It is locked while a clone lives.
#[derive(Debug, Clone)]
pub(crate) struct DataDir {
    root: PathBuf,
    _lock: Arc<File>,
}

/// What scripts need to know of a running `posthorn dev`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ready {
    pub(crate) address: String,
    pub(crate) nats_url: String,
    pub(crate) operator_token: String,
    pub(crate) pid: u32,
}

impl DataDir {
    /// Opens the directory, makes it if it is missing, and locks it.
    pub(crate) fn open(root: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(root).with_context(|| format!("make {}", root.display()))?;
        let root = root.canonicalize()?;
        // It holds keys, tokens and bodies of events.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700))
            .with_context(|| format!("close {} to others", root.display()))?;
        let lock = File::create(root.join("lock")).context("make the lock file")?;
        lock.try_lock().map_err(|_taken| {
            anyhow::anyhow!("{} is in use by another posthorn dev", root.display())
        })?;
        Ok(Self {
            root,
            _lock: Arc::new(lock),
        })
    }

    /// Returns the path of a file in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Returns the operator token: the given one, or one that is made once and kept.
    pub(crate) fn operator_token(&self, given: Option<&Secret>) -> anyhow::Result<Secret> {
        if let Some(token) = given {
            return Ok(token.clone());
        }
        let random: [u8; 24] = lifecycle::entropy::bytes();
        let fresh: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        self.kept("operator-token", &format!("pht_{fresh}"))
            .map(Secret::new)
    }

    /// Returns the keys that seal secrets: the given ones, or one that is made once and kept.
    pub(crate) fn keyring(&self, given: Option<Keyring>) -> anyhow::Result<Arc<Keyring>> {
        let keyring = match given {
            Some(keyring) => keyring,
            None => {
                let fresh = STANDARD.encode(lifecycle::entropy::bytes::<32>());
                Keyring::parse(&self.kept("secrets-key", &fresh)?).context("read secrets-key")?
            }
        };
        Ok(Arc::new(keyring))
    }

    /// Writes `dev.json`.
    pub(crate) fn write_ready(&self, ready: &Ready) -> anyhow::Result<()> {
        let whole = self.path("dev.json.new");
        write_private(&whole, &serde_json::to_string_pretty(ready)?)?;
        fs::rename(&whole, self.path("dev.json"))?;
        Ok(())
    }

    /// Removes `dev.json`, which tells of a running process.
    pub(crate) fn forget_ready(&self) {
        if let Err(error) = fs::remove_file(self.path("dev.json")) {
            tracing::debug!(error = %error, "dev.json was not removed");
        }
    }

    /// Returns what a file holds, after writing `fresh` to it if it is missing.
    fn kept(&self, name: &str, fresh: &str) -> anyhow::Result<String> {
        let path = self.path(name);
        if !path.exists() {
            write_private(&path, fresh)?;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(text.trim().to_owned())
    }
}

/// Writes a file that only its owner may read.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("write {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}
