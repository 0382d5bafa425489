//! Routines that the operator vouches for by name.

use pgauthority_grammar::{Node, field, tag};

use super::model::Model;

/// A type as a signature names it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TypeName {
    schema: Option<Box<str>>,
    name: Box<str>,
}

/// A routine that the operator vouches for: what cannot be read in its body counts as `write`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    schema: Box<str>,
    name: Box<str>,
    /// Types of the input arguments; `None`: every routine of the name.
    arguments: Option<Box<[TypeName]>>,
}

impl Trusted {
    /// Reads `schema.name` or `schema.name(type, …)`, as ALTER ROUTINE takes them. `None` if it is
    /// neither, or has no schema.
    pub fn parse(text: &str) -> Option<Trusted> {
        // nothing may end the statement and begin another one
        if text.contains([';', '-', '/', '\0']) {
            return None;
        }
        let tree = pgauthority_grammar::parse(format!("ALTER ROUTINE {text} COST 1").as_bytes());
        let tree = tree.ok()?;
        let mut statements = tree.statements();
        let statement = statements.next()?.node(field::stmt)?;
        let one = statements.next().is_none() && statement.list(field::actions).count() == 1;
        if statement.tag() != tag::AlterFunctionStmt || !one {
            return None;
        }
        let function = statement.node(field::func)?;
        let [schema, name] = parts(function.list(field::objname))?.try_into().ok()?;
        let arguments = match function.flag(field::args_unspecified) {
            true => None,
            false => Some(function.list(field::objargs).map(type_name).collect::<Option<_>>()?),
        };
        Some(Trusted { schema, name, arguments })
    }

    /// Whether it is this routine that is vouched for.
    pub(super) fn names(&self, schema: &str, name: &str, inputs: &[u32], model: &Model) -> bool {
        *self.schema == *schema
            && *self.name == *name
            && self.arguments.as_ref().is_none_or(|arguments| {
                arguments.len() == inputs.len()
                    && arguments.iter().zip(inputs).all(|(wanted, oid)| wanted.is(*oid, model))
            })
    }
}

impl TypeName {
    fn is(&self, oid: u32, model: &Model) -> bool {
        match (model.types.get(&oid), model.builtin_types.get(&oid)) {
            (Some(found), _) => {
                found.name == self.name
                    && self.schema.as_ref().is_none_or(|schema| *schema == found.schema)
            }
            (None, Some(name)) => {
                *name == self.name && matches!(self.schema.as_deref(), None | Some("pg_catalog"))
            }
            (None, None) => false,
        }
    }
}

fn parts<'t>(list: impl Iterator<Item = Node<'t>>) -> Option<Vec<Box<str>>> {
    let text = |part: Node<'t>| std::str::from_utf8(part.bytes(field::sval)?).ok();
    list.map(|part| text(part).map(Into::into)).collect()
}

fn type_name(node: Node<'_>) -> Option<TypeName> {
    let mut names = parts(node.list(field::names))?;
    let name = names.pop()?;
    let array = if node.has(field::arrayBounds) { "_" } else { "" };
    Some(TypeName { schema: names.pop(), name: format!("{array}{name}").into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_read_as_postgresql_reads_them() {
        let shown = |text: &str| {
            let trusted = Trusted::parse(text)?;
            let arguments = trusted
                .arguments
                .map(|list| list.iter().map(|t| t.name.to_string()).collect::<Vec<_>>().join(" "));
            Some((format!("{}.{}", trusted.schema, trusted.name), arguments))
        };
        let found =
            |name: &str, arguments: Option<&str>| Some((name.into(), arguments.map(Into::into)));
        assert_eq!(shown("Audit.Log"), found("audit.log", None));
        assert_eq!(shown("audit.\"Log\"()"), found("audit.Log", Some("")));
        assert_eq!(
            shown("a.f(integer, text[], timestamp with time zone, s.t)"),
            found("a.f", Some("int4 _text timestamptz t"))
        );
        assert_eq!(shown("a.f(x int, OUT y int)"), found("a.f", Some("int4")));
        for refused in [
            "f",
            "a.b.c",
            "",
            "a.f COST 2; DROP TABLE t",
            "a.f(",
            "a.f COST 1; --",
            "a.f COST 2",
            "a.*",
        ] {
            assert_eq!(shown(refused), None, "{refused}");
        }
    }
}
