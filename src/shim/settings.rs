//! The settings of a vmagent: its arguments and its environment, as one.

use super::{Unclear, array};
use std::ffi::{OsStr, OsString};

/// What a process is started with. Has no `Debug`: there are passwords in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Start {
    /// Without the program's own name.
    pub args: Vec<OsString>,
    /// Names and values.
    pub env: Vec<(OsString, OsString)>,
}

/// Flags that take no value of their own: `-flag` is `-flag=true`.
const SWITCHES: [&str; 2] = ["envflag.enable", "remoteWrite.tlsInsecureSkipVerify"];

/// Arguments by flag, and the environment.
pub(super) struct Settings {
    args: Vec<Arg>,
    env: Vec<(OsString, OsString)>,
    /// What the variables' names begin with. None where the environment does not count.
    prefix: Option<String>,
}

/// One flag, or what is not one.
struct Arg {
    /// As it was typed: one argument, or two.
    typed: Vec<String>,
    /// Name and value. None for what follows the last flag.
    flag: Option<(String, String)>,
}

impl Settings {
    pub(super) fn read(start: Start) -> Result<Self, Unclear> {
        let text = |(at, arg): (usize, OsString)| {
            arg.into_string().map_err(|_| Unclear::NotText(format!("argument {}", at + 1)))
        };
        let args: Vec<String> = start.args.into_iter().enumerate().map(text).collect::<Result<_, _>>()?;
        let mut settings = Self { args: parse(args)?, env: start.env, prefix: None };
        // Go's spellings of true.
        let is_on = |text: &str| ["1", "t", "T", "true", "TRUE", "True"].contains(&text);
        if settings.last_flag("envflag.enable").is_some_and(is_on) {
            settings.prefix = Some(settings.last_flag("envflag.prefix").unwrap_or_default().to_owned());
        }
        Ok(settings)
    }

    fn last_flag(&self, name: &str) -> Option<&str> {
        self.flags(name).last()
    }

    /// The values of every occurrence of a flag.
    fn flags(&self, name: &str) -> impl Iterator<Item = &str> {
        let flags = self.args.iter().filter_map(|arg| arg.flag.as_ref());
        flags.filter(move |flag| flag.0 == name).map(|flag| flag.1.as_str())
    }

    fn variable(&self, name: &str) -> Option<String> {
        Some(format!("{}{}", self.prefix.as_ref()?, name.replace('.', "_")))
    }

    /// The items of a setting; none where it is not set. A flag beats its variable, and may be given several times.
    pub(super) fn items(&self, name: &str) -> Result<Vec<String>, Unclear> {
        let mut lists: Vec<&str> = self.flags(name).collect();
        if let (true, Some(variable)) = (lists.is_empty(), self.variable(name)) {
            let value = self.env.iter().find(|(name, _)| *name == *variable).map(|(_, value)| value);
            let text = |value: &'_ OsString| -> Result<_, Unclear> {
                value.to_str().map(str::to_owned).ok_or_else(|| Unclear::NotText(variable.clone()))
            };
            return split(name, value.map(text).transpose()?.iter().map(String::as_str));
        }
        split(name, lists.drain(..))
    }

    /// Whether anything is set whose name begins so, and is none of `known`.
    pub(super) fn any(&self, begin: &str, known: &[&str]) -> bool {
        let variable = self.variable(begin);
        let known_variables: Vec<_> = known.iter().filter_map(|name| self.variable(name)).collect();
        let is_variable = |name: &OsStr| {
            variable.as_ref().is_some_and(|begin| name.as_encoded_bytes().starts_with(begin.as_bytes()))
                && !known_variables.iter().any(|known| **known == *name)
        };
        let is_flag = |name: &str| name.starts_with(begin) && !known.contains(&name);
        self.args.iter().any(|arg| arg.flag.as_ref().is_some_and(|flag| is_flag(&flag.0)))
            || self.env.iter().any(|(name, value)| is_variable(name) && !value.is_empty())
    }

    /// Sets a setting where it was set before; no items take it out. The variable that a flag hid goes too, as it would
    /// count from then on, or be a secret left behind.
    pub(super) fn set(&mut self, name: &str, items: &[String]) {
        let list = Some(array::list(items)).filter(|_| !items.is_empty());
        let is_it = |arg: &Arg| arg.flag.as_ref().is_some_and(|flag| flag.0 == name);
        let first = self.args.iter().position(is_it);
        self.args.retain(|arg| !is_it(arg));
        let variable = self.variable(name);
        if let (Some(at), Some(list)) = (first, &list) {
            let arg = Arg { typed: vec![format!("-{name}={list}")], flag: Some((name.into(), list.clone())) };
            self.args.insert(at, arg);
        } else if let (Some(variable), Some(list)) = (&variable, list) {
            let found = self.env.iter_mut().find(|(name, _)| **name == **variable);
            if let Some((_, value)) = found {
                *value = list.into();
            }
            return;
        }
        if let Some(variable) = variable {
            self.env.retain(|(name, _)| **name != *variable);
        }
    }

    pub(super) fn into_start(self) -> Start {
        Start {
            args: self.args.into_iter().flat_map(|arg| arg.typed).map(Into::into).collect(),
            env: self.env,
        }
    }
}

fn split<'a>(name: &str, lists: impl Iterator<Item = &'a str>) -> Result<Vec<String>, Unclear> {
    let mut all = Vec::new();
    for list in lists {
        let items = Some(list).filter(|list| !list.contains("%{")).and_then(array::items);
        all.extend(items.ok_or_else(|| Unclear::Value(name.to_owned()))?);
    }
    Ok(all)
}

/// Parts arguments as Go's flag package does: `-name=value`, `--name=value`, `-name value`, `-switch`. What follows the
/// first that is no flag is none either.
fn parse(args: Vec<String>) -> Result<Vec<Arg>, Unclear> {
    let mut parsed = Vec::with_capacity(args.len());
    let mut rest = args.into_iter().enumerate().peekable();
    while let Some((at, arg)) = rest.next() {
        let name = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')).unwrap_or_default();
        if name.is_empty() {
            let others = std::iter::once(arg).chain(rest.map(|(_, arg)| arg));
            parsed.extend(others.map(|arg| Arg { typed: vec![arg], flag: None }));
            return Ok(parsed);
        }
        if name.starts_with(['-', '=']) {
            return Err(Unclear::Flag(at + 1));
        }
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (name.to_owned(), None),
        };
        let mut typed = vec![arg];
        // A flag that is not known here may be a switch; a value of one that is known may begin with a dash.
        let is_value = |next: &str| !next.starts_with('-') || name.starts_with("remoteWrite.");
        let value = match value {
            Some(value) => value,
            None if SWITCHES.contains(&name.as_str()) => "true".to_owned(),
            None => match rest.next_if(|(_, next)| is_value(next)) {
                Some((_, next)) => {
                    typed.push(next.clone());
                    next
                }
                None => "true".to_owned(),
            },
        };
        parsed.push(Arg { typed, flag: Some((name, value)) });
    }
    Ok(parsed)
}
