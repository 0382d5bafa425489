//! Reads a catalog through SQL, in one statement and so in one snapshot.

use serde_json::Value;

use super::model::{Catalog, Object, ObjectKey};
use crate::upstream::{Direct, DirectError};

const CATALOG: &str = include_str!("catalog.sql");

/// Reads every object of the database that `direct` is connected to.
///
/// # Errors
/// The server's refusal, a broken connection, or a row that is not as it should be.
pub async fn read(direct: &mut Direct) -> Result<Catalog, DirectError> {
    let mut catalog = Catalog::default();
    for row in direct.read(&[CATALOG]).await?.into_iter().flatten() {
        let (key, object) = object(row).ok_or_else(|| {
            DirectError::Broken("the catalog has a row that cannot be read".to_owned())
        })?;
        catalog.objects.insert(key, object);
    }
    Ok(catalog)
}

fn object(row: Vec<Option<String>>) -> Option<(ObjectKey, Object)> {
    let [kind, identity, parent, properties] = <[Option<String>; 4]>::try_from(row).ok()?;
    let Value::Object(properties) = serde_json::from_str(&properties?).ok()? else { return None };
    Some((ObjectKey { kind: kind?, identity: identity? }, Object { parent, properties }))
}
