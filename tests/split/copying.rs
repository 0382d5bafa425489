//! COPY FROM STDIN as drivers send it: in either protocol, waiting for the server to ask for data
//! or not, with Flush or Sync in every place where one may stand.

use super::places::Places;
use super::support::transcript::render;
use super::support::wire::Frames;
use super::support::{Login, Major, Wire};

/// What is sent with one write, and the message that is awaited behind it (`None`: none is).
struct Step(Frames, Option<u8>);

const COPY: &str = "COPY w1 FROM STDIN";
const READ: &str = "SELECT b FROM r1 ORDER BY a";

fn described(frames: Frames, text: &str) -> Frames {
    frames.parse("", text, &[]).bind("", "", &[]).describe_portal("").execute("", 0)
}

fn data() -> Frames {
    Frames::new().copy_data(b"11\tcopied\n12").copy_data(b"\tcopied\n")
}

/// All of it in one write.
fn at_once(frames: Frames) -> Vec<Step> {
    vec![Step(frames, Some(b'Z'))]
}

fn scripts() -> Vec<(&'static str, Vec<Step>)> {
    let (ready, asked) = (Some(b'Z'), Some(b'G'));
    let new = Frames::new;
    let named = || new().parse("copies", COPY, &[]).describe_statement("copies").sync();
    let runs = |frames: Frames| frames.bind("", "copies", &[]).execute("", 0);
    let bad = || new().copy_data(b"11\tcopied\n").copy_data(b"nonsense\n");
    let missing = "COPY nowhere FROM STDIN";
    let string = "COPY w1 FROM STDIN; UPDATE w1 SET b = 'changed' WHERE a = 1";
    let twice = "COPY w1 FROM STDIN; COPY w1 FROM STDIN";
    let both = "SELECT b FROM r1 ORDER BY a; COPY w1 FROM STDIN; UPDATE w1 SET b = 'z' WHERE a = 1";
    let third = |frames: Frames| frames.copy_data(b"13\tcopied\n").copy_done();
    let join = |first: Frames, second: Frames| Frames {
        bytes: [first.bytes, second.bytes].concat(),
        labels: [first.labels, second.labels].concat(),
    };
    vec![
        (
            "libpq's PQexecParams",
            vec![
                Step(described(new(), COPY).sync(), asked),
                Step(data(), None),
                Step(new().copy_done().sync(), ready),
            ],
        ),
        (
            "PQexecPrepared and tokio-postgres",
            vec![
                Step(named(), ready),
                Step(runs(new()).sync(), asked),
                Step(data(), None),
                Step(new().copy_done().sync(), ready),
            ],
        ),
        (
            "libpq, ended by the client",
            vec![
                Step(described(new(), COPY).sync(), asked),
                Step(data().copy_fail("no more").sync(), ready),
            ],
        ),
        (
            "a Flush instead of the first Sync, and one behind the data",
            vec![
                Step(described(new(), COPY).flush(), asked),
                Step(data().copy_done().flush(), Some(b'C')),
                Step(new().sync(), ready),
            ],
        ),
        (
            "more of the pipeline behind the data",
            vec![
                Step(described(described(new(), READ), COPY).flush(), asked),
                Step(
                    described(
                        described(data().copy_done(), READ),
                        "UPDATE w1 SET b = 'z' WHERE a = 11",
                    )
                    .sync(),
                    ready,
                ),
            ],
        ),
        (
            "a row that is none, in the middle of a pipeline",
            vec![
                Step(described(new(), COPY).sync(), asked),
                Step(described(bad().copy_done(), READ).sync(), ready),
            ],
        ),
        ("nothing awaited", at_once(join(described(new(), COPY), data().copy_done().sync()))),
        (
            "nothing awaited, with libpq's Sync",
            at_once(join(described(new(), COPY).sync(), data().copy_done().sync())),
        ),
        (
            "nothing awaited, and reads around",
            at_once(
                described(join(described(described(new(), READ), COPY), data().copy_done()), READ)
                    .sync(),
            ),
        ),
        (
            "a table that is not there",
            vec![
                Step(join(described(new(), missing).sync(), data().copy_done().sync()), ready),
                Step(new(), ready),
                Step(new().query(READ), ready),
            ],
        ),
        ("simple protocol", {
            vec![Step(new().query(COPY), asked), Step(data().copy_done(), ready)]
        }),
        ("simple protocol, at once", at_once(join(new().query(COPY), data().copy_done()))),
        ("a string, at once", at_once(join(new().query(string), data().copy_done()))),
        (
            "a string, the rest of the data later",
            vec![Step(join(new().query(string), data()), asked), Step(third(new()), ready)],
        ),
        ("two in a string, at once", at_once(third(join(new().query(twice), data().copy_done())))),
        ("a string for both places", at_once(join(new().query(both), data().copy_done()))),
        ("data that nobody asked for", at_once(join(described(new(), READ), third(new())).sync())),
    ]
}

fn run(wire: &mut Wire, steps: &[Step]) -> Vec<String> {
    let mut seen = Vec::new();
    for Step(frames, awaited) in steps {
        wire.send(frames).unwrap();
        let Some(awaited) = awaited else {
            // the other side has read it before what follows
            std::thread::sleep(std::time::Duration::from_millis(50));
            continue;
        };
        loop {
            match wire.receive() {
                Ok(message) => {
                    seen.extend(render(&message));
                    if message.tag == *awaited {
                        break;
                    }
                }
                Err(error) => {
                    seen.push(format!("{:?}", error.kind()));
                    return seen;
                }
            }
        }
    }
    seen
}

#[test]
fn copy_takes_its_data_in_whatever_order_a_driver_sends_it() {
    let places = Places::start(Major::V15);
    for (name, steps) in scripts() {
        places.fill();
        let mut seen = Vec::new();
        for (port, database, left) in
            [(places.cluster.port(), "whole", "whole"), (places.proxy.port, "both", "local")]
        {
            let login = Login::new("app", database).password(super::support::cluster::PASSWORD);
            let mut wire = Wire::tcp(port, &login).unwrap();
            let mut lines = run(&mut wire, &steps);
            lines.retain(|line| !line.contains("this reads from neon"));
            lines.push(places.written(left));
            seen.push(lines);
        }
        let split = seen.pop().unwrap();
        assert_eq!(split, seen.pop().unwrap(), "{name}");
    }
    assert_eq!(places.cluster.value("neon", "SELECT count(*) FROM w1"), "0");
}
