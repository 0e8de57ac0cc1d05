//! What pages load: scripts, the style and the icon, built in and served under names that never change their
//! content.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};
use sha2::{Digest as _, Sha256};

/// A file that is built in.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static [u8],
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const ASSETS: [Asset; 5] = [
    Asset {
        name: "htmx.min.js",
        media_type: JAVASCRIPT,
        content: include_bytes!("../../assets/htmx.min.js"),
    },
    Asset {
        name: "hx-sse.min.js",
        media_type: JAVASCRIPT,
        content: include_bytes!("../../assets/hx-sse.min.js"),
    },
    Asset {
        name: "panel.js",
        media_type: JAVASCRIPT,
        content: include_bytes!("../../assets/panel.js"),
    },
    Asset {
        name: "panel.css",
        media_type: "text/css; charset=utf-8",
        content: include_bytes!("../../assets/panel.css"),
    },
    Asset {
        name: "icon.svg",
        media_type: "image/svg+xml",
        content: include_bytes!("../../assets/icon.svg"),
    },
];
/// Browsers ask again only when a page names another version.
const KEPT: &str = "public, max-age=31536000, immutable";

/// The version of all assets together, for the addresses in pages.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut all = Sha256::new();
    for asset in &ASSETS {
        all.update(asset.content);
    }
    hex(&all.finalize()).chars().take(16).collect()
});

/// Serves an asset.
pub(super) async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = format!("\"{}\"", hex(&Sha256::digest(asset.content)));
    let kept: [(HeaderName, String); 3] = [
        (header::CACHE_CONTROL, KEPT.to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::ETAG, tag.clone()),
    ];
    let known = headers.get(header::IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    let typed = [(header::CONTENT_TYPE, asset.media_type)];
    (kept, typed, Bytes::from_static(asset.content)).into_response()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::{ASSETS, hex};

    #[test]
    fn scripts_of_others_are_the_published_ones() {
        let published = include_str!("../../assets/SHA256SUMS");
        let sums: Vec<_> = published
            .lines()
            .filter_map(|line| line.split_once("  "))
            .collect();

        assert_eq!(sums.len(), 2, "{published}");
        for (sum, name) in sums {
            let asset = ASSETS.iter().find(|asset| asset.name == name).unwrap();
            assert_eq!(hex(&Sha256::digest(asset.content)), sum, "{name}");
        }
    }
}
