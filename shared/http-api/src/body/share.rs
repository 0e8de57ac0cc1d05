//! How much of the room for bodies an organisation may take: who sends slowly leaves room for others.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use domain::name::OrganisationId;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// The most bytes of all bodies of an organisation that are being read or worked on.
const SHARE_BYTES: usize = 64 * 1024 * 1024;
/// Above so many shares, those that nobody uses any more are forgotten.
const KEPT: usize = 1_024;

/// The shares of the organisations that are asking.
#[derive(Debug, Default)]
pub(crate) struct Shares(Mutex<HashMap<OrganisationId, Weak<Semaphore>>>);

impl Shares {
    /// Returns the share of an organisation, which all its requests have in common.
    pub(crate) fn of(&self, organisation: &OrganisationId) -> Arc<Semaphore> {
        let mut shares = self.0.lock();
        if let Some(share) = shares.get(organisation).and_then(Weak::upgrade) {
            return share;
        }
        if shares.len() >= KEPT {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new(SHARE_BYTES));
        shares.insert(organisation.clone(), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{KEPT, Shares};

    #[test]
    fn requests_of_an_organisation_have_one_share_and_what_nobody_uses_is_forgotten() {
        let shares = Shares::default();
        let acme = shares.of(&"acme".parse().unwrap());

        for n in 0..2 * KEPT {
            let other = shares.of(&format!("o{n}").parse().unwrap());
            assert!(!Arc::ptr_eq(&other, &acme));
        }

        assert!(Arc::ptr_eq(&shares.of(&"acme".parse().unwrap()), &acme));
        assert!(shares.0.lock().len() <= KEPT);
    }
}
