//! What runs more than it names: built-ins whose arguments decide what else they run or read, and
//! expressions that cast or compare.

use pgauthority_grammar::{Node, field, tag, value};

/// Built-ins that make rows of a type which an argument of theirs has.
pub(super) const POPULATING: &[&[u8]] = &[
    b"json_populate_record",
    b"json_populate_recordset",
    b"jsonb_populate_record",
    b"jsonb_populate_record_valid",
    b"jsonb_populate_recordset",
    b"populate_record", // hstore
];

/// Built-ins that take the name or number of any type and make a value of it, or compare some.
pub(super) const MAKING: &[&[u8]] = &[
    b"array_in",
    b"array_recv",
    b"domain_in",
    b"domain_recv",
    b"multirange_in",
    b"multirange_recv",
    b"pg_input_error_info",
    b"pg_input_is_valid",
    b"pg_restore_attribute_stats",
    b"range_in",
    b"range_recv",
    b"record_in",
    b"record_recv",
    b"satisfies_hash_partition",
];

/// Built-ins that read any relations.
pub(super) const READING: &[&[u8]] = &[
    b"database_to_xml",
    b"database_to_xml_and_xmlschema",
    b"schema_to_xml",
    b"schema_to_xml_and_xmlschema",
    b"table_to_xml",
    b"table_to_xml_and_xmlschema",
];

/// Built-ins, and those of an extension, that compute what an index stores.
pub(super) const MAINTAINING: &[&[u8]] = &[
    b"brin_summarize_new_values",
    b"brin_summarize_range",
    b"bt_index_check",
    b"bt_index_parent_check",
    b"gin_clean_pending_list",
    b"gin_index_check",
];

/// Built-ins that make an array of what they are given, or bring some of it to one type: what is beside
/// a column of a domain becomes a value of that domain. Those of ranges aside, which are there already.
pub(super) const COMPOSING: &[&[u8]] = &[
    b"array_agg",
    b"array_append",
    b"array_cat",
    b"array_eq",
    b"array_fill",
    b"array_ge",
    b"array_gt",
    b"array_larger",
    b"array_le",
    b"array_lt",
    b"array_ne",
    b"array_position",
    b"array_positions",
    b"array_prepend",
    b"array_remove",
    b"array_replace",
    b"array_smaller",
    b"arraycontained",
    b"arraycontains",
    b"arrayoverlap",
    b"btarraycmp",
    b"elem_contained_by_multirange",
    b"elem_contained_by_range",
    b"lag",
    b"lead",
    b"percentile_disc",
    b"range_merge",
    b"width_bucket",
];

/// Whether a built-in makes values of, or compares, any type: [`MAKING`].
pub(in crate::sql) fn makes_any(name: &str) -> bool {
    MAKING.contains(&name.as_bytes())
}

/// Whether a built-in computes what an index stores: [`MAINTAINING`].
pub(in crate::sql) fn maintains(name: &str) -> bool {
    MAINTAINING.contains(&name.as_bytes())
}

/// Whether a built-in that does more than read is STABLE: EXPLAIN calls it for its estimates.
pub(in crate::sql) fn is_stable(name: &str) -> bool {
    matches!(name, "fmgr_c_validator" | "fmgr_sql_validator")
}

/// Whether a built-in reads any relation: [`READING`].
pub(in crate::sql) fn reads_any(name: &str) -> bool {
    READING.contains(&name.as_bytes())
}

/// Whether casts and comparisons may run in an expression or a query that names none.
pub(super) fn compares(node: Node<'_>) -> bool {
    match node.tag() {
        tag::SelectStmt => {
            let op = node.value(field::op);
            matches!(op, value::SETOP_UNION | value::SETOP_INTERSECT | value::SETOP_EXCEPT)
                || [
                    field::distinctClause,
                    field::whereClause,
                    field::groupClause,
                    field::havingClause,
                    field::windowClause,
                    field::valuesLists,
                    field::sortClause,
                    field::limitOffset,
                    field::limitCount,
                ]
                .into_iter()
                .any(|clause| node.has(clause))
        }
        tag::ParamRef
        | tag::BoolExpr
        | tag::BooleanTest
        | tag::CoalesceExpr
        | tag::MinMaxExpr
        | tag::A_ArrayExpr
        | tag::A_Indirection
        | tag::RowExpr
        | tag::XmlExpr
        | tag::XmlSerialize
        | tag::JsonObjectConstructor
        | tag::JsonArrayConstructor
        | tag::JsonArrayQueryConstructor
        | tag::JsonScalarExpr
        | tag::JsonSerializeExpr
        | tag::JsonParseExpr
        | tag::JsonIsPredicate => true,
        _ => false,
    }
}

/// Whether something in a statement makes an index or the key of a partitioned table: by operator
/// classes.
pub(super) fn indexes(node: Node<'_>) -> bool {
    match node.tag() {
        tag::PartitionElem => true,
        tag::Constraint => node.has(field::keys) || node.has(field::exclusions),
        _ => false,
    }
}

/// Whether a built-in simplifies the partition keys of what it is given.
pub(in crate::sql) fn reads_keys(name: &str) -> bool {
    name == "pg_get_partition_constraintdef"
}
