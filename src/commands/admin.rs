//! `grandstand admin`: makes and mends administrators, with the rights of somebody who may reach
//! Redis and PostgreSQL. It works while no administrator can log in.

use crate::api::Services;
use crate::api::administrators::change_account;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::passwords::{checked_password, hash_password, random_password};
use crate::api::trail::{account_state, account_target, created, entry};
use crate::api::users::{checked_email, find_account, new_account};
use crate::config::Settings;
use crate::domain::account::{Account, Role};
use crate::domain::ids::Partition;
use crate::domain::trail::{Act, COMMAND_LINE, TrailEntry};
use crate::engine::accounts::{AccountChange, EndSessions};
use crate::engine::operation::Operation;
use crate::node::connect;
use anyhow::Context as _;
use clap::Subcommand;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _};

/// What to do with administrators.
#[derive(Subcommand)]
pub enum AdminCommand {
    /// Creates an administrator. The password comes from a prompt or from the standard input.
    Create {
        /// E-mail of the administrator.
        email: String,
        /// Makes a random password and prints it once.
        #[arg(long)]
        random: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Makes the owner of an existing account an administrator with a new password and without a
    /// second factor, and ends all sessions of the account.
    Reset {
        /// E-mail of the account.
        email: String,
        /// Makes a random password and prints it once.
        #[arg(long)]
        random: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Lists the administrators.
    List {
        #[command(flatten)]
        settings: Settings,
    },
    /// Takes the role away from an administrator. The last one keeps it.
    Revoke {
        /// E-mail of the administrator.
        email: String,
        #[command(flatten)]
        settings: Settings,
    },
}

impl AdminCommand {
    /// The settings of the command.
    pub fn settings(&self) -> &Settings {
        match self {
            Self::Create { settings, .. }
            | Self::Reset { settings, .. }
            | Self::List { settings }
            | Self::Revoke { settings, .. } => settings,
        }
    }

    /// Runs the command. Returns what the person should read.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub async fn run(self) -> anyhow::Result<String> {
        match self {
            Self::Create { email, random, settings } => {
                let password = NewPassword::read(random)?;
                let services = connect(&settings).await?;
                create(&services, &email, &password).await?;
                Ok(format!("{email} is an administrator{}\n", password.note()))
            }
            Self::Reset { email, random, settings } => {
                let password = NewPassword::read(random)?;
                let services = connect(&settings).await?;
                reset(&services, &email, &password).await?;
                Ok(format!("{email} is an administrator{}\n", password.note()))
            }
            Self::List { settings } => {
                let services = connect(&settings).await?;
                list(&services).await
            }
            Self::Revoke { email, settings } => {
                let services = connect(&settings).await?;
                revoke(&services, &email).await?;
                Ok(format!("{email} is no administrator any more\n"))
            }
        }
    }
}

/// A password that never was an argument, because everybody on a machine can read these.
struct NewPassword {
    text: String,
    is_random: bool,
}

impl NewPassword {
    /// Makes a random password, asks for one twice, or reads a line of the standard input.
    ///
    /// # Errors
    /// It is too short, too common, or was not repeated.
    fn read(random: bool) -> anyhow::Result<Self> {
        let text = if random {
            random_password()?
        } else if std::io::stdin().is_terminal() {
            let text = rpassword::prompt_password("New password: ")?;
            let again = rpassword::prompt_password("The same again: ")?;
            anyhow::ensure!(text == again, "the passwords are not the same");
            text
        } else {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).context("reading the password")?;
            line.trim_end_matches(['\r', '\n']).to_owned()
        };
        let text = checked_password("password", &text);
        let text = text.map_err(|error| anyhow::anyhow!("the password {}", error.message))?;
        Ok(Self { text, is_random: random })
    }

    /// What the person must know of a random password.
    fn note(&self) -> String {
        if !self.is_random {
            return String::new();
        }
        format!("; the password, shown only now: {}", self.text)
    }
}

/// Creates an administrator.
///
/// # Errors
/// The address has an account.
async fn create(services: &Services, typed: &str, password: &NewPassword) -> anyhow::Result<()> {
    let email = canonical(typed)?;
    if find_account(services, typed, &email).await?.is_some() {
        anyhow::bail!(
            "{email} has an account. `grandstand admin reset {email}` makes its owner an \
             administrator with a new password"
        );
    }
    let account = new_account(services, email, password.text.clone(), Role::Admin).await;
    let account = account.map_err(|error| explain(&error))?;
    let entry = created(&account, COMMAND_LINE);
    services.engine.create_account(&account, Operation::default().with_trail(entry)).await?;
    Ok(())
}

/// Makes the owner of an account an administrator with a new password.
///
/// # Errors
/// The address has no account.
async fn reset(services: &Services, typed: &str, password: &NewPassword) -> anyhow::Result<()> {
    let before = existing(services, typed).await?;
    let password_hash =
        hash_password(password.text.clone()).await.map_err(|error| explain(&error))?;
    let after = Account {
        password_hash,
        role: Role::Admin,
        sites: Vec::new(),
        disabled: false,
        second_factor: String::new(),
        ..before.clone()
    };
    let ending = EndSessions::All;
    let mut entry = changed(&before, &after);
    entry.after["passwordChanged"] = Value::Bool(true);
    let trail = Some(entry);
    let change = AccountChange { before: &before, after: Some(&after), ending, token: None, trail };
    change_account(services, change).await.map_err(|error| explain(&error))
}

/// Takes the role away from an administrator.
///
/// # Errors
/// It is the last administrator, or none.
async fn revoke(services: &Services, typed: &str) -> anyhow::Result<()> {
    let before = existing(services, typed).await?;
    anyhow::ensure!(before.role == Role::Admin, "{} is no administrator", before.email);
    let after = Account { role: Role::User, ..before.clone() };
    let (ending, trail) = (EndSessions::None, Some(changed(&before, &after)));
    let change = AccountChange { before: &before, after: Some(&after), ending, token: None, trail };
    change_account(services, change).await.map_err(|error| explain(&error))
}

/// The entry of the audit trail for a change of an account.
fn changed(before: &Account, after: &Account) -> TrailEntry {
    let entry = entry(None, COMMAND_LINE, Act::AccountChanged, account_target(before.id));
    entry.changing(account_state(before), account_state(after))
}

/// The administrators, one per line.
///
/// # Errors
/// Redis does not reply.
async fn list(services: &Services) -> anyhow::Result<String> {
    let entry = entry(None, COMMAND_LINE, Act::AccountsRead, "accounts".to_owned());
    services.engine.add_to_trail(Partition(0), &entry).await?;
    let mut all = Vec::new();
    for partition in services.engine.partitions() {
        let accounts = services.engine.accounts_of(partition).await?;
        all.extend(accounts.into_iter().filter(|account| account.role == Role::Admin));
    }
    all.sort_by_key(|account| account.id);
    let mut text = String::new();
    for account in all {
        let state = if account.disabled { "  disabled" } else { "" };
        writeln!(text, "{}  {}{state}", account.id, account.email)?;
    }
    Ok(text)
}

fn canonical(typed: &str) -> anyhow::Result<String> {
    checked_email(typed).map_err(|error| anyhow::anyhow!("the e-mail {}", error.message))
}

async fn existing(services: &Services, typed: &str) -> anyhow::Result<Account> {
    let email = canonical(typed)?;
    let found = find_account(services, typed, &email).await?;
    found.with_context(|| format!("{email} has no account. `grandstand admin create` makes one"))
}

fn explain(error: &ApiError) -> anyhow::Error {
    match error.code() {
        ErrorCode::LastAdministrator => anyhow::anyhow!(
            "this is the last administrator. Make another one first: `grandstand admin create`"
        ),
        code => anyhow::anyhow!("{}", code.detail()),
    }
}
