use proptest::prelude::*;

use super::TraceLink;
use crate::fuzz::target;

#[test]
fn a_link_leads_to_the_web_and_nowhere_else() {
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    target("trace-link").check_text(|text| {
        if let Ok(link) = text.parse::<TraceLink>() {
            let led = link.to(id).unwrap();
            let url = url::Url::parse(&led);
            prop_assert!(led.contains(id));
            prop_assert!(
                url.is_ok_and(|url| matches!(url.scheme(), "http" | "https")),
                "{}",
                led
            );
        }
        Ok(())
    });
}
