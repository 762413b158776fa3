# `make` lists what there is. Works with GNU make 3.81, which macOS has.

CARGO ?= cargo
# More arguments for the program that a target starts: make run ARGS=--fresh
ARGS ?=
# The profile of `make run`. A first build with `dev` takes a fraction of the time of `release`,
# and it is shared with the tests. For the full speed: make run PROFILE=release
PROFILE ?= dev
LISTEN ?= 127.0.0.1:8080
SCENARIO ?= rush

target_dir := $(or $(CARGO_TARGET_DIR),target)
binary := $(target_dir)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/grandstand
stage := scripts/stage

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test api features chaos bench load lint fmt doc clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

run: ## Start all on http://127.0.0.1:8080: servers, demo and page (ARGS=--fresh, PROFILE=release)
	@scripts/setup run
	@$(CARGO) build --locked --profile $(PROFILE) --bin grandstand
	@exec $(binary) dev --listen $(LISTEN) $(ARGS)

test: ## All that must pass: format, lints, tests, features, scripts and browser tests
	@$(stage) setup scripts/setup test
	@$(stage) format $(CARGO) fmt --all --check
	@$(stage) lint $(CARGO) clippy --locked --all-targets -- -D warnings
	@$(stage) tests $(CARGO) test --locked --no-fail-fast
	@$(stage) scripts scripts/setup_test
	@if [ -f web/package.json ]; then $(stage) browser scripts/web_test; fi

api: ## The description of the API and the types of the page, after a change of the API
	@$(CARGO) run --locked --quiet --bin grandstand -- openapi > web/openapi.json.new
	@mv web/openapi.json.new web/openapi.json
	@cd web && npm run --silent api

features: ## The features alone, as scenarios (ARGS="-- --name 'a part of its name'")
	@scripts/setup run
	@$(CARGO) test --locked --test cucumber $(ARGS)

chaos: ## The same failures again and again, half an hour or more (ARGS=kills for a part of the name)
	@scripts/setup run
	@$(CARGO) test --locked --test it $(or $(ARGS),chaos::) -- --ignored --test-threads 1 --nocapture

bench: ## The benches (ARGS=engine_hold for one)
	@scripts/setup run
	@$(CARGO) bench --locked $(if $(ARGS),--bench $(ARGS))

load: ## A load test on private servers (SCENARIO=rush, watch, ...; ARGS="--people 10000")
	@scripts/setup run
	@$(CARGO) build --locked --release --bin grandstand --bin grandstand-load
	@exec $(target_dir)/release/grandstand load $(SCENARIO) --embedded $(ARGS)

lint: ## Clippy and the documentation, warnings are errors
	@$(CARGO) clippy --locked --all-targets -- -D warnings
	@RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items

fmt: ## Format the code
	@$(CARGO) fmt --all

doc: ## The documentation of the code, in the browser
	@$(CARGO) doc --locked --no-deps --document-private-items --open

clean: ## Remove what was built; the data in .grandstand stay
	@$(CARGO) clean
	@rm -rf web/node_modules .schemathesis
