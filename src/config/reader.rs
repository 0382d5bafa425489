//! Reads TOML tables key by key and notes every fault, where serde would stop at the first.

use toml::de::{DeTable, DeValue};

use super::environment::Variables;
use super::expand::expand;
use super::fault::{At, Located, Report};
use super::keys::{RESERVED, keys_of, tables_under};
use super::source::quoted;
use super::units;
use super::words::{self, Word};
use crate::contract::nearest;

type Value<'a> = toml::Spanned<DeValue<'a>>;

/// A table whose keys are known.
pub(super) struct Table<'a> {
    pub(super) report: &'a Report,
    variables: Variables<'a>,
    /// As [`super::keys::Key::section`] names it.
    section: &'static str,
    /// As messages name it: `[upstreams.local]`.
    title: String,
    /// Where its name stands.
    pub(super) at: At,
    table: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub(super) fn root(
        report: &'a Report,
        variables: Variables<'a>,
        table: &'a DeTable<'a>,
    ) -> Table<'a> {
        let root =
            Table { report, variables, section: "", title: String::new(), at: At::Nowhere, table };
        root.refuse_unknown_keys();
        root
    }

    fn refuse_unknown_keys(&self) {
        let known = || keys_of(self.section).map(|key| key.name).chain(tables_under(self.section));
        for (key, value) in self.table {
            let name: &str = key.get_ref();
            if known().any(|known| known == name)
                || (self.section == "users" && value.get_ref().is_table())
            {
                continue;
            }
            let at = At::from(key.span());
            if value.get_ref().is_str() {
                self.report.source.mask(value.span()); // a misspelled password?
            }
            let path = match self.section {
                "" => name.to_owned(),
                section => format!("{section}.{name}"),
            };
            if let Some((_, what)) = RESERVED.iter().find(|(reserved, _)| *reserved == path) {
                let message = format!("\"{name}\" is not supported yet: {what} is still to come");
                self.report.fault(&at, message, format!("remove {name}"));
                continue;
            }
            let (what, place) = match self.section {
                "" => ("table", String::new()),
                _ => ("key", format!(" in {}", self.title)),
            };
            let hint = match nearest(name, known()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are {}", known().collect::<Vec<_>>().join(", ")),
            };
            self.report.fault(&at, format!("unknown {what} \"{name}\"{place}"), hint);
        }
    }

    /// The table under a key; `None` where there is none.
    pub(super) fn table(&self, name: &str, section: &'static str) -> Option<Table<'a>> {
        let (key, value) = self.table.get_key_value(name)?;
        self.open(format!("[{section}]"), section, At::from(key.span()), value)
    }

    /// The tables under the names of a table (`[upstreams.*]`), each with its name.
    pub(super) fn named(&self, section: &'static str) -> Vec<(Located<String>, Table<'a>)> {
        let parent = section.strip_suffix(".*").unwrap_or(section);
        let Some((key, value)) = self.table.get_key_value(parent) else { return Vec::new() };
        let DeValue::Table(tables) = value.get_ref() else {
            let found = value.get_ref().type_str();
            let message = format!("\"{parent}\" must be tables, not {}", article(found));
            self.report.fault(&At::from(key.span()), message, format!("write [{parent}.NAME]"));
            return Vec::new();
        };
        let mut named = Vec::new();
        for (key, value) in tables {
            if section == "users.*" && !value.get_ref().is_table() {
                continue; // a key of [users] itself
            }
            let name = Located { value: key.get_ref().to_string(), at: At::from(key.span()) };
            let title = format!("[{parent}.{}]", key_as_written(&name.value));
            if let Some(table) = self.open(title, section, name.at.clone(), value) {
                named.push((name, table));
            }
        }
        named.sort_by(|a, b| a.0.at.cmp(&b.0.at));
        named
    }

    /// How many names a table of tables has, sound or not.
    pub(super) fn count(&self, parent: &str) -> usize {
        let value = self.table.get(parent);
        value.map_or(0, |value| value.get_ref().as_table().map_or(1, |table| table.len()))
    }

    /// The tables of an array of tables (`[[decision]]`).
    pub(super) fn rows(&self, section: &'static str) -> Vec<Table<'a>> {
        let Some((key, value)) = self.table.get_key_value(section) else { return Vec::new() };
        let at = At::from(key.span());
        let title = || format!("[[{section}]]");
        match value.get_ref() {
            DeValue::Array(rows) => rows
                .iter()
                .filter_map(|row| self.open(title(), section, At::from(row.span()), row))
                .collect(),
            _ => {
                let message = format!("\"{section}\" must be rows");
                self.report.fault(&at, message, format!("write [[{section}]] above each row"));
                Vec::new()
            }
        }
    }

    fn open(
        &self,
        title: String,
        section: &'static str,
        at: At,
        value: &'a Value<'a>,
    ) -> Option<Table<'a>> {
        let Table { report, variables, .. } = *self;
        match value.get_ref() {
            DeValue::Table(table) => {
                let table = Table { report, variables, section, title, at, table };
                table.refuse_unknown_keys();
                Some(table)
            }
            other => {
                let message = format!("{title} must be a table, not {}", article(other.type_str()));
                report.fault(&at, message, format!("write {title} on a line of its own"));
                None
            }
        }
    }

    fn get(&self, name: &'static str) -> Option<&'a Value<'a>> {
        debug_assert!(
            keys_of(self.section).any(|key| key.name == name),
            "{name} is missing in KEYS for {}",
            self.section
        );
        self.table.get(name)
    }

    /// The key is given, soundly or not.
    pub(super) fn has(&self, name: &'static str) -> bool {
        self.get(name).is_some()
    }

    fn mistyped(&self, name: &str, value: &Value<'_>, expected: &str) {
        let found = article(value.get_ref().type_str());
        let message = format!("\"{name}\" must be {expected}, not {found}");
        self.report.note(&At::from(value.span()), message, None);
    }

    /// A string, with `${VAR}` filled in.
    pub(super) fn string(&self, name: &'static str) -> Option<Located<String>> {
        let value = self.get(name)?;
        match value.get_ref() {
            DeValue::String(raw) => self.expand(name, raw, value),
            _ => {
                self.mistyped(name, value, "a string");
                None
            }
        }
    }

    fn expand(&self, name: &str, raw: &str, value: &Value<'_>) -> Option<Located<String>> {
        let at = At::from(value.span());
        match expand(raw, self.variables) {
            Ok(value) if value.contains('\0') => {
                self.report.note(&at, format!("\"{name}\" has a zero byte in it"), None);
                None
            }
            Ok(value) => Some(Located { value, at }),
            Err(faults) => {
                for (message, hint) in faults {
                    self.report.fault(&at, message, hint);
                }
                None
            }
        }
    }

    /// A string that must be there.
    pub(super) fn required_string(
        &self,
        name: &'static str,
        example: &str,
    ) -> Option<Located<String>> {
        if !self.has(name) {
            self.missing(name, &format!("{name} = {example}"));
        }
        self.string(name)
    }

    fn missing(&self, name: &str, hint: &str) {
        let message = format!("{} has no {name}", self.title);
        self.report.fault(&self.at, message, format!("add {hint}"));
    }

    /// A list of strings.
    pub(super) fn strings(&self, name: &'static str) -> Option<Located<Vec<Located<String>>>> {
        let value = self.get(name)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.mistyped(name, value, "a list of strings");
            return None;
        };
        let mut strings = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::String(raw) => strings.extend(self.expand(name, raw, item)),
                _ => self.mistyped(name, item, "a list of strings"),
            }
        }
        Some(Located { value: strings, at: At::from(value.span()) })
    }

    pub(super) fn boolean(&self, name: &'static str) -> Option<Located<bool>> {
        let value = self.get(name)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.mistyped(name, value, "true or false");
        }
        found.map(|found| Located { value: found, at: At::from(value.span()) })
    }

    /// An integer within bounds.
    pub(super) fn integer(&self, name: &'static str, least: u64, most: u64) -> Option<usize> {
        let value = self.get(name)?;
        let Some(integer) = value.get_ref().as_integer() else {
            self.mistyped(name, value, "an integer");
            return None;
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => usize::try_from(number).ok(),
            None => {
                let message = format!("\"{name}\" must be from {least} to {most}");
                self.report.note(&At::from(value.span()), message, None);
                None
            }
        }
    }

    /// A duration longer than zero.
    pub(super) fn duration(&self, name: &'static str) -> Option<std::time::Duration> {
        let read = |text: &str| units::duration(text).filter(|duration| !duration.is_zero());
        self.measure(name, "a duration longer than zero", units::DURATION_FORM, read)
    }

    /// A size within bounds, in bytes.
    pub(super) fn size(&self, name: &'static str, least: u64, most: u64) -> Option<usize> {
        let read = |text: &str| units::size(text).filter(|size| (least..=most).contains(size));
        let (low, high) = (units::show_size(least), units::show_size(most));
        let expected = format!("a size from {low} to {high}");
        let size = self.measure(name, &expected, units::SIZE_FORM, read)?;
        usize::try_from(size).ok()
    }

    fn measure<T>(
        &self,
        name: &'static str,
        expected: &str,
        form: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(name)?;
        let text = match value.get_ref() {
            DeValue::String(_) => self.string(name)?.value,
            DeValue::Integer(integer) => integer.as_str().to_owned(),
            _ => {
                self.mistyped(name, value, expected);
                return None;
            }
        };
        let found = read(&text);
        if found.is_none() {
            let message = format!("\"{name}\" must be {expected}");
            self.report.fault(&At::from(value.span()), message, format!("write {form}"));
        }
        found
    }

    /// A word of a closed list.
    pub(super) fn word<T: Word>(&self, name: &'static str) -> Option<Located<T>> {
        let Located { value, at } = self.string(name)?;
        let found = T::read(&value);
        if found.is_none() {
            let message = format!("unknown {name} {}", quoted(&value));
            self.report.fault(&at, message, words::hint::<T>(name, &value));
        }
        found.map(|value| Located { value, at })
    }

    /// A word that must be there: where it is not, the fault names every word there is.
    pub(super) fn required_word<T: Word>(&self, name: &'static str) -> Option<Located<T>> {
        if !self.has(name) {
            let choices: Vec<String> =
                T::WORDS.iter().map(|(word, _)| format!("{name} = \"{word}\"")).collect();
            self.missing(name, &choices.join(" or "));
        }
        self.word(name)
    }
}

/// A TOML type with its article.
fn article(kind: &str) -> String {
    match kind {
        "integer" | "array" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

/// A name as it can be written in a table's header.
pub(super) fn key_as_written(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { format!("{name:?}") }
}
