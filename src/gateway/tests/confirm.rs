//! Confirmations and look-ups, with each possible result.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn an_approval_is_approved_and_can_be_looked_up() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.toss.find_by_order(ORDER).await, Lookup::NotFound);
    let key = gateway.pay(ORDER, json!({})).await;

    let outcome = gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await;
    let ConfirmOutcome::Approved(payment) = outcome else { panic!("{outcome:?}") };
    assert_eq!((payment.status.as_str(), payment.balance_amount), ("DONE", AMOUNT));
    assert!(payment.approved_at.as_ref().unwrap().ends_with("+09:00"));
    assert_eq!(payment.method.as_deref(), Some("카드"));

    assert_eq!(gateway.toss.find_by_order(ORDER).await, Lookup::Found(payment.clone()));
    let again = gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await;
    assert_eq!(again, ConfirmOutcome::Approved(payment), "the same call has one effect");
}

#[tokio::test]
async fn a_refused_card_is_declined_and_stays_declined() {
    let gateway = Gateway::start().await;
    let key = gateway.pay(ORDER, json!({ "confirm": "decline" })).await;
    for _ in 0..2 {
        let outcome = gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await;
        let ConfirmOutcome::Declined { code, message } = outcome else { panic!("{outcome:?}") };
        assert_eq!(code, "REJECT_CARD_COMPANY");
        assert!(!message.is_empty());
    }
    gateway.until_status(ORDER, &GatewayStatus::Aborted).await;
}

#[tokio::test]
async fn a_second_card_for_the_same_order_can_succeed_after_a_decline() {
    let gateway = Gateway::start().await;
    let refused = gateway.pay(ORDER, json!({ "confirm": "decline" })).await;
    let good = gateway.pay(ORDER, json!({})).await;
    let third = gateway.pay(ORDER, json!({})).await;
    assert!(matches!(
        gateway.toss.confirm(&refused, ORDER, AMOUNT, 1).await,
        ConfirmOutcome::Declined { .. }
    ));
    assert!(matches!(
        gateway.toss.confirm(&good, ORDER, AMOUNT, 1).await,
        ConfirmOutcome::Approved(_)
    ));
    assert_unknown(&gateway.toss.confirm(&third, ORDER, AMOUNT, 1).await, "ALREADY_PROCESSED");
    let Lookup::Found(payment) = gateway.toss.find_by_order(ORDER).await else { panic!() };
    assert_eq!(payment.payment_key, good, "the payment that took the money is found");
}

#[tokio::test]
async fn definitive_codes_decline_and_all_others_are_unknown() {
    let gateway = Gateway::start().await;
    let rows = [
        ("EXCEED_MAX_AMOUNT", true),
        ("REJECT_ACCOUNT_PAYMENT", true),
        ("NOT_FOUND_PAYMENT_SESSION", true),
        ("ALREADY_PROCESSED_PAYMENT", false),
        ("PROVIDER_ERROR", false),
        ("UNAUTHORIZED_KEY", false),
        ("UNKNOWN_PAYMENT_ERROR", false),
        ("A_CODE_OF_TOMORROW", false),
    ];
    for (index, (code, is_definitive)) in rows.into_iter().enumerate() {
        let order = format!("order-{index:06}");
        let key = gateway.pay(&order, json!({ "confirm": "decline", "code": code })).await;
        let outcome = gateway.toss.confirm(&key, &order, AMOUNT, 1).await;
        if is_definitive {
            assert!(matches!(outcome, ConfirmOutcome::Declined { .. }), "{code}: {outcome:?}");
        } else {
            assert_unknown(&outcome, code);
        }
    }
}

#[tokio::test]
async fn an_amount_or_an_order_that_differs_is_refused() {
    let gateway = Gateway::start().await;
    let key = gateway.pay(ORDER, json!({})).await;
    for (key, order, amount) in [
        (key.as_str(), ORDER, AMOUNT - 1),
        (key.as_str(), "order-000002", AMOUNT),
        ("no-such-payment", ORDER, AMOUNT),
    ] {
        let outcome = gateway.toss.confirm(key, order, amount, 1).await;
        assert!(matches!(outcome, ConfirmOutcome::Declined { .. }), "{outcome:?}");
    }
    gateway.until_status(ORDER, &GatewayStatus::InProgress).await;
}

#[tokio::test]
async fn a_cut_connection_is_unknown_and_a_look_up_finds_the_payment_done() {
    let gateway = Gateway::start().await;
    for (order, kind) in [(ORDER, "dropAfter"), ("order-000002", "errorAfter")] {
        let key = gateway.pay(order, json!({})).await;
        gateway.fault(json!({ "call": "confirm", "kind": kind, "count": 1 })).await;
        let outcome = gateway.toss.confirm(&key, order, AMOUNT, 1).await;
        assert!(matches!(outcome, ConfirmOutcome::Unknown { .. }), "{outcome:?}");
        gateway.until_status(order, &GatewayStatus::Done).await;
        let again = gateway.toss.confirm(&key, order, AMOUNT, 1).await;
        assert!(
            matches!(again, ConfirmOutcome::Approved(_)),
            "Toss replays the first reply: {again:?}"
        );
    }
}

#[tokio::test]
async fn a_failure_before_the_effect_is_unknown_and_a_repeat_succeeds() {
    let gateway = Gateway::start().await;
    for (index, kind) in ["dropBefore", "errorBefore"].into_iter().enumerate() {
        let order = format!("order-{index:06}");
        let key = gateway.pay(&order, json!({})).await;
        gateway.fault(json!({ "call": "confirm", "kind": kind, "count": 1 })).await;
        let outcome = gateway.toss.confirm(&key, &order, AMOUNT, 1).await;
        assert!(matches!(outcome, ConfirmOutcome::Unknown { .. }), "{kind}: {outcome:?}");
        gateway.until_status(&order, &GatewayStatus::InProgress).await;
        let again = gateway.toss.confirm(&key, &order, AMOUNT, 1).await;
        assert!(matches!(again, ConfirmOutcome::Approved(_)), "{kind}: {again:?}");
    }
}

#[tokio::test]
async fn a_timeout_is_unknown_because_the_money_can_move_later() {
    let gateway = Gateway::start().await;
    let impatient = client(&gateway.emulator.url(), &EmulatorSettings::default().secret_key, 250);
    let key = gateway.pay(ORDER, json!({})).await;
    let slow = json!({ "call": "confirm", "kind": "latency", "minMs": 1500, "count": 1 });
    gateway.fault(slow).await;
    assert_unknown(&impatient.confirm(&key, ORDER, AMOUNT, 1).await, "in time");
    let Lookup::Found(payment) = gateway.toss.find_by_order(ORDER).await else { panic!() };
    assert_eq!(payment.status, GatewayStatus::InProgress, "not decided yet, so not a failure");
    gateway.until_status(ORDER, &GatewayStatus::Done).await;
}

#[tokio::test]
async fn a_call_in_flight_is_repeated_with_the_same_key() {
    let gateway = Gateway::start().await;
    let key = gateway.pay(ORDER, json!({})).await;
    gateway.fault(json!({ "call": "confirm", "kind": "latency", "minMs": 200, "count": 1 })).await;
    let (first, second) = tokio::join!(
        gateway.toss.confirm(&key, ORDER, AMOUNT, 1),
        gateway.toss.confirm(&key, ORDER, AMOUNT, 1),
    );
    assert!(matches!(first, ConfirmOutcome::Approved(_)), "{first:?}");
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_call_that_stays_in_flight_is_unknown() {
    let gateway = Gateway::start().await;
    let key = gateway.pay(ORDER, json!({})).await;
    gateway.fault(json!({ "call": "confirm", "kind": "inFlight" })).await;
    let outcome = gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await;
    assert_unknown(&outcome, "IDEMPOTENT_REQUEST_PROCESSING");
    gateway.end_faults().await;
    assert!(matches!(
        gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await,
        ConfirmOutcome::Approved(_)
    ));
}

#[tokio::test]
async fn too_many_calls_are_unknown() {
    let gateway = Gateway::start().await;
    let key = gateway.pay(ORDER, json!({})).await;
    gateway.fault(json!({ "kind": "rateLimit", "perMinute": 1 })).await;
    assert!(matches!(gateway.toss.find_by_order(ORDER).await, Lookup::Found(_)));
    assert_unknown(&gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await, "429");
}

/// A gateway that wants no call for this number of seconds, and the number of calls that it gets.
async fn calls_of_a_confirmation(retry_after_s: u64) -> usize {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let busy = axum::Router::new().fallback(async move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let body = json!({"code": "TOO_MANY_REQUESTS", "message": "later"});
        let head = [("retry-after", retry_after_s.to_string())];
        (axum::http::StatusCode::TOO_MANY_REQUESTS, head, axum::Json(body))
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let toss = client(&format!("http://{}", listener.local_addr().unwrap()), "test_sk_busy", 3_500);
    let server = tokio::spawn(async move { axum::serve(listener, busy).await });
    assert_unknown(&toss.confirm("a-payment-key", ORDER, AMOUNT, 1).await, "429");
    server.abort();
    calls.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_gateway_that_wants_fewer_calls_gets_fewer() {
    assert_eq!(calls_of_a_confirmation(60).await, 1, "no buyer waits for a minute");
    let calls = calls_of_a_confirmation(1).await;
    assert!((2..=4).contains(&calls), "once a second for 3.5 s: {calls}");
}

#[tokio::test]
async fn a_payment_into_a_virtual_account_is_declined_and_the_account_is_closed() {
    let gateway = Gateway::start().await;
    let key = gateway.pay(ORDER, json!({ "confirm": "waitForDeposit" })).await;
    let outcome = gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await;
    let ConfirmOutcome::Declined { code, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(code, "VIRTUAL_ACCOUNT_NOT_ACCEPTED");
    gateway.until_status(ORDER, &GatewayStatus::Canceled).await;
}

#[tokio::test]
async fn a_deposit_before_the_account_is_closed_counts_as_paid() {
    let gateway = Gateway::start().await;
    let key = gateway.pay(ORDER, json!({ "confirm": "waitForDeposit" })).await;
    gateway.fault(json!({ "call": "cancel", "kind": "dropBefore" })).await;
    assert_unknown(&gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await, "cut");
    gateway.post(&format!("/_emulator/payments/{key}/deposit"), &json!({})).await;
    gateway.until_status(ORDER, &GatewayStatus::Done).await;
}

#[tokio::test]
async fn the_time_to_confirm_ends() {
    let settings = EmulatorSettings { approval_window_ms: 0, ..EmulatorSettings::default() };
    let gateway = Gateway::start_with(settings, 5_000).await;
    let key = gateway.pay(ORDER, json!({})).await;
    let outcome = gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await;
    let ConfirmOutcome::Declined { code, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(code, "NOT_FOUND_PAYMENT_SESSION");
    gateway.until_status(ORDER, &GatewayStatus::Expired).await;
}

#[tokio::test]
async fn a_wrong_key_and_an_unreachable_gateway_are_unknown() {
    let gateway = Gateway::start().await;
    let key = gateway.pay(ORDER, json!({})).await;
    let url = gateway.emulator.url();
    for (wrong_key, code) in
        [("test_sk_other", "UNAUTHORIZED_KEY"), ("test_ck_other", "INVALID_API_KEY")]
    {
        let toss = client(&url, wrong_key, 5_000);
        assert_unknown(&toss.confirm(&key, ORDER, AMOUNT, 1).await, code);
        assert!(matches!(toss.find_by_order(ORDER).await, Lookup::Unknown { .. }));
    }

    let Gateway { emulator, toss, .. } = gateway;
    emulator.stop().await;
    assert!(toss.admits_new_payment());
    for _ in 0..5 {
        assert_unknown(&toss.confirm(&key, ORDER, AMOUNT, 1).await, "connect");
    }
    assert!(!toss.admits_new_payment(), "the breaker is open");
}

/// Starts a gateway that sends the same reply to each call, for replies that Toss never sends.
async fn gateway_with_reply(status: u16, body: String) -> Toss {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    let router = axum::Router::new().fallback(move || {
        let body = body.clone();
        async move { (status, body) }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    client(&format!("http://{address}"), "test_sk_any", 5_000)
}

#[tokio::test]
async fn a_reply_about_another_payment_is_never_an_approval() {
    let good = json!({
        "paymentKey": "key-1", "orderId": ORDER, "status": "DONE",
        "totalAmount": AMOUNT, "balanceAmount": AMOUNT, "currency": "KRW",
    });
    let toss = gateway_with_reply(200, good.to_string()).await;
    assert!(matches!(toss.confirm("key-1", ORDER, AMOUNT, 1).await, ConfirmOutcome::Approved(_)));

    for (field, value) in [
        ("paymentKey", json!("key-2")),
        ("orderId", json!("order-000002")),
        ("totalAmount", json!(AMOUNT + 1)),
        ("currency", json!("USD")),
    ] {
        let mut other = good.clone();
        other[field] = value;
        let toss = gateway_with_reply(200, other.to_string()).await;
        assert_unknown(&toss.confirm("key-1", ORDER, AMOUNT, 1).await, "another payment");
    }
    let mut other = good.clone();
    other["orderId"] = json!("order-000002");
    let toss = gateway_with_reply(200, other.to_string()).await;
    assert!(matches!(toss.find_by_order(ORDER).await, Lookup::Unknown { .. }));
}

#[tokio::test]
async fn replies_that_are_not_from_toss_are_unknown() {
    for (status, body) in [
        (200, "<html>a login page</html>".to_owned()),
        (200, "{".to_owned()),
        (404, "not found".to_owned()),
        (302, String::new()),
        (502, "bad gateway".to_owned()),
        (500, json!({ "code": "REJECT_CARD_COMPANY", "message": "" }).to_string()),
        (200, "x".repeat(3 << 20)),
    ] {
        let toss = gateway_with_reply(status, body).await;
        let outcome = toss.confirm("key-1", ORDER, AMOUNT, 1).await;
        assert!(matches!(outcome, ConfirmOutcome::Unknown { .. }), "{status}: {outcome:?}");
        assert!(matches!(toss.find_by_order(ORDER).await, Lookup::Unknown { .. }), "{status}");
        let outcome = toss.cancel("key-1", "intent-1", "test", None).await;
        assert!(matches!(outcome, CancelOutcome::Unknown { .. }), "{status}: {outcome:?}");
    }
}

#[tokio::test]
async fn ids_that_could_change_the_path_are_not_sent() {
    let gateway = Gateway::start().await;
    for id in ["..", "a/b", "a?b", "", "a%2fb"] {
        assert!(matches!(gateway.toss.find_by_order(id).await, Lookup::Unknown { .. }), "{id}");
        let outcome = gateway.toss.cancel(id, "intent-1", "test", None).await;
        assert!(matches!(outcome, CancelOutcome::Unknown { .. }), "{id}");
    }
    let outcome = gateway.toss.confirm("../\r\n\u{0}", ORDER, AMOUNT, 1).await;
    assert!(matches!(outcome, ConfirmOutcome::Declined { .. }), "{outcome:?}");
}

#[tokio::test]
async fn calls_in_the_background_do_not_make_the_breaker_refuse_buyers() {
    let gateway = Gateway::start().await;
    gateway.fault(json!({ "call": "lookup", "kind": "dropBefore" })).await;
    let background = gateway.toss.in_background();
    for _ in 0..8 {
        assert!(matches!(background.find_by_order(ORDER).await, Lookup::Unknown { .. }));
    }
    assert!(gateway.toss.admits_new_payment());
    for _ in 0..8 {
        assert!(matches!(gateway.toss.find_by_order(ORDER).await, Lookup::Unknown { .. }));
    }
    assert!(!gateway.toss.admits_new_payment(), "the other calls open the breaker");
}
