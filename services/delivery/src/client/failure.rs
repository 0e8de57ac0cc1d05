//! What a failure of the client is: told by the types in an error's chain, never by its text.

use std::{error::Error as StdError, io};

use domain::outcome::{ErrorKind, Failure};

use crate::{dial::CONNECT_TIMEOUT, proxy, resolver};

/// Tells what kind of failure an error of the client is, by the types in its chain.
pub(super) fn failure(error: &hyper_util::client::legacy::Error, is_https: bool) -> Failure {
    if let Some(error) = find::<resolver::Error>(error) {
        return told(error.kind(), error);
    }
    if let Some(error) = find::<proxy::Error>(error) {
        return told(error.kind(), error);
    }
    let is_connect = error.is_connect();
    let kind = kind_of(error).unwrap_or(if is_connect {
        ErrorKind::Connect
    } else {
        ErrorKind::Protocol
    });
    let (kind, message) = if is_connect && kind == ErrorKind::Timeout {
        let bound = CONNECT_TIMEOUT.as_millis();
        (kind, format!("no connection within {bound} ms"))
    } else if is_connect && is_https && kind == ErrorKind::Connect && was_cut_off(error) {
        // Nothing can end before it is there, so it is the handshake that was cut off.
        let message = format!("TLS handshake broke off: {}", innermost(error));
        (ErrorKind::Tls, message)
    } else {
        (kind, innermost(error))
    };
    Failure { kind, message }
}

fn told(kind: ErrorKind, error: &dyn StdError) -> Failure {
    Failure {
        kind,
        message: error.to_string(),
    }
}

/// Finds an error of a type in an error's chain, and in I/O errors, which hide their cause from it.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    if let Some(found) = error.downcast_ref::<T>() {
        return Some(found);
    }
    let inner = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
        .and_then(|inner| find::<T>(inner));
    inner.or_else(|| error.source().and_then(find::<T>))
}

/// Returns whether a connection that had been made was ended by the other side.
fn was_cut_off(error: &(dyn StdError + 'static)) -> bool {
    let Some(io) = error.downcast_ref::<io::Error>() else {
        return error.source().is_some_and(was_cut_off);
    };
    let is_cut = matches!(
        io.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
    );
    is_cut || io.get_ref().is_some_and(|inner| was_cut_off(inner))
}

/// Walks an error's chain, and into I/O errors, which hide their cause from it.
fn kind_of(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    if error.is::<rustls::Error>() {
        return Some(ErrorKind::Tls);
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        if let Some(inner) = io.get_ref()
            && let Some(kind) = kind_of(inner)
        {
            return Some(kind);
        }
        let timed_out = io.kind() == io::ErrorKind::TimedOut;
        return Some(if timed_out {
            ErrorKind::Timeout
        } else {
            ErrorKind::Connect
        });
    }
    if let Some(hyper) = error.downcast_ref::<hyper::Error>()
        && hyper.is_incomplete_message()
    {
        // The connection was closed before an answer began.
        return Some(ErrorKind::Connect);
    }
    error.source().and_then(kind_of)
}

/// Returns the last message of an error's chain: the one that says what happened.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
