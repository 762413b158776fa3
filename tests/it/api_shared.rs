//! Bytes that everybody asks for are made once, and what would have to be made for each is bounded.

use crate::support::node::TestNode;
use flate2::read::GzDecoder;
use grandstand::domain::ids::{BlockId, SiteId};
use grandstand::live::catalog::SitePart;
use grandstand::live::frame::{Scope, Subject};
use grandstand::live::match_feed::Watching;
use std::io::Read as _;

/// The plain and the compressed form have one weak tag, and the next client gets the same bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plan_of_a_site_is_made_and_compressed_once() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let path = format!("/api/sites/{}", fixture.site_id);
    let get = async |encoding: &str| {
        let request = node.guest().request(reqwest::Method::GET, &path);
        request.header("accept-encoding", encoding).send().await.unwrap()
    };
    let (plain, gzip) = (get("gzip;q=0").await, get("br, gzip;q=0.9").await);
    assert!(plain.headers().get("content-encoding").is_none());
    assert_eq!(gzip.headers()["content-encoding"], "gzip");
    assert_eq!(plain.headers()["etag"], gzip.headers()["etag"]);
    assert!(plain.headers()["etag"].to_str().unwrap().starts_with("W/"));
    assert_eq!(gzip.headers()["vary"], "accept-encoding");
    let (plain, gzip) = (plain.bytes().await.unwrap(), gzip.bytes().await.unwrap());
    let mut unpacked = Vec::new();
    GzDecoder::new(gzip.as_ref()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    let id: SiteId = fixture.site_id.parse().unwrap();
    let site = node.services().catalog.site(id).unwrap();
    let again = || site.part(SitePart::Plan, || Err("it is made again")).unwrap();
    assert_eq!(again().plain, plain);
    assert_eq!(again().gzip().as_ptr(), again().gzip().as_ptr());
    node.finish().await;
}

/// The next one shows the whole match, until somebody leaves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_most_200_sets_of_blocks_are_watched_in_a_match() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let feed = node.services().hub.feed(fixture.match_id()).await.unwrap();
    let set = |number: u32| Subject::Seats(Scope::Blocks(vec![BlockId(number), BlockId(1000)]));
    let watch = |number: u32| {
        let mut watching = Watching::new(feed.clone());
        let subject = watching.subject(set(number));
        (watching, subject)
    };
    let mut watchers: Vec<_> = (0..200).map(watch).collect();
    assert!((0..).zip(&watchers).all(|(number, (_, subject))| *subject == set(number)));
    assert_eq!(watch(200).1, Subject::Seats(Scope::Match));
    assert_eq!(watch(7).1, set(7), "a set that is watched costs nothing more");
    watchers.pop();
    assert_eq!(watch(200).1, set(200));
    node.finish().await;
}
