//! Fixed scripts that use both legs in every way, and what each leaves in the local database.

use super::support::wire::Frames;

/// Messages sent with one write, and the answers they have.
pub struct Step {
    pub frames: Frames,
    /// ReadyForQuery.
    pub ready: usize,
}

/// Rows that are written together.
pub struct Unit {
    pub rows: &'static [u32],
    /// The step that commits them, and which of its ReadyForQuery stands behind that.
    pub step: usize,
    pub part: usize,
    /// Only ReadyForQuery says so, not CommandComplete: the end of a pipeline commits.
    pub at_ready: bool,
}

pub struct Script {
    pub name: &'static str,
    pub steps: Vec<Step>,
    pub units: Vec<Unit>,
}

impl Script {
    fn new(name: &'static str) -> Script {
        Script { name, steps: Vec::new(), units: Vec::new() }
    }

    fn step(mut self, frames: Frames, ready: usize) -> Script {
        self.steps.push(Step { frames, ready });
        self
    }

    fn query(self, text: &str) -> Script {
        self.step(Frames::new().query(text), 1)
    }

    fn queries(self, texts: &[&str]) -> Script {
        texts.iter().fold(self, |script, text| script.query(text))
    }

    /// The last step has committed these rows.
    fn commits(self, rows: &'static [u32], at_ready: bool) -> Script {
        self.commits_in(0, rows, at_ready)
    }

    fn commits_in(mut self, part: usize, rows: &'static [u32], at_ready: bool) -> Script {
        let step = self.steps.len() - 1;
        self.units.push(Unit { rows, step, part, at_ready });
        self
    }
}

fn insert(row: u32) -> String {
    format!("INSERT INTO w1 VALUES ({row}, 'cut')")
}

/// As drivers do it: Parse, Bind, Describe, Execute.
fn described(frames: Frames, text: &str) -> Frames {
    frames.parse("", text, &[]).bind("", "", &[]).describe_portal("").execute("", 0)
}

const READ: &str = "SELECT b FROM r1 ORDER BY a";

fn simple() -> Script {
    Script::new("simple")
        .queries(&[READ, "BEGIN", READ, &insert(11), READ, &insert(12), "COMMIT"])
        .commits(&[11, 12], false)
        .query(READ)
        .query(&insert(13))
        .commits(&[13], false)
        .queries(&["BEGIN", &insert(99), READ, "ROLLBACK", READ])
}

fn pipelines() -> Script {
    let implicit = described(Frames::new(), READ);
    let implicit = described(described(implicit, &insert(11)), READ);
    let block = described(described(Frames::new().run("BEGIN", &[]), READ), &insert(12));
    let block = described(block, &insert(13)).run("COMMIT", &[]);
    let named = Frames::new()
        .parse("reading", READ, &[])
        .parse("writing", "INSERT INTO w1 VALUES ($1, 'cut')", &[])
        .sync();
    let bound = Frames::new()
        .bind("", "writing", &[Some("14")])
        .execute("", 0)
        .bind("", "reading", &[])
        .execute("", 0)
        .bind("", "writing", &[Some("15")])
        .execute("", 0);
    Script::new("pipelines")
        .step(implicit.sync(), 1)
        .commits(&[11], true)
        .step(block.sync(), 1)
        .commits(&[12, 13], false)
        .step(named, 1)
        .step(bound.sync(), 1)
        .commits(&[14, 15], true)
        .step(described(Frames::new(), READ).sync(), 1)
}

/// Two pipelines in one write: the second is under way while the first is answered.
fn overlapping() -> Script {
    let both = described(described(Frames::new(), &insert(11)), READ).sync();
    let both = described(described(both, &insert(12)), READ).sync();
    Script::new("overlapping")
        .step(both, 2)
        .commits_in(0, &[11], true)
        .commits_in(1, &[12], true)
        .step(described(Frames::new(), READ).sync().query(READ).query(READ), 3)
        .query(&insert(13))
        .commits(&[13], false)
}

fn copy() -> Script {
    let data = |first: &[u8], second: &[u8]| {
        Frames::new().query("COPY w1 FROM STDIN").copy_data(first).copy_data(second).copy_done()
    };
    Script::new("copy")
        .query("COPY r2 TO STDOUT")
        .query("BEGIN")
        .step(data(b"11\tcut\n", b"12\tcut\n"), 1)
        .queries(&["COPY r1 TO STDOUT", "COMMIT"])
        .commits(&[11, 12], false)
        .step(data(b"13\tcut\n14", b"\tcut\n"), 1)
        .commits(&[13, 14], false)
        .query("COPY w1 TO STDOUT")
        // as libpq's PQexecParams: the first Sync counts for nothing
        .step(
            described(described(Frames::new(), READ), "COPY w1 FROM STDIN")
                .sync()
                .copy_data(b"15\tcut\n")
                .copy_done()
                .sync(),
            1,
        )
        .commits(&[15], true)
}

fn savepoints() -> Script {
    Script::new("savepoints")
        .queries(&["BEGIN", "SAVEPOINT one", &insert(11), "SAVEPOINT two", READ, &insert(98)])
        .queries(&["ROLLBACK TO two", "RELEASE one", READ, &insert(12), "COMMIT"])
        .commits(&[11, 12], false)
        .query(READ)
}

fn cursors() -> Script {
    Script::new("cursors")
        .queries(&["BEGIN", &insert(11)])
        .query("DECLARE held CURSOR WITH HOLD FOR SELECT a FROM r2 ORDER BY a")
        .queries(&["FETCH 2 FROM held", "COMMIT"])
        .commits(&[11], false)
        .queries(&["FETCH 3 FROM held", "CLOSE held", &insert(12)])
        .commits(&[12], false)
}

fn string() -> Script {
    let text = format!("{READ}; {}; {READ}; {}", insert(11), insert(12));
    Script::new("string")
        .query(&text)
        .commits(&[11, 12], false)
        .query(&format!("{}; {READ}", insert(13)))
        .commits(&[13], false)
        .query(&format!("{}; {}", insert(14), insert(15)))
        .commits(&[14, 15], false)
}

/// RESET ALL sets the task back at the end of a string, behind its transaction.
fn resets() -> Script {
    let task = "SET authority.task = 'spanning_too'";
    Script::new("resets")
        .query(task)
        .query(&format!("{}; {READ}; RESET ALL", insert(11)))
        .commits(&[11], false)
        .query(task)
        .query(&format!("{}; RESET ALL", insert(12)))
        .commits(&[12], false)
}

fn settings() -> Script {
    Script::new("settings")
        .queries(&["SET work_mem = '5MB'", "LISTEN channel", &insert(11)])
        .commits(&[11], false)
        .queries(&["SET application_name = 'cut'", "BEGIN ISOLATION LEVEL REPEATABLE READ"])
        .queries(&["SET LOCAL work_mem = '6MB'", READ, &insert(12), "COMMIT"])
        .commits(&[12], false)
        .queries(&["SELECT set_config('work_mem', '7MB', false)", "RESET ALL", "DISCARD ALL"])
        .query(&insert(13))
        .commits(&[13], false)
}

fn autocommit() -> Script {
    Script::new("autocommit")
        .query(&insert(11))
        .commits(&[11], false)
        .query(READ)
        .query(&insert(12))
        .commits(&[12], false)
        .step(described(Frames::new(), &insert(13)).sync(), 1)
        .commits(&[13], true)
        .query("CREATE TEMP TABLE own AS SELECT 1 AS x")
        .query("SELECT x FROM own")
        .query("PREPARE again AS INSERT INTO w1 VALUES ($1, 'cut')")
        .query("EXECUTE again(14)")
        .commits(&[14], false)
}

/// Routines, known in both places.
fn calls() -> Script {
    let pipeline = described(Frames::new(), "SELECT look(1)").sync();
    Script::new("calls")
        .query("CALL store(11)")
        .commits(&[11], false)
        .queries(&["SELECT look(2)", "BEGIN"])
        .step(pipeline, 1)
        .queries(&["SELECT keep(12)", "DO $$ BEGIN INSERT INTO w1 VALUES (13, 'cut'); END $$"])
        .queries(&[READ, "SELECT look(2)", "COMMIT"])
        .commits(&[12, 13], false)
        .query("DO $$ BEGIN INSERT INTO w1 VALUES (14, 'cut'); END $$")
        .commits(&[14], false)
        .query(READ)
}

/// A cursor WITH HOLD in a transaction that sets something, and other isolation.
fn held() -> Script {
    Script::new("held")
        .queries(&["BEGIN", &insert(11), "SET work_mem = '5MB'"])
        .query("DECLARE held CURSOR WITH HOLD FOR SELECT a FROM r2 ORDER BY a")
        .query("COMMIT")
        .commits(&[11], false)
        .queries(&["FETCH 2 FROM held", "BEGIN ISOLATION LEVEL SERIALIZABLE", READ, &insert(12)])
        .queries(&["FETCH 2 FROM held", READ, "COMMIT"])
        .commits(&[12], false)
        .query("CLOSE held")
}

/// All of them.
pub fn scripts() -> Vec<Script> {
    vec![
        simple(),
        pipelines(),
        overlapping(),
        copy(),
        savepoints(),
        cursors(),
        string(),
        resets(),
        settings(),
        autocommit(),
        calls(),
        held(),
    ]
}
