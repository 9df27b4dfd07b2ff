# Two commands do everything: `make demo` and `make test`. Both make .venv when it is not there.
PYTHON ?= python3
BIN := .venv/bin
BUNDLE := dist/ean.tflite-int8

.PHONY: demo test check clean

demo: .venv/build
	$(BIN)/edgefer build --arch ean --target tflite-int8
	$(BIN)/edgefer verify $(BUNDLE)
	@echo "The bundle is in $(CURDIR)/$(BUNDLE): copy that folder into your app and open its README.md."

test: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "edgefer needs Python 3.11 or newer; say which one with: make PYTHON=python3.12 demo"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/build: .venv/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[build]'
	@touch $@

.venv/test: .venv/build
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[build,test]'
	@touch $@

clean:
	rm -rf .venv dist build
