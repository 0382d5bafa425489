//! PL/pgSQL: the strongest of the SQL that a PL/pgSQL body runs (contract §4).

use pgauthority_grammar::{Expression, Node, field, parse_plpgsql};

use super::classify::{Own, Scan, UNREADABLE_BODY, option_text};
use super::{Class, SyntaxFault, lexer};

impl Scan<'_> {
    /// Counts a DO block: every statement and expression of its body.
    pub(super) fn do_block(&mut self, node: Node<'_>) -> Own {
        let opaque = |reason| Own { class: Class::Opaque, reason, unseen_code: true };
        let language = option_text(node.list(field::args), b"language");
        if language.is_some_and(|language| language != "plpgsql") {
            return opaque("is not in plpgsql");
        }
        let Some(body) = option_text(node.list(field::args), b"as") else {
            return opaque("has no body");
        };
        // Replacement characters for bytes that are not UTF-8 would be judged in their stead.
        if body.contains('\u{fffd}') || !lexer::is_body_bounded(body.as_bytes()) {
            return opaque(UNREADABLE_BODY);
        }
        let expressions = match parse_plpgsql(&body) {
            Ok(expressions) => expressions,
            Err(error) => {
                self.fault.get_or_insert_with(|| SyntaxFault::within(&error));
                return opaque(UNREADABLE_BODY);
            }
        };
        self.found.code(&body);
        self.expressions(&expressions, &body);
        Own { class: Class::Read, reason: "", unseen_code: true }
    }

    /// Counts every statement and expression of a PL/pgSQL body.
    pub(super) fn expressions(&mut self, expressions: &[Expression], body: &str) {
        // rows of a type that is named are declared by it
        let has_records = || body.to_ascii_lowercase().contains("record");
        for expression in expressions {
            if expression.dynamic {
                self.raise_called(Class::Opaque, || "runs SQL that is computed (EXECUTE)".into());
            }
            if expression.fetches {
                self.fetches();
            }
            if expression.sets_field && has_records() {
                self.found.makes_of_any_type();
            }
            if !self.text(&expression.query, expression.mode) {
                self.raise_called(Class::Opaque, || UNREADABLE_BODY.into());
            }
        }
    }
}
