//! Statements: from tree-sitter's tree to ours.

use tree_sitter::{Node, Parser};

use super::ast::{Expr, ExprKind, Function, Module, Stmt, StmtKind};

/// How deep code may nest and still be read.
const MAX_DEPTH: usize = 150;

/// The grammar of Python does not fit the library that runs it.
#[derive(Debug, thiserror::Error)]
#[error("the grammar of Python could not be loaded: {0}")]
pub struct Unavailable(#[from] tree_sitter::LanguageError);

/// Reads modules, one after another.
pub struct Reader {
    parser: Parser,
}

impl Reader {
    /// A reader.
    ///
    /// # Errors
    /// The grammar and the library are of different times.
    pub fn new() -> Result<Reader, Unavailable> {
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_python::LANGUAGE.into())?;
        Ok(Reader { parser })
    }

    /// Reads a module. What is no Python is left out, and `broken` says where it begins.
    pub fn module(&mut self, text: &str) -> Module {
        let Some(tree) = self.parser.parse(text, None) else {
            return Module { broken: Some(1), ..Module::default() };
        };
        let root = tree.root_node();
        let source = Source { text };
        let mut module = Module { body: source.body(root, 0), ..Module::default() };
        if root.has_error() {
            module.broken = Some(first_error(root));
        }
        source.comments(root, &mut module.comments);
        module
    }
}

/// The line where the first error stands.
fn first_error(root: Node<'_>) -> u32 {
    let mut cursor = root.walk();
    loop {
        let node = cursor.node();
        if node.is_error() || node.is_missing() {
            return line(node);
        }
        if node.has_error() && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return line(root);
            }
        }
    }
}

/// A node's line, from 1.
pub(super) fn line(node: Node<'_>) -> u32 {
    u32::try_from(node.start_position().row).unwrap_or(u32::MAX).saturating_add(1)
}

/// Named children, comments left out.
pub(super) fn children<'t>(node: Node<'t>) -> Vec<Node<'t>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).filter(|child| child.kind() != "comment").collect()
}

/// The children of a field.
pub(super) fn fields<'t>(node: Node<'t>, name: &str) -> Vec<Node<'t>> {
    let mut cursor = node.walk();
    node.children_by_field_name(name, &mut cursor)
        .filter(|child| child.is_named() && child.kind() != "comment")
        .collect()
}

/// The text that nodes stand in.
pub(super) struct Source<'s> {
    pub text: &'s str,
}

impl<'s> Source<'s> {
    pub(super) fn slice(&self, node: Node<'_>) -> &'s str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    fn comments(&self, root: Node<'_>, found: &mut Vec<(u32, String)>) {
        let mut cursor = root.walk();
        loop {
            let node = cursor.node();
            if node.kind() == "comment" {
                found.push((line(node), self.slice(node).trim_start_matches('#').trim().into()));
            }
            if cursor.goto_first_child() {
                continue;
            }
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    return;
                }
            }
        }
    }

    fn body(&self, block: Node<'_>, depth: usize) -> Vec<Stmt> {
        if depth > MAX_DEPTH {
            return Vec::new();
        }
        let mut body = Vec::new();
        for node in children(block) {
            let kind = self.statement(node, depth + 1);
            body.push(Stmt { line: line(node), kind });
        }
        body
    }

    fn field_body(&self, node: Node<'_>, name: &str, depth: usize) -> Vec<Stmt> {
        node.child_by_field_name(name).map(|block| self.body(block, depth)).unwrap_or_default()
    }

    fn statement(&self, node: Node<'_>, depth: usize) -> StmtKind {
        match node.kind() {
            "expression_statement" => self.expression_statement(node, depth),
            "if_statement" => self.conditional(node, depth),
            "for_statement" => StmtKind::For {
                target: self.field(node, "left", depth),
                items: self.field(node, "right", depth),
                body: self.field_body(node, "body", depth),
                otherwise: self.otherwise(node, depth),
            },
            "while_statement" => StmtKind::While(
                self.field(node, "condition", depth),
                self.field_body(node, "body", depth),
            ),
            "with_statement" => self.with(node, depth),
            "try_statement" => self.attempt(node, depth),
            "match_statement" => self.cases(node, depth),
            "function_definition" => StmtKind::Function(self.function(node, depth)),
            "decorated_definition" => match node.child_by_field_name("definition") {
                Some(definition) => self.statement(definition, depth),
                None => StmtKind::Nothing,
            },
            "class_definition" => StmtKind::Class {
                name: self.field_text(node, "name"),
                body: self.field_body(node, "body", depth),
            },
            "return_statement" => StmtKind::Return(
                children(node).into_iter().next().map(|value| self.expression(value, depth)),
            ),
            "raise_statement" => StmtKind::Raise,
            "break_statement" | "continue_statement" => StmtKind::Leave,
            "import_statement" | "import_from_statement" => StmtKind::Import(self.imports(node)),
            _ => StmtKind::Nothing,
        }
    }

    fn expression_statement(&self, node: Node<'_>, depth: usize) -> StmtKind {
        let inside = children(node);
        match inside.as_slice() {
            [one] if one.kind() == "assignment" => self.assignment(*one, depth),
            [one] if one.kind() == "augmented_assignment" => StmtKind::Assign {
                targets: vec![self.field(*one, "left", depth)],
                value: Expr {
                    line: line(*one),
                    kind: ExprKind::Other(vec![self.field(*one, "right", depth)]),
                },
            },
            [one] => StmtKind::Expr(self.expression(*one, depth)),
            several => StmtKind::Expr(Expr {
                line: line(node),
                kind: ExprKind::Sequence(
                    several.iter().map(|one| self.expression(*one, depth)).collect(),
                ),
            }),
        }
    }

    fn assignment(&self, node: Node<'_>, depth: usize) -> StmtKind {
        let mut targets = vec![self.field(node, "left", depth)];
        let mut value = node.child_by_field_name("right");
        while let Some(chained) = value.filter(|right| right.kind() == "assignment") {
            targets.push(self.field(chained, "left", depth));
            value = chained.child_by_field_name("right");
        }
        match value {
            Some(value) => StmtKind::Assign { targets, value: self.expression(value, depth) },
            // `name: type` alone assigns nothing
            None => StmtKind::Nothing,
        }
    }

    fn conditional(&self, node: Node<'_>, depth: usize) -> StmtKind {
        let condition = |node| Some(self.field(node, "condition", depth));
        let mut arms = vec![(condition(node), self.field_body(node, "consequence", depth))];
        for other in fields(node, "alternative") {
            arms.push(match other.kind() {
                "elif_clause" => (condition(other), self.field_body(other, "consequence", depth)),
                _ => (None, self.field_body(other, "body", depth)),
            });
        }
        StmtKind::If(arms)
    }

    fn otherwise(&self, node: Node<'_>, depth: usize) -> Vec<Stmt> {
        node.child_by_field_name("alternative")
            .map(|clause| self.field_body(clause, "body", depth))
            .unwrap_or_default()
    }

    fn with(&self, node: Node<'_>, depth: usize) -> StmtKind {
        let mut items = Vec::new();
        for clause in children(node).into_iter().filter(|child| child.kind() == "with_clause") {
            for item in children(clause) {
                let Some(value) = item.child_by_field_name("value") else { continue };
                let parts = children(value);
                items.push(match (value.kind(), parts.as_slice()) {
                    ("as_pattern", [value, target]) => {
                        let target = children(*target).into_iter().next().unwrap_or(*target);
                        (self.expression(*value, depth), Some(self.expression(target, depth)))
                    }
                    _ => (self.expression(value, depth), None),
                });
            }
        }
        StmtKind::With { items, body: self.field_body(node, "body", depth) }
    }

    fn attempt(&self, node: Node<'_>, depth: usize) -> StmtKind {
        let (mut handlers, mut after) = (Vec::new(), Vec::new());
        for clause in children(node) {
            let block = || {
                let blocks = children(clause).into_iter().filter(|one| one.kind() == "block");
                blocks.flat_map(|block| self.body(block, depth)).collect::<Vec<_>>()
            };
            match clause.kind() {
                "except_clause" | "except_group_clause" => handlers.push(block()),
                "else_clause" | "finally_clause" => after.extend(block()),
                _ => {}
            }
        }
        StmtKind::Try { body: self.field_body(node, "body", depth), handlers, after }
    }

    fn cases(&self, node: Node<'_>, depth: usize) -> StmtKind {
        let block = node.child_by_field_name("body");
        let cases = block.map(children).unwrap_or_default();
        let handlers =
            cases.iter().map(|case| self.field_body(*case, "consequence", depth)).collect();
        StmtKind::Try { body: Vec::new(), handlers, after: Vec::new() }
    }

    fn function(&self, node: Node<'_>, depth: usize) -> Function {
        let parameters = node.child_by_field_name("parameters").map(children).unwrap_or_default();
        let parameters = parameters.into_iter().filter_map(|parameter| {
            let name = match parameter.kind() {
                "identifier" => self.slice(parameter).to_owned(),
                "typed_parameter" => self.slice(*children(parameter).first()?).to_owned(),
                _ => self.slice(parameter.child_by_field_name("name")?).to_owned(),
            };
            let default = parameter.child_by_field_name("value");
            Some((name, default.map(|value| self.expression(value, depth))))
        });
        Function {
            name: self.field_text(node, "name"),
            parameters: parameters.collect(),
            body: self.field_body(node, "body", depth),
            line: line(node),
        }
    }

    fn imports(&self, node: Node<'_>) -> Vec<(String, String)> {
        let module = node.child_by_field_name("module_name").map(|name| self.slice(name));
        let mut bound = Vec::new();
        for name in fields(node, "name") {
            let alias = name.child_by_field_name("alias").map(|alias| self.slice(alias));
            let path = self.slice(name.child_by_field_name("name").unwrap_or(name));
            bound.push(match (module, alias) {
                (Some(module), alias) => {
                    (alias.unwrap_or(path).to_owned(), format!("{module}.{path}"))
                }
                (None, Some(alias)) => (alias.to_owned(), path.to_owned()),
                // `import a.b` binds `a`
                (None, None) => {
                    let first = path.split('.').next().unwrap_or(path);
                    (first.to_owned(), first.to_owned())
                }
            });
        }
        bound
    }
}
