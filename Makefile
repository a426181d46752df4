# make test    build .venv, then lint, types and the whole test suite
# make portable   check the types as on Windows and on macOS
# make docs    build .venv, then the documentation as a site in build/docs, and manual pages in build/man; a broken link
#              is an error
# make dist    build the source archive and the wheel into dist/, twice, and check them: same bytes, sound contents
# make sbom    list the installed dependencies in build/sbom.json (CycloneDX)
# make audit   compare the pinned versions with the known vulnerabilities; says so where it cannot
# make demo    build .venv, draw an album of synthetic people, index it and look somebody up in it
#
# All are safe to run again: what is built already is kept. PYTHON=python3.12 picks another interpreter (3.11 to 3.13).
# The development tools need 3.11.5 or newer.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo "$$python" && break; \
	done)

VENV := .venv
BIN := $(VENV)/bin
PIP := python -m pip install -qq --disable-pip-version-check --no-input
INSTALL := $(BIN)/$(PIP) -c constraints.txt
# What the tests, the documentation and a release need, by the hashes in requirements/ alone: no other file is installed.
HASHED := $(PIP) --require-hashes --no-deps --only-binary :all: -r

.PHONY: help test lint portable docs dist sbom audit demo clean

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 to 3.13 found: install one, or name it with PYTHON=" >&2; exit 1; }
	@echo "building $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing facesearch into $(VENV) (TensorFlow, OpenVINO and FAISS are large: this takes minutes the first time)"
	@$(INSTALL) -e .
	@touch $@

$(VENV)/installed-dev: pyproject.toml requirements/test.txt | $(BIN)/python
	@echo "installing facesearch and its development tools into $(VENV) (minutes, the first time)"
	@$(BIN)/$(HASHED) requirements/test.txt
	@rm -rf facesearch.egg-info  # of an installation before a new version: Python would read the version there
	@$(BIN)/$(PIP) --no-deps --no-build-isolation -e .
	@touch $(VENV)/installed $@

$(VENV)/installed-release: requirements/release.txt $(VENV)/installed
	@$(BIN)/$(HASHED) requirements/release.txt
	@touch $@

# Milvus Lite, for the tests, by itself: it requires faiss-cpu, which overwrites the module of faiss-gpu.
$(VENV)/milvus-lite/installed: requirements/milvus-lite.txt | $(BIN)/python
	@echo "installing Milvus Lite into $(VENV)/milvus-lite"
	@$(BIN)/python -m venv $(VENV)/milvus-lite && \
		$(VENV)/milvus-lite/bin/$(HASHED) requirements/milvus-lite.txt && touch $@ || \
		{ rm -rf $(VENV)/milvus-lite; echo "Milvus Lite cannot be installed here: its tests are skipped"; }

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The same types on the systems that the tests do not run on: names that only a Unix, or only Linux, has are errors.
portable: $(VENV)/installed-dev
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 facesearch train/facesearch_train
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin facesearch train/facesearch_train

# Three test files at a time, for two cores: many tests wait for a process, a browser or a clock. The longest first
# (tests/conftest.py); each stays in one process, which builds its albums and towers once. To see again which are the
# longest: --durations=60.
test: lint $(VENV)/milvus-lite/installed
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=30 --durations-min=4

docs: $(VENV)/installed-dev
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	$(BIN)/python scripts/write_manual_pages.py build/man
	@echo "open build/docs/index.html, or read man build/man/facesearch.1"

dist: $(VENV)/installed-release
	scripts/check_wheel.sh $(BIN)/python

sbom: $(VENV)/installed-release
	@mkdir -p build
	$(BIN)/python -m cyclonedx_py environment --pyproject pyproject.toml --output-file build/sbom.json $(BIN)/python

audit: $(VENV)/installed-release
	@scripts/audit.sh $(BIN)/python

demo: $(VENV)/installed
	@scripts/demo.sh $(BIN)/facesearch

clean:
	rm -rf $(VENV) demo-album demo-library build dist .mypy_cache .pytest_cache .ruff_cache
