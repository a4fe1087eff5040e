# Two commands matter: `make demo` and `make test`. Both set up what they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export DBT_SEND_ANONYMOUS_USAGE_STATS := false

.DEFAULT_GOAL := help
.PHONY: help demo psql check check-tables check-views check-python test lint pytest docs bench lock clean

help: ## Show this help
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(VENV)/.installed: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer with its venv module is needed (Debian: apt-get install python3-venv)."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/.installed ## Everything once, on sample data: private servers, loader, dbt build, docs site, reports
	@$(BIN)/python -m demo

psql: $(VENV)/.installed ## psql on what the last `make demo` left
	@$(BIN)/python -m demo --psql

check: $(VENV)/.installed ## In a minute, while you work: ruff, mypy, dbt's unit tests, the tests of reading and parsing
	@$(MAKE) --no-print-directory --jobs 2 check-tables check-views check-python

# The unit tests in two halves, each on a database of its own: dbt uses one core.
TABLES := +fill_intervals
check-tables:
	$(BIN)/python -m demo.servers $(BIN)/dbt --warn-error --quiet build --target-path target/tables \
		--exclude-resource-type test --select $(TABLES)

check-views:
	$(BIN)/python -m demo.servers $(BIN)/dbt --warn-error --quiet build \
		--exclude-resource-type test --exclude $(TABLES),test_type:unit

check-python:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict loader deploy report
	$(BIN)/python -m pytest -q -m pure

test: lint pytest ## All linters and the whole test-suite

lint: $(VENV)/.installed ## ruff, mypy, sqlfluff, dbt parse, Dockerfile and compose file, warnings as errors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict loader deploy report
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yml
	$(BIN)/dbt --warn-error parse --quiet
	$(BIN)/python -m demo.servers $(BIN)/sqlfluff lint --processes 2 --disable-progress-bar models tests/data
	# sqlfluff's dbt templater passes over functions/ and macros/: what they render to is linted instead.
	# It takes collation names for columns (RF02, RF03); quotes and layout are dbt's and the macros' nesting.
	$(BIN)/python -m demo.servers $(BIN)/dbt --quiet compile --select resource_type:function >/dev/null
	$(BIN)/sqlfluff lint --config .sqlfluff --templater raw --disregard-sqlfluffignores --disable-progress-bar \
		--exclude-rules layout,RF02,RF03,RF04,RF06,ST06 target/compiled/fleetfuel/functions

pytest: $(VENV)/.installed ## The tests alone
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder -q

docs: $(VENV)/.installed ## The documentation site as one file, target/site/index.html; needs no database
	@$(BIN)/python -m demo.site target/site

bench: $(VENV)/.installed ## Where the time goes, as ratios measured in one run (BENCH_N=100000 fills)
	@$(BIN)/python -m bench

lock: ## Rewrite the lock files from pyproject.toml (needs uv)
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-strip-extras --no-header \
		--python-version 3.10 pyproject.toml -o requirements.lock
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-strip-extras --no-header \
		--python-version 3.10 --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-strip-extras --no-header \
		--python-version 3.10 --extra report -c requirements-dev.lock pyproject.toml -o requirements-report.lock

clean: ## Remove what the commands made (not .venv)
	rm -rf target logs .demo .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis
