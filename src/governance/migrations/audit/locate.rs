//! Finds the files of an Alembic project: its settings, its folders of versions.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::ini::Settings;

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
}

/// A project could not be found or read.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// Nothing of Alembic is there.
    #[error(
        "\"{}\" has no alembic.ini, no [tool.alembic] in a pyproject.toml, no folder \"versions\" \
         and no Python files", .0.display()
    )]
    Nothing(PathBuf),
    /// The settings lead nowhere.
    #[error("\"{}\": {message}", .file.display())]
    Settings {
        /// The settings' file.
        file: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A file or folder cannot be read.
    #[error("could not read \"{}\": {error}", .path.display())]
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
    paths.retain(|path| seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone())));
    let mut files = Vec::with_capacity(paths.len());
    for (number, path) in paths.iter().enumerate() {
        progress(number, paths.len());
        files.push(read(path)?);
    }
    let autocommit = versions.iter().any(|folder| {
        let beside = folder.ancestors().skip(1).take(2).map(|folder| folder.join("env.py"));
        let mut texts = beside.filter_map(|file| fs::read_to_string(file).ok());
        texts.any(|text| text.contains("AUTOCOMMIT"))
    });
    Ok(Located { settings, versions, files, autocommit })
}

fn read(path: &Path) -> Result<SourceFile, NotFound> {
    let unreadable = |error| NotFound::Unreadable { path: path.to_owned(), error };
    let bytes = fs::read(path).map_err(unreadable)?;
    let modified = fs::metadata(path).and_then(|about| about.modified()).ok();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(SourceFile { path: path.to_owned(), text, modified })
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
    match files.is_empty() {
        false => Ok((None, vec![folder.clone()], false)),
        true => Err(NotFound::Nothing(folder.clone())),
    }
}

/// The settings that a folder has: an ini file, completed by a `pyproject.toml`.
fn settings(wanted: &Wanted) -> Result<Option<(PathBuf, Settings)>, NotFound> {
    let default = wanted.folder.join("alembic.ini");
    let file = wanted.ini.as_ref().unwrap_or(&default);
    let pyproject = file.with_file_name("pyproject.toml");
    let base = parent(&pyproject);
    let here = std::path::absolute(&base).unwrap_or(base);
    let other =
        fs::read_to_string(&pyproject).ok().and_then(|text| Settings::of_pyproject(&text, &here));
    match fs::read_to_string(file) {
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
        return Err("script_location is not set".to_owned());
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
