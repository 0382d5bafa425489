//! What was read before, by path, size and times. It is never in the way: a cache that cannot be
//! read, is of another build or cannot be written is as good as none.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::facts::Facts;

/// A file changed this recently, in seconds, may change again within the same tick of its clock.
const RECENT: i64 = 3;

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp(u64, u64, i64, i64, i64, i64);

impl Stamp {
    /// Of a file.
    pub fn of(metadata: &Metadata) -> Stamp {
        Stamp(
            metadata.len(),
            metadata.ino(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        )
    }

    fn is_recent(&self, now: i64) -> bool {
        self.2.max(self.4) + RECENT > now
    }
}

/// The cache of one tree.
#[derive(Debug, Default)]
pub struct Cache {
    entries: HashMap<String, (Stamp, Option<Facts>)>,
}

impl Cache {
    /// Where the cache for these paths is, in the user's cache folder; `None` where there is none.
    pub fn path(paths: &[PathBuf], ignored: bool) -> Option<PathBuf> {
        let folder = std::env::var_os("XDG_CACHE_HOME")
            .filter(|folder| Path::new(folder).is_absolute())
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
        let mut hasher = DefaultHasher::new();
        std::env::current_dir().ok()?.hash(&mut hasher);
        (paths, ignored).hash(&mut hasher);
        Some(folder.join("pgauthority").join(format!("drift-{:016x}.json", hasher.finish())))
    }

    /// Reads it.
    pub fn load(path: &Path) -> Cache {
        Self::read(path).unwrap_or_default()
    }

    fn read(path: &Path) -> Option<Cache> {
        let text = fs::read_to_string(path).ok()?;
        let mut lines = text.lines();
        if lines.next()? != build() {
            return None;
        }
        let mut entries = HashMap::new();
        for line in lines {
            let (path, stamp, facts) = serde_json::from_str(line).ok()?;
            entries.insert(path, (stamp, facts));
        }
        Some(Cache { entries })
    }

    /// What is known of a file: `Some(None)`, that it says nothing.
    pub fn get(&self, path: &str, stamp: &Stamp) -> Option<Option<&Facts>> {
        let (known, facts) = self.entries.get(path)?;
        (known == stamp).then_some(facts.as_ref())
    }

    /// Notes a file.
    pub fn put(&mut self, path: String, stamp: Stamp, facts: Option<Facts>) {
        self.entries.insert(path, (stamp, facts));
    }

    /// Takes over everything of another.
    pub fn replace(&mut self, other: Cache) {
        if self.entries.is_empty() {
            self.entries = other.entries;
        } else {
            self.entries.extend(other.entries);
        }
    }

    /// Writes it, as one file at once.
    pub fn save(&self, path: &Path) {
        let _ = self.write(path);
    }

    fn write(&self, path: &Path) -> std::io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let mut out = std::io::BufWriter::new(fs::File::create(&temporary)?);
        writeln!(out, "{}", build())?;
        for (path, (stamp, facts)) in &self.entries {
            if !stamp.is_recent(now) {
                serde_json::to_writer(&mut out, &(path, stamp, facts))?;
                out.write_all(b"\n")?;
            }
        }
        out.flush()?;
        drop(out);
        fs::rename(&temporary, path).inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
    }
}

/// The very program that read: other rules read otherwise.
fn build() -> String {
    let program = std::env::current_exe().and_then(fs::metadata);
    let stamp =
        program.ok().map(|metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec()));
    format!("pgauthority {} {stamp:?}", env!("CARGO_PKG_VERSION"))
}
