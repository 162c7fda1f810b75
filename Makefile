# Two commands do all set-up on a fresh Debian machine with Python 3.11 or later: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo run test lint bench clean

demo: $(INSTALLED)  ## the main job, watched: make demo, or make demo CT=folder
	$(BIN)/python -m deploy.demo $(if $(CT),"$(CT)")

run: $(INSTALLED)  ## the node, with config.yaml
	$(BIN)/coxa serve

test: lint  ## all tests, with real DICOM peers
	deploy/install-system-packages.sh orthanc dcmtk dicom3tools
	$(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(INSTALLED)  ## receiving beside peers, the network beside its reference; see docs/performance.md
	deploy/install-system-packages.sh orthanc dcmtk
	$(BIN)/python -m benchmarks.receive
	$(BIN)/python -m benchmarks.hip_tissue
	$(BIN)/python -m benchmarks.thigh_muscle

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || deploy/install-system-packages.sh python3-venv
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) torch
	$(PIP_INSTALL) --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv demo-output *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
