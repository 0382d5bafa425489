//! The running world: each upstream's facts against its declaration, and staging against prod, by
//! the migrations that both have run and by their schemas. Reads only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::project::Finding;
use super::rule::Rule;
use super::world::{Declared, VersionColumns, heads, schemas};
use crate::config::{Config, EntryTarget, Upstream};
use crate::contract::Role;
use crate::governance::catalog_diff::{self, Catalog};
use crate::governance::observation::{self, Contradicts, plain};
use crate::upstream::{Direct, DirectError, copy};

/// A staging upstream and the prod upstream that it rehearses for.
pub type Pair = (Arc<Upstream>, Arc<Upstream>);

/// The pairs that a configuration declares: those that a routed entry names together; with no such
/// entry, the only staging and the only prod upstream.
pub fn pairs(config: &Config) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    for entry in config.databases.values() {
        if let EntryTarget::Routed { neon: Some(neon), local: Some(local), .. } = &entry.target
            && neon.declaration.role == Role::Prod
            && local.declaration.role == Role::Staging
            && !pairs.iter().any(|(a, b)| a.name == local.name && b.name == neon.name)
        {
            pairs.push((Arc::clone(local), Arc::clone(neon)));
        }
    }
    if !pairs.is_empty() {
        return pairs;
    }
    let of = |role| {
        let mut found = config.upstreams.values().filter(move |one| one.declaration.role == role);
        let only = found.next()?;
        found.next().is_none().then(|| Arc::clone(only))
    };
    of(Role::Staging).zip(of(Role::Prod)).into_iter().collect()
}

/// Looks at every upstream and every pair.
///
/// Cancel safety: dropping it closes what connections there are.
pub async fn look(config: &Config, declared: &Declared<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut unreachable = BTreeSet::new();
    for contradiction in observation::contradictions(&observation::all(config).await) {
        let rule = match contradiction.what {
            Contradicts::Reach => {
                unreachable.insert(contradiction.upstream.clone());
                Rule::WorldUnreachable
            }
            Contradicts::Recovery => Rule::WorldRecovery,
            Contradicts::Proxy => Rule::WorldProxy,
            Contradicts::Database => Rule::WorldDatabase,
            Contradicts::Seal => Rule::WorldSeal,
            Contradicts::Backstop => Rule::WorldBackstop,
            Contradicts::SamePlace => Rule::WorldSamePlace,
        };
        found.push(declared.finding(&contradiction.upstream, rule, contradiction.to_string()));
    }
    // one that is down has been waited for, and told
    let reached =
        |pair: &Pair| ![&pair.0.name, &pair.1.name].iter().any(|n| unreachable.contains(*n));
    for (staging, prod) in pairs(config).into_iter().filter(reached) {
        compare(config, &staging, &prod, declared, &mut found).await;
    }
    found
}

async fn compare(
    config: &Config,
    staging: &Arc<Upstream>,
    prod: &Arc<Upstream>,
    declared: &Declared<'_>,
    found: &mut Vec<Finding>,
) {
    let tables = &config.contract.migration_tables;
    let (left, right) = tokio::join!(state(staging, tables), state(prod, tables));
    let mut states = Vec::new();
    for (upstream, state) in [(staging, left), (prod, right)] {
        match state {
            Ok(state) => states.push(state),
            Err(why) => {
                let name = &upstream.name;
                let message = format!(
                    "upstream \"{name}\": staging \"{}\" and prod \"{}\" cannot be compared: {}",
                    staging.name,
                    prod.name,
                    plain(&why)
                );
                let mut finding = declared.finding(name, Rule::WorldUnreachable, message);
                if upstream.endpoint.user.is_none() {
                    finding.fix = "name a user: url = \"postgresql://USER@HOST/DATABASE\", the \
                                   password in ~/.pgpass"
                        .to_owned();
                }
                found.push(finding);
            }
        }
    }
    let [left, right] = states.as_slice() else { return };
    let names = (staging.name.as_str(), prod.name.as_str());
    for message in heads(names, &left.applied, &right.applied) {
        found.push(declared.finding(&prod.name, Rule::WorldHeads, plain(&message)));
    }
    if let Some(message) = schemas(names, &left.catalog, &right.catalog) {
        found.push(declared.finding(&prod.name, Rule::WorldSchema, plain(&message)));
    }
}

/// What is compared of one database.
struct State {
    applied: Applied,
    catalog: Catalog,
}

/// The migrations that each version table has, by its name.
pub type Applied = BTreeMap<String, BTreeSet<String>>;

/// Why a database cannot be compared.
enum Why {
    Direct(DirectError),
    /// A version table, and the foreign table among those that its rows are in.
    Foreign(String, String),
}

impl From<DirectError> for Why {
    fn from(error: DirectError) -> Why {
        Why::Direct(error)
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Why::Direct(error) => error.fmt(f),
            Why::Foreign(table, foreign) => {
                write!(f, "version table {table} has rows in the foreign table {foreign}")
            }
        }
    }
}

async fn state(upstream: &Arc<Upstream>, tables: &BTreeSet<String>) -> Result<State, String> {
    if upstream.endpoint.user.is_none() {
        return Err("its url names no user to look with".to_owned());
    }
    let mut direct = Direct::connect(upstream).await.map_err(|error| error.to_string())?;
    let state = read(&mut direct, tables).await.map_err(|why| why.to_string());
    direct.close().await;
    state
}

/// Nothing of what is read is computed from: whose tables these are is not known.
async fn read(direct: &mut Direct, tables: &BTreeSet<String>) -> Result<State, Why> {
    direct.run("SET default_transaction_read_only = on").await?;
    let applied = applied(direct, tables).await?;
    let catalog = catalog_diff::read(direct).await?;
    Ok(State { applied, catalog })
}

/// COPY reads one table: not those that inherit from it, and of a partitioned one nothing. So each
/// of them is read by itself.
async fn applied(direct: &mut Direct, tables: &BTreeSet<String>) -> Result<Applied, Why> {
    let names: Vec<String> = tables.iter().map(|name| literal(name)).collect();
    let sql = format!(
        "WITH RECURSIVE part (root, own) AS ( \
         SELECT oid, oid FROM pg_class \
         WHERE relkind IN ('r', 'p') AND relname = ANY (ARRAY[{}]::text[]) \
         UNION SELECT root, inhrelid FROM part JOIN pg_inherits ON inhparent = own) \
         SELECT quote_ident(n.nspname) || '.' || quote_ident(r.relname), \
         quote_ident(m.nspname) || '.' || quote_ident(c.relname), c.relkind::text, \
         (SELECT string_agg(a.attname, ' ') FROM pg_attribute a \
          WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') \
         FROM part JOIN pg_class r ON r.oid = root JOIN pg_namespace n ON n.oid = r.relnamespace \
         JOIN pg_class c ON c.oid = own JOIN pg_namespace m ON m.oid = c.relnamespace",
        names.join(", ")
    );
    let mut applied = Applied::new();
    let mut found = Vec::new();
    for row in direct.read(&[&sql]).await?.into_iter().flatten() {
        let Ok([Some(table), Some(own), Some(kind), Some(has)]) =
            <[Option<String>; 4]>::try_from(row)
        else {
            continue;
        };
        let has: Vec<&str> = has.split(' ').collect();
        let Some(columns) = VersionColumns::of(&has) else { continue };
        applied.entry(table.clone()).or_default();
        match kind.as_str() {
            "r" => found.push((table, own, columns)),
            "f" => return Err(Why::Foreign(table, own)),
            _ => {}
        }
    }
    let copies: Vec<String> =
        found.iter().map(|(_, own, columns)| copy(own, &columns.names())).collect();
    let copies: Vec<&str> = copies.iter().map(String::as_str).collect();
    let rows = direct.read(&copies).await?;
    for ((table, _, columns), rows) in found.into_iter().zip(rows) {
        let versions = rows.iter().filter_map(|row| columns.version(row));
        applied.entry(table).or_default().extend(versions);
    }
    Ok(applied)
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
