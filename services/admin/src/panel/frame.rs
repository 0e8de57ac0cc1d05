//! What all pages of an organisation have around them: navigation, who is signed in, and what was just done.

use domain::token::{Permission, Role};

use super::{assets, visit::Visit};

/// The frame of a page.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) version: &'static str,
    pub(super) title: String,
    pub(super) organisation: String,
    /// What the addresses of the organisation's pages begin with.
    pub(super) base: String,
    pub(super) role: &'static str,
    pub(super) is_operator: bool,
    pub(super) may_write: bool,
    pub(super) may_read_logs: bool,
    pub(super) links: Vec<Link>,
    /// What was just done.
    pub(super) notice: Option<&'static str>,
}

/// A link of the navigation.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) address: String,
    pub(super) name: &'static str,
    pub(super) is_here: bool,
}

/// The sections: their name, their address in the organisation, and what it takes to see them.
const SECTIONS: [(&str, &str, Permission); 7] = [
    ("Overview", "/", Permission::ReadConfigs),
    ("Webhooks", "/configs", Permission::ReadConfigs),
    ("Delivery logs", "/logs", Permission::ReadLogs),
    ("Dead letters", "/dead-letters", Permission::ReadLogs),
    ("Replays", "/replays", Permission::ReadLogs),
    ("Event types", "/event-types", Permission::ReadConfigs),
    ("Tokens", "/tokens", Permission::ManageTokens),
];

impl Frame {
    pub(super) fn new(visit: &Visit, title: String, section: &'static str) -> Self {
        let sections = SECTIONS.into_iter();
        let links = sections
            .filter(|(_, _, permission)| visit.may(*permission))
            .map(|(name, path, _)| Link {
                address: visit.address(path),
                name,
                is_here: name == section,
            });
        Self {
            version: &assets::VERSION,
            title,
            organisation: visit.organisation().to_string(),
            base: visit.base(),
            role: role(visit.role()),
            is_operator: visit.role() == Role::Operator,
            may_write: visit.may(Permission::WriteConfigs),
            may_read_logs: visit.may(Permission::ReadLogs),
            links: links.collect(),
            notice: notice(visit.query()),
        }
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Producer => "producer",
        Role::Viewer => "viewer",
        Role::Admin => "admin",
        Role::Operator => "operator",
    }
}

/// Returns what to say of the `done` in a query. Only known words say something.
fn notice(query: &str) -> Option<&'static str> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let (_, done) = pairs.find(|(name, _)| name == "done")?;
    Some(match done.as_ref() {
        "saved" => "Saved, and in force everywhere.",
        "paused" => "Paused. Its events wait until you resume it.",
        "resumed" => "Resumed. What waited is being delivered.",
        "deleted" => "Deleted.",
        "retried" => "The retry is on its way. Its attempt appears here by itself.",
        "retried-letter" => "It is being sent again and is no dead letter any more.",
        "started" => "The replay has begun.",
        "cancelled" => "The replay is cancelled.",
        "revoked" => "The token is revoked everywhere.",
        _ => return None,
    })
}
