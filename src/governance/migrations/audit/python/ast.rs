//! Python as far as migrations need it: owned statements and expressions, each with its line.

/// A module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Module {
    /// Its statements, the docstring included.
    pub body: Vec<Stmt>,
    /// The line of the first thing that is no Python; the rest is read all the same.
    pub broken: Option<u32>,
    /// Comments with their lines.
    pub comments: Vec<(u32, String)>,
}

impl Module {
    /// The text that a module begins with.
    pub fn docstring(&self) -> Option<&str> {
        docstring(&self.body)
    }
}

/// The string that a body begins with.
pub fn docstring(body: &[Stmt]) -> Option<&str> {
    match &body.first()?.kind {
        StmtKind::Expr(Expr { kind: ExprKind::Str(parts), .. }) => match parts.as_slice() {
            [Part::Literal(literal)] => Some(&literal.text),
            _ => None,
        },
        _ => None,
    }
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    /// From 1.
    pub line: u32,
    /// What it is.
    pub kind: StmtKind,
}

/// What a statement is.
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// An expression by itself.
    Expr(Expr),
    /// `a = b = value`, `a: T = value`; an augmented assignment gives the name no known value.
    Assign {
        /// What is assigned to.
        targets: Vec<Expr>,
        /// What is assigned.
        value: Expr,
    },
    /// `if`, `elif`, `else`: conditions with their bodies; the last may have none.
    If(Vec<(Option<Expr>, Vec<Stmt>)>),
    /// `for target in items`.
    For {
        /// What each item is bound to.
        target: Expr,
        /// What is iterated over.
        items: Expr,
        /// What is done for each.
        body: Vec<Stmt>,
        /// What is done at the end.
        otherwise: Vec<Stmt>,
    },
    /// `while`.
    While(Expr, Vec<Stmt>),
    /// `with expression as target`.
    With {
        /// Expressions and what they are bound to.
        items: Vec<(Expr, Option<Expr>)>,
        /// What is done within.
        body: Vec<Stmt>,
    },
    /// `try`, or `match`: the first body, then those that may run besides.
    Try {
        /// What is tried.
        body: Vec<Stmt>,
        /// What runs on exceptions, or for one case of many.
        handlers: Vec<Vec<Stmt>>,
        /// `else` and `finally`.
        after: Vec<Stmt>,
    },
    /// A function.
    Function(Function),
    /// A class; its assignments by name.
    Class {
        /// Its name.
        name: String,
        /// Its statements.
        body: Vec<Stmt>,
    },
    /// `return`.
    Return(Option<Expr>),
    /// `raise`.
    Raise,
    /// `import`: names that are bound, and the dotted paths they stand for.
    Import(Vec<(String, String)>),
    /// `continue`, `break`.
    Leave,
    /// `pass`, and what has no effect that matters.
    Nothing,
}

/// A function.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its parameters with their defaults, in order; those after `*` too.
    pub parameters: Vec<(String, Option<Expr>)>,
    /// Its statements.
    pub body: Vec<Stmt>,
    /// From 1.
    pub line: u32,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// From 1.
    pub line: u32,
    /// What it is.
    pub kind: ExprKind,
}

/// A string literal after its escapes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Literal {
    /// Its text.
    pub text: String,
    /// Byte offsets in the text, each with the line of the source where it stands.
    pub lines: Vec<(usize, u32)>,
}

/// A piece of a string, which may be an f-string or several literals side by side.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text.
    Literal(Literal),
    /// `{expression}`; `formatted`: with a conversion or format, so not the plain value.
    Hole {
        /// The expression.
        expr: Expr,
        /// Whether something is done to the value.
        formatted: bool,
    },
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A string.
    Str(Vec<Part>),
    /// An integer that fits.
    Int(i64),
    /// `True` or `False`.
    Bool(bool),
    /// `None`.
    None,
    /// A name.
    Name(String),
    /// `value.name`.
    Attribute(Box<Expr>, String),
    /// `value[index]`.
    Subscript(Box<Expr>, Box<Expr>),
    /// A call.
    Call(Box<Call>),
    /// A list, tuple or set.
    Sequence(Vec<Expr>),
    /// A dictionary's pairs.
    Dict(Vec<(Expr, Expr)>),
    /// `left op right`.
    Binary(Box<Expr>, String, Box<Expr>),
    /// `left op right`, a comparison.
    Compare(Box<Expr>, String, Box<Expr>),
    /// `and`, `or`.
    Logical(Box<Expr>, bool, Box<Expr>),
    /// `not`.
    Not(Box<Expr>),
    /// `a if condition else b`: condition, a, b.
    Choice(Box<[Expr; 3]>),
    /// A comprehension: element, target, items; with conditions it is `Other`.
    Comprehension(Box<[Expr; 3]>),
    /// `*value`.
    Splat(Box<Expr>),
    /// Something else; what is inside it that may be a call.
    Other(Vec<Expr>),
}

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What is called.
    pub function: Expr,
    /// Arguments by position.
    pub arguments: Vec<Expr>,
    /// Arguments by name.
    pub named: Vec<(String, Expr)>,
}
