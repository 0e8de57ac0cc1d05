use fuzzing::Target;
use proptest::prelude::*;
use tokio::runtime::Builder;

use super::{HEAD_MAX_BYTES, read_status};

#[test]
fn the_head_of_a_proxys_answer_is_read_to_its_end_and_not_a_byte_further() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let words = &["HTTP/1.1 200 OK", "\r\n\r\n", "407", " ", "\r\n"];
    Target::new(env!("CARGO_MANIFEST_DIR"), "proxy-head", words).check(|input| {
        let mut rest = input;
        let status = runtime.block_on(read_status(&mut rest));
        let read = input.len() - rest.len();
        prop_assert!(read <= HEAD_MAX_BYTES);
        if let Ok(status) = status {
            prop_assert!(status <= 999);
            let end = input.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            prop_assert_eq!(end.map(|at| at + 4), Some(read));
        }
        Ok(())
    });
}
