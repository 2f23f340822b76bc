# `make` alone lists the targets. It needs Python 3.11 or newer with venv, and nothing else.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
NODE := $(BIN)/node
# Node.js trusts only its own certificate authorities by default; pip trusts those of the system, and so does npm here.
NPM_CI := PATH="$(CURDIR)/$(BIN):$$PATH" NODE_USE_SYSTEM_CA=1 npm ci --loglevel error --prefer-offline
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --system-certs --quiet
# One file represents all pages, because Vite writes them together.
PAGES := graphql_api/static/graphql.html
PAGE_SOURCES := schema.graphql $(shell find dashboard -name node_modules -prune -o -name schema.d.ts -prune -o -type f -print)
# npm records what it installed in this file.
INSTALLED := node_modules/.package-lock.json
PARALLEL := --numprocesses auto -m "not timing"
OPENAPI := docs/openapi.json
ARGS ?=
SECONDS ?= 600
SEED ?=

# Scripts in a virtual environment contain its absolute path, so an environment that was moved has to be recreated.
ifneq ($(shell cat .venv/.place 2>/dev/null),$(CURDIR))
.PHONY: .venv/.place
endif

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-28s %s\n", $$1, $$2 }'

install: ## Create .venv with the command .venv/bin/duetime, and build the pages
	@$(MAKE) --silent --jobs 2 .venv/.installed $(PAGES)

dev-setup: install .venv/.installed-dev .venv/.installed-ariadne tests/$(INSTALLED) ## Install everything for development, git hooks included
	@if ! git rev-parse --git-dir >/dev/null 2>&1; then echo "This is not a git repository: the git hooks are not installed."; \
	else $(BIN)/pre-commit install || echo "The git hooks are not installed; everything else is."; fi

run: install ## Install, then run everything: Postgres, Valkey, API and worker
	@exec $(BIN)/duetime up --with-parent

migrate: .venv/.installed ## Migrate the database that DATABASE_URL or DB_HOST names
	@$(BIN)/duetime migrate

build: .venv/.installed $(PAGES) ## Build a wheel in dist/
	@$(BIN)/python -m hatchling build --target wheel --directory dist

# First the tests that must run alone, then all others in parallel. Up to ten that fail run once more, alone.
# ARGS go to a single process.
test: install .venv/.installed-dev .venv/.installed-ariadne tests/$(INSTALLED) ## Install, then run the whole test suite (ARGS: for pytest)
ifeq ($(strip $(ARGS)),)
	@rm -rf .coverage
	@failed=; \
	$(BIN)/python -m pytest -m timing || failed=$$?; \
	$(BIN)/python -m pytest -p tests.support.coverage $(PARALLEL) || failed=$$failed$$?; \
	case "$$failed" in \
	"") ;; \
	1 | 11) $(BIN)/python -m pytest -p tests.support.second_try ;; \
	*) exit 1 ;; \
	esac
	@$(BIN)/slipcover --merge .coverage/*.json --branch --out .coverage/all.json
else
	@$(BIN)/python -m pytest $(ARGS)
endif

test-quick: .venv/.installed-dev ## Run only the unit tests and the tests of the API
	@$(BIN)/python -m pytest $(PARALLEL) tests/unit tests/api

# The first of several processes compiles the tests for the others.
test test-quick: export PYTHONDONTWRITEBYTECODE :=

faults: .venv/.installed-dev ## Inject random faults for SECONDS=600; SEED repeats an earlier run
	@DUETIME_TEST_FAULT_SECONDS=$(SECONDS) DUETIME_TEST_FAULT_SEED=$(SEED) $(BIN)/python -m pytest -q tests/faults/test_random_faults.py $(ARGS)

vectors: .venv/.installed-dev tests/$(INSTALLED) ## Write the instants of L and # by two other implementations to tests/data
	@$(BIN)/python -m tests.support.last_and_nth

fuzz: .venv/.installed-dev ## Send random input to an API process for SECONDS=600; SEED repeats an earlier run
	@DUETIME_TEST_FUZZ_SECONDS=$(SECONDS) DUETIME_TEST_FUZZ_SEED=$(SEED) $(BIN)/python -m pytest -q tests/hostile/test_fuzz.py $(ARGS)

bench: .venv/.installed-dev ## Run the benchmarks against bare counterparts (ARGS: for the benchmark)
	@$(BIN)/python -m tests.bench $(ARGS)

screenshots: install .venv/.installed-dev tests/$(INSTALLED) ## Take screenshots of the pages with sample data to .screenshots
	@mkdir -p .screenshots
	@$(BIN)/python -m tests.browser.screenshots .screenshots

fmt: .venv/.installed-dev ## Format the code, and fix what the linter can fix
	@$(BIN)/ruff check --fix --exit-zero
	@$(BIN)/ruff format

lint: check-style check-types check-imports check-pages check-containers ## Run the static checks

check: lint check-schema check-schema-growth check-migrations check-lock check-vulnerabilities ## Run every check except the tests

check-style: .venv/.installed-dev ## Check style and formatting with ruff
	$(BIN)/ruff check
	$(BIN)/ruff format --check

check-types: .venv/.installed-dev ## Check types with mypy
	$(BIN)/mypy

check-imports: .venv/.installed-dev ## Check the layers with import-linter
	$(BIN)/lint-imports --no-cache

check-pages: dashboard/$(INSTALLED) tests/$(INSTALLED) ## Check the pages' types and operations, and the types of the JavaScript clients
	cd dashboard && ../$(NODE) typed_operations.ts
	$(NODE) dashboard/node_modules/typescript/bin/tsc --project dashboard
	$(NODE) dashboard/node_modules/typescript/bin/tsc --project tests

check-containers: .venv/.installed-dev ## Check Dockerfile and docker-compose.yml
	$(BIN)/hadolint Dockerfile
	@if command -v docker-compose >/dev/null; then docker-compose --file docker-compose.yml config --quiet && echo "docker-compose.yml is well-formed."; \
	else echo "docker-compose is not installed: docker-compose.yml was not checked."; fi

check-schema: .venv/.installed-dev ## Check that schema.graphql matches the code
	@$(BIN)/duetime schema | diff -u schema.graphql - || { echo "schema.graphql is stale: run \`make schema\`" >&2; exit 1; }
	@$(BIN)/python -m tests.support.tasks_schema | diff -u duetime/client/apply/tasks.schema.json - || { echo "tasks.schema.json is stale: run \`make schema\`" >&2; exit 1; }
	@echo "schema.graphql matches the code."

check-schema-growth: .venv/.installed-dev ## Check that no change of the schema breaks clients
	@$(BIN)/python -m tests.support.schema_growth

check-migrations: .venv/.installed-dev ## Check that the migrations match the models
	@$(BIN)/python -m tests.support.migrations

check-wheel: .venv/.installed-dev $(PAGES) ## Install the wheel into a clean environment of each installed Python, and run it
	@$(BIN)/python -m tests.support.clean_install

check-lock: .venv/.installed-dev ## Check that the lock files match pyproject.toml
	@$(BIN)/python -m tests.support.lock

check-vulnerabilities: .venv/.installed-dev ## Look for known vulnerabilities in the locked versions
	@$(BIN)/python -m tests.support.vulnerabilities

schema: .venv/.installed-dev ## Write the GraphQL schema to schema.graphql, the JSON Schema of files for apply, and the help in docs/cli.md
	@$(BIN)/duetime schema > schema.graphql
	@$(BIN)/python -m tests.support.tasks_schema > duetime/client/apply/tasks.schema.json
	@$(BIN)/python -m tests.support.command_help

settings: .venv/.installed-dev ## Write the tables of docs/settings.md from the descriptions of the settings
	@$(BIN)/python -m tests.support.settings_page

swagger: .venv/.installed ## Write the OpenAPI document of the REST API to docs/openapi.json
	@$(BIN)/python -c 'import json; from graphql_api.rest.openapi import document; print(json.dumps(document(), indent=2))' > $(OPENAPI)
	@echo "Wrote $(OPENAPI)."

lock: .venv/.installed-dev ## Update the lock files, keeping the pins that still fit
	@$(BIN)/$(COMPILE) pyproject.toml --extra otel --group build --output-file requirements.txt >/dev/null
	@$(BIN)/$(COMPILE) --group pages --output-file requirements-pages.txt >/dev/null
	@$(BIN)/$(COMPILE) pyproject.toml --extra otel --group dev --constraints requirements.txt --output-file requirements-dev.txt >/dev/null
	@$(BIN)/$(COMPILE) --group ariadne --no-deps --output-file requirements-ariadne.txt >/dev/null
	@for folder in dashboard tests; do (cd $$folder && PATH="$(CURDIR)/$(BIN):$$PATH" npm install --package-lock-only --loglevel error) >/dev/null || exit 1; done

docker-build: ## Build the container image duetime
	docker build --tag duetime .

# The API of a container listens beyond the loopback address, so it does not start before there is a key.
docker-run: ## Run the image in the background at 127.0.0.1:8080, and create a first API key
	@! docker container inspect duetime >/dev/null 2>&1 || { echo "The container duetime exists: run \`make docker-stop\` first." >&2; exit 1; }
	@docker run --rm --volume duetime:/data duetime keys list | grep -q ' active$$' || \
		docker run --rm --volume duetime:/data duetime keys create --name docker --scope admin
	docker run --detach --name duetime --publish 127.0.0.1:8080:8080 --volume duetime:/data duetime
	@echo "Read its log with \`docker logs --follow duetime\`."

# Attempts in progress get DUETIME_GRACE_SECONDS (25 by default), and then Postgres has to shut down.
docker-stop: ## Stop and remove the container; its data stays in the volume duetime
	docker stop -t 90 duetime
	docker rm duetime

.venv/.place:
	@$(PYTHON) -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Duetime needs Python 3.11 or newer with venv, and $(PYTHON) is not that (on Debian: apt-get install python3-venv); name another with make PYTHON=…" >&2; exit 1; }
	@echo "Setting up .venv. This happens once, and again when the lock files change."
	@$(PYTHON) -m venv --clear .venv
	@echo '$(CURDIR)' > $@

.venv/.installed: .venv/.place requirements.txt pyproject.toml
	@$(PIP) install --require-hashes --requirement requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.installed-pages: .venv/.place requirements-pages.txt
	@$(PIP) install --require-hashes --requirement requirements-pages.txt
	@touch $@

# Two pips must not install into one environment at the same time, so this one waits for the other.
.venv/.installed: | .venv/.installed-pages

dashboard/$(INSTALLED) tests/$(INSTALLED): %/$(INSTALLED): %/package.json %/package-lock.json | .venv/.installed-pages
	@cd $* && $(NPM_CI) >/dev/null

$(PAGES): dashboard/$(INSTALLED) $(PAGE_SOURCES)
	@$(NODE) dashboard/node_modules/vite/bin/vite.js build dashboard --logLevel warn

.venv/.installed-dev: .venv/.installed requirements-dev.txt
	@$(PIP) install --require-hashes --requirement requirements-dev.txt
	@touch $@

.venv/.installed-ariadne: requirements-ariadne.txt | .venv/.installed-dev
	@$(PIP) install --require-hashes --no-deps --upgrade --target .venv/ariadne --requirement requirements-ariadne.txt
	@touch $@

.PHONY: help install dev-setup run migrate build test test-quick faults fuzz vectors bench screenshots fmt lint check check-style \
	check-types check-imports check-pages check-containers check-schema check-schema-growth check-migrations check-wheel check-lock check-vulnerabilities schema \
	settings swagger lock docker-build docker-run docker-stop
