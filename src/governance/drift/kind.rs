//! Which reader a file gets: by its name, else by its `#!` line. Nothing else is read at all.

/// A kind of file that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Python.
    Python,
    /// A shell script.
    Shell,
    /// TypeScript.
    TypeScript,
    /// JavaScript, or TypeScript with JSX.
    JavaScript,
    /// YAML.
    Yaml,
    /// JSON, comments allowed.
    Json,
    /// TOML.
    Toml,
    /// `.env`.
    DotEnv,
    /// A Dockerfile.
    Dockerfile,
    /// `key = value` lines.
    Ini,
}

/// What a file's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// It is of this kind.
    Kind(Kind),
    /// Its first line has to say.
    FirstLine,
    /// No rule looks at it.
    Nothing,
}

/// By a file's name, without folders.
pub fn of_name(name: &str) -> Named {
    let lower = name.to_ascii_lowercase();
    if lower == ".env" || lower.starts_with(".env.") || lower.ends_with(".env") {
        return Named::Kind(Kind::DotEnv);
    }
    if lower == ".envrc" {
        return Named::Kind(Kind::Shell);
    }
    let is_dockerfile = |stem: &str| {
        lower == stem || lower.strip_prefix(stem).is_some_and(|rest| rest.starts_with('.'))
    };
    if is_dockerfile("dockerfile") && !lower.ends_with(".dockerignore")
        || is_dockerfile("containerfile")
        || lower.ends_with(".dockerfile")
    {
        return Named::Kind(Kind::Dockerfile);
    }
    let Some((stem, extension)) = lower.rsplit_once('.') else {
        return Named::FirstLine;
    };
    if stem.ends_with(".min") || stem.ends_with(".d") && extension == "ts" {
        return Named::Nothing;
    }
    Named::Kind(match extension {
        "py" | "pyw" => Kind::Python,
        "sh" | "bash" | "zsh" | "ksh" | "bats" => Kind::Shell,
        "ts" | "mts" | "cts" => Kind::TypeScript,
        "js" | "mjs" | "cjs" | "jsx" | "tsx" => Kind::JavaScript,
        "yml" | "yaml" => Kind::Yaml,
        "json" | "jsonc" | "json5" => Kind::Json,
        "toml" => Kind::Toml,
        "ini" | "cfg" | "conf" | "properties" => Kind::Ini,
        _ => return Named::Nothing,
    })
}

/// By a file's first line.
pub fn of_first_line(text: &str) -> Option<Kind> {
    let line = text.strip_prefix("#!")?.lines().next()?;
    let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let program = words.find(|word| !matches!(*word, "env") && !word.starts_with('-'))?;
    let program = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    match program {
        "sh" | "bash" | "dash" | "zsh" | "ksh" => Some(Kind::Shell),
        "python" => Some(Kind::Python),
        "node" | "deno" | "bun" => Some(Kind::JavaScript),
        _ => None,
    }
}

/// Whether a path is a test's: what it compares is what it expects.
pub fn is_test(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let mut parts = lower.rsplit('/');
    let name = parts.next().unwrap_or_default();
    let folder = |part: &str| {
        matches!(part, "test" | "tests" | "testing" | "__tests__" | "spec" | "specs" | "fixtures")
    };
    name.starts_with("test_")
        || name == "conftest.py"
        || [".test.", ".spec.", "_test.", "-test.", "_tests."]
            .iter()
            .any(|mark| name.contains(mark))
        || parts.any(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_file_is() {
        for (name, kind) in [
            (".env", Kind::DotEnv),
            (".env.production", Kind::DotEnv),
            ("api.env", Kind::DotEnv),
            (".envrc", Kind::Shell),
            ("Dockerfile", Kind::Dockerfile),
            ("Dockerfile.worker", Kind::Dockerfile),
            ("a.Dockerfile", Kind::Dockerfile),
            ("docker-compose.yml", Kind::Yaml),
            ("x.tsx", Kind::JavaScript),
            ("alembic.ini", Kind::Ini),
        ] {
            assert_eq!(of_name(name), Named::Kind(kind), "{name}");
        }
        for name in ["a.min.js", "x.d.ts", "a.md", "a.png", "Dockerfile.dockerignore"] {
            assert_eq!(of_name(name), Named::Nothing, "{name}");
        }
        assert_eq!(of_name("entrypoint"), Named::FirstLine);
        assert_eq!(of_first_line("#!/usr/bin/env -S python3.11\n"), Some(Kind::Python));
        assert_eq!(of_first_line("#!/bin/bash -e\n"), Some(Kind::Shell));
        assert_eq!(of_first_line("#!/usr/bin/perl\n"), None);
        assert_eq!(of_first_line("text"), None);
    }

    #[test]
    fn tests_are_known_by_their_place() {
        assert!(is_test("a/tests/x.py") && is_test("test_x.py") && is_test("src/a.spec.ts"));
        assert!(!is_test("src/contest.py") && !is_test("app/latest/x.py"));
    }
}
