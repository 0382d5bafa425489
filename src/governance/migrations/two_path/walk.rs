//! The paths walked: their commands through the proxy, the catalogs at their ends, the verdict.

use std::time::Duration;

use super::command::{self, Outcome, Ran, Shell};
use super::environment::{self, Way};
use super::front::{self, Front};
use super::judge::{self, Context, Failure, Kind};
use super::model::{Path, PathRun, Report, Request, Step, StepRun};
use super::scratch::{self, Scratch, failed, place, unreachable};
use super::tap::{Seen, Tap};
use super::{Fault, Tell};
use crate::governance::catalog_diff::{self, Catalog, Comparison, compare};
use crate::governance::exec::child_environment::Change;
use crate::upstream::{Direct, copy};

/// A path and its database.
pub(super) type Databases = Vec<(Path, String)>;

/// Makes every path's database.
///
/// # Errors
/// The first that cannot be made.
pub(super) async fn databases(
    request: &Request,
    scratch: &mut Scratch,
) -> Result<Databases, Fault> {
    let mut made = Vec::new();
    for path in &request.paths {
        let letter = path.letter().to_ascii_lowercase();
        made.push((*path, scratch.create(&letter, &request.template).await?));
    }
    Ok(made)
}

/// Walks every path, compares, judges.
///
/// Cancel safety: a future that is dropped kills the command under way; the databases stay.
///
/// # Errors
/// What kept a path from being walked, failing commands aside.
pub(super) async fn all(
    request: &Request,
    scratch: &Scratch,
    databases: &Databases,
    tell: &mut dyn Tell,
) -> Result<Report, Fault> {
    let upstreams = databases.iter().map(|(_, name)| scratch.upstream(name)).collect();
    let front = front::start(upstreams).await?;
    let cannot = |error: std::io::Error| Fault::failed(format!("no port on 127.0.0.1: {error}"));
    let address = front.address().ok_or_else(|| Fault::failed("the proxy does not listen"))?;
    let tap = Tap::start(address).await.map_err(cannot)?;
    let walker = Walker { request, scratch, tap, _front: front };
    let mut runs = Vec::new();
    for (path, database) in databases {
        runs.push(walker.path(*path, database, tell).await?);
    }
    let ids = match databases.first() {
        Some((_, database)) => walker.ids(database, &runs, tell).await,
        None => Ids::default(),
    };
    Ok(report(request, runs, &ids))
}

struct Walker<'a> {
    request: &'a Request,
    scratch: &'a Scratch,
    tap: Tap,
    /// Lives as long as the tap leads to it.
    _front: Front,
}

impl Walker<'_> {
    async fn path(
        &self,
        path: Path,
        database: &str,
        tell: &mut dyn Tell,
    ) -> Result<PathRun, Fault> {
        let began = std::time::Instant::now();
        let mut steps: Vec<StepRun> = Vec::new();
        for step in path.steps() {
            let mut run = self.step(path, *step, database, tell).await;
            let succeeded = run.ran.outcome == Outcome::Succeeded;
            if succeeded && matches!(step, Step::Upgrade | Step::Stamp) {
                run.versions = self.versions(database).await?;
            }
            // a stamp that is not there makes what follows meaningless
            let stands = run.versions.as_ref().is_some_and(|rows| !rows.is_empty())
                || *step != Step::Stamp
                || self.request.version_table.is_none();
            steps.push(run);
            if !(succeeded && stands) {
                break;
            }
        }
        // a bootstrap that worked is worth a look whatever came of the stamp
        let looked_at = match path {
            Path::B => steps.first(),
            Path::A | Path::C => steps.last(),
        };
        let built = looked_at.is_some_and(|step| step.ran.outcome == Outcome::Succeeded)
            && (path == Path::B || steps.len() == path.steps().len());
        let catalog = if built { Some(self.catalog(database).await?) } else { None };
        let passed = steps.len() == path.steps().len()
            && steps.iter().all(|step| step.ran.outcome == Outcome::Succeeded);
        tell.walked(path, passed, began.elapsed());
        Ok(PathRun { path, steps, catalog })
    }

    async fn step(&self, path: Path, step: Step, database: &str, tell: &mut dyn Tell) -> StepRun {
        let command = self.request.commands.of(step);
        let name = format!("path {}", path.letter());
        self.tap.take();
        let ran = self
            .shell(command, database, |since, line| tell.step(&name, step.as_str(), since, line))
            .await;
        let Seen { sessions, errors } = self.tap.take();
        StepRun { step, command: command.to_owned(), ran, sessions, errors, versions: None }
    }

    async fn shell(&self, text: &str, database: &str, tick: impl FnMut(Duration, &str)) -> Ran {
        let Request { directory, timeout, .. } = self.request;
        let changes = self.changes(database);
        let mut ran =
            command::run(&Shell { text, directory, changes: &changes, timeout: *timeout }, tick)
                .await;
        if let Some(password) = self.password().filter(|password| !password.is_empty()) {
            ran.output = ran.output.replace(password, "***");
        }
        ran
    }

    fn password(&self) -> Option<&str> {
        self.request.upstream.endpoint.password.as_ref().map(|secret| secret.0.as_str())
    }

    fn changes(&self, database: &str) -> Vec<Change> {
        let Request { upstream, url, environment, .. } = self.request;
        let way = Way {
            url,
            user: upstream.endpoint.user.as_deref().unwrap_or_default(),
            password: self.password(),
            port: self.tap.port(),
            declaration: upstream.declaration,
        };
        environment::changes(&way, database, environment)
    }

    async fn connect(&self, database: &str) -> Result<Direct, Fault> {
        let upstream = std::sync::Arc::new(self.scratch.upstream(database));
        Direct::connect(&upstream).await.map_err(|error| unreachable(&error))
    }

    async fn catalog(&self, database: &str) -> Result<Catalog, Fault> {
        let mut direct = self.connect(database).await?;
        let catalog = catalog_diff::read(&mut direct).await.map_err(failed)?;
        direct.close().await;
        Ok(catalog)
    }

    /// The rows of the version table; `None` where there is no such table.
    async fn versions(&self, database: &str) -> Result<Option<Vec<String>>, Fault> {
        let Some(table) = &self.request.version_table else { return Ok(None) };
        let mut direct = self.connect(database).await?;
        let name = scratch::literal(table.rsplit('.').next().unwrap_or(table));
        let find = format!(
            "SELECT c.oid::regclass, quote_ident(a.attname) FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_' \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             WHERE c.relkind = 'r' AND a.attgenerated = '' AND c.relname = {name} \
             ORDER BY a.attname <> 'version_num', a.attnum LIMIT 1"
        );
        let found = direct.run(&find).await.map_err(failed)?;
        let rows = match found.first().map(Vec::as_slice) {
            Some([Some(table), Some(column)]) => {
                let rows = direct.read(&[&copy(table, &[column])]).await.map_err(failed)?;
                let mut rows: Vec<String> =
                    rows.into_iter().flatten().flatten().flatten().collect();
                rows.sort();
                Some(rows)
            }
            _ => None,
        };
        direct.close().await;
        Ok(rows)
    }

    /// What the history lists, and what the version tables hold.
    async fn ids(&self, database: &str, runs: &[PathRun], tell: &mut dyn Tell) -> Ids {
        let mut heads = Vec::new();
        let steps = runs.iter().flat_map(|run| &run.steps);
        let mut ids: Vec<String> =
            steps.filter_map(|step| step.versions.clone()).flatten().collect();
        if let Some(history) = &self.request.commands.history {
            let tick = |since, line: &str| tell.step("ids", "history", since, line);
            let ran = self.shell(history, database, tick).await;
            if ran.outcome == Outcome::Succeeded {
                ids.extend(listed(&ran.output).map(|(id, _)| id));
                heads.extend(listed(&ran.output).filter(|(_, head)| *head).map(|(id, _)| id));
            }
        }
        ids.sort();
        ids.dedup();
        Ids { all: ids, heads }
    }
}

/// The migrations' ids, as far as they are known.
#[derive(Default)]
struct Ids {
    all: Vec<String>,
    heads: Vec<String>,
}

/// The ids in what `alembic history` prints, and whether each is a head: `DOWN -> ID (head), …`.
fn listed(output: &str) -> impl Iterator<Item = (String, bool)> {
    output.lines().filter_map(|line| {
        let said = line.split_once(" -> ")?.1.split(',').next()?;
        let id = said.split(' ').next()?;
        (!id.is_empty()).then(|| (id.to_owned(), said.contains("(head)")))
    })
}

fn report(request: &Request, runs: Vec<PathRun>, ids: &Ids) -> Report {
    let Ids { all: ids, heads } = ids;
    let catalog =
        |path: Path| runs.iter().find(|run| run.path == path).and_then(|run| run.catalog.as_ref());
    let bootstrapped: Vec<String> = catalog(Path::B)
        .map(|catalog| catalog.tables().map(str::to_owned).collect())
        .unwrap_or_default();
    let a_failed = runs.iter().any(|run| run.path == Path::A && run.catalog.is_none());
    let context =
        Context { request, ids, heads, bootstrapped: &bootstrapped, clean_passes: !a_failed };
    let judged: Vec<Vec<Failure>> = runs.iter().map(|run| judge::failures(&context, run)).collect();
    let mut notes = Vec::new();
    let width =
        runs.iter().filter_map(|run| judge::version_width(request, run.catalog.as_ref()?)).min();
    let advised = request.version_length;
    if let Some(width) = width.filter(|width| *width < advised && !request.wide_column) {
        let longest = ids.iter().map(|id| id.chars().count()).max().unwrap_or(0);
        notes.push(format!(
            "the version column holds {width} characters and the longest id has {longest}: \
             {advised} leave room for descriptive ids (--version-length {advised} demands them)"
        ));
    }
    let compared = catalog(Path::A).zip(catalog(Path::B)).map(|(a, b)| {
        let mut comparison = compare(("A", a), ("B", b));
        let unused = request.known.apply(&mut comparison);
        (comparison, unused)
    });
    if compared.is_none() && request.paths.contains(&Path::A) && request.paths.contains(&Path::B) {
        notes.push("A and B were not compared: both must be built first".to_owned());
    }
    let differing = compared.as_ref().and_then(|(comparison, _)| differing(request, comparison));
    Report {
        place: place(&request.upstream),
        paths: runs.into_iter().zip(judged).collect(),
        comparison: compared,
        differing,
        notes,
    }
}

fn differing(request: &Request, comparison: &Comparison) -> Option<Failure> {
    let objects: Vec<String> = comparison.counting().map(|found| found.key.to_string()).collect();
    if !request.require_equal || objects.is_empty() {
        return None;
    }
    let message = format!("A and B differ in {} objects, and must be equal", objects.len());
    let hint = "make them equal, or declare what is known with its reason: --known FILE";
    let failure = Failure::new(Kind::SchemasDiffer, message);
    Some(Failure { objects, hint: Some(hint.to_owned()), ..failure })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_a_history() {
        let output = "INFO  something\na, b -> c (head) (mergepoint), merge -> all\n\
                      <base> -> a (branchpoint), first\n\n 1 -> 2_long_id, x\n";
        let found: Vec<(String, bool)> = listed(output).collect();
        let wanted = [("c", true), ("a", false), ("2_long_id", false)];
        assert_eq!(found, wanted.map(|(id, head)| (id.to_owned(), head)));
    }
}
