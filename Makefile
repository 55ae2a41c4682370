# Everything that a developer or a newcomer does. Each target sets up what it needs: Python 3.11 or later and make are enough.
# Overrides: PYTHON=python3.13, WORKERS=4 (test processes), CYCLES=200 (chaos), CUTS=300 (cuts), FAULTS=1000 (jepsen), SOAK=20 (soak), QUICK=1 (bench), DEMO_ONCE=1 (demo).

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
    $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
WORKERS ?= auto
CYCLES ?= 20
CUTS ?= 20
FAULTS ?= 100
SOAK ?= 20
BIN := .venv/bin
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet
BENCHMARKS = $(patsubst benchmarks/%.py,%,$(filter-out benchmarks/_%,$(wildcard benchmarks/*.py)))
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test examples soak spark check lint format types contracts bench chaos cuts jepsen docs reference schema lock clean
.DELETE_ON_ERROR:
# Where it is set, each of the many processes of a test run compiles all it imports anew: half of its start.
unexport PYTHONDONTWRITEBYTECODE

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{printf "make %-10s %s\n", $$1, $$2}'

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'No Python 3.11 or later is on the path; name one: make PYTHON=...'; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || { echo 'This Python has no ensurepip; on Debian and Ubuntu install python3-venv.'; exit 1; }
	$(PYTHON) -m venv .venv

# uv installs the locked versions in seconds; where it does not run, pip installs the same.
# The last line installs counterfoil itself from this folder; it fetches nothing.
define install
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt || true
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/$(1).txt 2>/dev/null \
	    || $(BIN)/python -m pip install --quiet --require-hashes -r requirements/$(1).txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e .
endef

.venv/.run: requirements/run.txt pyproject.toml | $(BIN)/python
	$(call install,run)
	@touch $@

.venv/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(call install,dev)
	@touch $@ .venv/.run

setup: .venv/.dev  ## Make the environment in .venv

demo: .venv/.run  ## Run a day of payments and leave the dashboard open
	@$(BIN)/python -m counterfoil demo $(if $(DEMO_ONCE),--once)

test: .venv/.dev  ## Run every test; a closing line says what this machine could not run
	@$(BIN)/pytest -n $(WORKERS)

examples: .venv/.dev  ## Record the examples of the API's document anew, from what the tests send
	@rm -rf .examples && mkdir .examples
	@RECORD_EXAMPLES=.examples $(BIN)/pytest tests/api tests/payouts tests/reconciliation tests/dashboard -n $(WORKERS)
	@$(BIN)/python -m tests.api.recorder .examples && rm -r .examples

# Half a gigabyte, so it is an environment's own choice; from then on `make test` runs Spark's tests too.
.venv/.spark: requirements/spark.txt | .venv/.dev
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/spark.txt 2>/dev/null \
	    || $(BIN)/python -m pip install --quiet --require-hashes -r requirements/spark.txt
	@touch $@

spark: .venv/.spark  ## Run the tests of matching on Spark (installs pyspark; needs Java 17)
	@$(BIN)/pytest tests/matching/test_spark.py -n 0

check: lint types contracts test  ## Lint, format, types, import contracts, house rules, tests

lint: .venv/.dev  ## Check style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo 'run: make format'; exit 1; }

format: .venv/.dev  ## Format the source
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

types: .venv/.dev  ## Check types
	@$(BIN)/mypy

contracts: .venv/.dev  ## Check that imports run down only
	@$(BIN)/lint-imports --no-logo

bench: .venv/.dev  ## Run the benchmarks; the last line of each is JSON
	@set -e; for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python -m benchmarks.$$name $(if $(QUICK),--quick); done

jepsen: .venv/.dev  ## Move money between two servers under FAULTS faults; nothing is half applied
	@$(BIN)/python -m tests.jepsen.run --faults $(FAULTS)

chaos: .venv/.dev  ## Kill or freeze a process at every point of every path and provider, CYCLES times
	@$(BIN)/python -m tests.chaos.run --cycles $(CYCLES)

cuts: .venv/.dev  ## Cut connections to the database at CUTS commits; nothing is lost, doubled or untrue
	@$(BIN)/python -m tests.chaos.cuts --cuts $(CUTS)

soak: .venv/.dev  ## Run the property tests with SOAK times as many examples
	@files=$$(grep -rl 'import examples$$' tests --include='test_*.py') && SOAK=$(SOAK) $(BIN)/pytest $$files -n $(WORKERS)

reference: .venv/.dev  ## Write docs/reference from the code
	@$(BIN)/python -m docs.generate

docs: reference  ## Build the documentation into docs/_build/html
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs docs/_build/html
	@echo 'docs/_build/html/index.html'

schema: .venv/.dev  ## Record the schema that the migrations add up to
	@$(BIN)/python -m counterfoil.base.migrations record

lock: | $(BIN)/python  ## Lock the newest versions that pyproject.toml allows
	@$(BIN)/python -m pip install --quiet uv
	@$(LOCK) pyproject.toml --upgrade --group build --extra embedded --extra reports --extra dev -o requirements/dev.txt
	@$(LOCK) pyproject.toml --group build --extra embedded -c requirements/dev.txt -o requirements/run.txt
	@echo uv | $(LOCK) - -o requirements/uv.txt
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["spark"])' \
	    | $(LOCK) - -o requirements/spark.txt
	@! grep -nE '://|index-url|find-links' requirements/*.txt || { echo 'an address slipped into the lock files'; exit 1; }

clean:  ## Remove what was built, but not the data in .counterfoil
	@rm -rf .venv build dist docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
