//! Where people pay: on a page of the gateway's emulator, or in the payment window of Toss.

use crate::config::Settings;
use crate::domain::claim::ClaimPayment;

/// Only scripts, styles and connections of this server.
const OWN_POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// The script of Toss comes from its own server, calls its servers, and goes to their pages.
const TOSS_POLICY: &str = "default-src 'self'; script-src 'self' https://js.tosspayments.com; \
    connect-src 'self' https://*.tosspayments.com; frame-src https://*.tosspayments.com; \
    img-src 'self' data: blob: https://*.tosspayments.com; object-src 'none'; \
    base-uri 'none'; form-action 'self' https://*.tosspayments.com; frame-ancestors 'none'";

/// Where people pay.
pub enum PayPage {
    /// The seat-map page takes no payments: a shop of its own opens the payment window.
    Elsewhere,
    /// On this page.
    Url(String),
    /// In the payment window of Toss, which the seat-map page opens with this client key.
    Window { client_key: String },
}

impl PayPage {
    /// The page of these settings.
    pub fn new(settings: &Settings) -> Self {
        let (url, key) = (&settings.toss_checkout_url, &settings.toss_client_key);
        match (url.is_empty(), key.is_empty()) {
            (_, false) => Self::Window { client_key: key.clone() },
            (false, true) => Self::Url(url.clone()),
            (true, true) => Self::Elsewhere,
        }
    }

    /// The address of the page for a payment.
    pub(super) fn url_for(&self, payment: &ClaimPayment) -> Option<String> {
        let Self::Url(url) = self else { return None };
        Some(format!("{url}?orderId={}&amount={}", payment.id.order_id(), payment.amount))
    }

    /// The client key with which the payment window opens.
    pub(super) fn client_key(&self) -> Option<&str> {
        match self {
            Self::Window { client_key } => Some(client_key),
            Self::Elsewhere | Self::Url(_) => None,
        }
    }

    /// The Content-Security-Policy of the seat-map page.
    pub(super) fn policy(&self) -> &'static str {
        match self {
            Self::Window { .. } => TOSS_POLICY,
            Self::Elsewhere | Self::Url(_) => OWN_POLICY,
        }
    }
}
