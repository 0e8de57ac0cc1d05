//! What the targets of all parsers here share; each stands beside its parser. More inputs than in a test run:
//! `make fuzz`.

use fuzzing::Target;

pub(crate) fn target(name: &str) -> Target {
    let words = &[
        "configs:",
        "- ",
        "\n  ",
        "&a ",
        "*a",
        "<<: *a",
        "!!binary ",
        "|+\n",
        "? ",
        "---",
        ".inf",
        "ms",
        "d",
        "webhook-timestamp: ",
        "v1,",
        "v1a,",
    ];
    Target::new(env!("CARGO_MANIFEST_DIR"), name, words)
}
