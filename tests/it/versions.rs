//! Every binary says which version it is.

use std::process::Command;

use test_support::binary_path;

const BINARIES: [&str; 6] = [
    "posthorn",
    "posthorn-ingest",
    "posthorn-fan-out",
    "posthorn-delivery",
    "posthorn-log-writer",
    "posthorn-admin",
];

#[test]
fn every_binary_names_itself_and_its_version() {
    for binary in BINARIES {
        for argument in ["--version", "-V"] {
            // A service without any setting would refuse to run, or run.
            let output = Command::new(binary_path(binary))
                .arg(argument)
                .env_clear()
                .output()
                .unwrap();

            let said = String::from_utf8(output.stdout).unwrap();
            let expected = format!("{binary} {}", env!("CARGO_PKG_VERSION"));
            assert!(output.status.success(), "{binary}: {}", output.status);
            assert!(said.starts_with(&expected), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
}

#[test]
fn a_service_with_an_argument_that_it_does_not_know_does_not_run() {
    for binary in &BINARIES[1..] {
        let output = Command::new(binary_path(binary))
            .arg("--listen=127.0.0.1:1")
            .env_clear()
            .output()
            .unwrap();

        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{binary}: {said}");
        assert!(said.contains("takes no arguments"), "{said}");
    }
}
