# Every target sets up what it needs; a second run is quick. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
UV := .tools/bin/uv
RUN := .venv/bin/python
# One BLAS thread: two of them on two cores make a small fit thirty times slower (reference/local-aws.md, decision 6).
export OMP_NUM_THREADS := 1
export UV_PROJECT_ENVIRONMENT := .venv
unexport VIRTUAL_ENV
# Hundreds of short processes share this code: without bytecode each of them compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: .venv/demo ## Train, gate and register a model from YAML, on a sandbox that is set up and taken down here (SPEED=2: its clock is twice as fast)
	@$(RUN) -m sagemaker_gitops demo --speed $(or $(SPEED),1)

.PHONY: demo-gitops
demo-gitops: .venv/demo ## The same with a real Argo CD and git: after the start nothing but commits (REST=60 seconds in which nobody may write)
	@$(RUN) -m sagemaker_gitops demo-gitops --rest $(or $(REST),60)

.PHONY: sandbox
sandbox: .venv/demo ## Keep a sandbox (Kubernetes API server, local AWS, operator) running until Ctrl-C
	@$(RUN) -m sagemaker_gitops sandbox up

# The system tests wait more than they compute: three at a time, also on two cores.
.PHONY: test
test: .venv/test ## Unit, scenarios, properties, contracts, simulation, and the system on the real control plane (under 20 minutes)
	@$(RUN) -m local_cluster build --controller-manager > /dev/null
	@$(RUN) -m pytest -q -n 2 --dist worksteal -m "not long" tests --ignore=tests/system --ignore=tests/gitops
	@$(RUN) -m pytest -q -n 3 --dist loadfile -m "not long" tests/system

.PHONY: test-long
test-long: .venv/test ## The system tests of minutes: every hostile resource, deletions, whole monitoring loops (about a quarter of an hour)
	@$(RUN) -m local_cluster build --controller-manager > /dev/null
	@$(RUN) -m pytest -q -n 3 --dist loadfile -m long tests/system

.PHONY: ablations
ablations: .venv/test ## The simulation with each guard taken away: it must notice every one (two to five minutes)
	@$(RUN) -m pytest -q -n 2 --dist worksteal -m long tests/simulation

.PHONY: simulate
simulate: .venv/test ## A fault at every boundary of every scenario, 50,000 random schedules, 10,000 flips of a metric (hours; make test runs a share)
	@SIMULATION=whole $(RUN) -m pytest -q -n 2 --timeout 7200 tests/simulation

.PHONY: test-gitops
test-gitops: .venv/test ## A real Argo CD, driven by commits (REST=600: ten minutes in which nobody may write)
	@$(RUN) -m local_cluster build --controller-manager --argocd > /dev/null
	@SAGEMAKER_GITOPS_REST_SECONDS=$(or $(REST),60) $(RUN) -m pytest -q -n 2 --dist loadfile tests/gitops

.PHONY: unit
unit: .venv/test ## The operator's quick tests: no control plane, no local AWS, no git server, no training (under 60 s)
	@$(RUN) -m pytest -q -n 2 --dist worksteal tests/unit tests/scenarios $(foreach part,local_aws local_cluster gitops test_stop_signals.py,--ignore=tests/unit/$(part)) -m "not system"

.PHONY: lint
lint: .venv/test ## Format, style, types and layers
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy operator sandbox tools tests/simulation tests/scenarios tests/properties tests/bench tests/chaos tests/unit/aws tests/system tests/gitops tests/unit/gitops jobs/monitoring
	@for script in $(filter-out jobs/monitoring/%,$(wildcard jobs/*/*.py)) manifests/samples/*/*.py; do .venv/bin/mypy --no-error-summary $$script; done
	@.venv/bin/lint-imports --no-cache

.PHONY: generate
generate: .venv/test ## Rebuild what is generated: crds/, schemas/, admission policies, roles, IAM policies, the image table, docs/capabilities.md
	@$(RUN) tools/generate_crds.py
	@$(RUN) tools/generate_schemas.py
	@$(RUN) tools/generate_policies.py
	@$(RUN) tools/generate_rbac.py
	@$(RUN) tools/generate_iam.py
	@$(RUN) tools/generate_images.py
	@$(RUN) tools/generate_argocd.py
	@$(RUN) tools/generate_capabilities.py
	@$(RUN) -m local_cluster.modules
	@$(RUN) -m local_cluster.argocd_modules

.PHONY: verify
verify: .venv/test ## Fail if anything generated is stale, or the lock is
	@$(UV) lock --check --quiet
	@$(RUN) tools/generate_crds.py --check
	@$(RUN) tools/generate_schemas.py --check
	@$(RUN) tools/generate_policies.py --check
	@$(RUN) tools/generate_rbac.py --check
	@$(RUN) tools/generate_iam.py --check
	@$(RUN) tools/generate_images.py --check
	@$(RUN) tools/generate_argocd.py --check
	@$(RUN) tools/generate_capabilities.py --check
	@$(RUN) -m local_cluster.modules --check
	@$(RUN) -m local_cluster.argocd_modules --check

.PHONY: chaos
chaos: .venv/test ## kill -9 and SIGSTOP at random against the real API server and the local AWS (SCHEDULES=100)
	@$(RUN) -m local_cluster build
	@$(RUN) -m tests.chaos --schedules $(or $(SCHEDULES),100)

.PHONY: bench
bench: .venv/test ## Cost and latency as counts and ratios, beside the API server's own rate in the same run
	@$(RUN) -m local_cluster build
	@$(RUN) -m tests.bench

.PHONY: image
image: .venv/test ## Build the image with buildah, twice, and let it serve a sandbox; size and SBOM in dist/ (root on Debian: apt-get install buildah mmdebstrap)
	@$(RUN) -m local_cluster build > /dev/null
	@$(RUN) tools/image.py

.PHONY: clean
clean: ## Remove environments and caches of this folder; the control plane stays in the user cache
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .sandbox

.venv/demo: pyproject.toml uv.lock | $(UV)
	@$(UV) sync --locked --inexact
	@touch $@

.venv/test: pyproject.toml uv.lock | $(UV)
	@$(UV) sync --locked --group dev
	@touch $@ .venv/demo

$(UV): tools/uv.txt
	@tools/install-uv $(PYTHON)
