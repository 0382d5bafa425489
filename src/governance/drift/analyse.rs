//! One file's text to its facts.

use std::sync::OnceLock;

use aho_corasick::AhoCorasick;

use super::data::{contexts, dockerfile, dotenv, ini, json, toml, yaml};
use super::facts::{Facts, Place};
use super::kind::{self, Kind, Named};
use super::languages::{python, script, shell};
use super::rule::Rule;
use super::syntax::Language;
use super::{allow, names};

/// The longest file that is read, in bytes: beyond it are bundles and data.
pub const LONGEST: u64 = 2 * 1024 * 1024;

/// Lines longer than this on average are written by a program.
const LONGEST_LINE: usize = 2000;

/// Whether a file is worth parsing: it has a word that some rule looks for.
pub fn speaks_of_databases(text: &[u8]) -> bool {
    static NEEDLES: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let needles = NEEDLES.get_or_init(|| {
        AhoCorasick::builder().ascii_case_insensitive(true).build(names::NEEDLES).ok()
    });
    needles.as_ref().is_none_or(|needles| needles.is_match(text))
}

/// The facts of a file; `path` is relative, with slashes. `None` where no rule looks at such files.
pub fn file(path: &str, text: &str) -> Option<Facts> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let kind = match kind::of_name(name) {
        Named::Kind(kind) => kind,
        Named::FirstLine => kind::of_first_line(text)?,
        Named::Nothing => return None,
    };
    let lines = text.matches('\n').count() + 1;
    let code = matches!(kind, Kind::JavaScript | Kind::TypeScript | Kind::Json);
    if code && text.len() / lines > LONGEST_LINE {
        return None;
    }
    let mut facts = Facts::default();
    if read(kind, path, text, &mut facts).is_none() {
        let place = Place { line: 1, column: 1 };
        facts.add(
            Rule::FileUnparsed,
            place,
            "it cannot be parsed as what its name says".to_owned(),
        );
    }
    if names::is_for_another_database(text) {
        facts.reads.clear();
    }
    facts.imports.sort_unstable();
    facts.imports.dedup();
    Some(facts)
}

fn read(kind: Kind, path: &str, text: &str, facts: &mut Facts) -> Option<()> {
    let is_test = kind::is_test(path);
    match kind {
        Kind::Python => python::read(text, is_test, facts),
        Kind::TypeScript => script::read(text, Language::TypeScript, is_test, facts),
        Kind::JavaScript => script::read(text, Language::Tsx, is_test, facts),
        Kind::Shell => {
            let what = "this script";
            let whole = shell::Script {
                text,
                line: 0,
                column: 0,
                indent: 0,
                ambient: &[],
                what,
                open: false,
            };
            shell::read(&whole, facts)
        }
        Kind::Yaml => {
            for document in yaml::read(text, facts)? {
                contexts::read(&document, "this file", facts);
            }
            Some(())
        }
        Kind::Json => {
            let document = json::read(text, facts)?;
            contexts::read(&document, "this file", facts);
            Some(())
        }
        Kind::Toml => {
            let document = toml::read(text)?;
            allow::line_comments(text, &['#'], facts);
            // the proxy's own configuration is where upstreams are declared
            if document.get("upstreams").is_none() {
                contexts::read(&document, "this file", facts);
            }
            Some(())
        }
        Kind::DotEnv => {
            dotenv::read(text, facts);
            Some(())
        }
        Kind::Dockerfile => dockerfile::read(text, facts),
        Kind::Ini => {
            ini::read(text, facts);
            Some(())
        }
    }
}
