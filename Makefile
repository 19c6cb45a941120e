# Everything here works on a fresh machine with Python 3.11 or newer, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
KILLS ?= 500
SEED ?=

.PHONY: help demo test lint format torture bench clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt pipeline/__init__.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[local,mqtt,encrypt,dask,esp,dev]'
	@touch $@

demo: $(STAMP) ## provision 25 devices on the embedded AWS IoT, then connect each over MQTT
	$(BIN)/thingmill run manifests/demo.csv --local --policy manifests/device-policy.json --create-missing
	$(BIN)/thingmill verify demo --local --connect

test: $(STAMP) ## lint, types and all tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadgroup

lint: $(STAMP) ## ruff and mypy alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

torture: $(STAMP) ## all cases of all tests, then hundreds of kills at failpoints and calls, and one table
	$(BIN)/pytest -n 2 --dist loadgroup -m thorough
	$(BIN)/python -m tests.torture.long --kills $(KILLS) $(if $(SEED),--seed $(SEED))

bench: $(STAMP) ## measure against references in the same run, into benchmarks/results.md
	$(BIN)/python -m benchmarks

format: $(STAMP) ## let ruff put the code in form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the environment and what runs left in output/
	rm -rf $(VENV) output/*
