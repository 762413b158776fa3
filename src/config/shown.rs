//! The settings of a process as a settings file, with the place that each of them comes from.

use crate::config::sources::{FILE_SUFFIX, Variables, is_secret, read_file};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use std::collections::BTreeSet;
use std::path::Path;

/// What stands in the place of a secret.
const HIDDEN: &str = "***";

/// All settings of a command that was parsed. `file` and `variables` are what `with_sources` had.
/// A line of a secret is a comment, so that the text is a settings file all the same.
///
/// # Errors
/// The settings file can't be read.
pub fn shown(
    command: &Command,
    matches: &ArgMatches,
    file: Option<&Path>,
    variables: &Variables,
) -> anyhow::Result<String> {
    let in_file: BTreeSet<String> = match file {
        Some(path) => read_file(path)?.into_iter().map(|(key, _)| key).collect(),
        None => BTreeSet::new(),
    };
    let path = file.map(|path| path.display().to_string()).unwrap_or_default();
    let mut text = String::new();
    for setting in command.get_arguments() {
        let Some(variable) = setting.get_env().and_then(|name| name.to_str()) else { continue };
        let id = setting.get_id().as_str();
        let source = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => "flag".to_owned(),
            Some(ValueSource::EnvVariable) => format!("environment: {variable}"),
            _ if in_file.contains(id) => format!("file: {path}"),
            _ if in_file.contains(&format!("{id}_file")) => format!("file that {path} names"),
            _ if is_secret(setting) && names_file(variables, variable) => {
                format!("file that {variable}{FILE_SUFFIX} names")
            }
            _ => "default".to_owned(),
        };
        text.push_str(&line(setting, matches, &source));
    }
    Ok(text)
}

fn names_file(variables: &Variables, variable: &str) -> bool {
    variables.get(&format!("{variable}{FILE_SUFFIX}")).is_some_and(|path| !path.is_empty())
}

fn line(setting: &Arg, matches: &ArgMatches, source: &str) -> String {
    let id = setting.get_id().as_str();
    let values = matches
        .get_raw(id)
        .map(|values| values.map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(","));
    let Some(value) = values else { return format!("# {id}: not set\n") };
    // A default that `--help` shows is none.
    let built_in = |setting: &Arg| {
        setting.get_default_values().iter().any(|default| default.to_string_lossy() == value)
    };
    if is_secret(setting) && !value.is_empty() && !(source == "default" && built_in(setting)) {
        return format!("# {id} = \"{HIDDEN}\" # {source}\n");
    }
    let bare = value.parse::<i64>().is_ok() || value.parse::<bool>().is_ok();
    let value = if bare { value } else { toml::Value::String(value).to_string() };
    format!("{id} = {value} # {source}\n")
}
