//! A project of 124 files in all the contract's naming families, as the contract describes it:
//! incremental migrations over tables that the application makes, one branch and its merge.

use std::path::Path;

use serde_json::{Value, json};

use super::project::{alembics, as_json, graph_of, rules, write};

/// The contract's own names.
const NAMED: &[&str] = &[
    "096_incidents_domain_model",
    "116_w2_audit_events",
    "117_w2_budget_envelopes",
    "118_w2_knowledge_planes",
    "119_w2_mcp_servers",
    "120_add_is_frozen_to_api_keys",
    "121_add_costsim_canary_reports",
    "122_knowledge_plane_registry",
];

/// Tables that `init_db()` makes, of the contract's list.
pub const ORM_TABLES: &str = "agents,approval_requests,cost_anomalies,cost_breach_history,\
    cost_budgets,cost_daily_aggregates,cost_drift_tracking,cost_records,costsim_cb_incidents,\
    costsim_cb_state,failure_matches,feature_flags,feature_tags,memories,policy_approval_levels,\
    provenance,runs,sdsr_incidents,status_history";

/// The names in order: what came before numbers, then 023 to 122 without 057.
fn names() -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    names.extend((1..=11).map(|n| format!("m{n:02}_milestone_{n}")));
    names[9] = "m10_recovery_enhancements".to_owned();
    names.extend((1..=6).map(|n| format!("s{n}_gate_{n}")));
    names[16] = "s6_trace_immutability".to_owned();
    names.extend(
        ["pb_s1_fix_orphans", "pb_s2_crashed_status", "pb_s3_fix_roles"].map(str::to_owned),
    );
    names.extend(["c1_redaction", "c2_prediction_hardening"].map(str::to_owned));
    names.extend(["w1_workers", "w2_audit_events"].map(str::to_owned));
    names.push("add_something_unplanned".to_owned());
    for number in (23..=122).filter(|number| *number != 57) {
        let prefix = format!("{number:03}_");
        let named = NAMED.iter().find(|name| name.starts_with(&prefix));
        names.push(named.map_or(format!("{prefix}change_{number}"), |name| (*name).to_owned()));
    }
    names
}

/// The bodies, in turn. `{t}` is a table of the migration's own.
const BODIES: &[(&str, &str)] = &[
    (
        "op.create_table('{t}',\n        sa.Column('id', sa.BigInteger(), primary_key=True),\n        \
         sa.Column('run_id', sa.String(64), sa.ForeignKey('runs.id'), nullable=False),\n        \
         sa.Column('body', sa.JSON()),\n        sa.CheckConstraint('id > 0'),\n    )\n    \
         op.create_index('ix_{t}', '{t}', ['run_id'])",
        "op.drop_index('ix_{t}', table_name='{t}')\n    op.drop_table('{t}')",
    ),
    (
        "op.add_column('agents', sa.Column('{t}', sa.Text(), nullable=True))",
        "op.drop_column('agents', '{t}')",
    ),
    (
        "op.execute(\"\"\"\n        CREATE OR REPLACE FUNCTION {t}() RETURNS trigger LANGUAGE plpgsql AS $$\n        \
         BEGIN\n            RAISE EXCEPTION 'immutable';\n        END $$;\n        CREATE TRIGGER {t} BEFORE UPDATE ON runs\n            \
         FOR EACH ROW EXECUTE FUNCTION {t}();\n    \"\"\")",
        "op.execute('DROP TRIGGER {t} ON runs; DROP FUNCTION {t}()')",
    ),
    (
        "with op.batch_alter_table('runs') as batch_op:\n        \
         batch_op.alter_column('status', existing_type=sa.String(64), type_=sa.String(32))\n        \
         batch_op.create_check_constraint('{t}', \"status <> 'crashed'\")",
        "with op.batch_alter_table('runs') as batch_op:\n        \
         batch_op.drop_constraint('{t}')\n        \
         batch_op.alter_column('status', type_=sa.String(64))",
    ),
    (
        "with op.get_context().autocommit_block():\n        op.create_index('{t}', 'memories', ['agent_id'],\n                        \
         postgresql_concurrently=True)",
        "with op.get_context().autocommit_block():\n        op.drop_index('{t}', postgresql_concurrently=True)",
    ),
    (
        "for table in ('cost_records', 'cost_budgets'):\n        \
         op.execute(f\"UPDATE {table} SET tenant = 'x' WHERE tenant IS NULL\")\n        \
         op.alter_column(table, 'tenant', nullable=False)",
        "for table in ('cost_records', 'cost_budgets'):\n        op.alter_column(table, 'tenant', nullable=True)",
    ),
    ("op.execute('DROP TABLE IF EXISTS old_{t}')\n    op.drop_column('provenance', '{t}')", "pass"),
];

fn text(name: &str, parents: &[&str], number: usize) -> String {
    let parent = match parents {
        [] => "None".to_owned(),
        [one] => format!("'{one}'"),
        several => format!("{several:?}").replace('"', "'").replace('[', "(").replace(']', ")"),
    };
    let (mut up, mut down) = BODIES[number % BODIES.len()];
    if parents.len() > 1 {
        (up, down) = ("pass", "pass");
    }
    let table = format!("t_{number}");
    let day = 1 + number % 28;
    format!(
        "\"\"\"{name}\n\nRevision ID: {name}\nRevises: {parents:?}\nCreate Date: 2026-01-{day:02} 03:04:05\n\"\"\"\n\n\
         import sqlalchemy as sa\nfrom alembic import op\n\nrevision: str = '{name}'\n\
         down_revision = {parent}\nbranch_labels = None\ndepends_on = None\n\n\n\
         def upgrade() -> None:\n    {}\n\n\ndef downgrade() -> None:\n    {}\n",
        up.replace("{t}", &table),
        down.replace("{t}", &table),
    )
}

/// Writes `backend/alembic.ini` and its 124 files.
pub fn project(root: &Path) {
    let names = names();
    assert_eq!(names.len(), 124);
    let place = |name: &str| names.iter().position(|known| known == name).unwrap();
    let (left, right, merge) =
        (place("040_change_40"), place("041_change_41"), place("042_change_42"));
    let mut files: Vec<(String, String)> = vec![
        ("backend/alembic.ini".into(), "[alembic]\nscript_location = %(here)s/alembic\n".into()),
        ("backend/alembic/env.py".into(), String::new()),
    ];
    for (number, name) in names.iter().enumerate() {
        let parents: Vec<&str> = match number {
            0 => vec![],
            // 041 leaves from 039 as 040 does, and 042 joins the two
            _ if number == right => vec![&names[left - 1]],
            _ if number == merge => vec![&names[left], &names[right]],
            _ => vec![&names[number - 1]],
        };
        files.push((format!("backend/alembic/versions/{name}.py"), text(name, &parents, number)));
    }
    let files: Vec<(&str, String)> =
        files.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
    write(root, &files);
}

fn families(audit: &Value) -> std::collections::BTreeMap<String, usize> {
    let mut families = std::collections::BTreeMap::new();
    for one in audit["migrations"].as_array().unwrap() {
        let family = one["family"]["name"].as_str().unwrap_or("-");
        *families.entry(family.to_owned()).or_default() += 1;
    }
    families
}

#[test]
fn the_inventory_of_124_files() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    project(root);
    let audit = as_json(&["backend", "--orm-tables", ORM_TABLES], root);
    assert_eq!(audit["summary"]["migrations"], 124);
    assert_eq!(audit["graph"]["heads"], json!(["122_knowledge_plane_registry"]));
    assert_eq!(audit["graph"]["bases"], json!(["m01_milestone_1"]));
    assert_eq!(audit["graph"]["branch_points"], json!(["039_change_39"]));
    assert_eq!(audit["graph"]["merge_points"], json!(["042_change_42"]));
    assert_eq!(graph_of(&audit), alembics(&["backend/alembic"], root));
    let wanted = [
        ("-", 1),
        ("compliance", 2),
        ("milestone", 11),
        ("post-baseline", 3),
        ("sequential", 99),
        ("truth-gates", 6),
        ("workload", 2),
    ];
    assert_eq!(families(&audit), wanted.map(|(name, count)| (name.to_owned(), count)).into());
    let all = audit["migrations"].as_array().unwrap();
    let one = |id: &str| all.iter().find(|one| one["revision"] == id).unwrap();
    let family = &one("116_w2_audit_events")["family"];
    assert_eq!(family["number"], 116);
    assert_eq!(family["meaning"], "Sequential");
    assert_eq!(family["second"], json!({ "name": "workload", "prefix": "w2_" }));
    assert_eq!(one("s6_trace_immutability")["family"]["meaning"], "S-phase (truth gates)");
    assert_eq!(one("m01_milestone_1")["date"], "2026-01-01");
    assert_eq!(one("m01_milestone_1")["date_from"], "docstring");
}

#[test]
fn the_findings_of_124_files() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    project(root);
    let audit = as_json(&["backend", "--orm-tables", ORM_TABLES], root);
    let turns = |turn: usize| (0..124).filter(|n| n % BODIES.len() == turn).count();
    // the merge is one of its turn, and does nothing
    let merge = names().iter().position(|name| name == "042_change_42").unwrap() % BODIES.len();
    let works = |turn: usize| turns(turn) - usize::from(turn == merge);
    let found = rules(&audit);
    let count = |rule: &str| found.get(rule).copied().unwrap_or(0);
    assert_eq!(count("destructive.narrow-type"), 1, "once it is narrow it stays so");
    assert_eq!(count("lock.check"), works(3));
    assert_eq!(count("lock.set-not-null"), 2, "what is NOT NULL already is no change");
    assert_eq!(count("destructive.drop-table"), works(6));
    assert_eq!(count("destructive.drop-column"), works(6));
    assert_eq!(count("irreversible.empty"), works(6));
    assert_eq!(count("transaction.concurrently"), 0);
    assert_eq!(count("lock.create-index"), 0);
    assert_eq!(count("sql.undecidable"), 0);
    assert_eq!(count("sql.unreadable"), 0);
    assert_eq!(count("table.not-created"), 0);
    // agents, cost_budgets, cost_records, memories, provenance, runs
    assert_eq!(count("table.orm"), 6);
    let messages: Vec<&str> = audit["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["rule"].as_str().unwrap().starts_with("name."))
        .map(|finding| finding["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        messages,
        ["add_something_unplanned is in no family", "NNN_: nothing has the numbers 57",]
    );
    // without the list the same tables are nobody's
    let without = as_json(&["backend"], root);
    assert_eq!(rules(&without)["table.not-created"], 6);
}
