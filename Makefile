# Two commands do all set-up on a fresh Debian machine with Python 3.11 or later: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

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

bench: $(INSTALLED)  ## side by side with peers; figures are kept in docs/performance.md
	deploy/install-system-packages.sh orthanc dcmtk
	$(BIN)/python -m benchmarks.receive

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || deploy/install-system-packages.sh python3-venv
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv demo-output *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
