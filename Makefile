# The two commands: `make demo` and `make test`. Each works from a fresh clone
# and installs what it needs (system packages through apt where it may,
# Python's into .venv).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(wildcard src/_cronsched.c src/binding/*.[ch] src/core/*/*.[ch])
VERSION := $(BIN)/python -c 'import cronsched; print(cronsched.__version__)'
# A file is run by one of two processes; much of a test is waiting for others.
PYTEST := $(BIN)/python -m pytest --dist=loadfile --tx='2*popen//python=$(BIN)/python -X dev'

.PHONY: docs frameworks demo test test-c test-tsan test-python lint bench zones fuzz soak fleet servers wheels build clean system

demo: $(VENV)/.built
	@$(BIN)/python examples/run.py

# All parts, whether or not one fails, and a last line that sums them up.
test: build
	@MAKE='$(MAKE)' $(BIN)/python tools/run_tests.py

build: $(VENV)/.tested

system:
	@tools/system-packages.sh $(PYTHON)

$(VENV)/.made: | system
	@echo '== making $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --upgrade pip 'setuptools>=77' wheel
	@touch $@

$(VENV)/.built: $(VENV)/.made pyproject.toml setup.py $(SOURCES)
	@echo '== building cronsched into $(VENV)'
	@$(BIN)/python -m pip install -q --no-build-isolation -e '.[demo]'
	@touch $@

# It is installed already: this adds what tests, linters and `make docs` need. By its
# version, so that no other of this name can come from an index.
$(VENV)/.tested: $(VENV)/.built
	@tools/system-packages.sh --postgresql
	@tools/system-packages.sh --browser
	@echo '== installing what the tests need'
	@$(BIN)/python -m pip install -q "cronsched[test,lint,docs]==$$($(VERSION))"
	@touch $@

# Address and undefined-behaviour sanitizers, leaks, no Python.
test-c: system
	@$(MAKE) -C tests/c -j2

# Data races, in the rooms that know threads.
test-tsan: system
	@$(MAKE) -C tests/c -j2 SAN=thread test_ring test_http test_lease test_agenda test_sched test_shared test_knock test_heartbeat

test-python: build
	@$(PYTEST) --junitxml=build/test/python.xml

lint: build
	@echo '== ruff'
	@$(BIN)/ruff check src tests bench examples tools docs
	@echo '== mypy --strict'
	@$(BIN)/mypy
	@echo '== stubtest'
	@MYPYPATH=src $(BIN)/python -m mypy.stubtest cronsched._cronsched --mypy-config-file pyproject.toml --allowlist tests/stubtest.txt

# The documentation as a site; what Sphinx warns of is an error.
docs: build
	@$(BIN)/python tools/docs.py

# The longer proofs, and the figures.
zones: build
	@$(BIN)/python tests/prove_zones.py

fuzz: system
	@$(MAKE) -C fuzz

# Who starts under which server, after how long; prints the table.
servers: build
	@$(BIN)/python -m pip install -q -e '.[servers]' --no-build-isolation
	@$(BIN)/python -m pytest -m 'servers or not soak' -s -q -p no:cacheprovider tests/servers

soak: build
	@$(BIN)/python -m pip install -q -e '.[servers]' --no-build-isolation
	@$(BIN)/python -m pytest -m soak -p no:cacheprovider tests

# Several machines: the model in full, and the laboratory for MINUTES.
fleet: build
	@FLEET_MINUTES='$(or $(MINUTES),5)' FLEET_RATE='$(or $(RATE),90)' $(BIN)/python -m pytest -m fleet -s -p no:cacheprovider tests/fleet

# The adapters, with each version of their frameworks that is supported:
# `make frameworks`, or `make frameworks FRAMEWORK=django`.
frameworks: system
	@$(PYTHON) tools/frameworks.py $(FRAMEWORK)

bench: build
	@$(BIN)/python -m pip install -q "cronsched[bench]==$$($(VERSION))"
	@$(MAKE) -C bench/c
	@$(BIN)/python bench/run.py

# Self-contained wheels into dist/, checked and tried; see docs/wheels.md. One
# of them: make wheels WHEELS='--platform x86_64 --python 3.13'
export CRONSCHED_WHEELS ?= $(HOME)/.cache/cronsched-wheels
WHEEL_TOOLS := $(CRONSCHED_WHEELS)/tools

$(WHEEL_TOOLS)/.made: tools/wheels/requirements.txt
	@echo '== making $(WHEEL_TOOLS)'
	@$(PYTHON) -m venv $(WHEEL_TOOLS)
	@$(WHEEL_TOOLS)/bin/python -m pip install -q -r $<
	@touch $@

wheels: $(WHEEL_TOOLS)/.made
	@PATH='$(WHEEL_TOOLS)/bin':"$$PATH" python tools/wheels/build.py --twice $(WHEELS)

clean:
	rm -rf build $(VENV) src/cronsched/*.so src/*.egg-info
