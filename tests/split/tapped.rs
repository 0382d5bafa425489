//! Two databases with a tap before each, and the proxy in front.

use std::time::Duration;

use super::places::Places;
use super::support::process::eventually;
use super::support::proxy::{PROD, STAGING};
use super::support::{Major, Proxy, Wire};
use super::tap::{From, Tap};

/// The places where sessions read and write, each behind a tap.
pub struct Tapped {
    pub places: Places,
    pub read: Tap,
    pub write: Tap,
    pub proxy: Proxy,
    admin: Wire,
}

impl Tapped {
    pub fn start(major: Major) -> Tapped {
        let places = Places::start(major);
        let (read, write) = (Tap::start(&places.cluster), Tap::start(&places.cluster));
        let url = |tap: &Tap, database: &str| {
            let url = places.cluster.url("app", database);
            let port = places.cluster.port().to_string();
            url.replace(&format!(":{port}/"), &format!(":{}/", tap.port))
                + "?sslmode=disable&connect_timeout=5"
        };
        let entry = "auth = \"trust\"\nusers = [\"app\"]\nneon = \"neon\"\nlocal = \"local\"\n\
                     task = \"spanning\"";
        let proxy = Proxy::builder()
            .upstream_at("neon", PROD, &url(&read, "neon"), "")
            .upstream_at("local", STAGING, &url(&write, "local"), "")
            .entry("both", entry)
            .trusted("reading", "neon", "")
            .trusted("writing", "local", "")
            .raw("[[decision]]\ntask = \"spanning_too\"\nread = \"neon\"\nwrite = \"local\"\n")
            .start();
        let admin = places.cluster.connect("local");
        Tapped { places, read, write, proxy, admin }
    }

    /// Runs what is to be cut, as it is, until the messages are as many as the time before: catalogs are
    /// known then, as to those that come after it.
    pub fn uncut<T>(&mut self, run: impl Fn(&Tapped) -> T) -> (T, Vec<u32>) {
        let mut counts = Vec::new();
        loop {
            self.read.arm(None);
            self.write.arm(None);
            let seen = (run(self), self.take_rows());
            let count = [&self.read, &self.write]
                .map(|tap| [From::Proxy, From::Server].map(|from| tap.count(from)));
            if counts.last() == Some(&count) || counts.len() == 5 {
                return seen;
            }
            counts.push(count);
        }
    }

    /// The keys in the table that scripts write, once no session is left that could add some;
    /// the table is emptied.
    pub fn take_rows(&mut self) -> Vec<u32> {
        let busy = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' \
                    AND datname IN ('neon', 'local')";
        eventually("the sessions end", Duration::from_secs(10), || {
            (self.admin.value(busy) == "0").then_some(())
        });
        let rows = self.admin.sql("DELETE FROM w1 WHERE a > 2 RETURNING a");
        let mut rows: Vec<u32> =
            rows.iter().map(|row| row[0].as_ref().unwrap().parse().unwrap()).collect();
        rows.sort_unstable();
        rows
    }
}
