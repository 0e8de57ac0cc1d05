//! What a person asks for when a config is saved: reading, checking, and applying it.
