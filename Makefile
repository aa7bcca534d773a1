# The README's two commands are `make demo` and `make test`; both make or reuse .venv and need nothing set up before.
.PHONY: help demo test test-fast lint types format schema constraints bench clean
PYTHON := .venv/bin/python

help:            ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo:            ## The whole loop on real data: train, serve, watch, drift, renew; a page in the browser
	@sh scripts/environment.sh
	@$(PYTHON) scripts/demo.py

test:            ## Every test, the slow ones included, and the doctests
	@sh scripts/environment.sh dev
	@$(PYTHON) -m pytest -n auto --dist worksteal

test-fast:       ## The tests that end within three minutes
	@sh scripts/environment.sh dev
	@$(PYTHON) -m pytest -n auto --dist worksteal -m "not slow"

lint:            ## ruff and mypy --strict
	@sh scripts/environment.sh dev
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

format:          ## Let ruff rewrite what it can
	@sh scripts/environment.sh dev
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

schema:          ## Write docs/cauce.schema.json again
	@sh scripts/environment.sh dev
	@$(PYTHON) -m cauce.project.schema

constraints:     ## Resolve every dependency anew and write constraints.txt
	@sh scripts/constraints.sh

bench:           ## benchmarks/loop: seconds from file to first prediction
	@sh scripts/environment.sh dev
	@$(PYTHON) benchmarks/loop/run.py

clean:           ## Remove the environment, caches and the demo project
	rm -rf .venv .venv-evidently demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
