//! Walks the tree on every core and reads each file once, or not at all where the cache knows it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use ignore::{WalkBuilder, WalkState};

use super::analyse;
use super::cache::{Cache, Stamp};
use super::facts::Facts;
use super::kind::{self, Named};

/// What to walk.
#[derive(Clone, Debug)]
pub struct Options {
    /// Files and folders, as given.
    pub paths: Vec<PathBuf>,
    /// Read what `.gitignore` and `.ignore` leave out, too.
    pub ignored: bool,
    /// Where the cache is; `None`: without.
    pub cache: Option<PathBuf>,
}

/// Counts that another thread may show while the walk runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Files seen.
    pub seen: AtomicU64,
    /// Files parsed.
    pub parsed: AtomicU64,
}

/// A tree, read.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The facts of files that say something.
    pub files: BTreeMap<String, Facts>,
    /// Every path of a kind that is read.
    pub paths: BTreeSet<String>,
    /// Files of those kinds.
    pub count: u64,
    /// What could not be read, worded.
    pub unreadable: Vec<String>,
    /// Files longer than [`analyse::LONGEST`], left out.
    pub too_long: u64,
}

/// Folders of other people's code, unless they are named.
const FOREIGN: &[&str] = &[".git", ".hg", ".svn", ".jj", "node_modules"];

/// Scans.
///
/// # Errors
/// A path that does not exist or cannot be walked; single files that cannot be read are told in
/// [`Scanned::unreadable`].
pub fn scan(options: &Options, progress: &Progress) -> Result<Scanned, String> {
    let Some((first, rest)) = options.paths.split_first() else {
        return Err("no path is given".to_owned());
    };
    for path in &options.paths {
        fs::symlink_metadata(path)
            .map_err(|error| format!("cannot read \"{}\": {error}", path.display()))?;
    }
    let mut walker = WalkBuilder::new(first);
    for path in rest {
        walker.add(path);
    }
    let respected = !options.ignored;
    walker
        .hidden(false)
        .parents(respected)
        .ignore(respected)
        .git_ignore(respected)
        .git_global(false)
        .git_exclude(respected)
        .require_git(false)
        .threads(std::thread::available_parallelism().map_or(1, usize::from))
        .filter_entry(|entry| {
            let folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            if !folder || entry.depth() == 0 {
                return true;
            }
            let name = entry.file_name();
            let foreign = FOREIGN.iter().any(|foreign| name == *foreign);
            !foreign && !entry.path().join("pyvenv.cfg").exists()
        });
    let mut cache = options.cache.as_deref().map_or_else(Cache::default, Cache::load);
    let shared = Mutex::new((Scanned::default(), Cache::default()));
    let base = std::env::current_dir().unwrap_or_default();
    let old = &cache;
    walker.build_parallel().run(|| {
        let shared = &shared;
        let base = &base;
        // each thread gathers its own, and hands it over when it is done
        let mut own = Own { scanned: Scanned::default(), cache: Cache::default(), shared };
        Box::new(move |entry| {
            match entry {
                Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                    own.file(entry.path(), base, old, progress);
                }
                Ok(_) => {}
                Err(error) => own.scanned.unreadable.push(error.to_string()),
            }
            WalkState::Continue
        })
    });
    let (mut scanned, new) = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    scanned.unreadable.sort();
    if let Some(path) = &options.cache {
        cache.replace(new);
        cache.save(path);
    }
    Ok(scanned)
}

/// Reads one more file of a tree, for what it imports.
pub fn one(path: &str) -> Option<Facts> {
    let text = all_of(Path::new(path)).ok()?;
    analyse::file(path, &String::from_utf8_lossy(&text))
}

struct Own<'a> {
    scanned: Scanned,
    cache: Cache,
    shared: &'a Mutex<(Scanned, Cache)>,
}

impl Own<'_> {
    fn file(&mut self, path: &Path, base: &Path, old: &Cache, progress: &Progress) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if kind::of_name(&name) == Named::Nothing || name == super::history::FILE {
            return;
        }
        progress.seen.fetch_add(1, Ordering::Relaxed);
        let shown = shown(path, base);
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            // gone since the walk saw it
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.unreadable(&shown, &error),
        };
        let stamp = Stamp::of(&metadata);
        if let Some(facts) = old.get(&shown, &stamp) {
            return self.keep(shown, stamp, facts.cloned());
        }
        if metadata.len() > analyse::LONGEST {
            self.scanned.too_long += 1;
            return self.keep(shown, stamp, None);
        }
        match read(path) {
            Ok(Some(bytes)) => {
                progress.parsed.fetch_add(1, Ordering::Relaxed);
                let text = String::from_utf8_lossy(&bytes);
                let facts = analyse::file(&shown, &text).filter(|facts| !facts.is_empty());
                self.keep(shown, stamp, facts);
            }
            Ok(None) => self.keep(shown, stamp, None),
            Err(error) => self.unreadable(&shown, &error),
        }
    }

    fn unreadable(&mut self, shown: &str, error: &io::Error) {
        self.scanned.unreadable.push(format!("\"{shown}\": {error}"));
    }

    fn keep(&mut self, path: String, stamp: Stamp, facts: Option<Facts>) {
        self.scanned.count += 1;
        self.cache.put(path.clone(), stamp, facts.clone());
        if let Some(facts) = facts {
            self.scanned.files.insert(path.clone(), facts);
        }
        self.scanned.paths.insert(path);
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let (scanned, cache) = &mut *shared;
        let own = std::mem::take(&mut self.scanned);
        scanned.files.extend(own.files);
        scanned.paths.extend(own.paths);
        scanned.count += own.count;
        scanned.too_long += own.too_long;
        scanned.unreadable.extend(own.unreadable);
        cache.replace(std::mem::take(&mut self.cache));
    }
}

/// A file's bytes where some rule may look at them.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let bytes = all_of(path)?;
    let speaks = analyse::speaks_of_databases(&bytes) && !bytes.iter().take(1024).any(|b| *b == 0);
    Ok(speaks.then_some(bytes))
}

fn all_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(analyse::LONGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A path for people and for the history: relative to the working folder where it is below it,
/// with slashes.
pub fn shown(path: &Path, base: &Path) -> String {
    let path = path.strip_prefix(base).unwrap_or(path);
    let mut parts = Vec::new();
    let mut absolute = false;
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::RootDir => absolute = true,
            other => parts.push(other.as_os_str().to_string_lossy().into_owned()),
        }
    }
    let joined = parts.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
