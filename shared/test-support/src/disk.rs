//! A small file system of a test's own, to be filled.

use std::{path::Path, process::Command};

use tempfile::TempDir;

/// A file system in memory; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    directory: TempDir,
}

impl SmallDisk {
    /// Mounts a file system of a size such as `64m`, which everybody may write to.
    ///
    /// # Panics
    /// Panics when neither this process nor `sudo` without a password may mount one.
    #[must_use]
    pub fn mount(size: &str) -> Self {
        let directory = tempfile::tempdir().expect("make a folder to mount on");
        let options = format!("size={size},mode=0777");
        let path = directory.path().to_str().expect("a plain name");
        let mounted = as_root(&["mount", "-t", "tmpfs", "-o", &options, "tmpfs", path]);
        assert!(
            mounted,
            "cannot mount a file system: run this as root, or allow sudo without a password"
        );
        Self { directory }
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let path = self.directory.path().to_string_lossy().into_owned();
        // Lazily: whoever still has a file open keeps it until it ends.
        as_root(&["umount", "-l", &path]);
    }
}

/// Runs a command as root, if that is possible; answers whether it succeeded.
fn as_root(command: &[&str]) -> bool {
    let succeeds = |words: &[&str]| {
        let run = Command::new(words[0]).args(&words[1..]).output();
        run.is_ok_and(|output| output.status.success())
    };
    succeeds(command) || succeeds(&[&["sudo", "-n"], command].concat())
}
