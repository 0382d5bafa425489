//! Random scripts about the scope of the confirmation: whatever is done to it is done to a parallel
//! parameter, in the very same place.

use super::item::Item;
use super::random::Random;

pub const CONFIRM: &str = "authority.confirm_prod_migrations";
/// The parallel parameter: an ordinary one, which nobody but the server keeps account of.
pub const SHADOW: &str = "shadow.confirm";

/// Made once, by `app`. A routine withdraws, or confirms (which it cannot), both at once.
pub const SETUP: &str = "
CREATE TABLE probe (i int);
CREATE FUNCTION pair(setting text, local boolean) RETURNS text LANGUAGE sql AS $$
    SELECT set_config('authority.confirm_prod_migrations', $1, $2);
    SELECT set_config('shadow.confirm', $1, $2) $$;
CREATE FUNCTION harmless() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE FUNCTION undone() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN PERFORM pair('off', false); RAISE 'told'; EXCEPTION WHEN OTHERS THEN RETURN 1; END $$;
CREATE FUNCTION on_write() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pair('off', NEW.i = 2); RETURN NEW; END $$;
CREATE TABLE tripped (i int);
CREATE TRIGGER trips BEFORE INSERT ON tripped FOR EACH ROW EXECUTE FUNCTION on_write();
CREATE PROCEDURE withdraws() LANGUAGE plpgsql AS $$
    BEGIN PERFORM pair('off', false); COMMIT; END $$;
CREATE PROCEDURE commits() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';
CREATE PROCEDURE rolls_back() LANGUAGE plpgsql AS 'BEGIN ROLLBACK; END';
";

/// Why the proxy may think a session unconfirmed that the server says has confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// `set_config` that is not bare never confirms, but executes.
    NotBare,
    /// Prepared by SQL, or a cursor: what it sets is not followed.
    Indirect,
    /// A routine confirmed, or withdrew for a time.
    Hidden,
    /// Code that may have ended the transaction.
    EndsTransaction,
    /// A portal that was not run to its end.
    RowLimit,
}

impl Doubt {
    pub const ALL: [Doubt; 5] =
        [Doubt::NotBare, Doubt::Indirect, Doubt::Hidden, Doubt::EndsTransaction, Doubt::RowLimit];
}

/// A statement, and the doubt that it brings.
type Part = (String, Option<Doubt>);

fn both(statement: impl Fn(&str) -> String) -> String {
    format!("{}; {}", statement(CONFIRM), statement(SHADOW))
}

fn set_configs(value: &str, local: &str) -> String {
    let call = |name| format!("set_config('{name}', '{value}', {local})");
    format!("SELECT {}, {}", call(CONFIRM), call(SHADOW))
}

fn value(random: &mut Random) -> &'static str {
    random.of(&["true", "true", "on", "yes", "1", "false", "off", "no"])
}

fn local(random: &mut Random) -> &'static str {
    random.of(&["true", "false"])
}

fn settings(random: &mut Random) -> String {
    let value = value(random);
    match random.below(8) {
        0 | 1 => both(|name| format!("SET {name} = {value}")),
        2 | 3 => both(|name| format!("SET LOCAL {name} = '{value}'")),
        4 => both(|name| format!("RESET {name}")),
        5 => both(|name| {
            format!("SET {} {name} TO DEFAULT", if value.len() > 2 { "LOCAL" } else { "" })
        }),
        6 => random.of(&["RESET ALL", "DISCARD ALL"]).to_owned(),
        _ => set_configs(value, local(random)),
    }
}

const CONTROL: &[&str] = &[
    "BEGIN",
    "BEGIN",
    "START TRANSACTION",
    "COMMIT",
    "COMMIT",
    "END",
    "ROLLBACK",
    "ROLLBACK",
    "COMMIT AND CHAIN",
    "ROLLBACK AND CHAIN",
    "SAVEPOINT a",
    "SAVEPOINT a",
    "SAVEPOINT B",
    "SAVEPOINT \"B\"",
    "RELEASE a",
    "RELEASE b",
    "ROLLBACK TO a",
    "ROLLBACK TO a",
    "ROLLBACK TO SAVEPOINT b",
    "ROLLBACK TO \"B\"",
    "PREPARE TRANSACTION 'g'",
    "ROLLBACK PREPARED 'g'",
];
const OTHERS: &[&str] = &[
    "SELECT 1",
    "SELECT 1/0",
    "SELECT * FROM missing",
    "INSERT INTO probe VALUES (1)",
    "COMMENT ON TABLE probe IS 'x'",
    "DISCARD TEMP",
    "CREATE TEMP TABLE t (i int)",
    "DROP TABLE pg_temp.t",
    "SELECT harmless()",
    "SELECT undone()",
    "",
];

/// Statements whose account the proxy cannot keep exactly, for this reason.
fn doubtful(random: &mut Random, wanted: Doubt) -> String {
    loop {
        let (text, doubt) = any_doubtful(random);
        if doubt == wanted {
            return text;
        }
    }
}

fn any_doubtful(random: &mut Random) -> (String, Doubt) {
    let (value, local) = (value(random), local(random));
    let bare = set_configs(value, local);
    match random.below(14) {
        0 => (format!("{bare} FROM (VALUES (1)) v"), Doubt::NotBare),
        1 => (format!("{bare} WHERE {}", random.of(&["true", "false"])), Doubt::NotBare),
        2 => (format!("DO $$ BEGIN PERFORM pair('{value}', {local}); END $$"), Doubt::Hidden),
        3 => {
            let performs = bare.replacen("SELECT", "PERFORM", 1);
            (format!("DO $$ BEGIN {performs}; END $$"), Doubt::Hidden)
        }
        4 => (
            "DO $$ BEGIN PERFORM pair('off', false); COMMIT; END $$".into(),
            Doubt::EndsTransaction,
        ),
        5 => (
            "DO $$ BEGIN PERFORM pair('off', false); COMMIT; PERFORM 1/0; END $$".into(),
            Doubt::EndsTransaction,
        ),
        6 => ("DO $$ BEGIN ROLLBACK; END $$".into(), Doubt::EndsTransaction),
        7 => (
            random.of(&["CALL withdraws()", "CALL commits()", "CALL rolls_back()"]).to_owned(),
            Doubt::EndsTransaction,
        ),
        8 => (format!("PREPARE w AS {bare}"), Doubt::Indirect),
        9 => (random.of(&["EXECUTE w", "EXECUTE w", "DEALLOCATE w"]).to_owned(), Doubt::Indirect),
        10 => (format!("DECLARE c CURSOR FOR {bare}"), Doubt::Indirect),
        11 => (random.of(&["FETCH 1 FROM c", "CLOSE c"]).to_owned(), Doubt::Indirect),
        12 => (
            random
                .of(&["INSERT INTO tripped VALUES (1)", "INSERT INTO tripped VALUES (2)"])
                .to_owned(),
            Doubt::Hidden,
        ),
        _ => (format!("SELECT pair('{value}', {local})"), Doubt::Hidden),
    }
}

fn part(random: &mut Random, doubt: Option<Doubt>) -> Part {
    match (random.below(100), doubt) {
        (35..68, _) => (random.of(CONTROL).to_owned(), None),
        (68..85, _) => (random.of(OTHERS).to_owned(), None),
        (85.., Some(doubt)) if doubt != Doubt::RowLimit => (doubtful(random, doubt), Some(doubt)),
        _ => (settings(random), None),
    }
}

/// Each statement of a text by Parse, Bind and Execute.
fn extended(random: &mut Random, text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    for statement in text.split("; ") {
        // the bodies of DO have no "; " at their statements' ends but these: run them whole
        if text.contains("$$") {
            return Item::run(text);
        }
        match random.below(4) {
            0 => items.extend([
                Item::Parse("named", statement.into()),
                Item::Bind("portal", "named"),
                Item::Execute("portal", 0),
                Item::CloseStatement("named"),
                Item::ClosePortal("portal"),
            ]),
            _ => items.extend(Item::run(statement)),
        }
    }
    items
}

/// One message or pipeline, and the doubt in it.
fn message(random: &mut Random, doubt: Option<Doubt>) -> (Item, Option<Doubt>) {
    let count = random.of(&[&1, &1, &1, &2, &3, &4]).to_owned();
    let parts: Vec<Part> = (0..count).map(|_| part(random, doubt)).collect();
    let mut found = parts.iter().find_map(|(_, doubt)| *doubt);
    let texts = parts.into_iter().map(|(text, _)| text);
    if random.chance(55) {
        return (Item::Query(texts.collect()), found);
    }
    let mut items: Vec<Item> = Vec::new();
    for text in texts {
        items.extend(extended(random, &text));
        if random.chance(15) {
            items.push(random.of(&[&Item::Sync, &Item::Flush]).clone());
        }
    }
    if doubt == Some(Doubt::RowLimit) && random.chance(20) {
        items.extend([
            Item::Parse("", set_configs(value(random), "false")),
            Item::Bind("", ""),
            Item::Execute("", 1),
        ]);
        if random.chance(50) {
            items.push(Item::Execute("", 0));
        }
        found = doubt;
    }
    items.push(Item::Sync);
    (Item::Group(items), found)
}

/// A script with doubts of one kind, or none; each message with the doubt that it brings.
pub fn script(
    random: &mut Random,
    length: usize,
    doubt: Option<Doubt>,
) -> Vec<(Item, Option<Doubt>)> {
    (0..length).map(|_| message(random, doubt)).collect()
}
