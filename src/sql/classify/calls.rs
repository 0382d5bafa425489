//! Calls of routines: what the table of built-ins says, and what runs a literal as SQL.

use pgauthority_grammar::{Node, field, tag};

use super::given::is_parameter;
use super::names::Qualified;
use super::scan::Scan;
use super::telling::is_stable;
use crate::sql::routines::{self, Routine};
use crate::sql::{Bound, Class};

/// What a call names.
fn called<'t>(call: Node<'t>) -> Option<(Qualified<'t>, Routine)> {
    let name = Qualified::of_list(call.list(field::funcname))?.in_any_major();
    let known =
        match (name.schema.map(std::str::from_utf8).transpose(), std::str::from_utf8(name.name)) {
            (Ok(schema), Ok(text)) => routines::lookup(schema, text),
            _ => Routine::Unknown,
        };
    Some((name, known))
}

/// What a built-in of this name asks of the session's own connection.
fn bound(name: &[u8]) -> Bound {
    const OWN: [&[u8]; 17] = [
        b"currval",
        b"lastval",
        b"lo_close",
        b"lo_lseek",
        b"lo_lseek64",
        b"lo_tell",
        b"lo_tell64",
        b"loread",
        b"pg_current_snapshot",
        b"pg_current_xact_id",
        b"pg_current_xact_id_if_assigned",
        b"pg_my_temp_schema",
        b"pg_xact_status",
        b"txid_current",
        b"txid_current_if_assigned",
        b"txid_current_snapshot",
        b"txid_status",
    ];
    match name {
        b"pg_export_snapshot" => Bound::Snapshot,
        _ if OWN.contains(&name)
            || name.starts_with(b"pg_advisory_")
            || name.starts_with(b"pg_try_advisory_") =>
        {
            Bound::Writer
        }
        _ => Bound::No,
    }
}

impl Scan<'_> {
    /// Counts a call; its arguments come by their own turn.
    pub(super) fn call(&mut self, call: Node<'_>) {
        let Some((name, routine)) = called(call) else {
            self.raise_called(Class::Opaque, || "calls what cannot be read".into());
            return self.unseen();
        };
        self.found.call(call, name);
        self.bound = self.bound.max(bound(name.name));
        self.shows_custom |= name.name == b"current_setting";
        let calls = || format!("calls {}()", name.shown());
        match routine {
            Routine::Read | Routine::Session => return,
            Routine::Write => self.raise_called(Class::Write, calls),
            Routine::Admin => self.raise_called(Class::Admin, calls),
            Routine::SetConfig => self.set_config_call(call),
            Routine::Dynamic => self.dynamic(call, name),
            Routine::Unknown => {
                self.raise_unknown(Class::Write, calls);
                self.unseen_unless_known();
            }
        }
        self.object(name);
    }

    /// Counts a call in a statement that is planned and not run: volatile built-ins are not
    /// called, what is not known might be declared otherwise and is.
    pub(super) fn planned_call(&mut self, call: Node<'_>) {
        match called(call) {
            None | Some((_, Routine::Unknown)) => self.call(call),
            Some((name, _)) if std::str::from_utf8(name.name).is_ok_and(is_stable) => {
                self.call(call)
            }
            Some((name, _)) => {
                self.bound = self.bound.max(bound(name.name));
                self.found.call(call, name);
            }
        }
    }

    /// A built-in that runs a text: judged where the text is a literal.
    fn dynamic(&mut self, call: Node<'_>, name: Qualified<'_>) {
        let mut arguments = call.list(field::args);
        let text = match name.name {
            // a parameter of type void is no argument: which one is the text, cannot be told
            _ if arguments.clone().any(is_parameter) => None,
            // (tsquery, tsquery, tsquery) runs nothing
            b"ts_rewrite" if arguments.clone().count() == 3 => return,
            b"ts_rewrite" => arguments.nth(1),
            b"ts_stat"
            | b"query_to_xml"
            | b"query_to_xmlschema"
            | b"query_to_xml_and_xmlschema" => arguments.next(),
            _ => None,
        };
        let literal = text
            .filter(|argument| argument.tag() == tag::A_Const)
            .and_then(|argument| argument.node(field::val)?.bytes(field::sval));
        let seen =
            literal.is_some_and(|text| self.text(text, pgauthority_grammar::Mode::Statements));
        if !seen {
            self.raise_called(Class::Opaque, || {
                format!("{}() runs SQL that cannot be seen", name.shown())
            });
            self.unseen();
        }
    }
}
