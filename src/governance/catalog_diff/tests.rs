//! Comparison, known differences and what is shown of them, on catalogs made by hand.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};

use super::*;

fn catalog(objects: &[(&str, &str, Option<&str>, Value)]) -> Catalog {
    let objects = objects.iter().map(|(kind, identity, parent, properties)| {
        let key = ObjectKey { kind: (*kind).to_owned(), identity: (*identity).to_owned() };
        let Value::Object(properties) = properties.clone() else { panic!("no object") };
        (key, Object { parent: parent.map(str::to_owned), properties })
    });
    Catalog { objects: objects.collect() }
}

const RUNS: Option<&str> = Some("table public.runs");

fn kinds(comparison: &Comparison) -> Vec<(String, String)> {
    let named = |found: &Difference| (found.key.to_string(), found.change.kind("A", "B"));
    comparison.differences.iter().map(named).collect()
}

fn pair(object: &str, kind: &str) -> (String, String) {
    (object.to_owned(), kind.to_owned())
}

#[test]
fn tables_are_found_with_and_without_schema_and_quotes() {
    let both = catalog(&[
        ("table", "public.runs", None, json!({})),
        ("table", "app.\"Runs\"", None, json!({})),
    ]);
    for (name, found) in [
        ("runs", Some("public.runs")),
        ("public.runs", Some("public.runs")),
        ("app.runs", None),
        ("Runs", Some("app.\"Runs\"")),
        ("app.\"Runs\"", Some("app.\"Runs\"")),
        ("uns", None),
    ] {
        assert_eq!(both.table(name), found, "{name}");
    }
}

#[test]
fn equal_catalogs_have_no_differences() {
    let one = catalog(&[("table", "public.runs", None, json!({ "columns": ["a", "b"] }))]);
    assert_eq!(compare(("A", &one), ("B", &one)).differences, []);
}

#[test]
fn a_missing_table_stands_for_what_is_part_of_it() {
    let full = catalog(&[
        ("table", "public.runs", None, json!({})),
        ("column", "public.runs.id", RUNS, json!({ "type": "integer" })),
        ("constraint", "public.runs.runs_pkey", RUNS, json!({ "definition": "PRIMARY KEY (id)" })),
    ]);
    let found = compare(("A", &Catalog::default()), ("B", &full));
    assert_eq!(kinds(&found), [pair("table public.runs", "only_in_b")]);
    assert_eq!(found.differences[0].parts, 2);
    let text = render::table(&found);
    assert_eq!(text, "+ table public.runs  only in B (and 2 objects that are part of it)\n");
}

#[test]
fn properties_are_told_apart_one_by_one() {
    let side = |default: Value| {
        catalog(&[(
            "column",
            "public.runs.plan",
            RUNS,
            json!({ "type": "jsonb", "default": default }),
        )])
    };
    let mut right = side(json!("'{}'::jsonb"));
    right.objects.values_mut().for_each(|object| drop(object.properties.remove("type")));
    let found = compare(("A", &side(json!("now()"))), ("B", &right));
    assert_eq!(kinds(&found), [pair("column public.runs.plan", "changed")]);
    assert_eq!(
        render::table(&found),
        "~ column public.runs.plan\n    default  A  now()\n             B  '{}'::jsonb\n    \
         type     A  jsonb\n             B  (none)\n"
    );
    let object = render::object(&found, &[]);
    assert_eq!(
        object["differences"][0]["changes"][1],
        json!({ "name": "type", "A": "jsonb", "B": null })
    );
    assert_eq!(object["counting"], 1);
}

#[test]
fn an_order_of_columns_is_a_difference_of_its_own() {
    let side =
        |columns: Value| catalog(&[("table", "public.runs", None, json!({ "columns": columns }))]);
    let found =
        compare(("A", &side(json!(["a", "b", "c"]))), ("B", &side(json!(["a", "c", "b", "d"]))));
    assert_eq!(kinds(&found), [pair("table public.runs", "column_order")]);
    assert!(found.differences[0].change.is_note());
    // one more at the end is no other order
    let found = compare(("A", &side(json!(["a", "b"]))), ("B", &side(json!(["a", "b", "c"]))));
    assert_eq!(found.differences, []);
}

#[test]
fn names_that_differ_alone_are_told_as_such() {
    let side = |kind: &str, name: &str| {
        catalog(&[(kind, name, RUNS, json!({ "definition": "CHECK (a > 0)" }))])
    };
    let found = |left: &str, right: &str| {
        let (left, right) = (side("constraint", left), side("constraint", right));
        kinds(&compare(("A", &left), ("B", &right)))
    };
    assert_eq!(
        found("public.runs.runs_a_check1", "public.runs.a_is_positive"),
        [pair("constraint public.runs.runs_a_check1", "generated_name")]
    );
    assert_eq!(
        found("public.runs.positive", "public.runs.a_is_positive"),
        [pair("constraint public.runs.positive", "renamed")]
    );
    // another column with the same type is another column
    let (left, right) = (side("column", "public.runs.a"), side("column", "public.runs.b"));
    assert_eq!(compare(("A", &left), ("B", &right)).differences.len(), 2);
}

#[test]
fn known_differences_have_reasons_and_unused_ones_are_told() {
    let known = Known::parse(
        "[[known]]\nobject = \"index public.ix*\"\nkind = \"only_in_a\"\nreason = \"perf\"\n\
         [[known]]\nobject = \"table public.x\"\nkind = \"changed\"\nreason = \"later\"\n",
    )
    .unwrap();
    let left = catalog(&[
        ("index", "public.ix_runs", RUNS, json!({})),
        ("index", "public.other", RUNS, json!({})),
    ]);
    let mut found = compare(("A", &left), ("B", &Catalog::default()));
    assert_eq!(known.apply(&mut found), [pair("table public.x", "changed")]);
    assert_eq!(found.counting().count(), 1);
    assert!(render::table(&found).contains("- index public.ix_runs  only in A  [known: perf]\n"));
}

#[test]
fn a_file_of_known_differences_is_read_strictly() {
    let fault = |text: &str| Known::parse(text).unwrap_err();
    let entry = |kind: &str, reason: &str| {
        format!("[[known]]\nobject = \"o\"\nkind = \"{kind}\"\nreason = \"{reason}\"\n")
    };
    assert_eq!(fault(&entry("changed", " ")), KnownFault::Reason("o".to_owned()));
    let unknown = KnownFault::Kind("o".to_owned(), "missing".to_owned());
    assert_eq!(fault(&entry("missing", "r")), unknown);
    let Known { .. } = Known::parse(&entry("only_in_b", "r")).unwrap();
    assert!(matches!(fault("[[known]]\nobject = \"o\"\n"), KnownFault::Unreadable(_)));
    assert!(matches!(fault("[[konwn]]\n"), KnownFault::Unreadable(_)));
    assert_eq!(Known::parse("").unwrap(), Known::default());
}
