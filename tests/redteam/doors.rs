//! Before a session is there: replication connections, startup packets, TLS, SCRAM, cancel requests.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use super::attack::{Attack, assault, attack};
use super::ground::{Ground, major};
use super::support::cluster::PASSWORD;
use super::support::process::eventually;
use super::support::proxy::{PROD, REPLICA};
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
    attack("another database in a second key", &["DROP TABLE victims"], "")
        .login(|login| login.parameter("database", "postgres")),
    attack("another user in a second key", &["DROP TABLE victims"], "")
        .login(|login| login.parameter("user", "reader")),
    attack("a role in options", &["DROP TABLE victims"], GONE)
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
        let authority = CertificateAuthority::new();
        let proxy = Proxy::builder()
            .tls(&authority, "allow")
            .upstream("prod", PROD, &cluster)
            .upstream("replica", REPLICA, &cluster)
            .trusted("prod", "prod", "")
            .scram("prod_scram", "prod", "")
            .relayed("prod_relay", "prod", "")
            .trusted("replica", "replica", "")
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
}

/// A startup packet as bytes.
fn startup(entry: &str) -> Vec<u8> {
    let body = format!("\0\x03\0\0user\0app\0database\0{entry}\0\0");
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
    let hidden = [startup("prod"), Frames::new().query("DROP TABLE victims").bytes].concat();
    for injected in [hidden.clone(), startup("prod"), vec![0], [&request[..], &hidden].concat()] {
        let mut stream = doors.tcp();
        stream.write_all(&[&request[..], &injected].concat()).unwrap();
        let answer = rest(&mut stream);
        assert!(!answer.contains(&b'Z'), "a session came of it: {answer:?}");
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
}

/// Startup packets whose lengths or strings lie: no session, and the proxy goes on.
#[test]
fn startup_packets_that_lie_are_refused() {
    let doors = Doors::start();
    let query = Frames::new().query("DROP TABLE victims").bytes;
    let packet = |body: &[u8], length: usize| {
        [&u32::try_from(length).unwrap().to_be_bytes(), body, &query].concat()
    };
    let whole = startup("prod")[4..].to_vec();
    let mut faults = Vec::new();
    for (name, bytes) in [
        ("too short to be one", packet(&whole, 3)),
        ("nothing but a length", packet(&whole, 4)),
        ("a length that cuts its strings", packet(&whole, 20)),
        ("a length beyond what is allowed", packet(&whole, 10_001)),
        ("a length of 2 GB", packet(&whole, 0x7fff_ffff)),
        ("no terminator", packet(b"\0\x03\0\0user\0app\0database\0prod", 29)),
        ("a key without its value", packet(b"\0\x03\0\0user\0app\0database\0", 25)),
        ("strings behind the terminator", packet(b"\0\x03\0\0user\0app\0\0database\0prod\0\0", 32)),
        ("no user", packet(b"\0\x03\0\0database\0prod\0\0", 23)),
        ("an empty user", packet(b"\0\x03\0\0user\0\0database\0prod\0\0", 29)),
        ("protocol 2", packet(b"\0\x02\0\0user\0app\0database\0prod\0\0", 32)),
        ("protocol 4", packet(b"\0\x04\0\0user\0app\0database\0prod\0\0", 32)),
        ("an entry that does not exist", packet(b"\0\x03\0\0user\0app\0database\0nova\0\0", 32)),
        ("a user who is not admitted", packet(b"\0\x03\0\0user\0eve\0database\0prod\0\0", 32)),
        ("another user first", packet(b"\0\x03\0\0user\0app\0user\0eve\0database\0prod\0\0", 41)),
    ] {
        let mut stream = doors.tcp();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let answer = rest(&mut stream);
        if answer.windows(6).any(|part| part == [b'Z', 0, 0, 0, 5, b'I']) {
            faults.push(format!("{name}: a session came of it"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(doors.victims(), "victims");
    assert_eq!(doors.proxy.connect("prod").value("SELECT 1"), "1");
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
    for entry in ["prod_scram", "prod_relay"] {
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
    assert_eq!(doors.proxy.connect("prod_scram").value("SELECT 1"), "1");
    assert_eq!(doors.proxy.connect("prod_relay").value("SELECT 1"), "1");
}

/// Keys that are guessed, cut, or another session's cancel nothing.
#[test]
fn a_guessed_key_cancels_nothing() {
    let doors = Doors::start();
    let mut target = doors.proxy.connect("prod");
    let other = doors.proxy.connect("prod");
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
    // the server's own number of the session, with each key that a guess could start from
    let own = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
    let own = eventually("the statement runs", Duration::from_secs(5), || {
        doors.cluster.sql("postgres", own).first().and_then(|row| row[0].clone())
    });
    if own != process.to_string() {
        guesses.push((own.parse().unwrap(), secret.clone()));
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
