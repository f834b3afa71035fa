# `make` without a target lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
# If it were set, every process that a test starts would compile the service again.
export PYTHONDONTWRITEBYTECODE :=
CYCLONEDX := 7.5.0
COMPILE := uv pip compile --universal --generate-hashes --no-header --quiet

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# System packages are checked first, and all missing ones are listed together.
GOAL = check
.PHONY: packages
packages:
	@scripts/system-packages.sh $(GOAL)

.PHONY: run
run: GOAL = run
run: packages .venv/.run ## Install what is needed and serve on SERVER_HOST:SERVER_PORT (127.0.0.1:8000)
	@$(BIN)/service-server serve

.PHONY: demo
demo: GOAL = demo
demo: packages .venv/.run ## Run a Python, a Node and a Java program and print their results
	@$(BIN)/python -m examples.demo

.PHONY: check
check: .venv/.dev ## Lint, format, types, architecture and unit tests, in about a minute
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint unit

.PHONY: unit
unit: .venv/.dev
	$(BIN)/pytest --quiet tests/unit tests/architecture

.PHONY: test
test: GOAL = test
test: packages .venv/.dev ## `check` and all other tests, in about a quarter of an hour
	@$(BIN)/python -m tests.support.mysql
	@$(MAKE) --no-print-directory --jobs=2 lint suite # mypy needs twenty seconds of one processor

.PHONY: suite
suite: .venv/.dev
	@# In a fresh clone, one process compiles the tests first, so that the four processes do not each compile them.
	@[ -d .pytest_cache ] || $(BIN)/pytest --collect-only --quiet --quiet >/dev/null || true
	$(BIN)/pytest --numprocesses=4 --durations=25 # on two processors: tests wait for much of their time, and five take longer

.PHONY: test-vm
test-vm: .venv/.dev ## Run the cgroup v2 tests in a virtual machine that this builds and boots, as root
	@$(BIN)/python -m tests.vm test

.PHONY: test-images
test-images: .venv/.dev ## Build the images, run compose.yaml and the attack tests in them, with podman, as root
	$(BIN)/pytest -rA --no-header tests/images/check_images.py

.PHONY: test-alerts
test-alerts: GOAL = test
test-alerts: packages .venv/.dev ## Cause the condition of each alert and check that Prometheus fires it, on an idle machine
	@$(BIN)/python -m tests.support.mysql
	$(BIN)/pytest -rA --no-header tests/chaos/check_alerts.py

.PHONY: soak
soak: GOAL = test
soak: packages .venv/.dev ## Run the kill, freeze and race tests at fifty times their size: 10,000 jobs, 50,000 races
	@$(BIN)/python -m tests.support.mysql
	SERVICE_SERVER_SOAK=50 $(BIN)/pytest tests/chaos

.PHONY: lint
lint: .venv/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: bench
bench: GOAL = test
bench: packages .venv/.dev ## Benchmarks: jobs from upload to end, the gateway's own share, startup and memory
	$(BIN)/python -m tests.benchmarks

.PHONY: lock
lock: ## Lock the newest versions that pyproject.toml allows, with hashes
	$(COMPILE) --upgrade --group build -o requirements-build.lock
	$(COMPILE) --upgrade pyproject.toml -o requirements.lock
	$(COMPILE) --upgrade pyproject.toml --group dev -o requirements-dev.lock

.PHONY: sbom
sbom: ## Write the packages of requirements.lock to sbom.json (CycloneDX); needs uv
	uv tool run --from cyclonedx-bom==$(CYCLONEDX) cyclonedx-py requirements requirements.lock \
		--pyproject pyproject.toml --output-reproducible --of JSON --output-file sbom.json

.PHONY: clean
clean: ## Remove everything that `make` created, except data
	rm -rf .venv .tools .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# .venv contains the path of the clone, so it is created again in a clone that was moved or copied.
MOVED := $(shell source scripts/python.sh; is_installed_here || echo moved)
.PHONY: moved

.venv/.run: requirements.lock requirements-build.lock pyproject.toml $(MOVED) | packages
	@scripts/install-python.sh requirements.lock
	@touch $@

# The development packages include those of the service.
.venv/.dev: requirements-dev.lock requirements-build.lock pyproject.toml $(MOVED) | packages
	@scripts/install-python.sh requirements-dev.lock
	@touch .venv/.run $@
