# Everything a contributor or a CI job runs. `make` alone lists the targets.

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.setup-done
DISTRIBUTIONS := . airflow_plugin dagster_ext
PROJECTS := $(patsubst ./%,%,$(addsuffix /pyproject.toml,$(DISTRIBUTIONS)))
CODE  := core airflow_plugin dagster_ext tests example_dags

# A shim that only prints "not installed" does not count, so each candidate has to answer.
PYTHON ?= $(shell for candidate in python3.11 python3.12 python3.13 python3 python; do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$candidate" && break; done)
UV ?= $(or $(wildcard $(BIN)/uv),$(shell command -v uv 2>/dev/null))
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

# Only errors are shown, or a mirror's warnings bury the four steps of `make setup`.
QUIET := $(if $(VERBOSE),,--quiet --quiet)

ARGS ?=
OPS  ?= 1000000
FUZZ ?= 300

.DEFAULT_GOAL := help
.PHONY: help setup demo screenshots test check format bench faults peers lock clean distclean

help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# The lock is whole, so pip resolves nothing: it would take `gql[requests]` for something that `gql==4.0.0` does not pin.
# `pip check` says afterwards whether anything is missing.
setup: $(STAMP) ## build .venv from the lock; nothing to do when it is up to date; VERBOSE=1 shows pip's words

$(STAMP): requirements/dev.txt requirements/editable.txt $(PROJECTS)
	@python="$(PYTHON)"; \
	if ! "$${python:-false}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
		echo "runpin needs Python 3.11 or newer, and '$${python:-python3}' is not that." >&2; \
		echo "Install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi; \
	echo "[1/4] a virtual environment in $(VENV), with $$("$$python" --version)"; \
	"$$python" -m venv $(VENV)
	@echo "[2/4] $$(grep -c '==' requirements/dev.txt) locked packages, each checked against its hash (a minute or two the first time)"
	@$(PIP) install $(QUIET) --no-deps --require-hashes -r requirements/dev.txt
	@echo "[3/4] runpin and its two adapters, editable"
	@$(PIP) install $(QUIET) --no-deps --no-build-isolation -r requirements/editable.txt
	@echo "[4/4] do the packages fit together?"
	@$(PIP) check
	@touch $@
	@echo "Ready. Next: make demo, make test"

demo: $(STAMP) ## show the whole way once, on this machine; KEEP=1 leaves its folder behind
	@$(BIN)/python example_dags/demo/run.py $(if $(KEEP),--keep)

screenshots: $(STAMP) ## take the pictures of the documentation anew (needs a Chromium)
	@$(BIN)/python docs/screenshots.py

# All of them run in two processes side by side, which takes little more than half the time on two cores.
test: $(STAMP) ## run every test; ARGS="tests/core -k pin" narrows it down
	@$(BIN)/python $(if $(ARGS),-m pytest $(ARGS),tests/two_halves.py)

check: $(STAMP) ## formatting, lint and types, then every test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --output-format concise .
	$(BIN)/mypy $(CODE)
	@$(MAKE) --no-print-directory test

format: $(STAMP) ## format the code and apply the safe fixes
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(STAMP) ## measure the budgets on this machine
	@PYTHONPATH=tests:example_dags $(BIN)/python tests/bench/run.py $(ARGS)

faults: $(STAMP) ## kill processes and make up files, in the long form; OPS=1000000 operations, FUZZ=300 seconds
	RUNPIN_FAULT_OPS=$(OPS) RUNPIN_FAULT_PATIENCE=5 RUNPIN_FUZZ_SECONDS=$(FUZZ) $(BIN)/python -m pytest tests/faults --timeout=0 $(ARGS)

peers: $(STAMP) ## run the same faults against other SDKs, half an hour, and print the tables
	@python3 -m venv .peers && .peers/bin/python -m pip install --quiet -r tests/peers/requirements.txt
	@PYTHONPATH=tests:example_dags $(BIN)/python tests/peers/peer_faults.py .peers/bin/python $(ARGS)

# No index, host or path reaches the output, and a second run writes the same bytes.
lock: ## resolve requirements/dev.txt anew; UPGRADE=1 moves the pins (needs uv)
	@test -n "$(UV)" || { echo "make lock needs uv, in $(BIN) or on PATH" >&2; exit 1; }
	@"$(UV)" pip compile --quiet $(PROJECTS) --group dev \
		--universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-emit-package runpin --no-emit-package airflow-provider-runpin --no-emit-package dagster-runpin \
		--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) -o requirements/dev.txt
	@echo "requirements/dev.txt pins $$(grep -c '==' requirements/dev.txt) packages; make setup installs them"

clean: ## remove caches, build results and the demo's folder
	@rm -rf build dist .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@rm -rf $(foreach folder,$(DISTRIBUTIONS),$(folder)/build $(folder)/dist)
	@find . -path ./$(VENV) -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## remove the virtual environment as well
	@rm -rf $(VENV)
