# The only entry point, for people and for continuous integration: `make help` lists the targets.

SHELL := /usr/bin/env bash
.DEFAULT_GOAL := help
# The steps of a target run in the order written, also under `make -j`.
.NOTPARALLEL:

CARGO ?= cargo
# LOCKED=--locked makes an out-of-date Cargo.lock an error.
LOCKED ?=
# Arguments of the load tool: make bench BENCH_ARGS="--help", make bench-curves BENCH_ARGS=--quick.
BENCH_ARGS ?=

# Shell assignments that a recipe puts before a command that needs these servers.
NATS = POSTHORN_NATS_SERVER="$$(tools/ensure-nats-server)"
PG = POSTHORN_PG_BIN="$$(tools/ensure-postgres)"
# The official libraries that the end-to-end tests verify signatures with.
VERIFIERS = POSTHORN_VERIFIERS_PYTHON="$$(tools/ensure-python-venv verifiers)/bin/python" \
	POSTHORN_VERIFIERS_NODE="$$(tools/ensure-node)"
# The official SDK that the end-to-end tests make and read CloudEvents with.
CLOUD_EVENTS = POSTHORN_CLOUD_EVENTS_PYTHON="$$(tools/ensure-python-venv cloud-events)/bin/python"
# The browser that the end-to-end tests look at the panel with, and what drives it.
PANEL = POSTHORN_PANEL_PYTHON="$$(tools/ensure-python-venv panel)/bin/python" \
	POSTHORN_CHROMIUM="$$(tools/ensure-chromium)"
# What lets the clocks of services jump.
FAKETIME = POSTHORN_FAKETIME="$$(tools/ensure-libfaketime)"
# Prometheus and promtool, which the end-to-end tests scrape metrics with and check alert rules by.
PROMETHEUS = POSTHORN_PROMETHEUS_BIN="$$(tools/ensure-prometheus)"
DENY = deny="$$(tools/ensure-cargo-deny)"

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' Makefile

## Building and running

.PHONY: build
build: ## Build all binaries for release into target/release
	$(CARGO) build $(LOCKED) --release --workspace --bins

.PHONY: dev
dev: ## Run all five services in one process until Ctrl-C; prints address and token
	@set -e; $(NATS); export POSTHORN_NATS_SERVER; \
	$(CARGO) build $(LOCKED) --package posthorn; \
	exec target/debug/posthorn dev --data-dir .posthorn

# The dev profile: a release build with link-time optimisation takes minutes longer and shows nothing more.
.PHONY: demo
demo: ## Show an event becoming signed, retried, logged webhooks
	@set -e; $(NATS); export POSTHORN_NATS_SERVER; \
	venv="$$(tools/ensure-python-venv)"; \
	$(CARGO) build $(LOCKED) --package posthorn; \
	exec "$$venv/bin/python" -B demo/demo.py --posthorn target/debug/posthorn

## Checking

.PHONY: check
check: fmt-check lint ## Formatting and lints only: the fast check while working

.PHONY: test
test: fmt-check lint doc deny purity chart compose test-rust fuzz-api ## Everything that continuous integration checks

.PHONY: fmt
fmt: ## Format the Rust sources
	$(CARGO) fmt --all

.PHONY: fmt-check
fmt-check:
	$(CARGO) fmt --all --check

.PHONY: lint
lint: ## Clippy over all targets, warnings are errors
	$(CARGO) clippy $(LOCKED) --workspace --all-targets -- -D warnings

.PHONY: doc
doc: ## Build the documentation, private items included, warnings are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(LOCKED) --no-deps --workspace --document-private-items

.PHONY: deny
deny: ## Licences, sources, and who may depend on what
	@set -e; $(DENY); "$$deny" --workspace check bans licenses sources

.PHONY: advisories
advisories: ## Known vulnerabilities; fetches the advisory database
	@set -e; $(DENY); "$$deny" --workspace check advisories

.PHONY: purity
purity: ## The domain crate's dependencies are the ones it is allowed
	tools/check-purity

.PHONY: chart
chart: ## The Helm chart: lint, render, and check against Kubernetes and the binaries
	@set -e; venv="$$(tools/ensure-python-venv helm)"; \
	"$$venv/bin/python" -B helm/tests/test_chart.py

.PHONY: compose
compose: ## The compose files: against the binaries, the broker's configuration and each other
	@set -e; venv="$$(tools/ensure-python-venv helm)"; \
	"$$venv/bin/python" -B deploy/tests/test_compose.py

# Binaries and tests are built by one command, so that both get the same features of every dependency
# and nothing is compiled twice; the end-to-end tests run the binaries of target/debug.
.PHONY: test-rust
test-rust: ## All Rust tests: unit, property, snapshot, broker, store, end to end
	@set -e; $(NATS); $(PG); $(CLOUD_EVENTS); $(VERIFIERS); $(PANEL); $(PROMETHEUS); \
	export POSTHORN_NATS_SERVER POSTHORN_PG_BIN POSTHORN_CLOUD_EVENTS_PYTHON; \
	export POSTHORN_VERIFIERS_PYTHON POSTHORN_VERIFIERS_NODE; \
	export POSTHORN_PANEL_PYTHON POSTHORN_CHROMIUM POSTHORN_PROMETHEUS_BIN; \
	set -o pipefail; \
	$(CARGO) build $(LOCKED) --workspace --lib --bins --tests; \
	$(CARGO) test $(LOCKED) --workspace --doc; \
	$(CARGO) test $(LOCKED) --workspace --lib --bins --tests --no-fail-fast 2>&1 | tee target/tests.log; \
	awk '/^test result:/ { passed += $$4; failed += $$6 } END { print passed " passed, " failed " failed" }' target/tests.log

CASES ?= 300000
.PHONY: fuzz
fuzz: ## Try more inputs of every parser than `test` does: make fuzz CASES=10000000
	PROPTEST_CASES=$(CASES) $(CARGO) test $(LOCKED) --package domain --test fuzz --no-fail-fast
	PROPTEST_CASES=$(CASES) $(CARGO) test $(LOCKED) --workspace --lib --bins --no-fail-fast fuzz

# Built as test-rust does it, after which there is nothing left to build.
SEED ?= 1
.PHONY: fuzz-api
fuzz-api: ## Send two minutes of requests made from the API's description: make fuzz-api SEED=2
	@set -e; $(NATS); export POSTHORN_NATS_SERVER; \
	venv="$$(tools/ensure-python-venv fuzz)"; \
	$(CARGO) build $(LOCKED) --workspace --lib --bins --tests; \
	exec "$$venv/bin/python" -B tests/fuzz/fuzz_api.py --posthorn target/debug/posthorn --seed $(SEED)

.PHONY: openapi
openapi: ## Renew the description of the API that the Admin API serves
	POSTHORN_RENEW_OPENAPI=1 $(CARGO) test $(LOCKED) --package posthorn --test openapi the_committed_document

.PHONY: help-texts
help-texts: ## Renew the texts that each command's --help is compared with
	POSTHORN_RENEW_HELP=1 $(CARGO) test $(LOCKED) --package posthorn --test help the_help_of

.PHONY: screenshots
screenshots: ## Take the README's pictures of the panel anew
	@set -e; $(NATS); $(PANEL); export POSTHORN_NATS_SERVER POSTHORN_PANEL_PYTHON POSTHORN_CHROMIUM; \
	$(CARGO) build $(LOCKED) --workspace --lib --bins --tests; \
	POSTHORN_PANEL_SCREENSHOTS="$$PWD/docs/images" $(CARGO) test $(LOCKED) --package e2e --test it panel

# Needs the right to mount a file system, and a machine that has not much else to do. The tables go to target/faults.
.PHONY: faults
faults: ## Let everything around Posthorn go wrong for as long as its time-outs take (half an hour)
	@set -e; $(NATS); $(PG); $(FAKETIME); export POSTHORN_NATS_SERVER POSTHORN_PG_BIN POSTHORN_FAKETIME; \
	$(CARGO) build $(LOCKED) --workspace --lib --bins --tests; \
	POSTHORN_FAULTS=long $(CARGO) test $(LOCKED) --workspace --test faults -- --include-ignored

SEEDS ?= 5000
.PHONY: simulate
simulate: ## Run more seeds of the simulation: make simulate SEEDS=100000
	POSTHORN_SIMULATION_SEEDS=$(SEEDS) $(CARGO) test $(LOCKED) --package e2e --test simulation

BENCH = $(CARGO) run $(LOCKED) --release --package e2e --bin posthorn-bench --

.PHONY: bench
bench: build ## Measure the release binaries: throughput, latency, CPU and memory, scenario by scenario
	@set -e; $(NATS); $(PG); export POSTHORN_NATS_SERVER POSTHORN_PG_BIN; \
	$(BENCH) $(BENCH_ARGS)

.PHONY: bench-curves
bench-curves: build ## Measure as configs, endpoints, fan-out, backlog, payload and replicas grow
	@set -e; $(NATS); $(PG); export POSTHORN_NATS_SERVER POSTHORN_PG_BIN; \
	$(BENCH) curves $(BENCH_ARGS)

.PHONY: bench-soak
bench-soak: build ## Send for an hour at half of the maximum; memory must not rise
	@set -e; $(NATS); $(PG); export POSTHORN_NATS_SERVER POSTHORN_PG_BIN; \
	$(BENCH) soak $(BENCH_ARGS)

.PHONY: bench-isolation
bench-isolation: build ## Measure what bad neighbours, a comeback and more replicas do to endpoints
	@set -e; $(NATS); $(PG); export POSTHORN_NATS_SERVER POSTHORN_PG_BIN; \
	$(BENCH) --scenario neighbours --scenario recovery --scenario replicas $(BENCH_ARGS)

.PHONY: bench-waiting
bench-waiting: build ## Measure fresh events beside a million retries that wait, and how these drain
	@set -e; $(NATS); $(PG); export POSTHORN_NATS_SERVER POSTHORN_PG_BIN; \
	$(BENCH) --scenario waiting $(BENCH_ARGS)

## Cleaning

.PHONY: clean-tools
clean-tools: ## Remove the tools fetched into .tools
	rm -rf .tools
