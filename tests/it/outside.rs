//! Bytes from outside: each parser of them returns a value or an error, whatever the bytes are.
//! None panics, hangs, or makes much out of little. `make fuzz` tries many more than a usual run.

use crate::support::node::TestNode;
use grandstand::api::address::Proxies;
use grandstand::api::events::last_event_id;
use grandstand::config::parse_settings;
use grandstand::domain::fact::{Fact, Fields};
use grandstand::domain::ids::{HoldId, MatchId, PaymentId};
use grandstand::domain::plan::SitePlan;
use grandstand::domain::position::{EventId, Position, StreamId};
use grandstand::plan_import::{ImportOptions, PlanForm, import_plan, plan_as_csv};
use grandstand::tls::{TlsFiles, take_parameter};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use reqwest::Method;
use std::fmt::{Debug, Display};
use std::net::IpAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Each case ends within this time, however long its input takes to read.
const CASE_TIMEOUT: Duration = Duration::from_secs(2);
/// Requests of a usual run. Each goes over a real connection.
const REQUESTS: u32 = 60;

/// A usual run has the same cases each time. `PROPTEST_CASES` asks for more, and for other ones.
pub(crate) fn runner(divisor: u32) -> TestRunner {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if config.cases == 256 {
        config.rng_seed = RngSeed::Fixed(0x6772_616e_6473);
    }
    config.cases = (config.cases / divisor).max(1);
    TestRunner::new(config)
}

fn try_all<S: Strategy>(strategy: &S, check: impl Fn(S::Value)) {
    let checked = |value: S::Value| {
        let begun = Instant::now();
        check(value);
        prop_assert!(begun.elapsed() < CASE_TIMEOUT, "it took {:?}", begun.elapsed());
        Ok(())
    };
    runner(1).run(strategy, checked).unwrap();
}

/// Text that is nearly what a parser wants: parts of the formats, digits at the limits of numbers,
/// and anything else.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[0-9]{1,22}",
        Just("18446744073709551615".to_owned()),
        Just("-1".to_owned()),
        Just("01919e70-0000-7000-8000-000000000000".to_owned()),
        "[-:,.;/|=@?&%{}\\[\\] \"]",
        "[a-zA-Z_]{1,12}",
        "\\PC{0,8}",
        any::<String>(),
    ];
    proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

/// What was read is written as it can be read again.
fn reads_what_it_writes<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let again = value.to_string().parse::<T>();
        assert_eq!(again.ok().as_ref(), Some(&value), "{text:?}");
    }
}

#[test]
fn ids_and_positions_read_what_they_write() {
    let near =
        prop_oneof![text(), "[0-9]{1,20}-[0-9]{1,20}", "[0-9]{1,20}:[0-9]{1,20}-[0-9]{1,20}"];
    try_all(&near, |text| {
        reads_what_it_writes::<StreamId>(&text);
        reads_what_it_writes::<Position>(&text);
        reads_what_it_writes::<EventId>(&text);
        reads_what_it_writes::<MatchId>(&text);
        reads_what_it_writes::<HoldId>(&text);
        if let Some(payment) = PaymentId::from_order_id(&text) {
            assert_eq!(PaymentId::from_order_id(&payment.order_id()), Some(payment));
        }
        if let Some(id) = MatchId::from_key(&text) {
            assert_eq!(MatchId::from_key(&id.key()), Some(id));
        }
    });
}

/// Values of JSON of any shape, with the names that a plan has.
pub(crate) fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![Just(u64::from(u32::MAX)), 0..50u64].prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let names = "name|focus|grades|areas|sections|blocks|rows|id|code|price|color|label|grade|\
        outline|firstSeatId|seats|from|to|arc|numbering";
    leaf.prop_recursive(6, 60, 6, move |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from);
        let map = proptest::collection::btree_map(names, inner, 0..8);
        prop_oneof![list, map.prop_map(|map| map.into_iter().collect::<Value>())]
    })
}

/// A plan that is right, with one value replaced.
fn broken_plan() -> impl Strategy<Value = serde_json::Value> {
    (any::<prop::sample::Index>(), json()).prop_map(|(which, value)| {
        let mut plan = crate::support::node::plan();
        let mut paths = Vec::new();
        collect(&plan, "", &mut paths);
        let path = which.get(&paths);
        *plan.pointer_mut(path).unwrap() = value;
        plan
    })
}

fn collect(value: &serde_json::Value, path: &str, paths: &mut Vec<String>) {
    let pairs: Vec<(String, &serde_json::Value)> = match value {
        serde_json::Value::Object(map) => map.iter().map(|(key, v)| (key.clone(), v)).collect(),
        serde_json::Value::Array(list) => {
            list.iter().enumerate().map(|(at, v)| (at.to_string(), v)).collect()
        }
        _ => vec![],
    };
    for (key, inner) in pairs {
        let inner_path = format!("{path}/{key}");
        paths.push(inner_path.clone());
        collect(inner, &inner_path, paths);
    }
}

#[test]
fn a_plan_of_any_json_is_checked_and_never_panics() {
    try_all(&prop_oneof![json(), broken_plan()], |value| {
        let Ok(plan) = serde_json::from_value::<SitePlan>(value) else { return };
        if plan.check().is_empty() {
            let index = grandstand::domain::plan::PlanIndex::new(&plan);
            assert!(index.seat_count() > 0);
        }
    });
}

/// The plans of other programs that the tests import.
const FOREIGN_PLANS: [(PlanForm, &str); 3] = [
    (PlanForm::Pretix, include_str!("../plans/theatre.pretix.json")),
    (PlanForm::Csv, include_str!("../plans/hall.csv")),
    (PlanForm::Seatsio, include_str!("../plans/club.seatsio.json")),
];

/// A plan of another program with a value replaced, or with a part of its text.
fn broken_import() -> impl Strategy<Value = (PlanForm, String)> {
    let texts = (any::<prop::sample::Index>(), 0..20_usize, text());
    let cut = (0..3_usize, texts).prop_map(|(which, (at, length, text))| {
        let (form, plan) = FOREIGN_PLANS[which];
        let mut letters: Vec<char> = plan.chars().collect();
        let at = at.index(letters.len());
        letters.splice(at..(at + length).min(letters.len()), text.chars());
        (form, letters.into_iter().collect())
    });
    let replaced = (any::<bool>(), any::<prop::sample::Index>(), json());
    let replaced = replaced.prop_map(|(is_pretix, which, value)| {
        let (form, plan) = FOREIGN_PLANS[if is_pretix { 0 } else { 2 }];
        let mut plan: serde_json::Value = serde_json::from_str(plan).unwrap();
        let mut paths = Vec::new();
        collect(&plan, "", &mut paths);
        let path = which.get(&paths).clone();
        *plan.pointer_mut(&path).unwrap() = value;
        (form, plan.to_string())
    });
    let forms = [PlanForm::Pretix, PlanForm::Csv, PlanForm::Seatsio];
    let any_text = (prop::sample::select(forms.to_vec()), text());
    prop_oneof![cut, replaced, any_text]
}

/// What an import accepts is a plan without faults, and can be exported and imported again.
#[test]
fn plans_of_other_programs_are_read_or_refused() {
    try_all(&broken_import(), |(form, text)| {
        let options = ImportOptions::default();
        match import_plan(form, &text, &options) {
            Ok(imported) => {
                assert_eq!(imported.plan.check(), [], "{text}");
                let again = import_plan(PlanForm::Csv, &plan_as_csv(&imported.plan), &options);
                assert!(again.is_ok(), "{again:?}\n{text}");
            }
            Err(faults) => assert!(!faults.is_empty(), "{text}"),
        }
    });
}

#[test]
fn a_journal_entry_of_any_fields_is_a_fact_or_an_error() {
    let names = "v|t|id|user|match|reservation|payment|seats|amount|refund|was|epoch|entry|json|\
        document|order|key|at|method";
    let kinds = prop_oneof![
        text(),
        Just("1".to_owned()),
        Just("1.7".to_owned()),
        "account|site|match|site_deleted|match_deleted|blocked|unblocked|begun|approved|declined",
        "refund_begun|refund_done|refunded|dead_letter_replayed",
        json().prop_map(|value| value.to_string()),
    ];
    let fields = proptest::collection::btree_map(names, kinds, 0..14);
    try_all(&fields, |fields| {
        let fields: Fields = fields.into_iter().collect();
        let id: StreamId = "5-1".parse().unwrap();
        if let Err(error) = Fact::parse(id, &fields) {
            assert!(!error.to_string().is_empty());
        }
    });
}

#[test]
fn headers_of_proxies_and_streams_are_never_trusted_too_far() {
    let proxy: IpAddr = "10.0.0.1".parse().unwrap();
    let proxies = Proxies::new(&[proxy.into()]);
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "([0-9]{1,3}\\.){3}[0-9]{1,3}(:[0-9]{1,6})?(, ?[0-9a-f:.\\[\\]]{0,30}){0,20}"
            .prop_map(String::into_bytes),
    ];
    try_all(&bytes, |bytes| {
        let mut headers = reqwest::header::HeaderMap::new();
        let Ok(value) = reqwest::header::HeaderValue::from_bytes(&bytes) else { return };
        headers.insert("x-forwarded-for", value.clone());
        headers.insert("last-event-id", value);
        let stranger: IpAddr = "192.0.2.7".parse().unwrap();
        assert_eq!(proxies.caller(stranger, &headers), stranger, "a stranger is not believed");
        let _ = proxies.caller(proxy, &headers);
        let _ = last_event_id(&headers, None);
        let text = String::from_utf8_lossy(&bytes);
        let _ = last_event_id(&reqwest::header::HeaderMap::new(), Some(&text));
    });
}

#[test]
fn settings_files_and_urls_of_any_text_are_read_or_refused() {
    let lines = "([a-z_]{1,10} = (\"[^\"]{0,9}\"|[0-9]{1,25}|\\[[0-9, ]{0,9}\\])\n){0,5}";
    try_all(&prop_oneof![text(), lines], |text| {
        let _ = parse_settings(&text);
        let (url, files) = TlsFiles::take_from(&text);
        assert_eq!(TlsFiles::take_from(&url), (url.clone(), TlsFiles::default()), "{text:?}");
        assert_eq!(files == TlsFiles::default(), url == text, "{text:?}");
        let (rest, value) = take_parameter(&text, "sslmode");
        assert_eq!(value.is_none(), rest == text);
        let _ = grandstand::redis::address(&text);
        let _ = grandstand::store::Store::new(&text, 1);
    });
}

/// The parsers behind the routes: tokens, cursors, lists of blocks, keys, bodies, webhooks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_any_text_get_a_response_that_blames_the_client() {
    let node = TestNode::start_with(|settings| {
        settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let strategy = (text(), text(), json());
    let mut runner = runner(256 / REQUESTS);
    let cases = runner.config().cases;
    for _ in 0..cases {
        let (first, second, body): (String, String, serde_json::Value) =
            strategy.new_tree(&mut runner).unwrap().current();
        let header = |text: &str| {
            let visible: String = text.chars().filter(|letter| !letter.is_control()).collect();
            reqwest::header::HeaderValue::from_bytes(visible.as_bytes()).unwrap()
        };
        let escaped = utf8_percent_encode(&first, NON_ALPHANUMERIC).to_string();
        let events = format!("/seats/events?blocks={escaped}&lastEventId={escaped}");
        let mut requests = vec![
            fan.request(Method::GET, &format!("/api/matches?cursor={escaped}")),
            node.guest()
                .request(Method::GET, "/api/users/me")
                .header("authorization", header(&format!("Bearer {first}"))),
            fan.request(Method::GET, &fixture.path("/seats"))
                .header("x-forwarded-for", header(&first))
                .header("forwarded", header(&second)),
            fan.request(Method::GET, &fixture.path(&events))
                .header("last-event-id", header(&second)),
        ];
        for path in [fixture.path("/holds"), "/api/payments/webhooks/toss".to_owned()] {
            requests.push(
                fan.request(Method::POST, &path)
                    .header("idempotency-key", header(&second))
                    .header("content-type", "application/json")
                    .body(body.to_string()),
            );
            let bytes = first.clone().into_bytes();
            requests.push(
                fan.request(Method::POST, &path)
                    .header("content-type", "application/json")
                    .body(bytes),
            );
        }
        for request in requests {
            let response = tokio::time::timeout(CASE_TIMEOUT, request.send()).await;
            let response = response.expect("no request hangs").unwrap();
            let status = response.status().as_u16();
            assert!(status < 500, "{status}: {first:?} {second:?} {body}");
        }
    }
    node.finish().await;
}
