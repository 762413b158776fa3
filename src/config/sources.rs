//! Where settings come from besides flags: the environment, a settings file, and files that have a
//! secret each. What is misspelt is refused, because a limit with a misspelt name is not in force.

use anyhow::Context as _;
use clap::{Arg, ArgMatches, Command};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The names of all our environment variables begin with this.
const PREFIX: &str = concat!("GRANDSTAND", "_");
/// The file with the value of a secret setting is named by the setting with this ending.
pub(super) const FILE_SUFFIX: &str = "_FILE";
/// A secret has fewer bytes. A larger file is surely another one.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// Variables of this repository's scripts and tests, and of `compose.yaml`. They are no settings of
/// a node, but a node may inherit them. All begin with `PREFIX` too.
const VARIABLES_OF_OTHERS: [&str; 9] = [
    "BIN",
    "OPERATIONS_URL",
    "POSTGRES_BIN",
    "PUBLISH",
    "REDIS_SERVER",
    "SETUP_ROOT",
    "SPEED",
    "TEST_CLOCK",
    "URL",
];

/// The environment variables of this process, by name.
pub(super) type Variables = BTreeMap<String, String>;

/// The environment of this process. A variable that is not text is left out.
pub fn environment() -> Variables {
    let all = std::env::vars_os();
    all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Makes the values of the settings file and of the secret files the defaults of the command line.
/// Flags and the environment override those of the settings file.
///
/// # Errors
/// A file can't be read, a setting or variable is unknown, or a secret is set twice.
pub fn with_sources(
    mut command: Command,
    file: Option<&Path>,
    variables: &Variables,
) -> anyhow::Result<Command> {
    refuse_unknown(&command, variables)?;
    let (mut values, mut origin) = (BTreeMap::new(), BTreeMap::new());
    if let Some(path) = file {
        for (key, value) in read_file(path)? {
            origin.insert(key.clone(), path.display().to_string());
            values.insert(key, value);
        }
    }
    for (id, name) in secrets(&command) {
        let file_name = format!("{name}{FILE_SUFFIX}");
        let key_in_file = format!("{id}_file");
        let path = variables.get(&file_name).cloned();
        let path = path.filter(|path| !path.is_empty()).or(values.remove(&key_in_file));
        let Some(path) = path else { continue };
        let is_set = |name: &str| variables.get(name).is_some_and(|value| !value.is_empty());
        anyhow::ensure!(
            !is_set(&name) && !values.contains_key(&id),
            "{name} and {file_name} are both set: remove one of them"
        );
        let secret = read_secret(Path::new(&path)).with_context(|| file_name.clone())?;
        origin.insert(id.clone(), file_name);
        values.insert(id, secret);
    }
    for (key, value) in values {
        let (known, with_default) = set_default(command, &key, &value);
        let from = origin.get(&key).map_or("", String::as_str);
        let near = || nearest(&key, &ids(&with_default));
        anyhow::ensure!(known, "{from}: there is no setting {key}{}", near());
        command = with_default;
    }
    Ok(command)
}

/// Gives a setting of each command a default. Returns whether there is such a setting.
fn set_default(command: Command, key: &str, value: &str) -> (bool, Command) {
    let mut known = false;
    let command = change_commands(command, &mut |command| {
        if !command.get_arguments().any(|argument| argument.get_id() == key) {
            return command;
        }
        known = true;
        command.mut_arg(key, |argument| {
            // `--help` prints defaults, but must never print a secret.
            let secret = is_secret(&argument);
            argument.default_value(value.to_owned()).hide_default_value(secret)
        })
    });
    (known, command)
}

fn change_commands(mut command: Command, change: &mut impl FnMut(Command) -> Command) -> Command {
    let names: Vec<String> =
        command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in names {
        command =
            command.mut_subcommand(name, |command| change_commands(change(command), &mut *change));
    }
    command
}

fn visit<'a>(command: &'a Command, see: &mut impl FnMut(&'a Arg)) {
    command.get_arguments().for_each(&mut *see);
    command.get_subcommands().for_each(|command| visit(command, &mut *see));
}

pub(super) fn is_secret(argument: &Arg) -> bool {
    argument.is_hide_env_values_set()
}

/// The settings whose values `--help` hides: their ids, and the names of their variables.
fn secrets(command: &Command) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    visit(command, &mut |argument| {
        if let Some(name) = argument.get_env().filter(|_| is_secret(argument)) {
            found.insert(argument.get_id().to_string(), name.to_string_lossy().into_owned());
        }
    });
    found
}

fn ids(command: &Command) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    visit(command, &mut |argument| {
        found.insert(argument.get_id().to_string());
    });
    found
}

fn refuse_unknown(command: &Command, variables: &Variables) -> anyhow::Result<()> {
    let mut known = BTreeSet::from(VARIABLES_OF_OTHERS.map(|name| format!("{PREFIX}{name}")));
    visit(command, &mut |argument| {
        known.extend(argument.get_env().map(|name| name.to_string_lossy().into_owned()));
    });
    known.extend(secrets(command).into_values().map(|name| name + FILE_SUFFIX));
    for name in variables.keys().filter(|name| name.starts_with(PREFIX)) {
        anyhow::ensure!(
            known.contains(name),
            "the environment has {name}, which is no setting{}",
            nearest(name, &known)
        );
    }
    Ok(())
}

/// `. Do you mean NAME?`, or nothing when no name is near.
fn nearest(name: &str, known: &BTreeSet<String>) -> String {
    let own_part = name.strip_prefix(PREFIX).unwrap_or(name);
    let distance = |other: &&String| strsim::damerau_levenshtein(name, other);
    let is_near = |other: &&String| distance(other) <= own_part.len() / 3;
    let near = known.iter().min_by_key(distance).filter(is_near);
    near.map_or_else(String::new, |other| format!(". Do you mean {other}?"))
}

/// The value of a secret: the text of a file without the line break at its end.
///
/// Others may read the file, because containers get their secrets like this. They must not be able
/// to write it.
fn read_secret(path: &Path) -> anyhow::Result<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let explain = || format!("{}", path.display());
    let about = std::fs::metadata(path).with_context(explain)?;
    anyhow::ensure!(about.is_file(), "{} is not a file", path.display());
    anyhow::ensure!(
        about.permissions().mode() & 0o002 == 0,
        "{} may be written by everybody: chmod o-w it",
        path.display()
    );
    anyhow::ensure!(about.len() <= SECRET_BYTES_MAX, "{} is too large", path.display());
    let text = std::fs::read_to_string(path).with_context(explain)?;
    let secret = text.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!secret.is_empty(), "{} is empty", path.display());
    Ok(secret.to_owned())
}

/// The values of a settings file, by the id of the flag (`hold_ttl_ms`).
pub(super) fn read_file(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    parse_settings(&text).with_context(|| format!("{}", path.display()))
}

/// Reads the text of a settings file (TOML). A list becomes its values with commas between them.
///
/// # Errors
/// It is not TOML, or has a section.
pub fn parse_settings(text: &str) -> anyhow::Result<Vec<(String, String)>> {
    fn text_of(key: &str, value: toml::Value) -> anyhow::Result<String> {
        Ok(match value {
            toml::Value::String(text) => text,
            toml::Value::Array(values) => {
                let values = values.into_iter().map(|value| text_of(key, value));
                values.collect::<anyhow::Result<Vec<_>>>()?.join(",")
            }
            toml::Value::Table(_) => anyhow::bail!("[{key}] is a section, but there are none"),
            other => other.to_string(),
        })
    }
    let table: toml::Table = text.parse().context("it is not TOML")?;
    let pairs = table.into_iter().map(|(key, value)| {
        let value = text_of(&key, value)?;
        Ok((key.replace('-', "_"), value))
    });
    pairs.collect()
}

/// A line for each secret that was given as a flag, because all users of the machine see flags.
pub fn visible_secrets(command: &Command, matches: &ArgMatches) -> Vec<String> {
    let secrets = secrets(command);
    let mut lines = Vec::new();
    let mut at = Some(matches);
    while let Some(matches) = at {
        for (id, name) in &secrets {
            let known = matches.try_contains_id(id).is_ok();
            if known && matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine) {
                let flag = id.replace('_', "-");
                lines.push(format!(
                    "everybody on this machine can see --{flag} in the list of processes: set \
                     {name}{FILE_SUFFIX} to a file instead"
                ));
            }
        }
        at = matches.subcommand().map(|(_, matches)| matches);
    }
    lines
}

/// The path of the settings file, from a flag or from the environment.
pub fn settings_file(command: Command) -> Option<PathBuf> {
    let first = command.ignore_errors(true).get_matches();
    first.get_one::<PathBuf>("config").cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use clap::{FromArgMatches as _, Parser, Subcommand};
    use std::os::unix::fs::PermissionsExt as _;

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        command: Serve,
    }

    #[derive(Subcommand)]
    enum Serve {
        Serve {
            #[command(flatten)]
            settings: Box<Settings>,
        },
    }

    fn command() -> Command {
        <Cli as clap::CommandFactory>::command()
    }

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        let named = |(name, value): &(&str, &str)| (format!("{PREFIX}{name}"), (*value).to_owned());
        pairs.iter().map(named).collect()
    }

    fn refused(file: Option<&Path>, pairs: &[(&str, &str)]) -> String {
        let done = with_sources(command(), file, &variables(pairs));
        format!("{:#}", done.expect_err("this must be refused"))
    }

    fn parsed(command: &Command, more: &[&str]) -> Settings {
        let arguments = ["test", "serve"].iter().chain(more);
        let matches = command.clone().try_get_matches_from(arguments).unwrap();
        let Serve::Serve { settings } = Cli::from_arg_matches(&matches).unwrap().command;
        *settings
    }

    #[test]
    fn a_misspelt_variable_is_refused_with_the_nearest_name() {
        let text = refused(None, &[("RATE_LIMIT", "on")]);
        assert!(text.contains("_RATE_LIMIT,"), "{text}");
        assert!(text.ends_with("Do you mean GRANDSTAND_RATE_LIMITS?"), "{text}");
        let text = refused(None, &[("JWT_SECRETS_FILE", "/x")]);
        assert!(text.ends_with("Do you mean GRANDSTAND_JWT_SECRET_FILE?"), "{text}");
        assert!(refused(None, &[("QQ", "1")]).ends_with("is no setting"));
        let fine = [("RATE_LIMITS", "on"), ("BIN", "x")];
        assert!(with_sources(command(), None, &variables(&fine)).is_ok());
    }

    #[test]
    fn a_secret_comes_from_a_file_and_help_does_not_show_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwt");
        let text = path.to_str().unwrap();
        std::fs::write(&path, "a secret from a file\n").unwrap();
        let pairs = [("JWT_SECRET_FILE", text)];
        let ready = with_sources(command(), None, &variables(&pairs)).unwrap();
        assert_eq!(parsed(&ready, &[]).jwt_secret, "a secret from a file");
        let mut shown = ready.clone();
        let help = shown.find_subcommand_mut("serve").unwrap().render_long_help().to_string();
        assert!(help.contains("--jwt-secret") && !help.contains("a secret from"), "{help}");

        let both = [pairs[0], ("JWT_SECRET", "another")];
        assert!(refused(None, &both).contains("both set"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o646)).unwrap();
        assert!(refused(None, &pairs).contains("may be written by everybody"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
        assert!(with_sources(command(), None, &variables(&pairs)).is_ok(), "as containers do");
        let missing = refused(None, &[("REDIS_URL_FILE", "/none/at/all")]);
        assert!(missing.contains("REDIS_URL_FILE: /none/at/all"), "{missing}");
        let other = refused(None, &[("LISTEN_FILE", text)]);
        assert!(other.contains("no setting"), "{other}");
    }

    #[test]
    fn a_settings_file_has_lists_and_no_unknown_settings() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.toml");
        let proxies = "trusted-proxies = [\"10.0.0.1\", \"10.0.0.2\"]\nhold_ttl_ms = 1000\n";
        std::fs::write(&path, proxies).unwrap();
        let ready = with_sources(command(), Some(&path), &Variables::new()).unwrap();
        let settings = parsed(&ready, &[]);
        assert_eq!((settings.trusted_proxies.len(), settings.hold_ttl_ms), (2, 1000));
        assert_eq!(parsed(&ready, &["--hold-ttl-ms", "2000"]).hold_ttl_ms, 2000);
        std::fs::write(&path, "hold_tll_ms = 1").unwrap();
        let text = refused(Some(&path), &[]);
        assert!(text.ends_with("no setting hold_tll_ms. Do you mean hold_ttl_ms?"), "{text}");
        std::fs::write(&path, "[rates]\nx = 1").unwrap();
        assert!(refused(Some(&path), &[]).contains("[rates] is a section"));
    }

    #[test]
    fn a_secret_among_the_flags_is_warned_of() {
        let matches = command()
            .try_get_matches_from(["test", "serve", "--jwt-secret", "x", "--listen", "y"])
            .unwrap();
        let lines = visible_secrets(&command(), &matches);
        assert!(lines.len() == 1 && lines[0].contains("JWT_SECRET_FILE"), "{lines:?}");
    }
}
