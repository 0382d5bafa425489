// node-postgres: a pool, parameters, prepared statements, types, transactions, notifications.
'use strict';
const fs = require('fs');
const { Client, Pool, types } = require('pg');
const { HOST, PORT, DBUSER, PASSWORD, CA, PROD, REPLICA, CONFIRM } = process.env;

const settings = (database, more) => ({
  host: HOST, port: Number(PORT), user: DBUSER, password: PASSWORD, database,
  ssl: { ca: fs.readFileSync(CA, 'utf8') }, ...more,
});
const check = (condition, what, seen) => {
  if (!condition) throw new Error(`FAILED: ${what}${seen === undefined ? '' : `: ${seen}`}`);
};
const blocked = async (promise, code) => {
  const error = await promise.then(() => null, (error) => error);
  check(error, 'DDL is blocked');
  check(error.code === code, `SQLSTATE ${code}`, `${error.code} ${error.message}`);
  check(error.detail && error.hint, 'DETAIL and HINT', JSON.stringify(error));
};

async function main() {
  const pool = new Pool(settings(PROD, { max: 4 }));
  const work = async (n) => {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('INSERT INTO items VALUES ($1, $2, 1) ON CONFLICT DO NOTHING', [800 + n, 'node']);
      const { rows } = await client.query({ name: 'by-id', text: 'SELECT name FROM items WHERE id = $1', values: [1] });
      check(rows[0].name === 'anvil', 'a named statement', rows[0].name);
      await client.query('COMMIT');
    } finally {
      client.release();
    }
  };
  await Promise.all(Array.from({ length: 40 }, (_, n) => work(n)));
  const { rows } = await pool.query("SELECT $1::jsonb AS j, now() AS t, ARRAY[1,2] AS a, '\\x00ff'::bytea AS b", [{ a: [1] }]);
  check(rows[0].j.a[0] === 1 && rows[0].t instanceof Date && rows[0].b.length === 2, 'types');
  await pool.end();

  const client = new Client(settings(PROD));
  const reports = {};
  client.connection.on('parameterStatus', ({ parameterName, parameterValue }) => { reports[parameterName] = parameterValue; });
  await client.connect();
  check(reports['authority.role'] === 'prod', 'the tags', JSON.stringify(reports));
  const heard = new Promise((resolve) => client.once('notification', resolve));
  await client.query('LISTEN news');
  await client.query("NOTIFY news, 'hello'");
  check((await heard).payload === 'hello', 'a notification');
  console.log('ok: ordinary traffic');

  await blocked(client.query('CREATE TABLE blocked (n int)'), '42501');
  await blocked(client.query({ name: 'd', text: 'DROP TABLE items' }), '42501');
  check((await client.query('SELECT 1 AS one')).rows[0].one === 1, 'the connection lives on');
  await client.query('SET authority.confirm_prod_migrations = true');
  await client.query('CREATE TABLE by_node (n int)');
  await client.end();
  console.log('ok: confirmed by SET');

  const confirmed = new Client(settings(PROD, { options: CONFIRM }));
  await confirmed.connect();
  await confirmed.query('DROP TABLE by_node');
  await confirmed.end();
  const byUrl = new Client({
    connectionString: `postgresql://${DBUSER}:${PASSWORD}@${HOST}:${PORT}/${PROD}?options=${encodeURIComponent(CONFIRM)}`,
    ssl: { ca: fs.readFileSync(CA, 'utf8') },
  });
  await byUrl.connect();
  await byUrl.query('CREATE TABLE by_node (n int)');
  await byUrl.query('DROP TABLE by_node');
  await byUrl.end();
  console.log('ok: confirmed by options, in settings and in the URL');

  const replica = new Client(settings(REPLICA, { options: CONFIRM }));
  await replica.connect();
  await replica.query('SELECT count(*) FROM items');
  await blocked(replica.query('CREATE TABLE blocked (n int)'), '25006');
  await replica.end();
  console.log('ok: the replica');
}

main().catch((error) => { console.error(error); process.exit(1); });
