//! What a signature costs, by scheme.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use divan::{Bencher, black_box};
use domain::{
    name::EventId,
    signing::{LiveSecret, Scheme, Signed, Signer, asymmetric::PrivateKey, secret_from},
    time::Timestamp,
    trace::TraceParent,
};

const SCHEMES: [&str; 4] = [
    "\"standard\"",
    "{\"scheme\": \"standard\", \"asymmetric\": true}",
    "\"hmac-hex\"",
    "\"jwt\"",
];
const BODY_BYTES: [usize; 2] = [1_024, 256 * 1_024];

fn main() {
    divan::main();
}

#[divan::bench(args = SCHEMES, consts = BODY_BYTES)]
fn sign<const N: usize>(bencher: Bencher<'_, '_>, scheme: &str) {
    let (secret, pair) = (
        secret_from([1; 32]),
        PrivateKey::from_seed([2; 32]).expose(),
    );
    let live = [LiveSecret {
        text: &secret,
        private_key: Some(&pair),
    }];
    let scheme: Scheme = serde_json::from_str(scheme).unwrap();
    let signer = Signer::new(&scheme, &live, "https://a.example/hook").unwrap();
    let (id, body) = (EventId::try_new("evt-1").unwrap(), vec![b'x'; N]);
    let request = Signed {
        id: &id,
        at: Timestamp::from_millis(1_614_265_330_000),
        span: TraceParent::root([1; 16], [2; 8]),
        body: &body,
    };
    bencher.bench_local(|| signer.sign(black_box(request)));
}
