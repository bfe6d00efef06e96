# `make` alone lists the targets. Every target sets up the environment it needs, in .venv.
PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo tasks test test-slow lint types docs clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

setup: $(VENV)/.test  ## make the environment for development

demo: $(VENV)/.samples  ## train, evaluate and export a tagger on the built-in data
	$(BIN)/seqline run experiment=demo

tasks: $(VENV)/.samples  ## run every task on its built-in data, short, ending in one table
	$(BIN)/python benchmarks/tasks.py

test: $(VENV)/.test  ## run the tests, without the slow ones
	$(BIN)/python -m pytest -m 'not slow' -n 2 --dist loadfile

test-slow: $(VENV)/.test  ## run the slow tests
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.test  ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test  ## check types
	$(BIN)/mypy

docs: $(VENV)/.docs  ## build the pages into site/
	$(BIN)/mkdocs build --strict --quiet

clean:  ## remove the environment and what tools leave; runs in .seqline stay
	rm -rf $(VENV) site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# A stamp is made anew when the packages asked for change.
$(VENV)/.samples: EXTRAS = samples
$(VENV)/.test:    EXTRAS = samples,test
$(VENV)/.docs:    EXTRAS = docs
$(VENV)/.samples $(VENV)/.test $(VENV)/.docs: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[$(EXTRAS)]'
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
