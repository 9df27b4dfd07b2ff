# Two commands do everything: `make demo` and `make test`. Both make .venv when it is not there.
# `make test-all` runs the tests too that take long; CI runs it.
PYTHON ?= python3
BIN := .venv/bin
BUNDLE := dist/ean.tflite-int8
BASELINE := benchmarks/baselines/ean.json
TARGETS := tflite-fp32 tflite-int8 onnx-int8 openvino-int8 ncnn-int8

# How many processes run tests; each takes about a gigabyte.
WORKERS := 2
PYTEST = $(BIN)/pytest --numprocesses=$(WORKERS) --dist=worksteal

.PHONY: demo test test-all test-bare torture lint matrix plots gate baseline lock licences release clean

demo: .venv/build
	$(BIN)/edgefer build --arch ean --target tflite-int8
	$(BIN)/edgefer verify $(BUNDLE)
	@echo "The bundle is in $(CURDIR)/$(BUNDLE): copy that folder into your app and open its README.md."

test: lint
	$(PYTEST)

# in one run, so that what several tests need is made once
test-all: lint
	$(PYTEST) -m 'not matrix'

# what could need more than Python, with all of that hidden: tests/bare.py
test-bare: .venv/test
	EDGEFER_TEST_BARE=1 $(PYTEST) tests/benchmark tests/data tests/devices tests/gate tests/papers tests/runtime \
		tests/pipeline/test_ncnn.py tests/test_benchmarks.py

# mutants of every file that is read, kills and failing disks for the commands; stopped, it goes on where it was
torture: .venv/test
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.torture

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# every network on every target (`make test-all` builds one of each kind) and the table of it; stopped, it goes on
# where it was. The same as tests: pytest -m matrix
matrix: .venv/build
	$(BIN)/python benchmarks/matrix.py

# the pictures of benchmarks/plots; the confusion matrix needs FER2013: make plots FER2013=fer2013.csv
plots: .venv/test
	$(BIN)/edgefer plot accuracy --out benchmarks/plots/accuracy.png
	$(BIN)/edgefer plot pareto benchmarks/results/ean-x86.json benchmarks/results/ean-targets.json --out benchmarks/plots/ean-pareto.png
	$(BIN)/edgefer plot latency benchmarks/results/ean-5.json --out benchmarks/plots/ean-5-latency.png
	$(if $(FER2013),$(BIN)/edgefer build --arch ean --target tflite-int8)
	$(if $(FER2013),$(BIN)/edgefer plot confusion $(BUNDLE) --data $(FER2013) --out benchmarks/plots/ean-confusion.png)

# edgefer's own bundles against the figures that were accepted last: bytes, MACs, operators
gate: .venv/build
	$(BIN)/edgefer build --arch ean $(TARGETS:%=--target %) --out dist/gate
	$(BIN)/edgefer gate --baseline $(BASELINE) --exact-only --no-instructions dist/gate

# accept what the bundles are now
baseline: .venv/build
	$(BIN)/edgefer build --arch ean $(TARGETS:%=--target %) --out dist/gate
	$(BIN)/edgefer bench --dist dist/gate --samples 100 --processes 1 --no-instructions --save-baseline $(BASELINE)

# the newest versions of all packages that edgefer is built and tested with, and their checksums
LOCK = .release/bin/uv pip compile pyproject.toml --upgrade --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-package torch --custom-compile-command 'make lock'
lock: .release/tools
	$(LOCK) --extra build --extra test --output-file release/dev.lock
	$(LOCK) --extra build --constraint release/dev.lock --output-file release/build.lock

# the table of packages in docs/licences.md
licences: .release/tools .venv/test
	.release/bin/python release/licences.py

# wheel and sdist of the last commit, built twice and compared, an SBOM and checksums
release: .release/tools .venv/test
	.release/bin/python release/make.py

.release/tools: release/tools.txt
	$(PYTHON) -m venv .release
	.release/bin/pip install --quiet --disable-pip-version-check --requirement release/tools.txt
	@touch $@

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "edgefer needs Python 3.11 or newer; say which one with: make PYTHON=python3.12 demo"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

# Packages are those of the locks, checked by their checksums; what is not in them (torch) is added by the line below.
.venv/build: .venv/python pyproject.toml release/build.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement release/build.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[build]'
	@touch $@

.venv/test: .venv/build release/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement release/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[build,test]'
	@touch $@

clean:
	rm -rf .venv .release dist build
