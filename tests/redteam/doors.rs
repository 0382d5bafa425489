//! Before a session is there: replication connections, startup packets, TLS, SCRAM, cancel requests.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use super::attack::{Attack, assault, attack};
use super::ground::{Ground, admit, major};
use super::support::cluster::PASSWORD;
use super::support::process::eventually;
use super::support::proxy::{PROD, REPLICA, STAGING};
use super::support::wire::Frames;
use super::support::{CertificateAuthority, Cluster, Proxy, Wire};

const GONE: &str = "-relation public.victims";

pub const ATTACKS: &[Attack] = &[
    attack("replication=database", &["DROP TABLE victims"], GONE)
        .login(|login| login.parameter("replication", "database")),
    attack("replication=true", &["CREATE_REPLICATION_SLOT loot PHYSICAL"], "+slot loot")
        .login(|login| login.parameter("replication", "true")),
    attack(
        "replication by an abbreviation",
        &["CREATE_REPLICATION_SLOT loot PHYSICAL"],
        "+slot loot",
    )
    .login(|login| login.parameter("replication", "on")),
    attack("replication said twice, last database", &["DROP TABLE victims"], GONE).login(|login| {
        login.parameter("replication", "false").parameter("replication", "database")
    }),
    attack("replication said twice, last false", &["DROP TABLE victims"], GONE).login(|login| {
        login.parameter("replication", "database").parameter("replication", "false")
    }),
    attack("another database in a second key", &["DROP TABLE victims"], GONE)
        .login(|login| login.parameter("database", "postgres"))
        .nearest(&["DROP TABLE victims"]),
    attack("another user in a second key", &["DROP TABLE victims"], GONE)
        .login(|login| login.parameter("user", "reader"))
        .nearest(&["DROP TABLE victims"]),
    attack("a role in options", &["DROP TABLE victims"], GONE)
        .login(|login| login.options("-c role=mallory")),
    attack("a replication role in options", &["DROP TABLE victims"], GONE)
        .login(|login| login.options("-c session_replication_role=replica")),
    attack("options that only a superuser may set", &["DROP TABLE victims"], GONE)
        .login(|login| login.options("-c allow_system_table_mods=on -c log_statement=none")),
];

#[test]
fn no_startup_packet_opens_a_way() {
    assault(&mut Ground::start(), ATTACKS);
}

struct Doors {
    cluster: Cluster,
    authority: CertificateAuthority,
    proxy: Proxy,
}

impl Doors {
    fn start() -> Doors {
        let cluster = Cluster::builder().major(major()).start();
        cluster.sql("app", "SET ROLE app; CREATE TABLE victims (id int)");
        // whom the server itself lets in without a password: for the direct runs
        cluster.sql("app", "CREATE ROLE door LOGIN; GRANT app TO door");
        admit(&cluster, "host app door 127.0.0.1/32 trust");
        let authority = CertificateAuthority::new();
        let both = "neon = \"prod\"\nlocal = \"local\"\ntask = \"spanning\"\n\
                    auth = \"trust\"\nusers = [\"app\"]";
        let proxy = Proxy::builder()
            .tls(&authority, "allow")
            .upstream("prod", PROD, &cluster)
            .upstream("replica", REPLICA, &cluster)
            .trusted("prod", "prod", "")
            .scram("prod_scram", "prod", "")
            .relayed("prod_relay", "prod", "")
            .trusted("replica", "replica", "")
            .scram("replica_scram", "replica", "")
            .relayed("replica_relay", "replica", "")
            .upstream("local", STAGING, &cluster)
            .entry("both", both)
            .start();
        Doors { cluster, authority, proxy }
    }

    fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.proxy.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn victims(&self) -> String {
        self.cluster.value("app", "SELECT to_regclass('victims')")
    }

    /// That what was sent in vain drops the table where nothing lies about it, straight to the
    /// server.
    fn works_direct(&self) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.cluster.port())).unwrap();
        let query = Frames::new().query("DROP TABLE victims").terminate().bytes;
        stream.write_all(&[packet("door", "app"), query].concat()).unwrap();
        rest(&mut stream);
        assert_eq!(self.victims(), "");
    }
}

/// A startup packet as bytes.
fn startup(entry: &str) -> Vec<u8> {
    packet("app", entry)
}

fn packet(user: &str, database: &str) -> Vec<u8> {
    let body = format!("\0\x03\0\0user\0{user}\0database\0{database}\0\0");
    [&u32::try_from(body.len() + 4).unwrap().to_be_bytes(), body.as_bytes()].concat()
}

/// What comes until the peer ends it.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

/// What was sent in the clear behind an SSLRequest must never be taken for what TLS protects.
#[test]
fn bytes_before_tls_are_nobodys() {
    let doors = Doors::start();
    let request = [0, 0, 0, 8, 4, 210, 22, 47];
    let drop = "DROP TABLE victims";
    for entry in ["prod", "replica", "prod_relay", "replica_relay"] {
        let simple = [startup(entry), Frames::new().query(drop).bytes].concat();
        let extended = [startup(entry), Frames::new().run(drop, &[]).sync().bytes].concat();
        let again = [&request[..], &simple].concat();
        for injected in [simple, extended, startup(entry), vec![0], again] {
            let mut stream = doors.tcp();
            stream.write_all(&[&request[..], &injected].concat()).unwrap();
            let answer = rest(&mut stream);
            assert!(!answer.contains(&b'Z'), "a session came of it: {answer:?}");
        }
    }
    // GSSENCRequest is declined, and a second request too many is not served for ever
    let mut stream = doors.tcp();
    for _ in 0..3 {
        let _ = stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 48]);
    }
    let _ = stream.write_all(&Frames::new().query("DROP TABLE victims").bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    rest(&mut stream);
    assert_eq!(doors.victims(), "victims");
    // and TLS as it should be still works
    let login = doors.proxy.login("prod").tls(doors.authority.pem(), "localhost");
    assert_eq!(doors.proxy.try_connect(&login).unwrap().value("SELECT 1"), "1");
    doors.works_direct();
}

/// Startup packets whose lengths or strings lie: no session, and the proxy goes on.
#[test]
fn startup_packets_that_lie_are_refused() {
    let doors = Doors::start();
    let query = Frames::new().query("DROP TABLE victims").bytes;
    let mut faults = Vec::new();
    for (entry, (name, bytes)) in ["prod", "replica"]
        .into_iter()
        .flat_map(|entry| lying(entry, &query).into_iter().map(move |packet| (entry, packet)))
    {
        let mut stream = doors.tcp();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let answer = rest(&mut stream);
        if answer.windows(6).any(|part| part == [b'Z', 0, 0, 0, 5, b'I']) {
            faults.push(format!("{entry}, {name}: a session came of it"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(doors.victims(), "victims");
    for entry in ["prod", "replica"] {
        assert_eq!(doors.proxy.connect(entry).value("SELECT 1"), "1");
    }
    doors.works_direct();
}

/// Startup packets to an entry whose lengths or strings lie, a Query behind each.
fn lying(entry: &str, query: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    // a length that is `off` the true one, or one of its own
    let of = |body: &str, length: usize| {
        [&u32::try_from(length).unwrap().to_be_bytes(), body.as_bytes(), query].concat()
    };
    let off = |body: String, off: usize| of(&body, body.len() + 4 - off);
    let true_of = |body: String| off(body, 0);
    let head = "\0\x03\0\0user\0app\0";
    let whole = format!("{head}database\0{entry}\0\0");
    vec![
        ("too short to be one", of(&whole, 3)),
        ("nothing but a length", of(&whole, 4)),
        ("a length that cuts its strings", of(&whole, 20)),
        ("a length that cuts its terminator", off(whole.clone(), 1)),
        ("a length beyond what is allowed", of(&whole, 10_001)),
        ("a length of 2 GB", of(&whole, 0x7fff_ffff)),
        ("a length of 4 GB", of(&whole, 0xffff_ffff)),
        ("no terminator", true_of(format!("{head}database\0{entry}"))),
        ("a key without its value", true_of(format!("{head}database\0"))),
        ("strings behind the terminator", true_of(format!("{head}\0database\0{entry}\0\0"))),
        ("no user", true_of(format!("\0\x03\0\0database\0{entry}\0\0"))),
        ("an empty user", true_of(format!("\0\x03\0\0user\0\0database\0{entry}\0\0"))),
        ("protocol 2", true_of(whole.replace("\x03", "\x02"))),
        ("protocol 4", true_of(whole.replace("\x03", "\x04"))),
        ("an entry that does not exist", true_of(format!("{head}database\0nova\0\0"))),
        ("a user who is not admitted", true_of(whole.replace("app", "eve"))),
        ("another user first", true_of(format!("{head}user\0eve\0database\0{entry}\0\0"))),
    ]
}

/// A password message: its kind and its body.
fn answer(body: &[u8]) -> Vec<u8> {
    Frames::new().raw(b'p', body).bytes
}

/// SASLInitialResponse of a mechanism.
fn initial(mechanism: &str, response: &[u8]) -> Vec<u8> {
    let length = u32::try_from(response.len()).unwrap().to_be_bytes();
    answer(&[mechanism.as_bytes(), b"\0", &length, response].concat())
}

/// Malformed SCRAM, on an entry that checks the password itself and on one that relays: no session,
/// no hang, and nothing told of why.
#[test]
fn malformed_scram_opens_nothing() {
    let doors = Doors::start();
    let long = vec![b'x'; 60_000];
    let query = Frames::new().query("DROP TABLE victims").bytes;
    let exchanges: &[(&str, Vec<Vec<u8>>)] = &[
        ("another mechanism", vec![initial("PLAIN", b"\0app\0s3cret")]),
        (
            "-PLUS without TLS",
            vec![initial("SCRAM-SHA-256-PLUS", b"p=tls-server-end-point,,n=,r=abc")],
        ),
        ("a password in the clear", vec![answer(&[PASSWORD.as_bytes(), b"\0"].concat())]),
        ("an empty response", vec![answer(b"")]),
        ("no response at all", vec![initial("SCRAM-SHA-256", b"")]),
        ("a length that lies", vec![answer(b"SCRAM-SHA-256\0\x7f\xff\xff\xffn,,n=,r=abc")]),
        ("a length of -1", vec![answer(b"SCRAM-SHA-256\0\xff\xff\xff\xff")]),
        ("no nonce", vec![initial("SCRAM-SHA-256", b"n,,n=app")]),
        ("an empty nonce", vec![initial("SCRAM-SHA-256", b"n,,n=,r=")]),
        (
            "a nonce of 60,000 bytes",
            vec![initial("SCRAM-SHA-256", &[b"n,,n=,r=", long.as_slice()].concat())],
        ),
        ("an extension that is mandatory", vec![initial("SCRAM-SHA-256", b"n,,m=x,n=,r=abc")]),
        ("an authorization identity", vec![initial("SCRAM-SHA-256", b"n,a=postgres,n=,r=abc")]),
        ("invalid UTF-8", vec![initial("SCRAM-SHA-256", b"n,,n=\xff,r=\xfe")]),
        (
            "a final without its proof",
            vec![initial("SCRAM-SHA-256", b"n,,n=,r=abc"), answer(b"c=biws,r=abc")],
        ),
        (
            "a final with a foreign nonce",
            vec![
                initial("SCRAM-SHA-256", b"n,,n=,r=abc"),
                answer(b"c=biws,r=abcdef,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            ],
        ),
        (
            "a proof that is no base64",
            vec![initial("SCRAM-SHA-256", b"n,,n=,r=abc"), answer(b"c=biws,r=abc,p=!!!!")],
        ),
        ("a final that is empty", vec![initial("SCRAM-SHA-256", b"n,,n=,r=abc"), answer(b"")]),
        (
            "the initial response twice",
            vec![
                initial("SCRAM-SHA-256", b"n,,n=,r=abc"),
                initial("SCRAM-SHA-256", b"n,,n=,r=abc"),
            ],
        ),
        ("a Query for an answer", vec![query.clone()]),
        (
            "a Query amid the exchange",
            vec![initial("SCRAM-SHA-256", b"n,,n=,r=abc"), query.clone()],
        ),
    ];
    let mut faults = Vec::new();
    for entry in ["prod_scram", "prod_relay", "replica_scram", "replica_relay"] {
        for (name, answers) in exchanges {
            let mut stream = doors.tcp();
            stream.write_all(&startup(entry)).unwrap();
            let started = Instant::now();
            for bytes in answers {
                let _ = stream.write_all(bytes);
            }
            let _ = stream.write_all(&query);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let got = rest(&mut stream);
            // AuthenticationOk
            if got.windows(9).any(|part| part == [b'R', 0, 0, 0, 8, 0, 0, 0, 0]) {
                faults.push(format!("{entry}, {name}: let in"));
            }
            if started.elapsed() > Duration::from_secs(8) {
                faults.push(format!("{entry}, {name}: held for {:?}", started.elapsed()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(doors.victims(), "victims");
    for entry in ["prod_scram", "prod_relay", "replica_scram", "replica_relay"] {
        assert_eq!(doors.proxy.connect(entry).value("SELECT 1"), "1");
    }
    doors.works_direct();
}

/// Keys that are guessed, cut, or another session's cancel nothing.
#[test]
fn a_guessed_key_cancels_nothing() {
    let doors = Doors::start();
    // the last has two sessions of the server's, and one key
    for entry in ["prod", "replica", "both"] {
        guess(&doors, entry);
    }
}

fn guess(doors: &Doors, entry: &str) {
    let mut target = doors.proxy.connect(entry);
    let other = doors.proxy.connect(entry);
    let (process, secret) = target.key.clone();
    target.send(&Frames::new().query("SELECT pg_sleep(1.5), 'done'")).unwrap();
    let mut guesses: Vec<(u32, Vec<u8>)> = vec![
        (process, vec![0; secret.len()]),
        (process, vec![0xff; secret.len()]),
        (process, vec![]),
        (process, secret[..secret.len() - 1].to_vec()),
        (process, [&secret[..], &[0]].concat()),
        (process, other.key.1.clone()),
        (other.key.0, secret.clone()),
        (process.wrapping_add(1), secret.clone()),
        (0, secret.clone()),
        (u32::MAX, secret.clone()),
    ];
    // the server's own numbers of the session, with each key that a guess could start from
    let own = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
    eventually("the statement runs", Duration::from_secs(5), || {
        (!doors.cluster.sql("postgres", own).is_empty()).then_some(())
    });
    let all = "SELECT pid FROM pg_stat_activity WHERE usename = 'app'";
    for row in doors.cluster.sql("postgres", all) {
        let number = row[0].as_deref().unwrap().parse().unwrap();
        if number != process {
            guesses.push((number, secret.clone()));
        }
    }
    for bit in 0..32 {
        let mut key = secret.clone();
        let at = bit % key.len();
        key[at] ^= 1 << (bit / key.len() % 8);
        guesses.push((process, key));
    }
    for (process, secret) in guesses {
        other.cancel_with(process, &secret).unwrap();
    }
    assert_eq!(rows(&mut target), "done");
    // and its own does
    target.send(&Frames::new().query("SELECT pg_sleep(30), 'done'")).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    target.cancel().unwrap();
    assert_eq!(rows(&mut target), "57014");
}

/// The second column of the only row, or the error's SQLSTATE.
fn rows(wire: &mut Wire) -> String {
    let mut found = String::new();
    for message in wire.receive_until(b'Z') {
        match message.tag {
            b'D' => found = message.columns()[1].clone().unwrap(),
            b'E' => found = message.fields().code().to_owned(),
            _ => {}
        }
    }
    found
}
