//! Golden judgements: tables of statements with the class, tag and details they must have.
//!
//! A line of `tests/classify/*.tsv` is `class<TAB>tag<TAB>details<TAB>statement`; in the statement
//! `␤` stands for a newline and `␍` for a carriage return. With several statements in a line the
//! class is the strongest, tags and details are joined by ` ; `. Classes are written by hand;
//! `CLASSIFY_UPDATE=1` writes tags and details anew, to be read before they are committed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use pgauthority::sql::{
    Chain, Class, Effect, Judgement, SetConfig, SetScope, SetValue, Statement, judge,
};

fn tables() -> BTreeSet<String> {
    ["alembic_version", "django_migrations", "schema_migrations"].map(String::from).into()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/classify")
}

fn judged(text: &str) -> Judgement {
    judge(text.as_bytes(), &tables())
}

fn effect(effect: &Effect) -> Option<String> {
    let chain = |chain: &Chain| if *chain == Chain::Yes { " and chain" } else { "" };
    Some(match effect {
        Effect::None => return None,
        Effect::Begin { modes } => format!("begin{}", mode(modes)),
        Effect::Commit(c) => format!("commit{}", chain(c)),
        Effect::Rollback(c) => format!("rollback{}", chain(c)),
        Effect::Set { name, value, scope } => {
            let scope = if *scope == SetScope::Local { "set local" } else { "set" };
            match value {
                SetValue::Text(text) => format!("{scope} {name}=<{text}>"),
                SetValue::Default => format!("{scope} {name} default"),
            }
        }
        Effect::SetTransaction { modes } => format!("set transaction{}", mode(modes)),
        Effect::SetSessionCharacteristics { modes } => {
            format!("set characteristics{}", mode(modes))
        }
        Effect::Prepare { name, inner } => format!("prepare {name} ({})", details(inner)),
        Effect::Declare { name, hold } => {
            format!("declare {name}{}", if *hold { " hold" } else { "" })
        }
        Effect::CreateTemp { names, on_commit_drop } => {
            let drop = if *on_commit_drop { " on commit drop" } else { "" };
            format!("create temp {}{drop}", names.join(","))
        }
        Effect::Forget { names } => format!("forget {}", names.join(",")),
        other => format!("{other:?}").to_lowercase().replace('"', ""),
    })
}

fn mode(modes: &pgauthority::sql::Modes) -> &'static str {
    match modes.read_write {
        None => "",
        Some(true) => " read write",
        Some(false) => " read only",
    }
}

fn set_config(call: &SetConfig) -> String {
    let show = |text: &Option<Box<str>>| text.as_deref().unwrap_or("?").to_owned();
    let local = call.is_local.map_or("?".into(), |local| local.to_string());
    let bare = if call.bare { " bare" } else { "" };
    format!("set_config({}=<{}> local={local}{bare})", show(&call.name), show(&call.value))
}

fn details(statement: &Statement) -> String {
    let mut words = vec![statement.class.to_string()];
    words.extend(effect(&statement.effect));
    if let Some(temp) = &statement.temp {
        words.push(format!("{} if {} temporary", temp.class, temp.names.join(",")));
    }
    words.extend(statement.set_config.iter().map(set_config));
    for (flag, word) in [
        (statement.unseen_code, "unseen"),
        (statement.do_or_call, "do_or_call"),
        (statement.copy_in, "copy_in"),
    ] {
        if flag {
            words.push(word.into());
        }
    }
    if !statement.reason.is_empty() {
        words.push(format!("because it {}", statement.reason));
    }
    words.join(", ")
}

#[test]
fn every_case_is_judged_as_written() {
    let update = std::env::var_os("CLASSIFY_UPDATE").is_some();
    let mut wrong = String::new();
    let mut cases = 0;
    let mut files: Vec<_> = fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    for file in files {
        let mut fresh = String::new();
        for line in fs::read_to_string(&file).unwrap().lines() {
            if line.starts_with('#') || line.is_empty() {
                writeln!(fresh, "{line}").unwrap();
                continue;
            }
            cases += 1;
            let columns: Vec<_> = line.splitn(4, '\t').collect();
            let [class, _, _, statement] = columns[..] else { panic!("{file:?}: {line}") };
            let judgement = judged(&statement.replace('␤', "\n").replace('␍', "\r"));
            let join = |part: &dyn Fn(&Statement) -> String| {
                judgement.statements.iter().map(part).collect::<Vec<_>>().join(" ; ")
            };
            let got = join(&|s| s.tag.to_owned()) + "\t" + &join(&details);
            let fresh_line = format!("{class}\t{got}\t{statement}");
            if judgement.strongest.as_str() != class {
                writeln!(wrong, "{statement}\n  is {}, not {class}", judgement.strongest).unwrap();
            } else if fresh_line != line && !update {
                writeln!(wrong, "{statement}\n  expected {line}\n  but got  {fresh_line}").unwrap();
            }
            writeln!(fresh, "{fresh_line}").unwrap();
        }
        if update {
            fs::write(&file, fresh).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases > 500, "only {cases} cases were found");
}

#[test]
fn positions_point_at_first_tokens() {
    let text = " SELECT 1;\n/* x */ DROP TABLE t ;;";
    let judgement = judged(text);
    let places: Vec<_> = judgement
        .statements
        .iter()
        .map(|s| &text[s.location as usize..(s.location + s.length) as usize])
        .collect();
    assert_eq!(places, ["SELECT 1", "DROP TABLE t"]);
}

#[test]
fn empty_texts_hold_no_statement() {
    for text in ["", " ", ";", "-- x", "/* x */;; \n"] {
        let judgement = judged(text);
        assert!(judgement.statements.is_empty() && judgement.plain, "{text}");
        assert_eq!(judgement.strongest, Class::Session);
    }
}

#[test]
fn plain_texts_take_the_short_path() {
    for text in ["SELECT 1", "INSERT INTO t VALUES (1)", "SELECT nextval('s')", "TABLE t; TABLE u"]
    {
        assert!(judged(text).plain, "{text}");
    }
    for text in [
        "BEGIN",
        "SELECT f()",
        "COPY t FROM STDIN",
        "VACUUM",
        "DROP TABLE t",
        "nonsense",
        "SELECT set_config('a.b', 'c', true)",
        "CREATE TEMP TABLE t (a int)",
        "FETCH c",
    ] {
        assert!(!judged(text).plain, "{text}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_judged() {
    let judgement = judge(b"INSERT INTO t VALUES ('\xe9')", &tables());
    assert_eq!(judgement.strongest, Class::Write);
    assert!(judgement.lexing.high_bytes);
    assert_eq!(judge(b"SELECT '\xe9'; DROP TABLE t", &tables()).strongest, Class::Ddl);
    // names that cannot be told apart as text stay apart
    let one = judge(b"SAVEPOINT \xe9", &tables());
    let two = judge(b"SAVEPOINT \xe8", &tables());
    assert_ne!(one.statements[0].effect, two.statements[0].effect);
    // nothing is known of a temporary relation whose name is not ASCII
    assert_eq!(judged("CREATE TEMP TABLE é (a int)").statements[0].effect, Effect::None);
    assert_eq!(judge(b"\xff\xfe", &tables()).strongest, Class::Opaque);
}

#[test]
fn deep_and_costly_texts_are_judged_in_bounded_time() {
    let started = std::time::Instant::now();
    for text in [
        format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("SELECT {}1", "+".repeat(1_000_000)),
        format!("{} SELECT 1", "/*".repeat(100_000)),
        format!("SELECT {}1", "NOT ".repeat(100_000)),
        format!("DO $$ BEGIN x := {}1; END $$", "+".repeat(100_000)),
        format!("SELECT query_to_xml('{}', true, true, '')", "/*".repeat(100_000)),
    ] {
        assert_eq!(judged(&text).strongest, Class::Opaque, "{}", &text[..40]);
    }
    let big = format!("INSERT INTO t VALUES ('{}')", "x".repeat(16 << 20));
    assert_eq!(judged(&big).strongest, Class::Write);
    let many = format!("INSERT INTO t VALUES (1){}", ",(1)".repeat(100_000));
    assert_eq!(judged(&many).strongest, Class::Write);
    assert!(started.elapsed().as_secs() < 30, "took {:?}", started.elapsed());
}

#[test]
fn text_in_text_in_text_ends_somewhere() {
    let nest = |depth: usize| {
        let block = (0..depth).fold("NULL;".to_owned(), |body, level| {
            format!("DO $l{level}$ BEGIN {body} END $l{level}$;")
        });
        judged(&block).strongest
    };
    assert_eq!(nest(3), Class::Read);
    assert_eq!(nest(30), Class::Opaque);
}

/// Every case with bytes changed, dropped, doubled and moved: judged or refused, never a crash.
#[test]
fn mutilated_texts_are_judged() {
    let rounds: u64 = std::env::var("CLASSIFY_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap());
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    const BYTES: &[u8] = b"'\"$;()/*-\\\n\r eEuU&xX.:,0\x80\xc3\xe9\xf0\xff";
    let mut texts = Vec::new();
    for file in fs::read_dir(folder()).unwrap() {
        for line in fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            texts.extend(line.split('\t').nth(3).map(|text| text.as_bytes().to_vec()));
        }
    }
    let tables = tables();
    for _ in 0..rounds {
        for index in 0..texts.len() {
            let mut text = texts[index].clone();
            for _ in 0..=random(4) {
                let at = random(text.len());
                match random(4) {
                    0 => text.insert(at, BYTES[random(BYTES.len())]),
                    1 if at < text.len() => text[at] = BYTES[random(BYTES.len())],
                    2 if at < text.len() => drop(text.remove(at)),
                    _ => {
                        let other = &texts[random(texts.len())];
                        let from = random(other.len());
                        text.splice(at..at, other[from..].iter().copied().take(40));
                    }
                }
            }
            let judgement = judge(&text, &tables);
            for statement in &judgement.statements {
                let end = statement.location as usize + statement.length as usize;
                assert!(end <= text.len(), "{}", String::from_utf8_lossy(&text));
            }
        }
    }
}
