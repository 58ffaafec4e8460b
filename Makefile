# The verbs of the checkout. Each runs in the environment that `make setup` makes in .venv.

SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help setup build proto test lint types bench targets budgets bulk sanitize lock clean

VENV ?= $(CURDIR)/.venv
PYTHON ?= python3
N ?= 200000
export PATH := $(VENV)/bin:$(PATH)
PIP := python -m pip install --quiet --disable-pip-version-check

help: ## list the verbs
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## make the environment with all tools and install the checkout into it, editable
	$(PYTHON) -m venv $(VENV)
	$(PIP) --constraint constraints.txt --upgrade pip
	$(PIP) --constraint constraints.txt --group build --group test --group lint --group bench
	$(PIP) --constraint constraints.txt --no-build-isolation --editable .
	$(PIP) --no-build-isolation --no-deps --editable clients/python

build: proto ## compile the kernels in place, with every warning an error
	TILLCORE_DEV=1 python setup.py --quiet build_ext --inplace

proto: ## generate tillcore.v1 from proto/
	python setup.py --quiet build_proto

test: ## run all tests; ARGS="-k name" goes to pytest
	python -m pytest $(ARGS)

lint: ## check style, import directions, kernels and protobuf files
	tests/lint style

types: ## check types with mypy, pyright and stubtest
	tests/lint types

bench: ## print how long the parts of the engine take
	python -m pytest benchmarks/micro.py --benchmark-enable $(ARGS)

targets: ## measure every performance target and print the table; ARGS=--quick for a look
	python -m benchmarks.targets $(ARGS)

budgets: ## rewrite the committed instruction budgets for this machine
	python -m benchmarks.instructions --write

bulk: ## compare N random baskets (N=200000) between the kernel and the reference
	python -m tests.support.bulk --baskets $(N)

# Both paths of money128.h, each in a build of its own: the checkout keeps its release build.
sanitize: ## run unit and property tests under AddressSanitizer and UBSan
	for portable in 0 1; do \
	    lib=build/sanitize-$$portable; \
	    TILLCORE_SANITIZE=1 TILLCORE_PORTABLE_INT128=$$portable \
	        python setup.py --quiet build --build-base $$lib/tmp --build-lib $$lib && \
	    LD_PRELOAD="$$(gcc -print-file-name=libasan.so)" PYTHONMALLOC=malloc \
	        ASAN_OPTIONS=detect_leaks=0 TILLCORE_BULK_BASKETS=2000 \
	        python -m pytest --override-ini pythonpath="$$lib ." tests/unit tests/property $(ARGS) \
	        || exit 1; \
	done

lock: ## write constraints.txt anew from the newest versions that pyproject.toml allows
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	PATH="$(CURDIR)/build/lock/bin:$$PATH"; $(PIP) --upgrade pip && \
	    $(PIP) --group build --group test --group lint --group bench && \
	    $(PIP) --no-build-isolation . && \
	    { head -1 constraints.txt; python -m pip freeze --all --exclude tillcore; } > build/locked && \
	    mv build/locked constraints.txt

clean: ## remove what was built or cached, not the environments
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find clients engine ext proto server \( -name '*.so' -o -name '*_pb2*.py*' \) -delete
