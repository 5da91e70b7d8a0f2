# Two commands matter: `make run` and `make test`. Everything else supports them.
PYTHON ?= python3.11
PORT ?= 8000
HOST ?= 127.0.0.1
WEB := .venv/bin/python
export PORT HOST

.DEFAULT_GOAL := help
.PHONY: help run test coverage lint bench docs format messages clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.web .venv-training/.ready  ## set everything up and run the platform on http://127.0.0.1:$(PORT)
	@exec $(WEB) manage.py run

test: .venv/.dev .venv-training/.ready  ## set everything up and run the whole test suite
	@$(WEB) -m pytest -n 2 --dist loadgroup $(ARGS)

coverage:  ## the whole suite, and whether it reaches nine lines in ten
	@$(MAKE) test ARGS="-q --cov --cov-report=term:skip-covered --cov-fail-under=90 $(ARGS)"

lint: .venv/.dev  ## ruff, mypy strict, translations, missing migrations
	$(WEB) -m ruff check .
	$(WEB) -m ruff format --check .
	$(WEB) -m mypy .
	$(WEB) manage.py messages --check
	$(WEB) manage.py makemigrations --check --dry-run

bench: .venv/.dev .venv-training/.ready  ## measure; results belong in docs/performance.md
	$(WEB) -m benchmarks $(ARGS)

docs: .venv/.dev  ## check that the documentation names everything that exists
	$(WEB) -m pytest -q tests/test_docs.py

format: .venv/.dev  ## let ruff rewrite the code
	$(WEB) -m ruff check --fix .
	$(WEB) -m ruff format .

messages: .venv/.dev  ## collect texts to translate and compile the catalogs
	$(WEB) manage.py messages

clean:  ## remove both environments (the data folder stays)
	rm -rf .venv .venv-training

.venv/.web: requirements.txt constraints.txt scripts/setup_venv.py
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is missing. Debian: apt-get install python3.11 python3.11-venv; or name another one: make run PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) scripts/setup_venv.py .venv requirements.txt
	@touch $@

.venv/.dev: .venv/.web requirements-dev.txt
	@$(PYTHON) scripts/setup_venv.py .venv requirements-dev.txt
	@touch $@

.venv-training/.ready: requirements-training.txt training/environment/install.py
	@$(PYTHON) training/environment/install.py .venv-training
	@touch $@
