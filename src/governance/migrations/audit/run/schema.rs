//! Columns, types and constraints, as migrations give them, and what changing a type costs.

use std::fmt;

/// A column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, if that can be told.
    pub type_: Option<Type>,
    /// `nullable`, where it is given.
    pub nullable: Option<bool>,
    /// Its default on the server.
    pub default: Default_,
    /// It is a primary key.
    pub primary_key: bool,
    /// It has a unique constraint of its own.
    pub unique: bool,
    /// It has an index of its own.
    pub index: bool,
    /// Tables that it refers to.
    pub references: Vec<String>,
}

/// A default on the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Default_ {
    /// There is none.
    #[default]
    None,
    /// One value for all rows that there are: kept in the catalog.
    Constant,
    /// Each row gets its own, by what is named: the table is written anew.
    Volatile(String),
    /// It calls what is not known to be stable.
    Perhaps(String),
    /// It cannot be told.
    Unknown,
}

/// A constraint, or an index that is made with a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// What it is.
    pub kind: ConstraintKind,
    /// NOT VALID.
    pub not_valid: bool,
    /// USING INDEX.
    pub using_index: bool,
}

/// The kinds of constraints.
#[derive(Clone, Debug, PartialEq)]
pub enum ConstraintKind {
    /// PRIMARY KEY.
    Primary,
    /// UNIQUE.
    Unique,
    /// FOREIGN KEY, to a table if that can be told.
    Foreign(Option<String>),
    /// CHECK; of `column IS NOT NULL` the column.
    Check(Option<String>),
    /// EXCLUDE.
    Exclude,
    /// An index of a table that is made.
    Index,
}

/// A type, as far as changes of it go.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Type {
    Varchar(Option<u32>),
    Char(Option<u32>),
    Text,
    SmallInt,
    Integer,
    BigInt,
    /// An integer with a sequence.
    Serial,
    /// Precision and scale.
    Numeric(Option<(u32, u32)>),
    Real,
    Double,
    Boolean,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    Uuid,
    Json,
    Jsonb,
    Bytea,
    Enum(String),
    /// One that is not listed, by its name.
    Other(String),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sized = |f: &mut fmt::Formatter<'_>, name: &str, size: &Option<u32>| match size {
            Some(size) => write!(f, "{name}({size})"),
            None => f.write_str(name),
        };
        match self {
            Type::Varchar(size) => sized(f, "varchar", size),
            Type::Char(size) => sized(f, "char", size),
            Type::Numeric(Some((precision, scale))) => write!(f, "numeric({precision},{scale})"),
            Type::Numeric(None) => f.write_str("numeric"),
            Type::Enum(name) if name.is_empty() => f.write_str("an enum"),
            Type::Enum(name) => write!(f, "enum {name}"),
            Type::Other(name) => f.write_str(name),
            Type::Text => f.write_str("text"),
            Type::SmallInt => f.write_str("smallint"),
            Type::Integer => f.write_str("integer"),
            Type::BigInt => f.write_str("bigint"),
            Type::Serial => f.write_str("serial"),
            Type::Real => f.write_str("real"),
            Type::Double => f.write_str("double precision"),
            Type::Boolean => f.write_str("boolean"),
            Type::Date => f.write_str("date"),
            Type::Time => f.write_str("time"),
            Type::Timestamp => f.write_str("timestamp"),
            Type::Timestamptz => f.write_str("timestamptz"),
            Type::Interval => f.write_str("interval"),
            Type::Uuid => f.write_str("uuid"),
            Type::Json => f.write_str("json"),
            Type::Jsonb => f.write_str("jsonb"),
            Type::Bytea => f.write_str("bytea"),
        }
    }
}

/// What changing a column's type does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeChange {
    /// The table is written anew, under a lock that keeps out readers too.
    pub rewrites: bool,
    /// Values may not fit.
    pub narrows: bool,
}

impl Type {
    /// A type by the name that SQLAlchemy has for it (`sa.String`), with its integer arguments.
    pub fn of_class(name: &str, sizes: &[u32], timezone: bool) -> Option<Type> {
        let size = sizes.first().copied();
        let pair = size.map(|precision| (precision, sizes.get(1).copied().unwrap_or(0)));
        Some(match name {
            "String" | "VARCHAR" | "Unicode" | "NVARCHAR" | "AutoString" => Type::Varchar(size),
            "CHAR" | "NCHAR" => Type::Char(size),
            "Text" | "TEXT" | "UnicodeText" | "CLOB" | "NullType" => Type::Text,
            "SmallInteger" | "SMALLINT" => Type::SmallInt,
            "Integer" | "INTEGER" | "INT" => Type::Integer,
            "BigInteger" | "BIGINT" => Type::BigInt,
            "Numeric" | "NUMERIC" | "DECIMAL" => Type::Numeric(pair),
            "Float" | "FLOAT" | "Double" | "DOUBLE" | "DOUBLE_PRECISION" => Type::Double,
            "REAL" => Type::Real,
            "Boolean" | "BOOLEAN" => Type::Boolean,
            "Date" | "DATE" => Type::Date,
            "Time" | "TIME" => Type::Time,
            "DateTime" | "DATETIME" | "TIMESTAMP" if timezone => Type::Timestamptz,
            "DateTime" | "DATETIME" | "TIMESTAMP" => Type::Timestamp,
            "Interval" | "INTERVAL" => Type::Interval,
            "Uuid" | "UUID" => Type::Uuid,
            "JSON" => Type::Json,
            "JSONB" => Type::Jsonb,
            "LargeBinary" | "BYTEA" | "BLOB" | "VARBINARY" => Type::Bytea,
            "Enum" | "ENUM" => Type::Enum(String::new()),
            _ => return None,
        })
    }

    /// A type by PostgreSQL's name for it, as the grammar gives it, with its modifiers.
    pub fn of_sql(name: &str, sizes: &[u32]) -> Type {
        let size = sizes.first().copied();
        let pair = size.map(|precision| (precision, sizes.get(1).copied().unwrap_or(0)));
        match name {
            "varchar" => Type::Varchar(size),
            "bpchar" | "char" => Type::Char(size),
            "text" => Type::Text,
            "int2" => Type::SmallInt,
            "int4" | "integer" | "int" => Type::Integer,
            "int8" | "bigint" => Type::BigInt,
            "serial" | "bigserial" | "smallserial" | "serial2" | "serial4" | "serial8" => {
                Type::Serial
            }
            "numeric" => Type::Numeric(pair),
            "float4" => Type::Real,
            "float8" => Type::Double,
            "bool" => Type::Boolean,
            "date" => Type::Date,
            "time" | "timetz" => Type::Time,
            "timestamp" => Type::Timestamp,
            "timestamptz" => Type::Timestamptz,
            "interval" => Type::Interval,
            "uuid" => Type::Uuid,
            "json" => Type::Json,
            "jsonb" => Type::Jsonb,
            "bytea" => Type::Bytea,
            other => Type::Other(other.to_owned()),
        }
    }

    /// What changing a column from this type to `to` does: `ALTER COLUMN … TYPE` leaves a table as
    /// it is where old values are values of the new type bit by bit, and need no check.
    pub fn change(&self, to: &Type) -> TypeChange {
        use Type::{
            BigInt, Char, Date, Double, Enum, Integer, Numeric, Other, Real, SmallInt, Text, Time,
            Timestamp, Timestamptz, Varchar,
        };
        let free = TypeChange { rewrites: false, narrows: false };
        let rewrite = TypeChange { rewrites: true, narrows: false };
        let narrow = TypeChange { rewrites: true, narrows: true };
        // of an array the elements are not known, nor which enum one without a name is
        let vague = |one: &Type| match one {
            Other(name) => name == "array",
            Enum(name) => name.is_empty(),
            _ => false,
        };
        if self == to && !vague(self) {
            return free;
        }
        match (self, to) {
            (Varchar(_), Text | Varchar(None)) | (Text, Varchar(None)) => free,
            (Varchar(Some(from)), Varchar(Some(to))) if from <= to => free,
            (Varchar(_) | Text | Char(_), Varchar(Some(_)) | Char(_)) => narrow,
            (Numeric(_), Numeric(None)) => free,
            (Numeric(Some((from, scale))), Numeric(Some((to, same)))) if scale == same => {
                if from <= to { free } else { narrow }
            }
            (Numeric(Some((p, s))), Numeric(Some((to_p, to_s)))) => {
                if s <= to_s && p.saturating_sub(*s) <= to_p.saturating_sub(*to_s) {
                    rewrite
                } else {
                    narrow
                }
            }
            (BigInt, Integer | SmallInt) | (Integer, SmallInt) | (Double, Real) => narrow,
            (Numeric(_) | Double | Real, Integer | BigInt | SmallInt | Numeric(Some(_))) => narrow,
            (Timestamp | Timestamptz, Date | Time) => narrow,
            _ => rewrite,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changing_a_type_does() {
        let change = |from: Type, to: Type| {
            let change = from.change(&to);
            (change.rewrites, change.narrows)
        };
        let (free, rewrite, narrow) = ((false, false), (true, false), (true, true));
        assert_eq!(change(Type::Varchar(Some(64)), Type::Varchar(Some(255))), free);
        assert_eq!(change(Type::Varchar(Some(255)), Type::Varchar(Some(64))), narrow);
        assert_eq!(change(Type::Varchar(Some(9)), Type::Text), free);
        assert_eq!(change(Type::Text, Type::Varchar(Some(9))), narrow);
        assert_eq!(change(Type::Integer, Type::BigInt), rewrite);
        assert_eq!(change(Type::BigInt, Type::Integer), narrow);
        assert_eq!(change(Type::Numeric(Some((10, 2))), Type::Numeric(Some((12, 2)))), free);
        assert_eq!(change(Type::Numeric(Some((10, 2))), Type::Numeric(Some((12, 4)))), rewrite);
        assert_eq!(change(Type::Numeric(Some((10, 2))), Type::Numeric(Some((10, 4)))), narrow);
        assert_eq!(change(Type::Timestamptz, Type::Date), narrow);
        assert_eq!(change(Type::Json, Type::Jsonb), rewrite);
        assert_eq!(change(Type::Uuid, Type::Uuid), free);
    }
}
