//! Tests of [`super`].

use super::*;

fn url(text: &str) -> DatabaseUrl {
    DatabaseUrl::parse(text).unwrap()
}

#[test]
fn every_spelling_keeps_its_bytes() {
    for text in [
        "postgres://localhost/app",
        "postgresql://nova:novapass@localhost:6432/nova_aos",
        "postgresql+psycopg://u:p%40ss@h.example:5432/d?sslmode=require&options=-c%20a.b%3Dc",
        "postgresql+asyncpg://u@h/d?ssl=require",
        "jdbc:postgresql://h:1/d?user=u&password=p&ssl",
        "postgresql://[::1]:5433/d",
        "postgresql://[fe80::1%25eth0]:5433/d",
        "postgresql://u@%2Frun%2Fpg/d",
        "postgresql:///d?host=%2Frun%2Fpg&port=7",
        "postgresql://a:1,b:2/d",
        "postgresql://h",
    ] {
        assert_eq!(url(text).to_secret_text(), text);
    }
}

#[test]
fn what_could_be_part_of_a_password_is_a_fault() {
    for (text, fault) in [
        ("mysql://u:secret@h/d", UrlFault::Scheme),
        ("host=h password=secret", UrlFault::Scheme),
        ("postgresql+x y://h/d", UrlFault::Scheme),
        ("postgresql://u:se/cret@h/d", UrlFault::Unescaped),
        ("postgresql://u:1/cret@h/d", UrlFault::Unescaped),
        ("postgresql://u:1?cret@h/d", UrlFault::Unescaped),
        ("postgresql://u:se?cret@h/d", UrlFault::Port),
        ("postgresql://h:0/d", UrlFault::Port),
        ("postgresql://h:+5/d", UrlFault::Port),
        ("postgresql://h:65536/d", UrlFault::Port),
        ("postgresql://h/d%FF", UrlFault::Encoding),
        ("postgresql://u:%00@h/d", UrlFault::Encoding),
        ("postgresql://u:secret@h/d\n", UrlFault::Control),
        ("postgresql://u:secret\x1b[2J@h/d", UrlFault::Control),
    ] {
        assert_eq!(DatabaseUrl::parse(text), Err(fault), "{text}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let text =
        "postgresql+psycopg://u:p@ss:w@h:5/d?sslmode=require&password=pq&x.y=z&sslpassword=k";
    let shown = url(text).redacted();
    let wanted =
        "postgresql+psycopg://u:***@h:5/d?sslmode=require&password=***&x.y=***&sslpassword=***";
    assert_eq!(shown, wanted);
    assert_eq!(format!("{:?}", url(text)), format!("DatabaseUrl({wanted})"));
    assert_eq!(url(text).password().unwrap().unwrap(), "p@ss:w");
}

#[test]
fn parameters_say_where_to_connect() {
    let of = |text: &str| {
        let hosts = url(text).hosts().unwrap().into_iter();
        hosts.map(|host| (host.name, host.port)).collect::<Vec<_>>()
    };
    assert_eq!(of("postgresql://a:1/d?host=b&port=2"), [("b".to_owned(), Some(2))]);
    assert_eq!(of("postgresql:///d"), []);
    assert_eq!(of("postgresql:///d?host=%2Frun"), [("/run".to_owned(), None)]);
    // SQLAlchemy's several hosts, and what libpq makes of the same
    let several = "//u@/d?host=a:5&host=[::1]&host=::1";
    assert_eq!(
        of(&format!("postgresql+psycopg:{several}")),
        [("a".to_owned(), Some(5)), ("[::1]".to_owned(), None), ("::1".to_owned(), None)]
    );
    assert_eq!(of(&format!("postgresql:{several}")), [("::1".to_owned(), None)]);
    assert_eq!(of("postgresql:///d?host=a:5&port=6"), [("a".to_owned(), Some(6))]);
    assert_eq!(url("postgresql:///d?host=a:x").hosts(), Err(UrlFault::Port));
    assert_eq!(of("postgresql://a,b:6/d"), [("a".to_owned(), None), ("b".to_owned(), Some(6))]);
}

#[test]
fn another_address_drops_what_would_lead_elsewhere() {
    let moved = url("postgresql://u:p@h:5/d?host=x&port=9&hostaddr=1.2.3.4&application_name=a")
        .with_address("127.0.0.1", 7)
        .with_parameter("sslmode", "disable");
    let wanted = "postgresql://u:p@127.0.0.1:7/d?application_name=a&sslmode=disable";
    assert_eq!(moved.to_secret_text(), wanted);
}

#[test]
fn a_plus_is_a_space_for_sqlalchemy_alone() {
    let options = |text: &str| url(text).parameter("options").unwrap().unwrap();
    assert_eq!(options("postgresql+psycopg://h/d?options=-c+a.b=c"), "-c a.b=c");
    assert_eq!(options("postgresql://h/d?options=-c%20a.b=c+d"), "-c a.b=c+d");
}

#[test]
fn users_and_passwords_come_from_either_place() {
    let jdbc = url("jdbc:postgresql://h/d?user=a%20b&password=c%26d");
    assert_eq!(jdbc.user().unwrap().unwrap(), "a b");
    assert_eq!(jdbc.password().unwrap().unwrap(), "c&d");
    assert_eq!(url("postgresql://h/d").user(), None);
    assert_eq!(url("postgresql://u@h/?dbname=x").database().unwrap().unwrap(), "x");
}
