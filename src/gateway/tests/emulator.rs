//! The emulator as the HTTP client of a shop sees it: credentials, test codes, idempotency keys,
//! the fields of a payment, the pay page, and the file of the ledger.

use super::*;

fn confirm_body(key: &str) -> Value {
    json!({ "paymentKey": key, "orderId": ORDER, "amount": AMOUNT })
}

#[tokio::test]
async fn credentials_are_checked_as_documented() {
    let gateway = Gateway::start().await;
    let url = format!("{}/v1/payments/orders/{ORDER}", gateway.emulator.url());
    let key = EmulatorSettings::default().secret_key;
    let basic = |text: &str| {
        use base64::Engine as _;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    };
    for (authorization, status, code) in [
        (String::new(), 403, "INCORRECT_BASIC_AUTH_FORMAT"),
        (format!("Bearer {key}"), 403, "INCORRECT_BASIC_AUTH_FORMAT"),
        (basic(&key), 403, "INCORRECT_BASIC_AUTH_FORMAT"),
        ("Basic %%%".to_owned(), 403, "INCORRECT_BASIC_AUTH_FORMAT"),
        (basic("live_sk_other:"), 401, "UNAUTHORIZED_KEY"),
        (basic("test_gck_other:"), 400, "INVALID_API_KEY"),
        (basic(&format!("{key}:")), 404, "NOT_FOUND_PAYMENT"),
    ] {
        let request = gateway.http.get(&url).header("authorization", &authorization);
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), status, "{authorization}");
        assert_eq!(reply.json::<Value>().await.unwrap()["code"], code, "{authorization}");
    }
}

#[tokio::test]
async fn a_test_code_forces_its_error_in_the_language_of_the_caller() {
    let gateway = Gateway::start().await;
    for (code, status) in [
        ("REJECT_CARD_COMPANY", 403),
        ("INVALID_STOPPED_CARD", 400),
        ("FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING", 500),
        ("NOT_FOUND_PAYMENT", 404),
    ] {
        let headers = [("TossPayments-Test-Code", code), ("Accept-Language", "en-US")];
        let body = confirm_body("no-such-payment");
        let (got, reply) = gateway.shop("/v1/payments/confirm", &headers, &body).await;
        assert_eq!((got, reply["code"].as_str().unwrap()), (status, code));
        assert!(reply["message"].as_str().unwrap().is_ascii());
    }
}

#[tokio::test]
async fn an_idempotency_key_counts_without_the_body() {
    let gateway = Gateway::start().await;
    let (first, second) = (gateway.pay(ORDER, json!({})).await, "no-such-payment");
    let path = "/v1/payments/confirm";
    let shared = [("Idempotency-Key", "shared")];
    let (status, reply) = gateway.shop(path, &shared, &confirm_body(&first)).await;
    assert_eq!(status, 200);
    // A trap of the real API: another body with the same key gets the first payment.
    assert_eq!(gateway.shop(path, &shared, &confirm_body(second)).await, (200, reply));

    let (status, reply) = gateway.shop(path, &[], &confirm_body(&first)).await;
    assert_eq!((status, reply["code"].as_str()), (400, Some("ALREADY_PROCESSED_PAYMENT")));
    let (_, failure) =
        gateway.shop(path, &[("Idempotency-Key", "other")], &confirm_body(second)).await;
    let again = gateway.shop(path, &[("Idempotency-Key", "other")], &confirm_body(&first)).await;
    assert_eq!(again, (404, failure), "Toss replays a failure too");

    let long = "k".repeat(301);
    let (status, reply) =
        gateway.shop(path, &[("Idempotency-Key", &long)], &confirm_body(&first)).await;
    assert_eq!((status, reply["code"].as_str()), (400, Some("INVALID_IDEMPOTENCY_KEY")));
}

#[tokio::test]
async fn a_key_in_flight_gets_409_even_after_its_first_caller_has_disconnected() {
    let gateway = Gateway::start().await;
    let key = gateway.pay(ORDER, json!({})).await;
    gateway.fault(json!({ "call": "confirm", "kind": "latency", "minMs": 500, "count": 1 })).await;
    let impatient = client(&gateway.emulator.url(), &EmulatorSettings::default().secret_key, 100);
    assert_unknown(&impatient.confirm(&key, ORDER, AMOUNT, 1).await, "in time");
    assert_unknown(&impatient.confirm(&key, ORDER, AMOUNT, 1).await, "in time");
    let outcome = gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await;
    assert!(matches!(outcome, ConfirmOutcome::Approved(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_payment_has_the_documented_fields() {
    let gateway = Gateway::start().await;
    let key = gateway.pay(ORDER, json!({ "orderName": "내야석 2매" })).await;
    let (_, payment) = gateway.shop("/v1/payments/confirm", &[], &confirm_body(&key)).await;
    let fields = "version paymentKey type orderId orderName mId currency method totalAmount \
        balanceAmount status requestedAt approvedAt useEscrow lastTransactionKey suppliedAmount \
        vat cultureExpense taxFreeAmount taxExemptionAmount cancels isPartialCancelable card \
        virtualAccount secret mobilePhone giftCertificate transfer metadata receipt checkout \
        easyPay country failure cashReceipt cashReceipts discount";
    for field in fields.split_whitespace() {
        assert!(payment.get(field).is_some(), "{field} is missing");
    }
    assert_eq!(
        payment["vat"].as_i64().unwrap() + payment["suppliedAmount"].as_i64().unwrap(),
        AMOUNT
    );
    assert_eq!(payment["orderName"], "내야석 2매");
    assert_eq!(payment["card"]["amount"], AMOUNT);
}

#[tokio::test]
async fn invalid_requests_are_refused() {
    let gateway = Gateway::start().await;
    let key = gateway.pay(ORDER, json!({})).await;
    let cancel = format!("/v1/payments/{key}/cancel");
    for (path, body) in [
        ("/v1/payments/confirm", json!({})),
        ("/v1/payments/confirm", json!({ "paymentKey": key, "orderId": ORDER, "amount": "1" })),
        ("/v1/payments/confirm", json!({ "paymentKey": key, "orderId": "short", "amount": 1 })),
        (cancel.as_str(), json!({})),
        (cancel.as_str(), json!({ "cancelReason": "" })),
        (cancel.as_str(), json!({ "cancelReason": "x".repeat(201) })),
    ] {
        let (status, reply) = gateway.shop(path, &[], &body).await;
        assert_eq!((status, reply["code"].as_str()), (400, Some("INVALID_REQUEST")), "{body}");
    }
}

#[tokio::test]
async fn payments_survive_a_restart_even_when_the_last_line_is_incomplete() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let settings =
        EmulatorSettings { ledger_path: Some(path.clone()), ..EmulatorSettings::default() };
    let gateway = Gateway::start_with(settings.clone(), 5_000).await;
    let key = gateway.pay(ORDER, json!({})).await;
    let declined = gateway.pay("order-000002", json!({ "confirm": "decline" })).await;
    gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await;
    gateway.toss.cancel(&key, "part-1", "test", Some(10_000)).await;
    let before = gateway.ledger().await;
    gateway.emulator.stop().await;
    let mut file = std::fs::File::options().append(true).open(&path).unwrap();
    file.write_all(b"{\"payment\":{\"vers").unwrap();

    let gateway = Gateway::start_with(settings.clone(), 5_000).await;
    assert_eq!(gateway.ledger().await, before);
    let outcome = gateway.toss.confirm(&declined, "order-000002", AMOUNT, 1).await;
    assert!(
        matches!(outcome, ConfirmOutcome::Declined { .. }),
        "the plan survives too: {outcome:?}"
    );
    gateway.emulator.stop().await;

    let gateway = Gateway::start_with(settings, 5_000).await;
    gateway.until_status("order-000002", &GatewayStatus::Aborted).await;
    gateway.until_status(ORDER, &GatewayStatus::PartialCanceled).await;
}

#[tokio::test]
async fn replies_under_idempotency_keys_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let ledger_path = Some(folder.path().join("ledger.jsonl"));
    let settings = EmulatorSettings { ledger_path, ..EmulatorSettings::default() };
    let gateway = Gateway::start_with(settings.clone(), 5_000).await;
    let key = gateway.pay(ORDER, json!({})).await;
    gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await;
    let refund = json!({ "cancelReason": "test", "cancelAmount": 10_000 });
    let cancel = format!("/v1/payments/{key}/cancel");
    let (under_part, under_refused) =
        ([("Idempotency-Key", "part")], [("Idempotency-Key", "refused")]);
    let part = gateway.shop(&cancel, &under_part, &refund).await;
    let too_much = json!({ "cancelReason": "test", "cancelAmount": AMOUNT });
    let refused = gateway.shop(&cancel, &under_refused, &too_much).await;
    assert_eq!((part.0, refused.0), (200, 403));
    let before = gateway.ledger().await;
    gateway.emulator.stop().await;

    let gateway = Gateway::start_with(settings, 5_000).await;
    assert_eq!(gateway.shop(&cancel, &under_part, &refund).await, part);
    // The body does not count, also after a restart.
    assert_eq!(gateway.shop(&cancel, &under_refused, &refund).await, refused);
    assert_eq!(gateway.ledger().await, before, "no money has moved twice");
}

#[tokio::test]
async fn a_restarted_gateway_settles_an_unknown_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let ledger_path = Some(folder.path().join("ledger.jsonl"));
    let settings = EmulatorSettings { ledger_path, ..EmulatorSettings::default() };
    let gateway = Gateway::start_with(settings.clone(), 5_000).await;
    let key = gateway.pay(ORDER, json!({})).await;
    gateway.fault(json!({ "kind": "latency", "minMs": 60_000 })).await;
    let toss = gateway.toss.clone();
    let waiting = {
        let key = key.clone();
        tokio::spawn(async move { toss.confirm(&key, ORDER, AMOUNT, 1).await })
    };
    let url = gateway.emulator.url();
    gateway.emulator.stop().await;
    assert!(matches!(waiting.await.unwrap(), ConfirmOutcome::Unknown { .. }));

    let listener = TcpListener::bind(url.trim_start_matches("http://")).await.unwrap();
    let _emulator = Emulator::start(listener, settings).unwrap();
    let outcome = gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await;
    assert!(matches!(outcome, ConfirmOutcome::Approved(_)), "{outcome:?}");
}

fn pay_url(gateway: &Gateway, path: &str, more: &[(&str, &str)]) -> reqwest::Url {
    let mut query = vec![
        ("orderId", ORDER),
        ("amount", "50000"),
        ("orderName", "<script>alert(1)</script> & \"A\""),
        ("successUrl", "https://shop.example/ok?lang=ko"),
        ("failUrl", "https://shop.example/fail"),
    ];
    query.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    query.extend(more);
    let mut url = reqwest::Url::parse(&gateway.emulator.url()).unwrap().join(path).unwrap();
    url.query_pairs_mut().extend_pairs(query);
    url
}

/// Makes a choice at the pay page, and returns the address of the redirect.
async fn choose(gateway: &Gateway, choice: &str) -> reqwest::Url {
    let url = pay_url(gateway, &format!("/pay/{choice}"), &[]);
    let reply = gateway.http.post(url).send().await.unwrap();
    assert_eq!(reply.status(), 303);
    reply.headers()["location"].to_str().unwrap().parse().unwrap()
}

fn value_of(url: &reqwest::Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(other, _)| other == name).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn the_pay_page_escapes_the_order_and_refuses_unsafe_addresses() {
    let gateway = Gateway::start().await;
    let reply = gateway.http.get(pay_url(&gateway, "/pay", &[])).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    assert!(reply.headers()["content-security-policy"].to_str().unwrap().contains("'none'"));
    let page = reply.text().await.unwrap();
    assert!(page.contains("50,000원") && page.contains("&lt;script&gt;"));
    assert!(!page.contains("<script"));

    for (name, value) in [
        ("successUrl", "javascript:alert(1)"),
        ("failUrl", "data:text/html,x"),
        ("successUrl", "https://toss@evil.example/"),
        ("successUrl", "/relative"),
        ("amount", "0"),
        ("orderId", "a b"),
    ] {
        for path in ["/pay", "/pay/approve"] {
            let url = pay_url(&gateway, path, &[(name, value)]);
            let request =
                if path == "/pay" { gateway.http.get(url) } else { gateway.http.post(url) };
            assert_eq!(request.send().await.unwrap().status(), 400, "{path} {name}={value}");
        }
    }
    assert!(gateway.ledger().await.is_empty());
}

#[tokio::test]
async fn each_choice_at_the_pay_page_returns_to_the_shop_as_documented() {
    let gateway = Gateway::start().await;
    let to = choose(&gateway, "abandon").await;
    assert_eq!(value_of(&to, "code").unwrap(), "PAY_PROCESS_CANCELED");
    assert_eq!((to.path(), value_of(&to, "orderId")), ("/fail", None));
    let to = choose(&gateway, "decline").await;
    assert_eq!(value_of(&to, "code").unwrap(), "REJECT_CARD_COMPANY");
    assert_eq!(value_of(&to, "orderId").unwrap(), ORDER);
    assert!(gateway.ledger().await.is_empty(), "no payment was authenticated");

    let to = choose(&gateway, "refused").await;
    let key = value_of(&to, "paymentKey").unwrap();
    let outcome = gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await;
    assert!(matches!(outcome, ConfirmOutcome::Declined { .. }), "{outcome:?}");

    let to = choose(&gateway, "approve").await;
    assert_eq!((to.path(), value_of(&to, "lang").unwrap().as_str()), ("/ok", "ko"));
    assert_eq!(value_of(&to, "paymentType").unwrap(), "NORMAL");
    assert_eq!(value_of(&to, "amount").unwrap(), AMOUNT.to_string());
    assert_eq!(value_of(&to, "orderId").unwrap(), ORDER);
    let key = value_of(&to, "paymentKey").unwrap();
    let outcome = gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await;
    assert!(matches!(outcome, ConfirmOutcome::Approved(_)), "{outcome:?}");
}
