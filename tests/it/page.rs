//! The page that fans use, as the server sends it.

use crate::support::client::Client;
use crate::support::node::TestNode;
use crate::support::sale::Sale;
use flate2::read::GzDecoder;
use grandstand::config::Settings;
use reqwest::Method;
use std::io::Read as _;

const PARTS: [(&str, &str, &[u8]); 4] = [
    ("/", "text/html; charset=utf-8", include_bytes!("../../web/dist/index.html")),
    ("/app.js", "text/javascript; charset=utf-8", include_bytes!("../../web/dist/app.js")),
    ("/app.css", "text/css; charset=utf-8", include_bytes!("../../web/dist/app.css")),
    ("/solver.js", "text/javascript; charset=utf-8", include_bytes!("../../web/dist/solver.js")),
];

async fn ask(guest: &Client, path: &str, header: &str, value: &str) -> reqwest::Response {
    guest.request(Method::GET, path).header(header, value).send().await.unwrap()
}

/// A browser that has the newest part gets 304.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_sent_compressed_and_only_when_it_is_new() {
    let node = TestNode::start().await;
    let guest = node.guest();
    for (path, kind, built) in PARTS {
        let plain = ask(&guest, path, "accept-encoding", "identity").await;
        assert_eq!(plain.status(), 200);
        assert_eq!(plain.headers()["content-type"], kind);
        assert!(!plain.headers().contains_key("content-encoding"));
        let policy = plain.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
        let tag = plain.headers()["etag"].to_str().unwrap().to_owned();
        assert!(plain.bytes().await.unwrap() == built, "{path} is not what was built");

        let zipped = ask(&guest, path, "accept-encoding", "gzip, deflate, br").await;
        assert_eq!(zipped.headers()["content-encoding"], "gzip", "{path}");
        assert_eq!(zipped.headers()["etag"], tag.as_str());
        let bytes = zipped.bytes().await.unwrap();
        let mut text = Vec::new();
        GzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap();
        assert!(text == built, "{path} is not what was built");

        let known = ask(&guest, path, "if-none-match", &format!("\"other\", {tag}")).await;
        assert_eq!(known.status(), 304, "{path}");
        assert!(known.bytes().await.unwrap().is_empty());
    }
    node.finish().await;
}

/// With a client key of Toss, the page may load the script of Toss and nothing else of others, and
/// a payment has the key. Without the key, the page stays with this server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_key_lets_the_page_open_the_window_of_toss() {
    let with_key = |settings: &mut Settings| {
        settings.toss_client_key = "test_ck_page".to_owned();
        settings.toss_checkout_url.clear();
    };
    for (sale, has_key) in [(Sale::with(with_key), true), (Sale::with(|_| {}), false)] {
        let sale = sale.start().await;
        let page = ask(&sale.node.guest(), "/", "accept-encoding", "identity").await;
        let policy = page.headers()["content-security-policy"].to_str().unwrap();
        let foreign: Vec<&str> =
            policy.split([' ', ';']).filter(|word| word.contains("://")).collect();
        assert_eq!(foreign.contains(&"https://js.tosspayments.com"), has_key, "{policy}");
        assert!(foreign.iter().all(|source| source.ends_with(".tosspayments.com")), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");

        let (_, payment, _) = sale.ready(&[1]).await;
        assert_eq!(payment["clientKey"].as_str(), has_key.then_some("test_ck_page"));
        assert_eq!(payment["checkoutUrl"].is_string(), !has_key);
        sale.finish().await;
    }
}
