//! The event types that every organisation has from the start.

/// An event type that Posthorn knows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed {
    /// The events' name.
    pub name: &'static str,
    /// The category of events that come without one.
    pub category: &'static str,
    /// What `eventSourceId` is the id of; without it, events of this name can't be filtered by entity.
    pub entity_type: Option<&'static str>,
    /// A note for people.
    pub description: &'static str,
}

/// Event types that have category and entity in common, each with its description.
struct Family {
    category: &'static str,
    entity_type: Option<&'static str>,
    types: &'static [(&'static str, &'static str)],
}

const FAMILIES: [Family; 16] = [
    family(
        "challenge",
        Some("challenge"),
        &[
            ("challenge-started", "A user has started a challenge."),
            ("challenge.started", "A user has started a challenge."),
            ("challenge-completion", "A user has completed it."),
            ("challenge.completed", "A user has completed it."),
        ],
    ),
    family(
        "action",
        Some("action"),
        &[
            ("action-participation", "A user has finished an action."),
            ("action.completed", "A user has finished an action."),
            ("variable-captured", "A variable of a user was captured."),
        ],
    ),
    family(
        "reward",
        Some("reward"),
        &[
            ("reward-distribution", "A user is given a reward."),
            ("reward-claim", "A user has claimed a reward."),
            ("reward-redemption", "A user has used a reward."),
            ("reward.earned", "A user has earned a reward."),
            ("reward.delivered", "A reward has been delivered."),
            ("reward.delivery_failed", "A reward can't be delivered."),
            ("reward.redeemed", "A user has redeemed a reward."),
            ("reward.expired", "A reward has expired."),
        ],
    ),
    family(
        "achievement",
        Some("achievement"),
        &[
            ("achievement-completion", "All its criteria are met."),
            ("achievement.earned", "A user has earned it."),
        ],
    ),
    family(
        "gamification",
        None,
        &[
            ("streak-extended", "A user has kept up a streak."),
            ("xp-gained", "A user has gained XP."),
        ],
    ),
    family(
        "points",
        Some("user"),
        &[("points.awarded", "A user's points went up or down.")],
    ),
    family(
        "commerce",
        Some("purchase"),
        &[("shop-purchase", "A user has spent points in the shop.")],
    ),
    family(
        "social",
        Some("post"),
        &[
            ("post-like", "A user likes a post."),
            ("post-comment", "A user has commented on a post."),
        ],
    ),
    family(
        "referral",
        Some("referral"),
        &[
            ("referral.referrer_credited", "The referrer was credited."),
            ("referral.referee_credited", "The referee was credited."),
        ],
    ),
    family(
        "user",
        Some("user"),
        &[("user.registered", "A user has registered.")],
    ),
    family(
        "user",
        None,
        &[("auth.email", "A user has authenticated by e-mail.")],
    ),
    family(
        "shopify",
        Some("order"),
        &[
            ("shopify.orders_create", "Shopify's orders/create."),
            ("shopify.orders_paid", "Shopify's orders/paid."),
            ("shopify.orders_fulfilled", "Shopify's orders/fulfilled."),
            ("shopify.orders_cancelled", "Shopify's orders/cancelled."),
        ],
    ),
    family(
        "shopify",
        Some("customer"),
        &[
            ("shopify.customers_create", "Shopify's customers/create."),
            ("shopify.customers_update", "Shopify's customers/update."),
        ],
    ),
    family(
        "shopify",
        Some("cart"),
        &[
            ("shopify.carts_create", "Shopify's carts/create."),
            ("shopify.carts_update", "Shopify's carts/update."),
            ("shopify.checkouts_create", "Shopify's checkouts/create."),
            ("shopify.checkouts_update", "Shopify's checkouts/update."),
        ],
    ),
    family(
        "shopify",
        Some("product"),
        &[("shopify.products_create", "Shopify's products/create.")],
    ),
    family(
        "shopify",
        None,
        &[
            ("shopify.app_uninstalled", "Shopify's app/uninstalled."),
            ("shopify.app_scopes_update", "Shopify's app/scopes_update."),
        ],
    ),
];

const fn family(
    category: &'static str,
    entity_type: Option<&'static str>,
    types: &'static [(&'static str, &'static str)],
) -> Family {
    Family {
        category,
        entity_type,
        types,
    }
}

/// Returns all seeds.
pub fn all() -> impl Iterator<Item = Seed> {
    FAMILIES.iter().flat_map(|family| {
        let types = family.types.iter();
        types.map(|(name, description)| Seed {
            name,
            category: family.category,
            entity_type: family.entity_type,
            description,
        })
    })
}

/// Returns the seed of that name.
#[must_use]
pub fn find(name: &str) -> Option<Seed> {
    all().find(|seed| seed.name == name)
}
