//! Links in mails: a new password, and an e-mail that is verified. By SMTP, and into a file.

use crate::support::client::Client;
use crate::support::node::{TestNode, eventually};
use crate::support::smtp::Smtp;
use serde_json::{Value, json};

const PASSWORD: &str = "a password of tests";

/// The token of the last link in a text.
pub(crate) fn token_in(text: &str, purpose: &str) -> Option<String> {
    let link = format!("https://tickets.test.example/#{purpose}=");
    let (_, rest) = text.rsplit_once(&link)?;
    Some(rest.split_whitespace().next()?.to_owned())
}

/// The text of a mail, which is quoted-printable: `=3D` is `=`, and `=` ends a line that goes on.
fn text_of(mail: &str) -> String {
    let (_, body) = mail.split_once("\n\n").unwrap();
    let body = body.replace("=\n", "");
    let mut parts = body.split('=');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_password_is_replaced_by_a_link_that_works_once() {
    let smtp = Smtp::start().await;
    let node = TestNode::start_with(|settings| {
        settings.smtp_url = smtp.url.clone();
        settings.mail_from = "Grandstand <tickets@test.example>".to_owned();
        settings.public_url = "https://tickets.test.example/".to_owned();
    })
    .await;
    let (fan, guest) = (node.user("fan").await, node.guest());
    let ask = async |email: &str| {
        let answer = guest.post("/api/users/password-reset", &json!({"email": email})).await;
        assert_eq!((answer.status, &answer.body["data"]), (202, &Value::Null), "{}", answer.body);
        answer.body
    };
    let unknown = ask("nobody@test.example").await;
    assert_eq!(ask("FAN@test.example").await, unknown, "it says nothing about the account");
    let mail = eventually("the mail has come", async || smtp.mails().first().cloned()).await;
    assert!(mail.starts_with("RCPT TO:<fan@test.example>"), "{mail}");
    let text = text_of(&mail);
    assert!(text.contains("비밀번호 재설정:") && text.contains("Reset your password:"), "{text}");
    let token = token_in(&text, "reset").unwrap();
    let confirm = async |token: &str, password: &str| {
        let body = json!({"token": token, "newPassword": password});
        guest.post("/api/users/password-reset/confirm", &body).await
    };
    let (user, _) = token.split_once('.').unwrap();
    let made_up = format!("{user}.{}", "A".repeat(43));
    for wrong in ["", "x.y", made_up.as_str()] {
        confirm(wrong, "a new password").await.refused(409, "LINK_EXPIRED");
    }
    confirm(&token, "password").await.refused(400, "VALIDATION");
    confirm(&token, "a new password").await.expect(204);
    confirm(&token, "another new password").await.refused(409, "LINK_EXPIRED");
    fan.get("/api/users/me").await.refused(401, "UNAUTHORIZED");
    let again = guest.log_in("fan@test.example", "a new password").await;
    let me = again.get("/api/users/me").await.expect(200);
    assert_eq!(me["emailVerified"], true, "they read mails to this address");
    // Five mails in an hour, and one for nobody.
    for _ in 0..8 {
        ask("fan@test.example").await;
    }
    eventually("the other mails have come", async || (smtp.mails().len() == 5).then_some(())).await;
    again.get("/api/users/me").await.expect(200);
    assert_eq!(smtp.mails().len(), 5, "nobody fills the mailbox of a stranger");
    assert!(smtp.mails().iter().all(|mail| mail.starts_with("RCPT TO:<fan@test.example>")));
    node.finish().await;
}

/// Most servers of mail take addresses in ASCII only, and each host has such a form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_names_hosts_in_the_form_of_dns() {
    let smtp = Smtp::start().await;
    let node = TestNode::start_with(|settings| {
        settings.smtp_url = smtp.url.clone();
        settings.mail_from = "Grandstand <tickets@표.example>".to_owned();
    })
    .await;
    let (guest, email) = (node.guest(), "fan@bücher.example");
    let body = json!({"email": email, "password": PASSWORD});
    guest.post("/api/users/sign-up", &body).await.expect(201);
    guest.post("/api/users/password-reset", &json!({"email": email})).await.expect(202);
    let mail = eventually("the mail has come", async || smtp.mails().first().cloned()).await;
    assert!(mail.starts_with("RCPT TO:<fan@xn--bcher-kva.example>"), "{mail}");
    let (head, _) = mail.split_once("\n\n").unwrap();
    assert!(head.contains("\nTo: fan@xn--bcher-kva.example\n"), "{head}");
    assert!(head.contains("<tickets@xn--vj8b.example>\n") && head.is_ascii(), "{head}");
    node.finish().await;
}

/// As `dev` does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_email_is_verified_by_a_link_out_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mails.txt");
    let node = TestNode::start_with(|settings| {
        settings.mail_file = Some(path.clone());
        settings.public_url = "https://tickets.test.example".to_owned();
    })
    .await;
    let guest = node.guest();
    let fan = node.user("fan").await;
    let credentials = json!({"email": "fan@test.example", "password": PASSWORD});
    let session = guest.post("/api/users/log-in", &credentials).await.expect(200);
    assert_eq!(session["user"]["emailVerified"], false);
    fan.post("/api/users/me/email-verification", &Value::Null).await.expect(202);
    let token = eventually("the mail is in the file", async || {
        let text = tokio::fs::read_to_string(&path).await.ok()?;
        // The file is made before its text is written.
        if text.is_empty() {
            return None;
        }
        assert!(text.starts_with("To: fan@test.example\n"), "{text}");
        token_in(&text, "verify")
    })
    .await;
    let body = json!({"token": token});
    let reset = json!({"token": token, "newPassword": "a new password"});
    let wrong = guest.post("/api/users/password-reset/confirm", &reset).await;
    wrong.refused(409, "LINK_EXPIRED");
    for _ in 0..2 {
        guest.post("/api/users/email-verification/confirm", &body).await.expect(204);
    }
    fan.get("/api/users/me").await.refused(401, "UNAUTHORIZED");
    let refresh = json!({"refreshToken": session["refreshToken"]});
    let session = guest.post("/api/users/refresh", &refresh).await.expect(200);
    assert_eq!(session["user"]["emailVerified"], true);
    let token = session["accessToken"].as_str().map(str::to_owned);
    let me = Client::new(node.url(), token).get("/api/users/me").await.expect(200);
    assert_eq!(me["emailVerified"], true, "the token says so");
    let (admin, user) = (node.admin().await, me["id"].as_str().unwrap());
    eventually("the trail has it", async || {
        let path = format!("/api/admin/audit?act=EMAIL_VERIFIED&target=account/{user}");
        let page = admin.get(&path).await;
        // Once: the second call has changed nothing.
        let entries = page.body["data"]["entries"].as_array()?;
        (entries.len() == 1 && entries[0]["actor"] == user).then_some(())
    })
    .await;
    node.finish().await;
}
