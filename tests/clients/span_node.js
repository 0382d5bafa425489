// node-postgres in sessions that read from neon and write to local.
'use strict';
const fs = require('fs');
const { Client, Pool } = require('pg');
const { HOST, PORT, DBUSER, PASSWORD, CA, PROD, STAGING, SPAN } = process.env;

const settings = (database, more) => ({
  host: HOST, port: Number(PORT), user: DBUSER, password: PASSWORD, database,
  ssl: { ca: fs.readFileSync(CA, 'utf8') }, ...more,
});
const check = (condition, what, seen) => {
  if (!condition) throw new Error(`FAILED: ${what}${seen === undefined ? '' : `: ${seen}`}`);
};

async function count(entry) {
  const client = new Client(settings(entry));
  await client.connect();
  const { rows } = await client.query("SELECT count(*)::int AS n FROM lines WHERE note = 'node'");
  await client.end();
  return rows[0].n;
}

async function main() {
  const pool = new Pool(settings(SPAN, { max: 3 }));
  const work = async () => {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      const { rows } = await client.query({ name: 'all', text: 'SELECT id FROM items WHERE id > $1 ORDER BY id', values: [0] });
      for (const { id } of rows) {
        await client.query('INSERT INTO lines (item, note) VALUES ($1, $2)', [id, 'node']);
      }
      await client.query('COMMIT');
    } finally {
      client.release();
    }
  };
  await Promise.all(Array.from({ length: 10 }, work));
  const failing = await pool.connect();
  await failing.query('BEGIN');
  await failing.query("INSERT INTO lines (item, note) VALUES (1, 'node')");
  const error = await failing.query('SELECT nope FROM items').then(() => null, (failed) => failed);
  check(error && error.code === '42703', 'an error of the read leg', error && error.code);
  const after = await failing.query("INSERT INTO lines (item, note) VALUES (1, 'node')").then(() => null, (failed) => failed);
  check(after && after.code === '25P02', 'fails the transaction on both', after && after.code);
  await failing.query('ROLLBACK');
  failing.release();
  await pool.end();
  check(await count(STAGING) === 30, 'lines in local', await count(STAGING));
  check(await count(PROD) === 0, 'none in neon');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
