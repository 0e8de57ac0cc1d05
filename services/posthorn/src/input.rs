//! What is read from a file or from standard input.

use std::{
    fs::File,
    io::{Read, stdin},
    path::Path,
};

use crate::failure::Failure;

/// The most that is read: what one request may hold.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Reads a file, or standard input if it is called `-`.
///
/// # Errors
/// [`Failure::Failed`] when it can't be read or is over 16 MiB.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    if file == Path::new("-") {
        return read_all(stdin().lock(), "standard input");
    }
    let name = file.display().to_string();
    let open = File::open(file)
        .map_err(|error| Failure::Failed(format!("{name}: can't be read: {error}")))?;
    read_all(open, &name)
}

fn read_all(from: impl Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::Failed(format!("{name}: can't be read: {error}")))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_BYTES) {
        Ok(bytes)
    } else {
        Err(Failure::Failed(format!("{name}: is larger than 16 MiB")))
    }
}
