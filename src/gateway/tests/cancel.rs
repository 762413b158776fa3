//! Cancellations: full, partial, repeated, refused.

use super::*;

/// Returns a gateway with an approved payment, and the key of the payment.
async fn paid() -> (Gateway, String) {
    let gateway = Gateway::start().await;
    let key = gateway.pay(ORDER, json!({})).await;
    assert!(matches!(
        gateway.toss.confirm(&key, ORDER, AMOUNT, 1).await,
        ConfirmOutcome::Approved(_)
    ));
    (gateway, key)
}

#[tokio::test]
async fn a_full_cancel_returns_all_money_once() {
    let (gateway, key) = paid().await;
    let outcome = gateway.toss.cancel(&key, "refund-1", "seats are gone", None).await;
    let CancelOutcome::Canceled(payment) = outcome.clone() else { panic!("{outcome:?}") };
    assert_eq!((payment.status.as_str(), payment.balance_amount), ("CANCELED", 0));
    let same = gateway.toss.cancel(&key, "refund-1", "seats are gone", None).await;
    assert_eq!(same, outcome, "Toss replays the same intent");
    let other = gateway.toss.cancel(&key, "refund-2", "again", None).await;
    let CancelOutcome::Canceled(payment) = other else { panic!("{other:?}") };
    assert_eq!(payment.cancels.unwrap().len(), 1, "already cancelled: no more money moved");
}

#[tokio::test]
async fn partial_cancels_keep_the_balance() {
    let (gateway, key) = paid().await;
    let mut left = AMOUNT;
    for (intent, amount) in [("part-1", 20_000), ("part-2", 10_000), ("part-1", 20_000)] {
        let outcome = gateway.toss.cancel(&key, intent, "one seat", Some(amount)).await;
        assert!(matches!(outcome, CancelOutcome::Canceled(_)), "{outcome:?}");
    }
    left -= 30_000;
    let outcome = gateway.toss.cancel(&key, "part-3", "too much", Some(left + 1)).await;
    let CancelOutcome::Refused { code, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(code, "NOT_CANCELABLE_AMOUNT");

    let Lookup::Found(payment) = gateway.toss.find_by_order(ORDER).await else { panic!() };
    let returned: i64 =
        payment.cancels.as_ref().unwrap().iter().map(|cancel| cancel.cancel_amount).sum();
    assert_eq!((payment.balance_amount, AMOUNT - returned), (left, left));
    assert_eq!(payment.status, GatewayStatus::PartialCanceled);

    let rest = gateway.toss.cancel(&key, "part-4", "the rest", None).await;
    let CancelOutcome::Canceled(payment) = rest else { panic!("{rest:?}") };
    assert_eq!((payment.status, payment.balance_amount), (GatewayStatus::Canceled, 0));
}

#[tokio::test]
async fn a_refusal_on_request_is_refused_and_a_new_intent_can_succeed() {
    let (gateway, key) = paid().await;
    let fault = json!({
        "call": "cancel", "kind": "refuse", "code": "EXCEED_MAX_REFUND_DUE", "count": 1,
    });
    gateway.fault(fault).await;
    for _ in 0..2 {
        let outcome = gateway.toss.cancel(&key, "refund-1", "test", None).await;
        let CancelOutcome::Refused { code, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(code, "EXCEED_MAX_REFUND_DUE", "Toss replays failures too");
    }
    let outcome = gateway.toss.cancel(&key, "refund-2", "test", None).await;
    assert!(matches!(outcome, CancelOutcome::Canceled(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_cancel_without_a_reply_is_unknown_and_its_repeat_moves_no_more_money() {
    let (gateway, key) = paid().await;
    for (intent, kind) in [("refund-1", "dropAfter"), ("refund-2", "errorAfter")] {
        gateway.fault(json!({ "call": "cancel", "kind": kind, "count": 1 })).await;
        let outcome = gateway.toss.cancel(&key, intent, "test", Some(10_000)).await;
        assert!(matches!(outcome, CancelOutcome::Unknown { .. }), "{outcome:?}");
        let again = gateway.toss.cancel(&key, intent, "test", Some(10_000)).await;
        assert!(matches!(again, CancelOutcome::Canceled(_)), "{again:?}");
    }
    let Lookup::Found(payment) = gateway.toss.find_by_order(ORDER).await else { panic!() };
    assert_eq!(payment.balance_amount, AMOUNT - 20_000);
}

#[tokio::test]
async fn a_payment_that_was_never_charged_cannot_be_cancelled() {
    let gateway = Gateway::start().await;
    let key = gateway.pay(ORDER, json!({})).await;
    for (key, wanted) in
        [(key.as_str(), "NOT_CANCELABLE_PAYMENT"), ("no-such-payment", "NOT_FOUND_PAYMENT")]
    {
        let outcome = gateway.toss.cancel(key, "refund-1", "test", None).await;
        let CancelOutcome::Refused { code, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(code, wanted);
    }
}

#[tokio::test]
async fn parallel_cancels_of_many_intents_never_return_too_much() {
    let (gateway, key) = paid().await;
    let cancels = (0..20).map(|number| {
        let (toss, key) = (gateway.toss.clone(), key.clone());
        async move { toss.cancel(&key, &format!("part-{number}"), "race", Some(7_000)).await }
    });
    let outcomes = futures::future::join_all(cancels).await;
    let canceled =
        outcomes.iter().filter(|outcome| matches!(outcome, CancelOutcome::Canceled(_))).count();
    assert_eq!(canceled, 7);
    let Lookup::Found(payment) = gateway.toss.find_by_order(ORDER).await else { panic!() };
    assert_eq!(payment.balance_amount, AMOUNT - 7 * 7_000);
}
