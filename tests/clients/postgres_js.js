// postgres.js: it pipelines what is sent in one tick, and prepares everything.
'use strict';
const fs = require('fs');
const postgres = require('postgres');
const { HOST, PORT, DBUSER, PASSWORD, CA, PROD, REPLICA } = process.env;

const connect = (database, connection, more) => postgres({
  host: HOST, port: Number(PORT), user: DBUSER, password: PASSWORD, database, connection,
  ssl: { ca: fs.readFileSync(CA, 'utf8') }, onnotice: () => {}, ...more,
});
const check = (condition, what, seen) => {
  if (!condition) throw new Error(`FAILED: ${what}${seen === undefined ? '' : `: ${seen}`}`);
};
const blocked = async (query, code) => {
  const error = await query.then(() => null, (error) => error);
  check(error, 'DDL is blocked');
  check(error.code === code, `SQLSTATE ${code}`, `${error.code} ${error.message}`);
  check(error.detail && error.hint, 'DETAIL and HINT', JSON.stringify(error));
};

async function main() {
  const sql = connect(PROD);
  const rows = await Promise.all(Array.from({ length: 60 }, (_, n) => sql`SELECT ${n}::int AS n, name FROM items WHERE id = 1`));
  check(rows.every((row, n) => row[0].n === n), 'answers in order');
  await sql.begin(async (tx) => {
    await tx`INSERT INTO items ${tx([{ id: 900, name: 'js', price: 1 }, { id: 901, name: 'js', price: 2 }])} ON CONFLICT DO NOTHING`;
    await tx.savepoint((inner) => inner`UPDATE items SET name = 'x' WHERE id = 900`);
  });
  let total = 0;
  await sql`SELECT generate_series(1, 100) AS n`.cursor(10, (part) => { total += part.length; });
  check(total === 100, 'a cursor', total);
  const heard = new Promise((resolve) => sql.listen('news', resolve, () => sql.notify('news', 'hello')));
  check((await heard) === 'hello', 'a notification');
  const stream = await sql`COPY lines (item, note) FROM STDIN`.writable();
  await new Promise((resolve, reject) => { stream.on('error', reject).on('finish', resolve); stream.end('1\tcopied\n'); });
  console.log('ok: ordinary traffic');

  await blocked(sql`CREATE TABLE blocked (n int)`, '42501');
  await blocked(sql.unsafe('SELECT 1; DROP TABLE items'), '42501');
  check((await sql`SELECT 1 AS one`)[0].one === 1, 'the connection lives on');
  await sql.begin(async (tx) => {
    await tx`SET LOCAL authority.confirm_prod_migrations = true`;
    await tx`CREATE TABLE by_js (n int)`;
  });
  await sql.end();
  console.log('ok: confirmed by SET LOCAL');

  const confirmed = connect(PROD, { 'authority.confirm_prod_migrations': 'true' });
  await confirmed`DROP TABLE by_js`;
  await confirmed.end();
  console.log('ok: confirmed by a connection parameter');

  const replica = connect(REPLICA, { 'authority.confirm_prod_migrations': 'true' });
  await replica`SELECT count(*) FROM items`;
  await blocked(replica`CREATE TABLE blocked (n int)`, '25006');
  await replica.end();
  console.log('ok: the replica');
}

main().catch((error) => { console.error(error); process.exit(1); });
