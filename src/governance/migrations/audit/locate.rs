//! Finds the files of an Alembic project: its settings, its folders of versions.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use super::ini::Settings;
use super::text::{read, read_text};
use crate::upstream::in_words;

/// What to look for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// A project, a script folder or a folder of versions.
    pub folder: PathBuf,
    /// An ini file that does not stand in `folder`.
    pub ini: Option<PathBuf>,
    /// The section of the ini file, `alembic` as a rule.
    pub section: String,
    /// Folders within the folders of versions count, whatever the settings say.
    pub recursive: bool,
}

/// A project's files.
#[derive(Debug)]
pub struct Located {
    /// The settings' file, where there is one.
    pub settings: Option<PathBuf>,
    /// The folders of versions.
    pub versions: Vec<PathBuf>,
    /// The files of migrations, by folder and name.
    pub files: Vec<SourceFile>,
    /// `env.py` speaks of AUTOCOMMIT: statements need not stand in a transaction.
    pub autocommit: bool,
}

/// A file.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// As the user would name it.
    pub path: PathBuf,
    /// What is in it; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// When it was changed last.
    pub modified: Option<SystemTime>,
    /// Why Python would not read it, and at which line.
    pub trouble: Option<(u32, String)>,
}

/// A project could not be found or read.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// Nothing of Alembic is there.
    #[error(
        "\"{}\" has no alembic.ini, no [tool.alembic] in a pyproject.toml, no folder \"versions\" \
         and no Python file with a revision{}", .folder.display(), hint(.found)
    )]
    Nothing {
        /// Where it was looked for.
        folder: PathBuf,
        /// A folder below it that has a project.
        found: Option<PathBuf>,
    },
    /// The settings lead nowhere.
    #[error("\"{}\": {message}", .file.display())]
    Settings {
        /// The settings' file.
        file: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A file or folder cannot be read.
    #[error("could not read \"{}\": {}", .path.display(), in_words(error))]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Finds and reads a project. `progress` is told how many files have been read, of how many.
///
/// # Errors
/// There is no project, its settings lead nowhere, or something cannot be read.
pub fn locate(
    wanted: &Wanted,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Located, NotFound> {
    let (settings, versions, recursive) = folders(wanted)?;
    let mut paths = Vec::new();
    for folder in versions.iter().filter(|folder| folder.is_dir()) {
        list(folder, recursive || wanted.recursive, &mut paths)?;
    }
    let mut seen = BTreeSet::new();
    // a folder may be named twice; a file that links to another one is a second migration
    paths.retain(|path| {
        let folder = parent(path);
        let folder = fs::canonicalize(&folder).unwrap_or(folder);
        seen.insert((folder, path.file_name().map(ToOwned::to_owned)))
    });
    let mut files = Vec::with_capacity(paths.len());
    for (number, path) in paths.iter().enumerate() {
        progress(number, paths.len());
        files.push(read(path));
    }
    let autocommit = versions.iter().any(|folder| {
        let beside = folder.ancestors().skip(1).take(2).map(|folder| folder.join("env.py"));
        let mut texts = beside.filter_map(|file| read_text(&file).ok());
        texts.any(|text| text.contains("AUTOCOMMIT"))
    });
    Ok(Located { settings, versions, files, autocommit })
}

/// The settings' file, the folders of versions, and whether folders in them count.
fn folders(wanted: &Wanted) -> Result<(Option<PathBuf>, Vec<PathBuf>, bool), NotFound> {
    let folder = &wanted.folder;
    fs::read_dir(folder).map_err(|error| NotFound::Unreadable { path: folder.clone(), error })?;
    if let Some((file, settings)) = settings(wanted)? {
        let base = parent(&file);
        let versions = versions_of(&settings, &base, folder)
            .map_err(|message| NotFound::Settings { file: file.clone(), message })?;
        let recursive = settings.is_on("recursive_version_locations");
        return Ok((Some(file), versions, recursive));
    }
    let versions = folder.join("versions");
    if versions.is_dir() {
        return Ok((None, vec![versions], false));
    }
    let mut files = Vec::new();
    list(folder, wanted.recursive, &mut files)?;
    let own = folder.file_name().is_some_and(|name| name == "versions")
        || folder.parent().is_some_and(|above| above.join("env.py").is_file());
    match (own && !files.is_empty()) || files.iter().any(|file| has_revision(file)) {
        true => Ok((None, vec![folder.clone()], false)),
        false => Err(NotFound::Nothing { folder: folder.clone(), found: below(folder, 3) }),
    }
}

/// Whether a file may be a migration: it binds `revision`.
fn has_revision(file: &Path) -> bool {
    read(file).text.lines().any(|line| {
        let rest = line.strip_prefix("revision").map(str::trim_start);
        rest.is_some_and(|rest| rest.starts_with(['=', ':']))
    })
}

/// A folder below one that has a project, so many levels down at most.
fn below(folder: &Path, levels: usize) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir() && !is_foreign(path))
        .collect();
    folders.sort();
    let has = |path: &&PathBuf| {
        path.join("alembic.ini").is_file()
            || (path.join("env.py").is_file() && path.join("versions").is_dir())
    };
    folders.iter().find(has).cloned().or_else(|| {
        folders.iter().filter(|_| levels > 1).find_map(|folder| below(folder, levels - 1))
    })
}

/// Folders that have other people's projects, or none.
fn is_foreign(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || matches!(&*name, "node_modules" | "site-packages" | "__pycache__")
}

/// What to type instead.
fn hint(found: &Option<PathBuf>) -> String {
    found.as_ref().map_or_else(String::new, |folder| {
        let folder: PathBuf =
            folder.components().filter(|part| *part != Component::CurDir).collect();
        format!("; hint: pgauthority migrations audit {}", folder.display())
    })
}

/// The settings that a folder has: an ini file, completed by a `pyproject.toml`.
fn settings(wanted: &Wanted) -> Result<Option<(PathBuf, Settings)>, NotFound> {
    let default = wanted.folder.join("alembic.ini");
    let file = wanted.ini.as_ref().unwrap_or(&default);
    let pyproject = file.with_file_name("pyproject.toml");
    let base = parent(&pyproject);
    let here = std::path::absolute(&base).unwrap_or(base);
    let other = read_text(&pyproject).ok().and_then(|text| Settings::of_pyproject(&text, &here));
    match read_text(file) {
        Ok(text) => match (Settings::of_ini(&text, &wanted.section, &here), other) {
            (Some(own), Some(other)) => Ok(Some((file.clone(), own.or(other)))),
            (Some(settings), None) => Ok(Some((file.clone(), settings))),
            (None, Some(settings)) => Ok(Some((pyproject, settings))),
            (None, None) => Err(NotFound::Settings {
                file: file.clone(),
                message: format!("it has no section [{}]", wanted.section),
            }),
        },
        Err(error) if wanted.ini.is_some() => {
            Err(NotFound::Unreadable { path: file.clone(), error })
        }
        Err(_) => Ok(other.map(|settings| (pyproject, settings))),
    }
}

fn versions_of(settings: &Settings, base: &Path, folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut roots = vec![base.to_owned(), folder.to_owned()];
    roots.extend(settings.paths("prepend_sys_path").iter().map(|path| base.join(path)));
    roots.push(base.join("src"));
    roots.extend(base.ancestors().skip(1).take(4).map(Path::to_owned));
    let locations = settings.paths("version_locations");
    if !locations.is_empty() {
        let found: Vec<PathBuf> = locations.iter().map(|place| resolve(place, &roots)).collect();
        return match found.iter().any(|folder| folder.is_dir()) {
            true => Ok(found),
            false => Err(format!("version_locations leads to no folder: {}", locations.join(", "))),
        };
    }
    let Some(location) = settings.get("script_location") else {
        // an ini file without it stands beside env.py: the program that starts Alembic sets it
        let scripts = [base, folder].into_iter().find(|folder| folder.join("env.py").is_file());
        let versions = scripts.map(|folder| tidy(&folder.join("versions")));
        return match versions.filter(|versions| versions.is_dir()) {
            Some(versions) => Ok(vec![versions]),
            None => {
                Err("script_location is not set, and no env.py with a folder \"versions\" stands \
                         beside it; hint: name the folder that has env.py"
                    .to_owned())
            }
        };
    };
    let versions = resolve(&location, &roots).join("versions");
    match versions.is_dir() {
        true => Ok(vec![versions]),
        false => Err(format!(
            "script_location = {location} leads to no folder with a folder \"versions\" \
             (looked for \"{}\"); hint: name the folder that has env.py instead",
            versions.display()
        )),
    }
}

/// A path as Alembic takes it: absolute, relative, or `package.name:folder`.
fn resolve(location: &str, roots: &[PathBuf]) -> PathBuf {
    let location = location.trim();
    let relative = match location.split_once(':') {
        Some((package, inside)) if !location.starts_with('/') => {
            let folder: PathBuf = package.split('.').collect();
            folder.join(inside.split(':').collect::<PathBuf>())
        }
        _ => PathBuf::from(location),
    };
    let candidates = || roots.iter().map(|root| tidy(&root.join(&relative)));
    candidates()
        .find(|path| path.is_dir())
        .or_else(|| candidates().next())
        .map(|path| near(&path, roots))
        .unwrap_or(relative)
}

/// A path without `.` in it.
fn tidy(path: &Path) -> PathBuf {
    path.components().collect()
}

/// An absolute path that lies in a root which the user named relatively, in the user's words.
fn near(path: &Path, roots: &[PathBuf]) -> PathBuf {
    for root in roots.iter().filter(|root| !root.is_absolute()).take(2) {
        if let Ok(absolute) = std::path::absolute(root)
            && let Ok(rest) = path.strip_prefix(&absolute)
        {
            return tidy(&root.join(rest));
        }
    }
    path.to_owned()
}

/// Adds the files of a folder that Alembic would read, by name; folders in it come after them.
fn list(folder: &Path, recursive: bool, paths: &mut Vec<PathBuf>) -> Result<(), NotFound> {
    let unreadable = |error| NotFound::Unreadable { path: folder.to_owned(), error };
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.ends_with("__pycache__") {
                folders.push(path);
            }
        } else if name.ends_with(".py") && !name.starts_with("__init__") && !name.starts_with(".#")
        {
            files.push(path);
        }
    }
    files.sort();
    paths.append(&mut files);
    if recursive {
        folders.sort();
        for folder in folders {
            list(&folder, true, paths)?;
        }
    }
    Ok(())
}

/// The folder that a file stands in.
fn parent(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
