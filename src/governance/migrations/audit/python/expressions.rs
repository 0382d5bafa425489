//! Expressions: from tree-sitter's tree to ours.

use tree_sitter::Node;

use super::ast::{Call, Expr, ExprKind};
use super::read::{Source, children, fields, line};

/// How deep expressions may nest and still be read.
const MAX_DEPTH: usize = 200;

impl Source<'_> {
    /// The expression of a field.
    pub(super) fn field(&self, node: Node<'_>, name: &str, depth: usize) -> Expr {
        match node.child_by_field_name(name) {
            Some(child) => self.expression(child, depth),
            None => Expr { line: line(node), kind: ExprKind::Other(Vec::new()) },
        }
    }

    /// The text of a field.
    pub(super) fn field_text(&self, node: Node<'_>, name: &str) -> String {
        node.child_by_field_name(name).map(|child| self.slice(child)).unwrap_or_default().into()
    }

    /// An expression.
    pub(super) fn expression(&self, node: Node<'_>, depth: usize) -> Expr {
        let kind = match depth > MAX_DEPTH {
            true => ExprKind::Other(Vec::new()),
            false => self.expression_kind(node, depth + 1),
        };
        Expr { line: line(node), kind }
    }

    fn all(&self, nodes: Vec<Node<'_>>, depth: usize) -> Vec<Expr> {
        nodes.into_iter().map(|node| self.expression(node, depth)).collect()
    }

    fn expression_kind(&self, node: Node<'_>, depth: usize) -> ExprKind {
        let boxed = |name: &str| Box::new(self.field(node, name, depth));
        match node.kind() {
            "string" | "concatenated_string" => ExprKind::Str(self.string(node, depth)),
            "integer" => match self.slice(node).replace('_', "").parse() {
                Ok(number) => ExprKind::Int(number),
                Err(_) => ExprKind::Other(Vec::new()),
            },
            "true" => ExprKind::Bool(true),
            "false" => ExprKind::Bool(false),
            "none" => ExprKind::None,
            "identifier" => ExprKind::Name(self.slice(node).to_owned()),
            "attribute" => ExprKind::Attribute(boxed("object"), self.field_text(node, "attribute")),
            "subscript" => ExprKind::Subscript(boxed("value"), boxed("subscript")),
            "call" => self.call(node, depth),
            "list" | "tuple" | "set" | "expression_list" | "pattern_list" | "tuple_pattern"
            | "list_pattern" => ExprKind::Sequence(self.all(children(node), depth)),
            "dictionary" => self.dictionary(node, depth),
            "parenthesized_expression" => match children(node).as_slice() {
                [one] => self.expression_kind(*one, depth),
                _ => ExprKind::Other(Vec::new()),
            },
            "binary_operator" => {
                let operator = self.field_text(node, "operator");
                ExprKind::Binary(boxed("left"), operator, boxed("right"))
            }
            "boolean_operator" => {
                let and = self.field_text(node, "operator") == "and";
                ExprKind::Logical(boxed("left"), and, boxed("right"))
            }
            "not_operator" => ExprKind::Not(boxed("argument")),
            "comparison_operator" => self.comparison(node, depth),
            "conditional_expression" => match self.all(children(node), depth).try_into() {
                Ok::<[Expr; 3], _>([value, condition, otherwise]) => {
                    ExprKind::Choice(Box::new([condition, value, otherwise]))
                }
                Err(parts) => ExprKind::Other(parts),
            },
            "list_comprehension" | "generator_expression" | "set_comprehension" => {
                self.comprehension(node, depth)
            }
            "named_expression" => self.field(node, "value", depth).kind,
            "list_splat" | "await" => match children(node).as_slice() {
                [one] => ExprKind::Splat(Box::new(self.expression(*one, depth))),
                _ => ExprKind::Other(Vec::new()),
            },
            "lambda" | "type" => ExprKind::Other(Vec::new()),
            _ => ExprKind::Other(self.all(children(node), depth)),
        }
    }

    fn call(&self, node: Node<'_>, depth: usize) -> ExprKind {
        let (mut arguments, mut named) = (Vec::new(), Vec::new());
        if let Some(list) = node.child_by_field_name("arguments") {
            if list.kind() != "argument_list" {
                arguments.push(self.expression(list, depth));
            } else {
                for argument in children(list) {
                    match argument.kind() {
                        "keyword_argument" => named.push((
                            self.field_text(argument, "name"),
                            self.field(argument, "value", depth),
                        )),
                        _ => arguments.push(self.expression(argument, depth)),
                    }
                }
            }
        }
        let function = self.field(node, "function", depth);
        ExprKind::Call(Box::new(Call { function, arguments, named }))
    }

    fn dictionary(&self, node: Node<'_>, depth: usize) -> ExprKind {
        let pairs = children(node).into_iter().filter(|child| child.kind() == "pair");
        ExprKind::Dict(
            pairs
                .map(|pair| (self.field(pair, "key", depth), self.field(pair, "value", depth)))
                .collect(),
        )
    }

    fn comparison(&self, node: Node<'_>, depth: usize) -> ExprKind {
        let mut cursor = node.walk();
        let operators: Vec<&str> = node
            .children_by_field_name("operators", &mut cursor)
            .map(|operator| self.slice(operator))
            .collect();
        let operands: Vec<Expr> = self.all(children(node), depth);
        match (<[Expr; 2]>::try_from(operands), operators.as_slice()) {
            (Ok([left, right]), [_, ..]) => {
                let operator = operators.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
                ExprKind::Compare(Box::new(left), operator, Box::new(right))
            }
            (Ok(both), []) => ExprKind::Other(both.into()),
            (Err(operands), _) => ExprKind::Other(operands),
        }
    }

    fn comprehension(&self, node: Node<'_>, depth: usize) -> ExprKind {
        let inside = children(node);
        let plain = match inside.as_slice() {
            [element, clause] if clause.kind() == "for_in_clause" => Some((*element, *clause)),
            _ => None,
        };
        match plain {
            Some((element, clause)) if fields(clause, "right").len() == 1 => {
                ExprKind::Comprehension(Box::new([
                    self.expression(element, depth),
                    self.field(clause, "left", depth),
                    self.field(clause, "right", depth),
                ]))
            }
            _ => ExprKind::Other(self.all(inside, depth)),
        }
    }
}
