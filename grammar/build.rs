//! Compiles the C shim against the headers of the `pg_query` package that cargo resolved, and
//! generates the numbers that both sides share: node tags, field ids, enum values.
//!
//! Nothing of PostgreSQL is copied into this repository: the node definitions come from the
//! package's own generated files, so the two sides cannot disagree about them.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let source = libpg_query()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let include = source.join("src/include");
    let definitions = fs::read_to_string(include.join("pg_query_outfuncs_defs.c"))?;
    let enums = fs::read_to_string(include.join("pg_query_enum_defs.c"))?;
    let tags = fs::read_to_string(source.join("src/postgres/include/nodes/nodetags.h"))?;

    let fields = field_ids(&definitions)?;
    let mut header = String::from("/* generated: one number a field name */\n");
    for (name, id) in &fields {
        writeln!(header, "#define PGA_FIELD_{name} {id}")?;
    }
    fs::write(out.join("pga_fields.h"), header)?;
    fs::write(out.join("names.rs"), rust_names(&fields, &tags, &enums)?)?;

    let mut build = cc::Build::new();
    build
        .file("csrc/shim.c")
        .file("csrc/plpgsql.c")
        .include(&out)
        .include("csrc")
        .include(&source)
        .include(source.join("src"))
        .include(&include)
        .include(source.join("src/postgres/include"))
        // PostgreSQL's code, ours included, is written for these two
        .flag("-fno-strict-aliasing")
        .flag("-fwrapv")
        .warnings(false);
    build.compile("pgauthority_grammar_shim");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=csrc");
    println!("cargo:rerun-if-changed={}", include.display());
    Ok(())
}

/// The folder `libpg_query` of the resolved `pg_query` package, wherever cargo keeps it.
fn libpg_query() -> Result<PathBuf> {
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("Cargo.toml");
    // The package was downloaded before this script could run, so no network is needed; a
    // first try without it also keeps a sandboxed build working.
    let json = metadata(&manifest, true).or_else(|_| metadata(&manifest, false))?;
    let packages = json["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let found = packages
        .iter()
        .filter(|package| package["name"] == "pg_query")
        .find_map(|package| {
            Some(Path::new(package["manifest_path"].as_str()?).parent()?.join("libpg_query"))
        })
        .ok_or("cargo metadata does not list the package pg_query")?;
    if let Some(root) = json["workspace_root"].as_str() {
        println!("cargo:rerun-if-changed={root}/Cargo.lock");
    }
    Ok(found)
}

fn metadata(manifest: &Path, offline: bool) -> Result<serde_json::Value> {
    let mut command = Command::new(env::var("CARGO")?);
    command.args(["metadata", "--format-version", "1", "--manifest-path"]).arg(manifest);
    if offline {
        command.arg("--offline");
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Numbers the distinct field names of all nodes, from 1.
fn field_ids(definitions: &str) -> Result<BTreeMap<&str, usize>> {
    // the fields of value nodes and of A_Const, which the generated file leaves to hand-written code
    let mut names: BTreeSet<&str> =
        ["ival", "fval", "boolval", "sval", "bsval", "isnull", "val", "items", "location"].into();
    for line in definitions.lines().map(str::trim) {
        if let Some(call) = line.strip_prefix("WRITE_") {
            let inner = call.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
            let name = inner.and_then(|(arguments, _)| arguments.rsplit(',').next());
            names.insert(name.ok_or_else(|| format!("unexpected line: {line}"))?.trim());
        }
    }
    if names.len() < 300 {
        return Err("the node definitions of pg_query look different from what is expected".into());
    }
    Ok(names.into_iter().enumerate().map(|(index, name)| (name, index + 1)).collect())
}

/// Field names that are keywords of Rust.
const RESERVED: &[&str] = &["do", "move", "override", "ref", "type", "where", "final", "virtual"];

fn rust_names(fields: &BTreeMap<&str, usize>, tags: &str, enums: &str) -> Result<String> {
    let mut rust = String::new();
    writeln!(
        rust,
        "/// Fields of nodes, by their names in PostgreSQL's `parsenodes.h`.\npub mod field {{"
    )?;
    for (name, id) in fields {
        let raw = if RESERVED.contains(name) { "r#" } else { "" };
        writeln!(rust, "    pub const {raw}{name}: u16 = {id};")?;
    }
    writeln!(
        rust,
        "}}\n/// Node tags, as in PostgreSQL's `nodetags.h`, without the `T_`.\npub mod tag {{"
    )?;
    let mut all = String::new();
    for line in tags.lines().map(str::trim) {
        if let Some((name, value)) = line.strip_prefix("T_").and_then(|rest| rest.split_once(" = "))
        {
            let value = value.trim_end_matches(',');
            writeln!(rust, "    pub const {name}: u16 = {value};")?;
            writeln!(all, "    (\"{name}\", {value}),")?;
        }
    }
    writeln!(
        rust,
        "    /// Every tag with its name.\n    pub const ALL: &[(&str, u16)] = &[\n{all}    ];"
    )?;
    writeln!(
        rust,
        "}}\n/// Values of the enums in nodes, by their names in PostgreSQL's headers.\npub mod value {{"
    )?;
    // only the functions that give numbers; they number from 1 in the order of declaration
    for function in enums.split("\nstatic int\n_enumToInt").skip(1) {
        for line in function.lines().map(str::trim) {
            let Some((name, value)) = line
                .strip_prefix("case ")
                .and_then(|rest| rest.strip_suffix(';'))
                .and_then(|rest| rest.split_once(": return "))
            else {
                continue;
            };
            if value.parse::<u32>().is_ok() {
                writeln!(rust, "    pub const {name}: u32 = {value};")?;
            }
        }
    }
    writeln!(rust, "}}")?;
    Ok(rust)
}
