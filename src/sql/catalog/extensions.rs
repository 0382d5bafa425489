//! What is known of extensions: what their C functions do.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::sql::Class;

const TABLE: &str = include_str!("extensions.tsv");

type Functions = HashMap<&'static str, Option<Class>, ahash::RandomState>;

/// What a C function of an extension is, `None` if that is not known.
pub(super) fn native(extension: &str, function: &str, volatile: bool) -> Option<Class> {
    let functions = EXTENSIONS.get(extension)?;
    let verdict = functions.get(function).or_else(|| functions.get("*"))?;
    Some(verdict.unwrap_or(if volatile { Class::Write } else { Class::Read }))
}

static EXTENSIONS: LazyLock<HashMap<&'static str, Functions, ahash::RandomState>> =
    LazyLock::new(|| {
        let mut extensions: HashMap<_, Functions, _> = HashMap::default();
        for [extension, function, verdict, _why] in rows() {
            // a word that is none is caught by a test, and means that nothing is known
            if let Some(verdict) = verdict_of(verdict) {
                let functions = function.split(' ').map(|function| (function, verdict));
                extensions.entry(extension).or_default().extend(functions);
            }
        }
        extensions
    });

/// `Some(None)`: what the function's volatility says.
fn verdict_of(word: &str) -> Option<Option<Class>> {
    match word {
        "volatility" => Some(None),
        word => Class::ALL.iter().find(|class| class.as_str() == word).map(|class| Some(*class)),
    }
}

fn rows() -> impl Iterator<Item = [&'static str; 4]> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut columns = line.split('\t');
        let row = [columns.next()?, columns.next()?, columns.next()?, columns.next()?];
        columns.next().is_none().then_some(row)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_well_formed() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(rows().count(), lines);
        let mut seen = std::collections::HashSet::new();
        for [extension, functions, verdict, why] in rows() {
            assert!(verdict_of(verdict).is_some(), "{extension} {functions}: {verdict}");
            assert!(!why.is_empty());
            for function in functions.split(' ') {
                assert!(!function.is_empty());
                assert!(seen.insert((extension, function)), "{extension} {function} twice");
            }
            assert!(EXTENSIONS[extension].contains_key("*"), "{extension} has no *");
        }
    }

    #[test]
    fn verdicts() {
        assert_eq!(native("citext", "citextin", false), Some(Class::Read));
        assert_eq!(native("citext", "anything", true), Some(Class::Write));
        assert_eq!(native("uuid-ossp", "uuid_generate_v4", true), Some(Class::Read));
        assert_eq!(native("dblink", "dblink_exec", true), Some(Class::Opaque));
        assert_eq!(native("postgres_fdw", "postgres_fdw_handler", true), Some(Class::Opaque));
        assert_eq!(native("file_fdw", "file_fdw_handler", true), Some(Class::Read));
        assert_eq!(native("adminpack", "pg_file_write", true), Some(Class::Admin));
        assert_eq!(native("nobody_knows", "f", false), None);
        // declared IMMUTABLE or STABLE, and runs text, or what it is given the name of
        for (extension, function) in [
            ("postgis", "st_fromflatgeobuftotable"),
            ("postgis", "checkauthtrigger"),
            ("postgis", "of_a_later_version"),
            ("postgis_raster", "_st_mapalgebra"),
            ("postgis_raster", "st_mapalgebraexpr"),
            ("postgis_raster", "st_mapalgebrafctngb"),
            ("postgis_raster", "_st_valuecount"),
            ("postgis_topology", "getnodebypoint"),
            ("address_standardizer", "standardize_address"),
            ("xml2", "xpath_table"),
            ("tablefunc", "crosstab_hash"),
            ("tablefunc", "connectby"),
            ("hypopg", "hypopg_create_index"),
            ("refint", "check_primary_key"),
            ("refint", "check_foreign_key"),
        ] {
            assert_eq!(native(extension, function, false), Some(Class::Opaque), "{function}");
        }
        for (extension, function) in [
            ("postgis", "st_intersects"),
            ("postgis", "st_transform"),
            ("postgis", "geometry_in"),
            ("postgis", "geography_overlaps"),
            ("postgis_raster", "st_band"),
            ("postgis_raster", "raster_in"),
            ("postgis_sfcgal", "st_3darea"),
            ("address_standardizer", "parse_address"),
            ("hypopg", "hypopg"),
            ("tablefunc", "normal_rand"),
        ] {
            assert_eq!(native(extension, function, false), Some(Class::Read), "{function}");
        }
    }
}
