//! What is known and kept: productions that no statement can hold, and false alarms.

const OTHER: &str = "the parser's entry points for PL/pgSQL: no statement begins so";
const LEXER: &str = "the lexer gives WITH_LA before TIME and ORDINALITY alone, which cannot follow";
const ACTION: &str = "PostgreSQL's action for it raises an error always";

/// Productions that are not generated, with the reason.
pub const PRODUCTIONS: &[(&str, &str)] = &[
    ("$accept: parse_toplevel $end", "the root itself: every statement holds it"),
    ("parse_toplevel: stmtmulti", "the root itself: every statement holds it"),
    ("parse_toplevel: MODE_TYPE_NAME Typename", OTHER),
    ("parse_toplevel: MODE_PLPGSQL_EXPR PLpgSQL_Expr", OTHER),
    ("parse_toplevel: MODE_PLPGSQL_ASSIGN1 PLAssignStmt", OTHER),
    ("parse_toplevel: MODE_PLPGSQL_ASSIGN2 PLAssignStmt", OTHER),
    ("parse_toplevel: MODE_PLPGSQL_ASSIGN3 PLAssignStmt", OTHER),
    ("opt_distinct_clause: distinct_clause", OTHER),
    ("opt_distinct_clause: opt_all_clause", OTHER),
    (
        "PLpgSQL_Expr: opt_distinct_clause opt_target_list from_clause where_clause group_clause \
         having_clause window_clause opt_sort_clause opt_select_limit opt_for_locking_clause",
        OTHER,
    ),
    ("PLAssignStmt: plassign_target opt_indirection plassign_equals PLpgSQL_Expr", OTHER),
    ("plassign_target: ColId", OTHER),
    ("plassign_target: PARAM", OTHER),
    ("plassign_equals: COLON_EQUALS", OTHER),
    ("plassign_equals: '='", OTHER),
    ("opt_with: WITH_LA", LEXER),
    ("any_with: WITH_LA", LEXER),
    ("stmt: CreateAssertionStmt", ACTION),
    (
        "CreateAssertionStmt: CREATE ASSERTION any_name CHECK '(' a_expr ')' \
         ConstraintAttributeSpec",
        ACTION,
    ),
    ("AlterOptRoleElem: UNENCRYPTED PASSWORD Sconst", ACTION),
    ("set_rest_more: CATALOG_P Sconst", ACTION),
    ("key_match: MATCH PARTIAL", ACTION),
    ("create_extension_opt_item: FROM NonReservedWord_or_Sconst", ACTION),
    ("AlterEnumStmt: ALTER TYPE_P any_name DROP VALUE_P Sconst", ACTION),
    ("oper_argtypes: '(' Typename ')'", ACTION),
    ("limit_clause: LIMIT select_limit_value ',' select_offset_value", ACTION),
    ("row: ROW '(' ')'", ACTION),
    ("xmltable_column_option_el: IDENT b_expr", ACTION),
    ("a_expr: UNIQUE opt_unique_null_treatment select_with_parens", ACTION),
];

const NAME: &str = "PostgreSQL's action for it refuses subscripts in a name";

/// Places at which nothing is nested, with the reason: parts of productions.
pub const PLACES: &[(usize, &str, &str)] = &[
    (
        8,
        "CreateSchemaStmt: CREATE SCHEMA IF_P NOT EXISTS opt_single_name AUTHORIZATION RoleSpec \
         OptSchemaEltList",
        ACTION,
    ),
    (6, "CreateSchemaStmt: CREATE SCHEMA IF_P NOT EXISTS ColId OptSchemaEltList", ACTION),
    (1, "function_with_argtypes: ColId indirection", NAME),
    (1, "PublicationObjSpec: ColId indirection opt_column_list OptWhereClause", NAME),
    (1, "qualified_name: ColId indirection", NAME),
    (1, "func_name: ColId indirection", NAME),
    (
        4,
        "json_table: JSON_TABLE '(' json_value_expr ',' a_expr json_table_path_name_opt \
         json_passing_clause_opt COLUMNS '(' json_table_column_definition_list ')' \
         json_on_error_clause_opt ')'",
        "it takes a literal alone",
    ),
];

const UNSEEN: &str = "what it does cannot be shown, so anything is expected (contract: opaque)";
const ROWS: &str = "whether it hits a row cannot be told from the text";
const NAMED: &str = "the contract names the statement; here it had nothing to do";
const THROUGH: &str =
    "what will be written through a temporary view cannot be told when it is made";
const BRANCH: &str = "whether a branch of the block is taken cannot be told";

/// Parts of the reasons of false alarms that are kept, and why they are.
const ALARMS: &[(&str, &str)] = &[
    ("PREPARE: ", "PREPARE has the class of what it prepares"),
    ("runs SQL that is computed", UNSEEN),
    ("runs code that cannot be seen", UNSEEN),
    ("has a body that cannot be read", UNSEEN),
    ("is not in plpgsql", UNSEEN),
    ("runs SQL that cannot be seen", UNSEEN),
    ("sets a parameter whose name is computed", UNSEEN),
    ("runs a prepared statement", UNSEEN),
    ("fetches from a cursor", UNSEEN),
    ("may be a call of", "whether x.f is a column or the call f(x) cannot be told from the text"),
    ("which is not known", UNSEEN),
    ("runs public.h_", "a routine of ours with effects: not every use of its table runs it"),
    ("cannot be read by PostgreSQL's grammar", UNSEEN),
    ("writes the migration table", ROWS),
    ("writes the system relation", ROWS),
    ("leads to the migration table", THROUGH),
    ("leads to the system relation", THROUGH),
    ("changes a system relation by", THROUGH),
    ("ALTER DATABASE", NAMED),
    ("DROP OWNED", NAMED),
    ("EVENT TRIGGER", NAMED),
    // IF NOT EXISTS, and it does
    ("EXPLAIN: contains CREATE TABLE AS", NAMED),
    ("GRANT", NAMED),
    ("REASSIGN OWNED", NAMED),
    ("REINDEX", NAMED),
    ("REVOKE", NAMED),
    ("SECURITY LABEL", NAMED),
    ("TRUNCATE TABLE", NAMED),
    ("VACUUM FULL", NAMED),
    ("ALTER ROLE", NAMED),
    ("DROP ROLE", NAMED),
    ("CLUSTER", NAMED),
    ("COMMENT", NAMED),
    ("DO: contains", BRANCH),
];

/// Why an alarm of this reason is kept.
pub fn why(reason: &str) -> Option<&'static str> {
    ALARMS.iter().find_map(|(known, why)| reason.contains(known).then_some(*why))
}
