//! Real drivers that read neither `PGOPTIONS` nor, some of them, a parameter of the URL.

use super::announcer::announce;
use super::support::Cluster;
use super::support::cluster::PASSWORD;
use super::support::process::Folder;
use super::support::tools::tool;
use super::{CONFIRM, DECLARED_PROD, PROD, exec, exists, succeeds};

/// Runs a driver's script through `exec`; gives what it says of the confirmation.
fn drive(scheme: &str, query: &str, program: &[&str], environment: &[(&str, &str)]) -> String {
    let cluster = Cluster::builder().start();
    let proxy = announce(cluster.port(), PROD);
    let url = format!("{scheme}://app:{PASSWORD}@127.0.0.1:{proxy}/app{query}");
    let url = match scheme {
        "jdbc:postgresql" => {
            format!("{scheme}://127.0.0.1:{proxy}/app?user=app&password={PASSWORD}")
        }
        _ => url,
    };
    let environment = [DECLARED_PROD, environment].concat();
    succeeds(&mut exec(&environment, &url, &[&["--"], program].concat()))
}

fn python(scheme: &str, query: &str, script: &str) {
    let site = tool("python");
    let program = ["python3", "-c", script];
    let said = drive(scheme, query, &program, &[("PYTHONPATH", site.to_str().unwrap())]);
    assert_eq!(said, "true", "{scheme}");
}

#[test]
fn python_drivers_are_confirmed() {
    if !exists() {
        return;
    }
    let show = format!("SHOW {CONFIRM}");
    let asyncpg = format!(
        "import asyncio, asyncpg, os\nasync def main():\n  c = await asyncpg.connect(os.environ['DATABASE_URL'])\n  print(await c.fetchval('{show}'))\nasyncio.run(main())"
    );
    let psycopg = format!(
        "import os, psycopg\nprint(psycopg.connect(os.environ['DATABASE_URL']).execute('{show}').fetchone()[0])"
    );
    let sqlalchemy = format!(
        "import os, sqlalchemy as s\nprint(s.create_engine(os.environ['DATABASE_URL']).connect().exec_driver_sql('{show}').scalar())"
    );
    let sqlalchemy_async = format!(
        "import asyncio, os\nfrom sqlalchemy.ext.asyncio import create_async_engine\nasync def main():\n  e = create_async_engine(os.environ['DATABASE_URL'])\n  async with e.connect() as c: print((await c.exec_driver_sql('{show}')).scalar())\n  await e.dispose()\nasyncio.run(main())"
    );
    python("postgresql", "", &asyncpg);
    python("postgresql", "?sslmode=prefer", &asyncpg);
    python("postgresql", "?sslmode=prefer", &psycopg);
    python("postgresql+psycopg", "?sslmode=prefer", &sqlalchemy);
    python("postgresql+psycopg2", "", &sqlalchemy);
    python("postgresql+asyncpg", "", &sqlalchemy_async);
    python("postgresql+asyncpg", "?ssl=prefer", &sqlalchemy_async);
}

#[test]
fn node_drivers_are_confirmed() {
    if !exists() {
        return;
    }
    let modules = tool("node_modules");
    let node_path = modules.to_str().unwrap();
    let show = format!("SHOW {CONFIRM}");
    let pg = format!(
        "const {{Client}} = require('pg'); (async () => {{ const c = new Client({{connectionString: process.env.DATABASE_URL}}); await c.connect(); console.log((await c.query('{show}')).rows[0]['{CONFIRM}']); await c.end() }})()"
    );
    let postgres = format!(
        "const s = require('postgres')(process.env.DATABASE_URL); (async () => {{ console.log((await s.unsafe('{show}'))[0]['{CONFIRM}']); await s.end() }})()"
    );
    for (script, query) in
        [(&pg, ""), (&pg, "?sslmode=disable"), (&postgres, ""), (&postgres, "?sslmode=disable")]
    {
        let said = drive("postgres", query, &["node", "-e", script], &[("NODE_PATH", node_path)]);
        assert_eq!(said, "true");
    }
}

#[test]
fn jdbc_is_confirmed() {
    if !exists() {
        return;
    }
    let folder = Folder::new();
    let source = folder.write(
        "Show.java",
        format!(
            "import java.sql.*; public class Show {{ public static void main(String[] a) throws Exception {{ \
             try (Connection c = DriverManager.getConnection(System.getenv(\"DATABASE_URL\"))) {{ \
             ResultSet r = c.createStatement().executeQuery(\"SHOW {CONFIRM}\"); r.next(); \
             System.out.println(r.getString(1)); }} }} }}"
        ),
    );
    let program = ["java", "-cp", "/usr/share/java/postgresql.jar", source.to_str().unwrap()];
    assert_eq!(drive("jdbc:postgresql", "", &program, &[]), "true");
}
