# `make` alone lists what there is. Everything runs in .venv, which `make setup` fills from requirements.lock.

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
MEMBERS := $(patsubst %/pyproject.toml,%,$(wildcard libs/*/pyproject.toml services/*/pyproject.toml))

.DEFAULT_GOAL := help
.PHONY: help setup check test integration test-clients demo up down proto proto-check bench bench-peers chaos races soak upgrades clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## virtual environment with everything in requirements.lock (PYTHON=/path/to/python3.12 chooses one)
	@:

$(STAMP): requirements.lock pyproject.toml $(MEMBERS:%=%/pyproject.toml)
	@PYTHON="$(PYTHON)" VENV="$(VENV)" .ci/setup $(MEMBERS)
	@printf 'compiling what backtests share, once: about half a minute\n'
	@$(BIN)/python -m n1v1_research.scan
	@touch $@

check: setup  ## formatting, lint, types, import rules, generated messages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory proto-check

test: setup  ## every test that needs no Docker
	$(BIN)/pytest -m "not containers" $(ARGS)

integration: setup  ## only the tests with real servers, processes and containers
	$(BIN)/pytest -m "servers or stack or containers" $(ARGS)

test-clients: setup  ## clients that are not ours against `n1v1 venue`, in environments of their own (ARGS=cryptofeed)
	$(BIN)/python -m tests.clients.run $(ARGS)

demo: setup  ## replay BTC and ETH through the whole system (FULL=1: 2016 to 2022)
	$(BIN)/n1v1 demo $(if $(FULL),--full)

up: setup  ## start the stack in the background
	$(BIN)/n1v1 up --detach

down: setup  ## stop it
	$(BIN)/n1v1 down

proto: setup  ## generate code from proto/
	$(BIN)/python -m n1v1_common.codec.generate

proto-check: setup  ## generated code is current, and no message has changed incompatibly
	$(BIN)/python -m n1v1_common.codec.generate --check

bench: setup  ## latency, CPU and throughput, with the floor measured beside them
	$(BIN)/python -m bench $(ARGS)

bench-peers: setup  ## the same backtest by other libraries, side by side (ARGS=--quick only shows that all works)
	$(BIN)/python -m bench.peers $(ARGS)

chaos: setup  ## disturb everything while it trades and print the matrix (SEEDS=10, ARGS="--only execution")
	$(BIN)/python -m chaos --seeds $(or $(SEEDS),1) $(ARGS)

races: setup  ## 64 workers, 100,000 intents, one cap: undisturbed, with kills of risk, with two of it; breaches, p99 of the verdict
	$(BIN)/python -m chaos.races $(ARGS)

soak: setup  ## hours of market at speed: slopes of memory, files, connections, consumers (HOURS=24)
	$(BIN)/python -m chaos.soak --hours $(or $(HOURS),2) $(ARGS)

upgrades: setup  ## every service restarted in turn, round after round, for an hour of trading (ARGS="--minutes 10")
	$(BIN)/python -m chaos.upgrades $(ARGS)

clean:  ## remove the virtual environment and caches (state and results stay)
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find libs services tests -name __pycache__ -type d -prune -exec rm -rf {} +
	find libs services -name '*.egg-info' -type d -prune -exec rm -rf {} +
