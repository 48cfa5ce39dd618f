# Everything a developer runs. `make demo` and `make test` set up what they need by themselves.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: help demo systemd-demo test test-agents conformance check format bench torture browser screenshots clean
.DEFAULT_GOAL := help

help: ## show these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "swarmctl needs Python 3.11 or newer; run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

demo: $(STAMP) ## a tour of the main job, on this checkout
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh tests/support/demo.sh

test: $(STAMP) ## the whole test suite
	@$(BIN)/python -m pytest

test-agents: $(STAMP) ## the real agents' command lines (npm, 2.2 GB once) against a canned model API
	@PYTHONPATH=tests $(BIN)/python -m agents $(ARGS)

conformance: $(STAMP) ## the Durable Streams protocol's own suite against a fresh server; needs Node
	@PYTHONPATH=tests $(BIN)/python -m conformance

systemd-demo: $(STAMP) ## twenty agents beside a real systemd in namespaces of its own; as root
	@PYTHONPATH=tests $(BIN)/python -m support.systemd_demo

check: $(STAMP) ## lint, format, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: $(STAMP) ## rewrite the code in the project's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(STAMP) ## the benchmarks, beside supervisord, circus, pm2 and the reference server
	@$(BIN)/python -m tests.benchmarks

torture: $(STAMP) ## faults of every kind at random, for MINUTES (10) or SECONDS, of AGENTS (40), from SEED
	@$(BIN)/python -m tests.torture --agents $(or $(AGENTS),40) $(if $(SEED),--seed $(SEED)) \
	  $(if $(SECONDS),--seconds $(SECONDS),--minutes $(or $(MINUTES),10))

browser: ## Debian's chromium, which the tests of the page use where it is; as root
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -qqy --no-install-recommends chromium; }

screenshots: $(STAMP) ## the pictures of the page in docs/screenshots, anew
	@PYTHONPATH=tests $(BIN)/python -m support.screenshots

clean: ## remove what make has set up
	rm -rf $(VENV) tests/node_modules tests/agents/node_modules .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
