//! How terminals are written: with names of things that the scratch schema has, so that a useful
//! share of what is generated runs.

use super::generate::Sentence;
use super::grammar::{Grammar, Symbol};
use super::random::Random;

/// The vocabulary.
pub struct Words {
    written: Vec<Option<Vec<&'static str>>>,
    keywords: Vec<Option<String>>,
}

/// Names by terminal class. `x` is nearly everything in the scratch schema at once: a table, its
/// column, a routine, a role, a trigger, a cursor …
const TERMINALS: &[(&str, &[&str])] = &[
    ("IDENT", &["x", "x", "x", "x", "y", "z", "v", "m", "q", "i", "n", "c", "e", "d", "p", "f"]),
    ("FCONST", &["1.5", "0.5", "1e3"]),
    ("SCONST", &["'x'", "'x'", "'1'", "'{}'", "'on'", "'2020-01-01'", "''", "'read'"]),
    ("BCONST", &["b'1'"]),
    ("XCONST", &["x'1F'"]),
    ("Op", &["||", "&&", "->", "->>", "@>", "~", "!~", "|", "#", "@", "===", "!"]),
    ("ICONST", &["1", "1", "0", "2", "3"]),
    ("PARAM", &["$1"]),
    ("TYPECAST", &["::"]),
    ("DOT_DOT", &[".."]),
    ("COLON_EQUALS", &[":="]),
    ("EQUALS_GREATER", &["=>"]),
    ("LESS_EQUALS", &["<="]),
    ("GREATER_EQUALS", &[">="]),
    ("NOT_EQUALS", &["<>"]),
    // these stand for a keyword before certain others
    ("FORMAT_LA", &["FORMAT"]),
    ("NOT_LA", &["NOT"]),
    ("NULLS_LA", &["NULLS"]),
    ("WITH_LA", &["WITH"]),
    ("WITHOUT_LA", &["WITHOUT"]),
];

/// What parts of speech are mostly written as, instead of being grown from the grammar.
const PHRASES: &[(&str, &[&str])] = &[
    (
        "qualified_name",
        &[
            "x",
            "x",
            "x . x",
            "z",
            "v",
            "m",
            "p",
            "n",
            "pg_class",
            "pg_temp . w",
            "w",
            "pg_temp . ws",
        ],
    ),
    ("relation_expr", &["x", "x", "z", "v", "m", "p", "x . x", "pg_temp . w", "w"]),
    ("any_name", &["x", "n", "v", "pg_temp . w", "pg_temp . wi", "pg_temp . ws", "w", "x . x"]),
    ("OptTemp", &["TEMP", "", ""]),
    ("relation_expr_opt_alias", &["x", "x", "z", "v", "p", "x . x"]),
    ("insert_target", &["x", "x", "z", "v", "p"]),
    ("table_ref", &["x", "x", "v", "m", "z", "pg_class", "generate_series ( 1 , 2 ) x", "x AS z"]),
    ("columnref", &["x", "x", "y", "z", "x . x", "x . y"]),
    ("Typename", &["int", "int", "text", "e", "d", "c", "int [ ]", "jsonb"]),
    ("func_name", &["x", "f", "nextval", "lower", "count", "pg_catalog . now"]),
    ("RoleSpec", &["x", "CURRENT_USER", "x"]),
    ("Sconst", &["'x'", "'1'", "'{}'"]),
    ("opt_sort_clause", &[""]),
    ("select_clause", &["SELECT 1", "SELECT x , y , z FROM x", "( SELECT 1 )"]),
    ("select_no_parens", &["SELECT 1", "SELECT x FROM x", "TABLE x", "VALUES ( 1 )"]),
    ("select_with_parens", &["( SELECT 1 )", "( SELECT x FROM x )", "( VALUES ( 1 ) )"]),
    ("where_clause", &["", "WHERE x = 1", "WHERE true", "WHERE false"]),
    ("with_clause", &["WITH x AS ( SELECT 1 )", "WITH z AS ( INSERT INTO x VALUES ( 9 ) )"]),
    ("json_value_expr", &["'{}'", "'[1]' :: jsonb"]),
    ("path_opt", &[""]),
    (
        "a_expr",
        &[
            "1",
            "x",
            "y",
            "z",
            "'x'",
            "true",
            "NULL",
            "x = 1",
            "f ( )",
            "x ( 1 )",
            "nextval ( 'q' )",
        ],
    ),
    ("b_expr", &["1", "'x'", "NULL"]),
    ("c_expr", &["1", "x", "'x'", "( 1 )"]),
    ("func_expr", &["f ( )", "now ( )", "x ( 1 )", "lower ( 'x' )", "nextval ( 'q' )"]),
    ("func_expr_windowless", &["f ( )", "x ( 1 )", "generate_series ( 1 , 2 )"]),
    ("func_application", &["f ( )", "x ( 1 )", "p ( )"]),
    ("target_el", &["1", "x", "*", "y AS z"]),
    ("PreparableStmt", &["SELECT 1", "INSERT INTO x VALUES ( 7 )", "TABLE x", "DELETE FROM x"]),
    ("set_clause", &["y = 1", "z = 'x'", "x = 5"]),
    ("insert_rest", &["VALUES ( 4 , 4 , 'x' )", "SELECT 1", "DEFAULT VALUES"]),
    ("var_name", &["work_mem", "search_path", "statement_timeout", "x . x", "role"]),
    ("def_elem", &["x = 1", "x"]),
];

/// Sentences for what chance does not find: words that PostgreSQL's actions insist on.
const BY_HAND: &[&str] = &[
    "EXPLAIN ( FORMAT JSON ) SELECT 1",
    "WITH time AS ( SELECT 1 ) TABLE time",
    "SELECT NOT between FROM ( SELECT true ) x ( between )",
    "CREATE TABLE n PARTITION OF p FOR VALUES WITH ( modulus 2 , remainder 0 )",
    "CREATE TABLE n ( x int ) PARTITION BY range ( x , ( x + 1 ) , abs ( x ) )",
    "CREATE POLICY n ON x AS permissive USING ( true )",
    "CREATE ROLE n nosuperuser nologin",
    "ALTER ROLE x nologin",
    "SELECT * FROM XMLTABLE ( 'x' PASSING '<x/>' COLUMNS n int path 'x' DEFAULT 1 NOT NULL )",
    "SELECT JSON_ARRAY ( SELECT x FROM x FORMAT JSON ENCODING utf8 )",
    "COPY x TO STDOUT",
    "ALTER TABLE x ALTER x SET INCREMENT BY 2",
    "ALTER INDEX i ALTER COLUMN 1 SET STATISTICS 100",
    "CREATE PUBLICATION n FOR TABLE x , z WHERE ( x > 1 ) , TABLES IN SCHEMA x , CURRENT_SCHEMA",
    "SELECT count ( * ) OVER ( ORDER BY x ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING ) FROM x",
    "SELECT count ( * ) OVER ( ROWS UNBOUNDED PRECEDING EXCLUDE TIES ) FROM x",
    "SELECT x FROM x ORDER BY x FETCH FIRST 1 ROWS WITH TIES",
    "SELECT x FROM x ORDER BY x FETCH FIRST ROW WITH TIES",
    "SELECT ( ARRAY [ 1 ] ) [ 1 ] , ( ARRAY [ 1 ] ) [ 1 : 2 ] , ( ARRAY [ 1 ] ) [ : ] FROM x",
    "SELECT ROW ( ) , ( x ) . * FROM x",
    "SELECT ROW ( x , 1 ) OVERLAPS ROW ( 1 , x ) FROM x",
];

/// Names of one kind of object each, by the words that announce it.
const KINDS: &[(&str, &str)] = &[
    ("VIEW", "v"),
    ("MATERIALIZED", "m"),
    ("SEQUENCE", "q"),
    ("INDEX", "i"),
    ("DOMAIN", "d"),
    ("TYPE", "e"),
    ("ATTRIBUTE", "c"),
    ("PARTITION", "p"),
    ("FOREIGN", "r"),
    ("PROCEDURE", "p"),
    ("DATABASE", "scratch"),
    ("LANGUAGE", "x"),
];

impl Words {
    pub fn new(grammar: &Grammar) -> Words {
        let mut words = Words {
            written: vec![None; grammar.symbols()],
            keywords: vec![None; grammar.symbols()],
        };
        for (name, texts) in TERMINALS {
            words.written[grammar.symbol(name)] = Some(texts.to_vec());
        }
        for (word, symbol) in &grammar.keywords {
            words.keywords[*symbol] = Some(word.to_ascii_uppercase());
        }
        words
    }

    /// Whether a terminal can stand in a statement. The others begin another grammar than that of
    /// statements, or are comments, or never come out of the lexer.
    pub fn can_be_written(&self, name: &str) -> bool {
        const NOT: &[&str] =
            &["$end", "error", "$undefined", "UIDENT", "USCONST", "SQL_COMMENT", "C_COMMENT"];
        !NOT.contains(&name) && !name.starts_with("MODE_") && name != "UMINUS"
    }

    /// The phrases as sentences, each with its nonterminal.
    pub fn phrases(&self, grammar: &Grammar) -> Vec<(Symbol, Sentence)> {
        let mut found = Vec::new();
        for (nonterminal, texts) in PHRASES {
            for text in *texts {
                found.push((grammar.symbol(nonterminal), self.sentence(grammar, text)));
            }
        }
        found
    }

    /// The sentences written by hand.
    pub fn by_hand(&self, grammar: &Grammar) -> Vec<Sentence> {
        let sentences = BY_HAND.iter().map(|text| {
            let mut sentence = self.sentence(grammar, text);
            self.look_ahead(grammar, &mut sentence);
            sentence
        });
        sentences.collect()
    }

    /// A text as tokens, which blanks divide.
    pub fn sentence(&self, grammar: &Grammar, text: &str) -> Sentence {
        let words = text.split(' ').filter(|word| !word.is_empty());
        words.map(|word| (terminal(grammar, word), word.to_owned())).collect()
    }

    /// Writes every terminal that has no text yet, and gives those before certain others the
    /// symbol that PostgreSQL's lexer would.
    pub fn write(&self, grammar: &Grammar, sentence: &mut Sentence, random: &mut Random) {
        let mut name = self.name_of_object(grammar, sentence, random);
        for (symbol, text) in sentence.iter_mut().filter(|(_, text)| text.is_empty()) {
            *text = match (&self.written[*symbol], &self.keywords[*symbol]) {
                (Some(texts), _) => match name.take_if(|_| grammar.name(*symbol) == "IDENT") {
                    Some(name) => name.to_owned(),
                    None => (*random.pick(texts)).to_owned(),
                },
                (None, Some(word)) => word.clone(),
                (None, None) => grammar.name(*symbol).trim_matches('\'').to_owned(),
            };
        }
        self.look_ahead(grammar, sentence);
    }

    /// What PostgreSQL's `base_yylex` does: a keyword before certain others is another terminal.
    pub fn look_ahead(&self, grammar: &Grammar, sentence: &mut Sentence) {
        const RULES: &[(&str, &str, &[&str])] = &[
            ("FORMAT", "FORMAT_LA", &["JSON"]),
            ("NOT", "NOT_LA", &["BETWEEN", "IN_P", "LIKE", "ILIKE", "SIMILAR"]),
            ("NULLS_P", "NULLS_LA", &["FIRST_P", "LAST_P"]),
            ("WITH", "WITH_LA", &["TIME", "ORDINALITY"]),
            ("WITHOUT", "WITHOUT_LA", &["TIME"]),
        ];
        for index in 0..sentence.len() {
            let next = sentence.get(index + 1).map(|(symbol, _)| grammar.name(*symbol));
            let next = next.unwrap_or_default();
            let symbol = &mut sentence[index].0;
            for (plain, ahead, before) in RULES {
                if grammar.name(*symbol) == *plain || grammar.name(*symbol) == *ahead {
                    let name = if before.contains(&next) { ahead } else { plain };
                    *symbol = grammar.symbol(name);
                    break;
                }
            }
        }
    }

    /// What the first name of the statement had better be.
    fn name_of_object(
        &self,
        grammar: &Grammar,
        sentence: &Sentence,
        random: &mut Random,
    ) -> Option<&'static str> {
        let word = |(symbol, _): &(Symbol, String)| self.keywords[*symbol].as_deref();
        let first = sentence.first().and_then(word)?;
        if !random.chance(75) {
            return None;
        }
        if first == "CREATE" {
            return Some("n");
        }
        let ident = grammar.symbol("IDENT");
        let before = sentence.iter().take_while(|(symbol, _)| *symbol != ident).take(6);
        let kind = before.filter_map(word).find_map(|word| {
            KINDS.iter().find_map(|(kind, name)| (*kind == word).then_some(*name))
        });
        kind.or(Some("x"))
    }
}

fn terminal(grammar: &Grammar, word: &str) -> Symbol {
    let name = match word.as_bytes() {
        [b'\'', _, ..] => "SCONST",
        [b'0'..=b'9', ..] => "ICONST",
        b"::" => "TYPECAST",
        [b'a'..=b'z' | b'A'..=b'Z', ..] => {
            let keyword = grammar.keywords.get(&word.to_ascii_lowercase());
            return *keyword.unwrap_or(&grammar.symbol("IDENT"));
        }
        _ => return grammar.symbol(&format!("'{word}'")),
    };
    grammar.symbol(name)
}
