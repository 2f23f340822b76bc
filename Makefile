# `make` alone says what there is. Needs Python 3.11 or newer with venv, and nothing else.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
NODE := $(BIN)/node
# The authorities that this machine trusts, as pip has them: Node.js would take its own alone.
NPM_CI := PATH="$(CURDIR)/$(BIN):$$PATH" NODE_USE_SYSTEM_CA=1 npm ci --loglevel error --prefer-offline
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --system-certs --quiet
# One file stands for all pages: Vite writes them anew together.
PAGES := graphql_api/static/graphql.html
PAGE_SOURCES := $(shell find dashboard -name node_modules -prune -o -type f -print)
# npm's own note of what it has installed.
INSTALLED := node_modules/.package-lock.json
PARALLEL := --numprocesses auto --dist loadgroup -m "not timing"
ARGS ?=
SECONDS ?= 600
SEED ?=

# The programs of a virtual environment know where they lie: one that was moved is made again.
ifneq ($(shell cat .venv/.place 2>/dev/null),$(CURDIR))
.PHONY: .venv/.place
endif

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

install: ## Set up .venv, with the command .venv/bin/duetime, and build the pages
	@$(MAKE) --silent --jobs 2 .venv/.installed $(PAGES)

run: install ## Set up, and run everything: Postgres, Valkey, API and worker
	@exec $(BIN)/duetime up --with-parent

# First the tests beside which nothing may run, then all others, several at a time. ARGS go to a single process.
test: install .venv/.installed-dev tests/$(INSTALLED) ## Set up, and run the whole test suite (ARGS: for pytest)
ifeq ($(strip $(ARGS)),)
	@$(BIN)/coverage erase
	@failed=; \
	$(BIN)/python -m pytest -m timing || failed=1; \
	$(BIN)/coverage run -m pytest $(PARALLEL) || failed=1; \
	[ -z "$$failed" ]
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report
else
	@$(BIN)/python -m pytest $(ARGS)
endif

test-quick: .venv/.installed-dev ## Run the tests of the units and of the API alone
	@$(BIN)/python -m pytest $(PARALLEL) tests/unit tests/api

# The first of several processes compiles the tests for the others.
test test-quick: export PYTHONDONTWRITEBYTECODE :=

faults: .venv/.installed-dev ## Strike at random for SECONDS=600, by a SEED that is printed
	@DUETIME_TEST_FAULT_SECONDS=$(SECONDS) DUETIME_TEST_FAULT_SEED=$(SEED) $(BIN)/python -m pytest -q tests/faults/test_random_faults.py $(ARGS)

bench: .venv/.installed-dev ## Measure against bare counterparts (ARGS: for the benchmark)
	@$(BIN)/python -m tests.bench $(ARGS)

check: check-style check-types check-pages check-imports check-schema check-schema-growth check-migrations check-lock check-vulnerabilities check-containers ## Run every check but the tests

check-style: .venv/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

check-types: .venv/.installed-dev
	$(BIN)/mypy

check-pages: dashboard/$(INSTALLED) tests/$(INSTALLED)
	$(NODE) dashboard/node_modules/typescript/bin/tsc --project dashboard
	$(NODE) dashboard/node_modules/typescript/bin/tsc --project tests

check-imports: .venv/.installed-dev
	$(BIN)/lint-imports --no-cache

check-schema: .venv/.installed-dev
	@$(BIN)/duetime schema | diff -u schema.graphql - || { echo "schema.graphql is stale: run \`make schema\`" >&2; exit 1; }
	@echo "schema.graphql is what the code says."

check-schema-growth: .venv/.installed-dev
	@$(BIN)/python -m tests.support.schema_growth

check-migrations: .venv/.installed-dev
	@$(BIN)/python -m tests.support.migrations

check-lock: .venv/.installed-dev
	@$(BIN)/python -m tests.support.lock

check-vulnerabilities: .venv/.installed-dev
	@$(BIN)/python -m tests.support.vulnerabilities

check-containers: .venv/.installed-dev
	$(BIN)/hadolint Dockerfile
	@if command -v docker-compose >/dev/null; then docker-compose --file docker-compose.yml config --quiet && echo "docker-compose.yml is well-formed."; \
	else echo "docker-compose is not installed: docker-compose.yml was not looked at"; fi

schema: .venv/.installed-dev ## Write schema.graphql anew
	@$(BIN)/duetime schema > schema.graphql

lock: .venv/.installed-dev ## Write the lock files anew, with the pins that still fit
	@$(BIN)/$(COMPILE) pyproject.toml --group build --output-file requirements.txt >/dev/null
	@$(BIN)/$(COMPILE) --group pages --output-file requirements-pages.txt >/dev/null
	@$(BIN)/$(COMPILE) pyproject.toml --group dev --constraints requirements.txt --output-file requirements-dev.txt >/dev/null
	@for folder in dashboard tests; do (cd $$folder && PATH="$(CURDIR)/$(BIN):$$PATH" npm install --package-lock-only --loglevel error) >/dev/null || exit 1; done

.venv/.place:
	@$(PYTHON) -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Duetime needs Python 3.11 or newer with venv, and $(PYTHON) is not that (on Debian: apt-get install python3-venv); name another with make PYTHON=…" >&2; exit 1; }
	@echo "Setting up .venv: once, and again when the lock changes."
	@$(PYTHON) -m venv --clear .venv
	@echo '$(CURDIR)' > $@

.venv/.installed: .venv/.place requirements.txt pyproject.toml
	@$(PIP) install --require-hashes --requirement requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.installed-pages: .venv/.place requirements-pages.txt
	@$(PIP) install --require-hashes --requirement requirements-pages.txt
	@touch $@

# One of the two at a time: pip is not made for two at once in one place.
.venv/.installed: | .venv/.installed-pages

dashboard/$(INSTALLED) tests/$(INSTALLED): %/$(INSTALLED): %/package.json %/package-lock.json | .venv/.installed-pages
	@cd $* && $(NPM_CI) >/dev/null

$(PAGES): dashboard/$(INSTALLED) $(PAGE_SOURCES)
	@$(NODE) dashboard/node_modules/vite/bin/vite.js build dashboard --logLevel warn

.venv/.installed-dev: .venv/.installed requirements-dev.txt
	@$(PIP) install --require-hashes --requirement requirements-dev.txt
	@touch $@

.PHONY: help install run test test-quick faults bench check check-style check-types check-pages check-imports check-schema check-schema-growth check-migrations check-lock check-vulnerabilities check-containers schema lock
