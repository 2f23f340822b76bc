# `make` alone says what there is. Needs Python 3.11 or newer with venv, and nothing else.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --system-certs --quiet
ARGS ?=

# The programs of a virtual environment know where they lie: one that was moved is made again.
ifneq ($(shell cat .venv/.place 2>/dev/null),$(CURDIR))
.PHONY: .venv/.place
endif

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

install: .venv/.installed ## Set up .venv, with the command .venv/bin/duetime

run: .venv/.installed ## Set up, and run everything: Postgres, Valkey, API and worker
	@exec $(BIN)/duetime up --with-parent

test: .venv/.installed-dev ## Set up, and run the whole test suite (ARGS: for pytest)
	@$(BIN)/python -m pytest $(ARGS)

bench: .venv/.installed-dev ## Measure against bare counterparts (ARGS: for the benchmark)
	@$(BIN)/python -m tests.bench $(ARGS)

check: check-style check-types check-imports check-schema check-migrations check-lock check-containers ## Run every check but the tests

check-style: .venv/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

check-types: .venv/.installed-dev
	$(BIN)/mypy

check-imports: .venv/.installed-dev
	$(BIN)/lint-imports --no-cache

check-schema: .venv/.installed-dev
	@$(BIN)/duetime schema | diff -u schema.graphql - || { echo "schema.graphql is stale: run \`make schema\`" >&2; exit 1; }
	@echo "schema.graphql is what the code says."

check-migrations: .venv/.installed-dev
	@$(BIN)/python -m tests.support.migrations

check-lock: .venv/.installed-dev
	@$(BIN)/python -m tests.support.lock

check-containers: .venv/.installed-dev
	$(BIN)/hadolint Dockerfile
	@if command -v docker-compose >/dev/null; then docker-compose --file docker-compose.yml config --quiet && echo "docker-compose.yml is well-formed."; \
	else echo "docker-compose is not installed: docker-compose.yml was not looked at"; fi

schema: .venv/.installed-dev ## Write schema.graphql anew
	@$(BIN)/duetime schema > schema.graphql

lock: .venv/.installed-dev ## Write the lock files anew, with the pins that still fit
	@$(BIN)/$(COMPILE) --group build --output-file requirements.txt >/dev/null
	@$(BIN)/$(COMPILE) --group dev --constraints requirements.txt --output-file requirements-dev.txt >/dev/null

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

.venv/.installed-dev: .venv/.installed requirements-dev.txt
	@$(PIP) install --require-hashes --requirement requirements-dev.txt
	@touch $@

.PHONY: help install run test bench check check-style check-types check-imports check-schema check-migrations check-lock check-containers schema lock
