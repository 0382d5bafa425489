//! Python's own functions and methods, as far as migrations build texts and lists with them.

use std::rc::Rc;

use super::machine::Machine;
use super::text::Text;
use super::value::Value;

/// Names that Python has by itself and that migrations call.
const BUILTINS: &[&str] = &[
    "bool",
    "dict",
    "enumerate",
    "filter",
    "frozenset",
    "getattr",
    "hasattr",
    "int",
    "isinstance",
    "iter",
    "len",
    "list",
    "map",
    "max",
    "min",
    "next",
    "open",
    "print",
    "range",
    "repr",
    "reversed",
    "set",
    "sorted",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "zip",
    "any",
    "all",
    "Exception",
    "ValueError",
    "RuntimeError",
    "NotImplementedError",
    "KeyError",
    "TypeError",
    "globals",
    "locals",
    "setattr",
    "delattr",
    "vars",
    "object",
    "callable",
    "format",
    "abs",
    "round",
    "float",
    "bytes",
    "AssertionError",
    "StopIteration",
    "id",
    "hash",
    "divmod",
    "chr",
    "ord",
    "issubclass",
    "SystemExit",
    "exit",
    "input",
    "slice",
    "property",
    "staticmethod",
    "classmethod",
];

/// Whether a name is Python's own.
pub(super) fn is_builtin(name: &str) -> bool {
    BUILTINS.contains(&name)
}

impl Machine<'_> {
    /// A call of one of Python's own functions.
    pub(super) fn builtin(&mut self, name: &str, arguments: &[Value], line: u32) -> Value {
        let first = arguments.first();
        match name {
            "str" => first.map_or(Value::Unknown, |value| Value::Str(value.written(line))),
            "list" | "tuple" | "set" | "frozenset" | "sorted" | "iter" => {
                first.and_then(Value::items).map_or(Value::Unknown, Value::list)
            }
            "reversed" => first.and_then(Value::items).map_or(Value::Unknown, |mut items| {
                items.reverse();
                Value::list(items)
            }),
            "len" => first
                .and_then(Value::items)
                .map_or(Value::Unknown, |items| Value::Int(items.len() as i64)),
            "enumerate" => first.and_then(Value::items).map_or(Value::Unknown, |items| {
                let numbered = items.into_iter().enumerate();
                Value::list(
                    numbered
                        .map(|(at, item)| Value::list(vec![Value::Int(at as i64), item]))
                        .collect(),
                )
            }),
            "zip" => zip(arguments),
            "range" => range(arguments),
            "isinstance" => of_dialect(arguments).map_or(Value::Unknown, Value::Bool),
            "dict" => first.cloned().unwrap_or(Value::Dict(Rc::default())),
            _ => Value::Unknown,
        }
    }

    /// A method of a text, a list or a dictionary. `None`: it has none of that name.
    pub(super) fn method(
        &mut self,
        object: &Value,
        name: &str,
        arguments: &[Value],
        named: &[(String, Value)],
        line: u32,
    ) -> Option<Value> {
        Some(match (object, name) {
            (Value::Str(text), "format") => Value::Str(format(text, arguments, named, line)),
            (Value::Str(text), "join") => Value::Str(join(text, arguments.first(), line)),
            (Value::Str(text), "strip" | "lstrip" | "rstrip" | "encode" | "expandtabs") => {
                Value::Str(text.clone())
            }
            (Value::Str(text), "lower" | "casefold") => {
                Value::Str(text.with(text.text.to_lowercase()))
            }
            (Value::Str(text), "upper") => Value::Str(text.with(text.text.to_uppercase())),
            (Value::Str(_), "startswith" | "endswith") => {
                let (text, part) = (object.known()?, arguments.first()?.known()?);
                Value::Bool(match name {
                    "startswith" => text.starts_with(part),
                    _ => text.ends_with(part),
                })
            }
            (Value::Str(text), "replace") => {
                match (arguments.first()?.known(), arguments.get(1)?.known()) {
                    (Some(from), Some(to)) if !from.is_empty() => {
                        Value::Str(text.with(text.text.replace(from, to)))
                    }
                    _ => Value::Str(Text::hole(line)),
                }
            }
            (Value::Str(text), "split") => {
                let separator = arguments.first()?.known().filter(|part| !part.is_empty())?;
                split(text, separator)
            }
            (Value::Dict(pairs), "items") => Value::list(
                pairs.iter().map(|(k, v)| Value::list(vec![k.clone(), v.clone()])).collect(),
            ),
            (Value::Dict(pairs), "keys") => {
                Value::list(pairs.iter().map(|(key, _)| key.clone()).collect())
            }
            (Value::Dict(pairs), "values") => {
                Value::list(pairs.iter().map(|(_, value)| value.clone()).collect())
            }
            (Value::List(_) | Value::Dict(_), _) => Value::Unknown,
            _ => return None,
        })
    }
}

/// `isinstance(connection.dialect, …)`: the dialect is PostgreSQL's.
fn of_dialect(arguments: &[Value]) -> Option<bool> {
    let [Value::Dialect, class] = arguments else { return None };
    let known = |class: &Value| match class {
        Value::Path(path) => {
            let last = path.rsplit('.').next().unwrap_or(path);
            let postgres = path.contains("postgres") || last.starts_with("PG");
            (postgres || last.ends_with("Dialect")).then_some(postgres)
        }
        _ => None,
    };
    match class.items() {
        Some(classes) => {
            let answers: Option<Vec<bool>> = classes.iter().map(known).collect();
            answers.map(|answers| answers.contains(&true))
        }
        None => known(class),
    }
}

fn zip(arguments: &[Value]) -> Value {
    let Some(lists) = arguments.iter().map(Value::items).collect::<Option<Vec<_>>>() else {
        return Value::Unknown;
    };
    let shortest = lists.iter().map(Vec::len).min().unwrap_or(0);
    let row = |at: usize| lists.iter().filter_map(|list| list.get(at).cloned()).collect();
    Value::list((0..shortest).map(|at| Value::list(row(at))).collect())
}

fn range(arguments: &[Value]) -> Value {
    let numbers: Vec<i64> = arguments
        .iter()
        .filter_map(|value| if let Value::Int(number) = value { Some(*number) } else { None })
        .collect();
    let (from, to) = match numbers.as_slice() {
        [to] => (0, *to),
        [from, to] => (*from, *to),
        _ => return Value::Unknown,
    };
    if numbers.len() != arguments.len() || to.saturating_sub(from) > 1000 {
        return Value::Unknown;
    }
    Value::list((from..to).map(Value::Int).collect())
}

fn split(text: &Text, separator: &str) -> Value {
    let mut parts = Vec::new();
    let mut from = 0;
    while let Some(at) = text.text.get(from..).and_then(|rest| rest.find(separator)) {
        parts.push(Value::Str(text.part(from, from + at)));
        from += at + separator.len();
    }
    parts.push(Value::Str(text.part(from, text.text.len())));
    Value::list(parts)
}

fn join(separator: &Text, items: Option<&Value>, line: u32) -> Text {
    let Some(items) = items.and_then(Value::items) else { return Text::hole(line) };
    let mut text = Text::default();
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            text.put(separator, line);
        }
        text.put(&item.written(line), line);
    }
    text
}

/// `text.format(…)`.
fn format(text: &Text, arguments: &[Value], named: &[(String, Value)], line: u32) -> Text {
    let mut made = Text::default();
    let (mut from, mut next) = (0, 0);
    let whole = text.text.as_str();
    while let Some(at) = whole.get(from..).and_then(|rest| rest.find(['{', '}'])) {
        let at = from + at;
        made.push(&text.part(from, at));
        let rest = whole.get(at..).unwrap_or_default();
        if rest.starts_with("{{") || rest.starts_with("}}") {
            made.push(&text.part(at, at + 1));
            from = at + 2;
            continue;
        }
        let Some((name, _)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
            made.push(&text.part(at, at + 1));
            from = at + 1;
            continue;
        };
        let value = match (name.is_empty(), name.parse::<usize>()) {
            (true, _) => {
                next += 1;
                arguments.get(next - 1)
            }
            (_, Ok(number)) => arguments.get(number),
            _ => named.iter().find(|(given, _)| given == name).map(|(_, value)| value),
        };
        made.put(&value.unwrap_or(&Value::Unknown).written(line), text.line_at(at, line));
        from = at + name.len() + 2;
    }
    made.push(&text.part(from, whole.len()));
    made
}
