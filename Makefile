# What a person types. Each target installs what it needs first; `make help` lists them.

CARGO ?= cargo
export CARGO

.DEFAULT_GOAL := help
.PHONY: help install build test lint unit fuzz soak fuzz-state fuzz-split oracle redteam migrations-corpus traffic demo bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## what building, testing, the demo and the benchmark need (Debian's packages: as root)
	@scripts/install.sh

build: ## the optimised binary, target/release/pgauthority
	@scripts/install.sh build
	$(CARGO) build --release --locked

test: install lint unit ## everything that must hold: lints, unit and golden tests, real servers, real clients

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

unit:
	scripts/test.sh $(TESTS)

SCRIPTS ?= 3000
SEED ?= $(shell date +%s)

fuzz-state: ## random scripts of messages, direct and proxied, for half an hour (SCRIPTS=3000 SEED=)
	@scripts/install.sh test
	STATE_SCRIPTS=$(SCRIPTS) STATE_SEED=$(SEED) \
		$(CARGO) test --locked --test state -- --nocapture --test-threads=2

fuzz-split: ## random scripts of split sessions, beside one database with both, half an hour (SCRIPTS=3000 SEED=)
	@scripts/install.sh test
	STATE_SCRIPTS=$(SCRIPTS) STATE_SEED=$(SEED) \
		$(CARGO) test --locked --test split equal -- --nocapture --test-threads=2

fuzz: ## each fuzz target for a minute (TARGET=lexer for one, FUZZ_SECONDS=60)
	@scripts/install.sh build fuzz
	@scripts/fuzz.sh $(TARGET)

soak: ## three minutes of everything at once: 11,000 clients, crashes, a full disk, reloads (SOAK_SECONDS=180)
	@scripts/install.sh build test
	$(CARGO) build --release --locked
	@python3 tests/soak/soak.py

oracle: ## PostgreSQL 15 to 18 as judges of the classifier, 15 minutes (ORACLE_SECONDS=430 on each, ORACLE_SEED=1)
	@scripts/install.sh build test
	ORACLE_SECONDS=$${ORACLE_SECONDS:-430} $(CARGO) test --locked --test oracle -- --nocapture --test-threads 2

redteam: ## every attack of tests/redteam/ on PostgreSQL 15 to 18, 8 minutes (MAJORS=18 REDTEAM=name for some)
	@scripts/install.sh build test
	@failed=0; for major in $${MAJORS:-15 16 17 18}; do \
		echo "== PostgreSQL $$major"; \
		REDTEAM_MAJOR=$$major $(CARGO) test --locked --test redteam -- --test-threads 2 || failed=1; \
	done; exit $$failed

traffic: ## record what the clients of tests/clients/ and docs/orms.md send anew, for the oracle
	@scripts/install.sh build test
	RECORD_TRAFFIC=1 $(CARGO) test --locked --test clients --test orms -- --test-threads 1

migrations-corpus: ## migrations audit on packages from PyPI (260 MB), its graph beside Alembic's own
	@scripts/install.sh build test
	$(CARGO) build --locked
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$(CURDIR)/.tools/python python3 \
		tests/migrations_audit/corpus.py target/debug/pgauthority target/migrations-corpus

demo: ## three throw-away servers, the proxy in front, a guided tour (ARGS=--once leaves at its end)
	@demo/run $(ARGS)

bench: install ## beside PgBouncer and HAProxy, one table (ARGS=--quick or --full)
	$(CARGO) build --release --locked
	@python3 benches/macro/bench.py $(ARGS)

clean: ## target/, fuzz/target/ and .tools/
	$(CARGO) clean
	rm -rf .tools fuzz/target
