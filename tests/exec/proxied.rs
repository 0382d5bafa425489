//! `exec` in front of the real proxy, TLS and SCRAM on both of the proxy's legs.

use super::support::cluster::PASSWORD;
use super::support::process::Folder;
use super::support::proxy::{self, Proxy};
use super::support::tools::tool;
use super::support::{CertificateAuthority, Cluster};
use super::{CONFIRM, DECLARED_PROD, DECLARED_STAGING, exec, exists, output, succeeds};

struct Scene {
    authority: CertificateAuthority,
    prod: Cluster,
    staging: Cluster,
    proxy: Proxy,
}

/// A production server in Neon's clothes and a local one behind a proxy on TLS; `None` while the
/// program does not serve.
fn scene() -> Option<Scene> {
    if !exists() {
        eprintln!("skipped: the program does not serve");
        return None;
    }
    let authority = CertificateAuthority::new();
    let prod = Cluster::builder().tls(&authority).tls_only().start();
    let staging = Cluster::builder().start();
    let proxy = Proxy::builder()
        .tls(&authority, "require")
        .neon_upstream("neon-prod", proxy::PROD, &prod)
        .upstream("local", proxy::STAGING, &staging)
        .scram("nova_prod", "neon-prod", "confirm = \"startup\"")
        .relayed("nova_relayed", "neon-prod", "")
        .scram("nova_local", "local", "")
        .entry(
            "nova",
            "neon = \"neon-prod\"\nlocal = \"local\"\nauth = \"scram-sha-256\"\nusers = [\"app\"]",
        )
        .start();
    Some(Scene { authority, prod, staging, proxy })
}

impl Scene {
    /// The certificate of the authority as a file of `folder`, for `sslrootcert`.
    fn root(&self, folder: &Folder) -> String {
        folder.write("root.crt", self.authority.pem()).display().to_string()
    }

    /// A URL of an entry that verifies the proxy fully.
    fn url(&self, scheme: &str, entry: &str, root: &str) -> String {
        let place = format!("localhost:{}/{entry}", self.proxy.port);
        let ssl = if scheme.ends_with("asyncpg") { "ssl" } else { "sslmode" };
        let settings = format!("{ssl}=verify-full&sslrootcert={root}");
        match scheme {
            "jdbc:postgresql" => {
                format!("{scheme}://{place}?user=app&password={PASSWORD}&{settings}")
            }
            _ => format!("{scheme}://app:{PASSWORD}@{place}?{settings}"),
        }
    }
}

#[test]
fn a_confirmed_migration_runs_on_prod_and_is_audited() {
    let Some(scene) = scene() else { return };
    let folder = Folder::new();
    let root = scene.root(&folder);
    for (number, entry) in ["nova_prod", "nova_relayed"].into_iter().enumerate() {
        let url = scene.url("postgresql", entry, &root);
        let create = format!("CREATE TABLE t{number} ()");
        let arguments = ["--ticket", "CHG-7", "--", "psql", "-XAtqc", &create];
        succeeds(&mut exec(DECLARED_PROD, &url, &arguments));
        let found =
            scene.prod.value("app", &format!("SELECT to_regclass('t{number}') IS NOT NULL"));
        assert_eq!(found, "t", "{entry}");
        // the same command without exec is blocked
        let (code, _, stderr) =
            output(std::process::Command::new("psql").args([&url, "-XAtqc", "CREATE TABLE u ()"]));
        assert!(code == 1 && stderr.contains("has not confirmed"), "{entry}: {code} {stderr}");
        // nor does it help a command that has a URL of its own, which is told
        let round = "no connection of its came through exec";
        let own = ["--", "psql", &url, "-XAtqc", "CREATE TABLE u ()"];
        let (code, _, stderr) = output(&mut exec(DECLARED_PROD, &url, &own));
        assert!(code == 1 && stderr.contains("has not confirmed"), "{entry}: {code} {stderr}");
        assert!(stderr.contains(round), "{entry}: {stderr}");
        let fails = ["--", "psql", "-XAtqc", "SELECT 1/0"];
        let (code, _, stderr) = output(&mut exec(DECLARED_PROD, &url, &fails));
        assert!(code == 1 && !stderr.contains(round), "{entry}: {code} {stderr}");
    }
    let confirmed = scene.proxy.events("ddl_confirmed");
    assert_eq!(confirmed.len(), 2, "{confirmed:?}");
    assert!(confirmed.iter().all(|event| event["ticket"] == "CHG-7"), "{confirmed:?}");
}

#[test]
fn drivers_that_know_no_options_migrate() {
    let Some(scene) = scene() else { return };
    let folder = Folder::new();
    let root = scene.root(&folder);
    let site = tool("python");
    let modules = tool("node_modules");
    let asyncpg = "import asyncio, os\nfrom sqlalchemy.ext.asyncio import create_async_engine\nasync def main():\n  e = create_async_engine(os.environ['DATABASE_URL'])\n  async with e.begin() as c: await c.exec_driver_sql('CREATE TABLE by_asyncpg ()')\n  await e.dispose()\nasyncio.run(main())";
    let postgres = "const s = require('postgres')(process.env.DATABASE_URL); s.unsafe('CREATE TABLE by_postgres_js ()').then(() => s.end())";
    let java = folder.write(
        "Create.java",
        "import java.sql.*; public class Create { public static void main(String[] a) throws Exception { \
         try (Connection c = DriverManager.getConnection(System.getenv(\"DATABASE_URL\"))) { \
         c.createStatement().execute(\"CREATE TABLE by_jdbc ()\"); } } }",
    );
    let python: [&str; 3] = ["python3", "-c", asyncpg];
    let node: [&str; 3] = ["node", "-e", postgres];
    let jdbc: [&str; 4] = ["java", "-cp", "/usr/share/java/postgresql.jar", java.to_str().unwrap()];
    let drivers: [(&str, &str, &[&str]); 3] = [
        ("postgresql+asyncpg", "by_asyncpg", &python),
        ("postgres", "by_postgres_js", &node),
        ("jdbc:postgresql", "by_jdbc", &jdbc),
    ];
    let paths = [("PYTHONPATH", site.to_str().unwrap()), ("NODE_PATH", modules.to_str().unwrap())];
    for entry in ["nova_prod", "nova_relayed"] {
        for (scheme, table, program) in drivers {
            let url = scene.url(scheme, entry, &root);
            let environment = [DECLARED_PROD, &paths].concat();
            succeeds(&mut exec(&environment, &url, &[&["--"], program].concat()));
            scene.prod.sql("app", &format!("DROP TABLE {table}"));
        }
    }
}

#[test]
fn the_entry_must_be_the_declared_one() {
    let Some(scene) = scene() else { return };
    let folder = Folder::new();
    let root = scene.root(&folder);
    let refused = |environment: &[(&str, &str)], entry: &str, options: &[&str]| {
        let arguments = [options, &["--", "echo", "ran"]].concat();
        let url = scene.url("postgresql", entry, &root);
        let (code, stdout, stderr) = output(&mut exec(environment, &url, &arguments));
        assert_eq!((code, stdout.as_str()), (125, ""), "{entry}: {stderr}");
        assert!(!stderr.contains(PASSWORD), "{stderr}");
        stderr
    };
    let said = refused(DECLARED_STAGING, "nova_prod", &[]);
    assert!(
        said.contains("is role prod") && said.contains(" DB_ROLE=prod DB_AUTHORITY=neon"),
        "{said}"
    );
    let said = refused(DECLARED_PROD, "nova_prd", &[]);
    assert!(
        said.contains("check the entry, which is DATABASE_URL's database (\"nova_prd\")"),
        "{said}"
    );
    refused(DECLARED_PROD, "nova_local", &[]);
    // a routed entry needs a task, and the task must lead where the environment says
    refused(DECLARED_STAGING, "nova", &[]);
    refused(DECLARED_STAGING, "nova", &["--task", "run_verification"]);
    let unverified = scene.url("postgresql", "nova_local", "/dev/null");
    assert_eq!(output(&mut exec(DECLARED_STAGING, &unverified, &["--", "echo", "ran"])).0, 125);
    let url = scene.url("postgresql", "nova", &root);
    let show =
        format!("SELECT current_setting('authority.role'), current_setting('{CONFIRM}', true)");
    let task = ["--task", "unit_tests", "--", "psql", "-XAtc", &show];
    assert_eq!(succeeds(&mut exec(DECLARED_STAGING, &url, &task)), "staging|");
    // and with the task in the URL's own options, which the first login sends too
    let url = format!("{url}&options=-c%20authority.task%3Dunit_tests");
    let psql = ["--", "sh", "-c", "psql -XAtc 'SHOW authority.role' \"$DATABASE_URL\""];
    assert_eq!(succeeds(&mut exec(DECLARED_STAGING, &url, &psql)), "staging");
    assert_eq!(scene.staging.value("app", "SELECT 1"), "1");
}
