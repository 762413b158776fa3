//! Mails to the owners of accounts: by SMTP, or into a file on the machine of a developer.

use crate::config::Settings;
use anyhow::Context as _;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;
use tracing::Instrument as _;

/// The most mails under way. More: a flood of requests opens more connections to the SMTP server.
const MAILS_AT_ONCE_MAX: usize = 32;
/// The longest wait for the SMTP server.
const SMTP_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends mails.
pub struct Mails {
    way: Way,
    public_url: String,
    free: Arc<Semaphore>,
}

enum Way {
    Smtp(Box<Smtp>),
    File(PathBuf),
    /// No mail can be sent.
    None,
}

struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// A text for the owner of an account.
pub struct Mail {
    pub to: String,
    pub subject: String,
    pub text: String,
}

impl Mails {
    /// As the settings say.
    ///
    /// # Errors
    /// The URL of the SMTP server or the sender can't be read.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let way = match &settings.mail_file {
            Some(path) => Way::File(path.clone()),
            None if settings.smtp_url.is_empty() => Way::None,
            None => {
                let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(&settings.smtp_url)
                    .context("GRANDSTAND_SMTP_URL is not such as smtps://USER:PASSWORD@HOST")?
                    .timeout(Some(SMTP_TIMEOUT))
                    .build();
                let from = settings.mail_from.parse::<Mailbox>().map_err(anyhow::Error::from);
                let from = from.and_then(|from| Ok(Mailbox::new(from.name, sent_as(from.email)?)));
                let from =
                    from.context("GRANDSTAND_MAIL_FROM is not such as Name <a@b.example>")?;
                Way::Smtp(Box::new(Smtp { transport, from }))
            }
        };
        let public_url = settings.public_url.trim_end_matches('/').to_owned();
        Ok(Self { way, public_url, free: Arc::new(Semaphore::new(MAILS_AT_ONCE_MAX)) })
    }

    /// Whether mails can be sent at all.
    pub fn is_on(&self) -> bool {
        !matches!(self.way, Way::None)
    }

    /// A link to the page. The token is behind `#`, because browsers send that part to no server.
    pub fn link(&self, purpose: &str, token: &str) -> String {
        format!("{}/#{purpose}={token}", self.public_url)
    }

    /// Does the work of a mail after the response, which then takes the same time for everybody.
    /// Nothing happens when too many mails are under way.
    pub fn later(&self, work: impl Future<Output = ()> + Send + 'static) {
        let Ok(place) = self.free.clone().try_acquire_owned() else {
            tracing::warn!("a mail was not sent, because too many are under way");
            return;
        };
        let work = async move {
            work.await;
            drop(place);
        };
        tokio::spawn(work.in_current_span());
    }

    /// Sends a mail.
    ///
    /// # Errors
    /// The SMTP server did not take it, or the file can't be written.
    pub async fn send(&self, mail: Mail) -> anyhow::Result<()> {
        match &self.way {
            Way::Smtp(smtp) => {
                let message = Message::builder()
                    .from(smtp.from.clone())
                    .to(Mailbox::new(None, sent_as(mail.to.parse()?)?))
                    .subject(mail.subject)
                    .header(ContentType::TEXT_PLAIN)
                    .body(mail.text)?;
                smtp.transport.send(message).await?;
            }
            Way::File(path) => {
                let Mail { to, subject, text } = mail;
                let text = format!("To: {to}\nSubject: {subject}\n\n{text}\n\n");
                let options = tokio::fs::OpenOptions::new().create(true).append(true).clone();
                let mut file = options.open(path).await?;
                file.write_all(text.as_bytes()).await?;
                // Without it, the write may still be under way.
                file.flush().await?;
                tracing::info!(%to, %subject, file = %path.display(), "a mail is in this file");
            }
            Way::None => anyhow::bail!("GRANDSTAND_SMTP_URL is not set"),
        }
        Ok(())
    }
}

/// An address with its host in the form of DNS (`xn--…`). Accounts have hosts as people read them,
/// and a server without SMTPUTF8 refuses letters that are not ASCII.
fn sent_as(address: Address) -> anyhow::Result<Address> {
    if address.domain().is_ascii() {
        return Ok(address);
    }
    let host = idna::domain_to_ascii(address.domain())?;
    Ok(Address::new(address.user(), host)?)
}
