//! Alembic's settings: `alembic.ini` as Python's `configparser` reads it, and `pyproject.toml`.

use std::collections::BTreeMap;
use std::path::Path;

/// How often a value may refer to another one, as in `configparser`.
const MAX_INTERPOLATIONS: usize = 10;

/// The settings of one section, as written, and `here`.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
    /// Lists of `pyproject.toml`, one item a line.
    lists: BTreeMap<String, Vec<String>>,
}

impl Settings {
    /// The section `section` of an ini file that stands in `folder`. `None`: there is none.
    pub fn of_ini(text: &str, section: &str, folder: &Path) -> Option<Settings> {
        let mut sections = sections(text);
        let mut values = sections.remove("DEFAULT").unwrap_or_default();
        values.extend(sections.remove(section)?);
        values.insert("here".to_owned(), folder.display().to_string());
        Some(Settings { values, lists: BTreeMap::new() })
    }

    /// `[tool.alembic]` of a `pyproject.toml` that stands in `folder`. `None`: there is none.
    pub fn of_pyproject(text: &str, folder: &Path) -> Option<Settings> {
        let root: toml::Table = text.parse().ok()?;
        let table = root.get("tool")?.get("alembic")?.as_table()?;
        let mut settings = Settings::default();
        settings.values.insert("here".to_owned(), folder.display().to_string());
        for (key, value) in table {
            match value {
                toml::Value::String(text) => {
                    settings.values.insert(key.clone(), text.clone());
                }
                toml::Value::Boolean(on) => {
                    settings.values.insert(key.clone(), on.to_string());
                }
                toml::Value::Array(items) => {
                    let items = items.iter().filter_map(|item| item.as_str().map(str::to_owned));
                    settings.lists.insert(key.clone(), items.collect());
                }
                _ => {}
            }
        }
        Some(settings)
    }

    /// Takes from `other` what is not set here.
    pub fn or(mut self, other: Settings) -> Settings {
        for (key, value) in other.values {
            self.values.entry(key).or_insert(value);
        }
        for (key, value) in other.lists {
            self.lists.entry(key).or_insert(value);
        }
        self
    }

    /// A value, its `%(name)s` put in.
    pub fn get(&self, key: &str) -> Option<String> {
        self.values.get(key).map(|value| self.interpolated(value, 0))
    }

    /// Whether a value is on.
    pub fn is_on(&self, key: &str) -> bool {
        let value = self.get(key).unwrap_or_default().to_ascii_lowercase();
        matches!(value.trim(), "true" | "1" | "yes" | "on")
    }

    /// A list of paths, parted as `path_separator` says.
    pub fn paths(&self, key: &str) -> Vec<String> {
        if let Some(items) = self.lists.get(key) {
            return items.iter().map(|item| self.interpolated(item, 0)).collect();
        }
        let Some(value) = self.get(key) else { return Vec::new() };
        let separator = self.get("path_separator").or_else(|| self.get("version_path_separator"));
        let parts: Vec<&str> = match separator.as_deref().map(str::trim) {
            Some("space") => value.split(' ').collect(),
            Some("newline") => value.split('\n').collect(),
            Some(";") => value.split(';').collect(),
            Some("os" | ":") => value.split(':').collect(),
            _ if key == "prepend_sys_path" => value.split([',', ' ', ':', '\n']).collect(),
            _ => value.split([',', ' ', '\n']).collect(),
        };
        let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    }

    fn interpolated(&self, value: &str, depth: usize) -> String {
        let mut text = String::with_capacity(value.len());
        let mut rest = value;
        while let Some((before, after)) = rest.split_once('%') {
            text.push_str(before);
            rest = after;
            if let Some(after) = rest.strip_prefix('%') {
                text.push('%');
                rest = after;
            } else if let Some((name, after)) =
                rest.strip_prefix('(').and_then(|rest| rest.split_once(")s"))
            {
                let named = self.values.get(&name.to_lowercase());
                if let Some(named) = named.filter(|_| depth < MAX_INTERPOLATIONS) {
                    text.push_str(&self.interpolated(named, depth + 1));
                }
                rest = after;
            } else {
                text.push('%');
            }
        }
        text + rest
    }
}

/// The sections of an ini file: keys in lower case, continued lines joined by line feeds.
fn sections(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let (mut section, mut key) = (String::new(), None::<String>);
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let values = sections.entry(section.clone()).or_default();
        if line.starts_with([' ', '\t'])
            && let Some(value) = key.as_ref().and_then(|key| values.get_mut(key))
        {
            value.push('\n');
            value.push_str(trimmed);
        } else if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
        {
            (section, key) = (name.to_owned(), None);
            sections.entry(section.clone()).or_default();
        } else if let Some((name, value)) = trimmed.split_once(['=', ':']) {
            let name = name.trim().to_lowercase();
            values.insert(name.clone(), value.trim().to_owned());
            key = Some(name);
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const INI: &str = "# alembic.ini\n[alembic]\nScript_Location = %(here)s/migrations\n\
        base: %(script_location)s/x 100%%\nversion_locations = %(here)s/a:%(here)s/b,\n    c d\n\
        ; no\n[logger]\nkeys = root\n";

    fn settings(more: &str) -> Settings {
        let text = INI.replace("# alembic.ini\n[alembic]\n", &format!("[alembic]\n{more}\n"));
        Settings::of_ini(&text, "alembic", Path::new("/p")).unwrap()
    }

    #[test]
    fn an_ini_file_is_read_as_pythons_configparser_reads_it() {
        let settings = settings("");
        assert_eq!(settings.get("script_location").unwrap(), "/p/migrations");
        assert_eq!(settings.get("base").unwrap(), "/p/migrations/x 100%");
        assert_eq!(settings.get("keys"), None);
        assert!(Settings::of_ini(INI, "other", Path::new("/p")).is_none());
    }

    #[test]
    fn lists_are_parted_as_the_separator_says() {
        let paths = |more| settings(more).paths("version_locations");
        assert_eq!(paths(""), ["/p/a:/p/b", "c", "d"]);
        assert_eq!(paths("path_separator = os"), ["/p/a", "/p/b,\nc d"]);
        assert_eq!(paths("version_path_separator = newline"), ["/p/a:/p/b,", "c d"]);
    }

    #[test]
    fn pyproject_toml_stands_in() {
        let text = "[tool.alembic]\nscript_location = \"%(here)s/m\"\n\
                    version_locations = [\"%(here)s/a\", \"b\"]\nrecursive_version_locations = true\n";
        let settings = Settings::of_pyproject(text, Path::new("/p")).unwrap();
        assert_eq!(settings.get("script_location").unwrap(), "/p/m");
        assert_eq!(settings.paths("version_locations"), ["/p/a", "b"]);
        assert!(settings.is_on("recursive_version_locations"));
        assert!(Settings::of_pyproject("[tool.ruff]", Path::new("/p")).is_none());
    }
}
