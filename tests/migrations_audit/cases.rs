//! Code of one `upgrade()`, and exactly what is said of it.

use super::project::{audited, migration, options};

/// The rules that speak of an `upgrade()`, each with its line counted from the `def`.
fn said(upgrade: &str) -> Vec<String> {
    let indented: String = upgrade.lines().map(|line| format!("    {line}\n")).collect();
    let body =
        format!("def upgrade():\n{indented}\n\ndef downgrade():\n    op.execute('SELECT 1')\n");
    let text = migration("001_first", "None", &body);
    let first = text.lines().position(|line| line == "def upgrade():").unwrap() as u32;
    let audit = audited(&[("001_first.py", text)], &options());
    let mut said: Vec<(u32, String)> = audit
        .findings
        .iter()
        // the tables of these snippets are nobody's
        .filter(|finding| !finding.rule.id.starts_with("table."))
        .map(|finding| (finding.line - first - 1, finding.rule.id.to_owned()))
        .collect();
    said.sort();
    said.into_iter().map(|(line, rule)| format!("{line} {rule}")).collect()
}

#[track_caller]
fn check(upgrade: &str, wanted: &[&str]) {
    assert_eq!(said(upgrade), wanted, "{upgrade}");
}

#[test]
fn what_loses_data() {
    check("op.drop_table('runs')", &["1 destructive.drop-table"]);
    check("op.drop_column('runs', 'note')", &["1 destructive.drop-column"]);
    check("op.execute('TRUNCATE a, b')", &["1 destructive.truncate"]);
    check("op.execute('DELETE FROM runs')", &["1 destructive.delete-all"]);
    check("op.execute(\"DELETE FROM runs WHERE state = 'x'\")", &[]);
    check(
        "op.execute('DROP SCHEMA old CASCADE')",
        &["1 destructive.drop", "1 destructive.drop-cascade"],
    );
    check(
        "t = sa.table('runs', sa.column('id'))\nop.execute(t.delete())",
        &["2 destructive.delete-all"],
    );
    check("t = sa.table('runs')\nop.execute(sa.delete(t).where(t.c.id == 1))", &[]);
    check("op.execute('DROP TABLE IF EXISTS a; DROP VIEW b')", &["1 destructive.drop-table"]);
    // what a migration makes itself is no loss
    check("op.create_table('tmp', sa.Column('id', sa.Integer()))\nop.drop_table('tmp')", &[]);
}

#[test]
fn what_narrows_a_type() {
    let from_to = |from: &str, to: &str| {
        format!("op.alter_column('runs', 'a', existing_type={from}, type_={to})")
    };
    check(
        &from_to("sa.String(255)", "sa.String(64)"),
        &["1 destructive.narrow-type", "1 lock.alter-type"],
    );
    check(&from_to("sa.String(64)", "sa.String(255)"), &[]);
    check(&from_to("sa.String(length=64)", "sa.Text()"), &[]);
    check(&from_to("sa.Integer", "sa.BigInteger"), &["1 lock.alter-type"]);
    check("op.execute('ALTER TABLE runs ALTER a TYPE bigint')", &["1 lock.alter-type"]);
    // what an earlier migration gave the column counts
    let first = migration(
        "001_first",
        "None",
        "def upgrade():\n    op.create_table('runs', sa.Column('a', sa.BigInteger()))\n\n\
         def downgrade():\n    op.drop_table('runs')\n",
    );
    let second = migration(
        "002_second",
        "'001_first'",
        "def upgrade():\n    op.execute('ALTER TABLE public.runs ALTER COLUMN a TYPE integer')\n\n\
         def downgrade():\n    op.execute('ALTER TABLE runs ALTER a TYPE bigint')\n",
    );
    let audit = audited(&[("001_first.py", first), ("002_second.py", second)], &options());
    let rules: Vec<&str> = audit.findings.iter().map(|finding| finding.rule.id).collect();
    assert_eq!(rules, ["destructive.narrow-type", "lock.alter-type"]);
    assert_eq!(audit.findings[0].message, "public.runs.a goes from bigint to integer");
}

#[test]
fn what_locks_for_long() {
    let add = |column: &str| format!("op.add_column('runs', sa.Column('a', {column}))");
    check(&add("sa.Text()"), &[]);
    check(&add("sa.Text(), nullable=False, server_default='x'"), &[]);
    check(&add("sa.DateTime(), server_default=sa.text('now()')"), &[]);
    check(&add("sa.DateTime(), server_default=sa.func.now()"), &[]);
    check(&add("sa.Uuid(), server_default=sa.text('gen_random_uuid()')"), &["1 lock.add-column"]);
    check(&add("sa.Integer(), sa.Identity()"), &["1 lock.add-column"]);
    check(&add("sa.Text(), nullable=False"), &["1 fails.not-null"]);
    check(&add("sa.Text(), unique=True"), &["1 lock.unique"]);
    check(&add("sa.Integer(), sa.ForeignKey('users.id')"), &[]);
    check("op.execute('ALTER TABLE runs ADD a serial')", &["1 lock.add-column"]);
    check("op.create_index('ix', 'runs', ['a'])", &["1 lock.create-index"]);
    check("op.create_unique_constraint('u', 'runs', ['a'])", &["1 lock.unique"]);
    check("op.create_foreign_key('f', 'runs', 'users', ['a'], ['id'])", &["1 lock.foreign-key"]);
    check(
        "op.create_foreign_key('f', 'runs', 'users', ['a'], ['id'], postgresql_not_valid=True)",
        &[],
    );
    check("op.create_check_constraint('c', 'runs', 'a > 0')", &["1 lock.check"]);
    check("op.execute('ALTER TABLE runs ADD CONSTRAINT c CHECK (a > 0) NOT VALID')", &[]);
    check(
        "op.execute('ALTER TABLE runs ADD CONSTRAINT c CHECK (a > 0) NOT VALID')\n\
         op.execute('ALTER TABLE runs VALIDATE CONSTRAINT c')",
        &["2 lock.validate"],
    );
    check("op.execute('ALTER TABLE runs ADD CONSTRAINT p PRIMARY KEY USING INDEX i')", &[]);
    check("op.execute('CLUSTER runs USING i')", &["1 lock.rewrite"]);
    check("op.execute('ALTER TABLE runs SET UNLOGGED')", &["1 lock.rewrite"]);
    check("op.execute('UPDATE runs SET a = 1')", &["1 lock.update-all"]);
    check("op.drop_index('ix', table_name='runs')", &["1 lock.drop-index"]);
    // a new table is nobody's yet
    check(
        "op.create_table('t', sa.Column('a', sa.Integer()))\nop.create_index('ix', 't', ['a'])\n\
         op.create_foreign_key('f', 't', 'users', ['a'], ['id'])",
        &[],
    );
}

#[test]
fn not_null_needs_a_check_first() {
    check("op.alter_column('runs', 'a', nullable=False)", &["1 lock.set-not-null"]);
    check("op.alter_column('runs', 'a', existing_nullable=False, nullable=False)", &[]);
    check(
        "op.execute('ALTER TABLE runs ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID')\n\
         op.execute('ALTER TABLE runs ALTER a SET NOT NULL')",
        &[],
    );
}

#[test]
fn what_went_before_counts() {
    // what is empty is quickly locked
    check(
        "op.execute('DELETE FROM a')\nop.add_column('a', sa.Column('b', sa.Text(), nullable=False))\n\
         op.create_index('ix', 'a', ['b'])",
        &["1 destructive.delete-all"],
    );
    // what is NOT NULL already stays so, under a new name as well
    let first = "def upgrade():\n    op.create_table('a', sa.Column('b', sa.Text(), nullable=False))\n\n\n\
                 def downgrade():\n    op.drop_table('a')\n";
    let second = "def upgrade():\n    op.alter_column('a', 'b', new_column_name='c')\n    \
                  op.rename_table('a', 'd')\n    op.alter_column('d', 'c', nullable=False)\n    \
                  op.alter_column('d', 'e', nullable=False)\n\n\n\
                  def downgrade():\n    raise ValueError\n";
    let files = [
        ("001_first.py", migration("001_first", "None", first)),
        ("002_second.py", migration("002_second", "'001_first'", second)),
    ];
    let audit = audited(&files, &options());
    let said = audit.findings.iter().filter(|finding| finding.rule.id.starts_with("lock."));
    let said: Vec<&str> = said.map(|finding| finding.message.as_str()).collect();
    assert_eq!(said, ["d.e is set NOT NULL without a checked constraint"]);
}

#[test]
fn concurrently_stands_outside_a_transaction() {
    let index = "op.create_index('ix', 'runs', ['a'], postgresql_concurrently=True)";
    check(index, &["1 transaction.concurrently"]);
    check(&format!("with op.get_context().autocommit_block():\n    {index}"), &[]);
    check(&format!("op.execute('COMMIT')\n{index}"), &[]);
    check(
        "op.execute('CREATE INDEX CONCURRENTLY ix ON runs (a)')",
        &["1 transaction.concurrently"],
    );
    check("op.execute('VACUUM runs')", &["1 transaction.forbidden"]);
}

#[test]
fn batches_know_their_table() {
    check(
        "with op.batch_alter_table('runs', schema=None) as batch_op:\n    \
         batch_op.add_column(sa.Column('a', sa.Text(), nullable=False))\n    \
         batch_op.drop_column('b')\n    \
         batch_op.alter_column('c', existing_type=sa.Text(), type_=sa.String(8))\n    \
         batch_op.create_index(batch_op.f('ix'), ['a'], unique=False)\n    \
         batch_op.create_foreign_key('f', 'users', ['a'], ['id'])",
        &[
            "2 fails.not-null",
            "3 destructive.drop-column",
            "4 destructive.narrow-type",
            "4 lock.alter-type",
            "5 lock.create-index",
            "6 lock.foreign-key",
        ],
    );
}

#[test]
fn loops_helpers_and_names_are_followed() {
    check(
        "for table in ('a', 'b'):\n    op.drop_table(table)",
        &["2 destructive.drop-table", "2 destructive.drop-table"],
    );
    check(
        "TABLES = {'a': ['x'], 'b': ['y', 'z']}\nfor table, columns in TABLES.items():\n    \
         for column in columns:\n        op.drop_column(table, column)",
        &["4 destructive.drop-column", "4 destructive.drop-column", "4 destructive.drop-column"],
    );
    check("def gone(name):\n    op.drop_table(name)\ngone('a')", &["2 destructive.drop-table"]);
    check(
        "from alembic import op as o\nconn = o.get_bind()\nconn.execute(sa.text('DROP TABLE a'))",
        &["3 destructive.drop-table"],
    );
    check(
        "session = sa.orm.Session(bind=op.get_bind())\nsession.execute('TRUNCATE a')",
        &["2 destructive.truncate"],
    );
}

#[test]
fn texts_are_put_together() {
    check("op.execute('DROP ' 'TABLE ' + 'a')", &["1 destructive.drop-table"]);
    check("T = 'a'\nop.execute(f'DROP TABLE {T}')", &["2 destructive.drop-table"]);
    check("op.execute('DROP TABLE {}'.format('a'))", &["1 destructive.drop-table"]);
    check("op.execute('DROP TABLE %s' % 'a')", &["1 destructive.drop-table"]);
    check("op.execute(', '.join(['TRUNCATE a', 'b']))", &["1 destructive.truncate"]);
    // each statement stands where it is written
    check(
        "op.execute(\"\"\"\n    CREATE VIEW v AS SELECT 1;\n\n    TRUNCATE a;\n\"\"\")",
        &["4 destructive.truncate"],
    );
}

#[test]
fn what_only_running_would_tell_is_marked() {
    check(
        "op.execute(f'DROP TABLE {os.environ[1]}')",
        &["1 destructive.drop-table", "1 sql.undecidable"],
    );
    check("op.execute(open('x.sql').read())", &["1 sql.undecidable"]);
    check("op.execute('PRAGMA foreign_keys = OFF')", &["1 sql.unreadable"]);
    // parameters are not unknown, they are parameters
    check("op.get_bind().execute(sa.text('UPDATE runs SET a = :a WHERE b IN :bs'), {})", &[]);
}

#[test]
fn code_for_other_databases_does_not_count() {
    check(
        "if op.get_bind().dialect.name == 'mysql':\n    op.execute('ALTER TABLE a MODIFY b TEXT')",
        &[],
    );
    check(
        "bind = op.get_bind()\nif bind.dialect.name != 'postgresql':\n    return\nop.drop_table('a')",
        &["4 destructive.drop-table"],
    );
    check(
        "dialect = op.get_context().dialect.name\nif dialect in ('sqlite', 'mysql'):\n    \
         op.drop_table('a')\nelif dialect == 'postgresql':\n    op.drop_table('b')",
        &["5 destructive.drop-table"],
    );
}

#[test]
fn do_blocks_are_looked_into() {
    check(
        "op.execute(\"\"\"DO $$ BEGIN\n IF EXISTS (SELECT 1 FROM x) THEN DROP TABLE a; END IF;\nEND $$\"\"\")",
        &["1 destructive.drop-table"],
    );
}

#[test]
fn classes_are_the_proxys() {
    check("op.execute('GRANT SELECT ON a TO b')", &["1 sql.privilege"]);
    check("op.execute('CREATE DATABASE x')", &["1 sql.admin", "1 transaction.forbidden"]);
    let text = migration(
        "001_first",
        "None",
        "def upgrade():\n    op.create_table('a')\n    op.execute('CREATE INDEX ON a (b)')\n    \
         op.execute(\"UPDATE alembic_version SET version_num = 'x' WHERE true\")\n",
    );
    let audit = audited(&[("001_first.py", text)], &options());
    let classes: Vec<&str> = audit.scripts[0]
        .upgrade
        .body
        .operations
        .iter()
        .map(|operation| operation.class.as_str())
        .collect();
    assert_eq!(classes, ["ddl", "ddl", "migration_state"]);
}

#[test]
fn ways_back() {
    let back = |downgrade: &str| {
        let upgrade = "def upgrade():\n    op.create_table('a')\n\n\n";
        let text = migration("001_first", "None", &format!("{upgrade}{downgrade}"));
        let audit = audited(&[("001_first.py", text)], &options());
        audit.findings.iter().map(|finding| finding.rule.id).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(back("def downgrade():\n    op.drop_table('a')\n"), "");
    assert_eq!(back(""), "irreversible.missing");
    assert_eq!(back("def downgrade():\n    pass\n"), "irreversible.empty");
    assert_eq!(back("def downgrade():\n    '''no'''\n    ...\n"), "irreversible.empty");
    assert_eq!(
        back("def downgrade():\n    raise NotImplementedError('no')\n"),
        "irreversible.raises"
    );
}
