# Node 24 comes with the dependencies; it goes first on the path of everything below.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help install build demo dev test check types lint format tidy docs-check deploy-check fmt docs bench soak servers \
	up down logs ps smoke stack clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: node_modules/.installed ## install the pinned dependencies, Node 24 with them
node_modules/.installed: package-lock.json
	npm ci --loglevel=error
	@touch $@

build: dist/.built ## compile src to dist, when something changed
dist/.built: node_modules/.installed tsconfig.json $(shell find src)
	tsc -p tsconfig.json
	@touch $@

demo: install build ## generate a log, follow it, show the rollups
	@./tailrace demo

dev: install ## compile again on every change
	tsc -p tsconfig.json --watch --preserveWatchOutput

test: install build ## run every test; the last line is `N passed, N failed`
	@node scripts/test.ts

check: install types lint format tidy docs-check deploy-check ## types, lint, format, tidiness, generated docs, deployment

types: install
	tsc -p tsconfig.test.json

lint: install
	oxlint --type-aware --deny-warnings

format: install
	oxfmt --check

tidy: install
	@npm run --silent jest -- test/tidy.test.ts

docs-check: install
	@node scripts/docs.ts --check

deploy-check: install
	@node scripts/check-deploy.ts

fmt: install ## format the sources
	oxfmt

docs: install ## write the generated pages of docs/reference
	@node scripts/docs.ts

bench: install build ## run the benchmarks of test/bench
	@node scripts/bench.ts

soak: install build ## run the long tests with large counts (by hand, hours)
	@TAILRACE_SOAK=1 node scripts/test.ts test/property test/system

servers: install ## download the Kafka and the Elasticsearch that the tests start
	@node scripts/fetch-stack.ts

up: install ## start the whole stack in containers, wait, say what to open
	@node scripts/compose.ts up

down: install ## stop the containers; what they stored stays
	@node scripts/compose.ts down

logs: install ## follow what the stack says, in containers or not
	@node scripts/compose.ts logs

ps: install ## list what the stack runs, in containers or not
	@node scripts/compose.ts ps

smoke: install build ## prove the stack: start it, compare documents and rows with the lines, kill roles, stop it
	@node scripts/smoke.ts

stack: install build ## the same pipeline on real Kafka, Elasticsearch and Prometheus without containers, until Ctrl-C; ANY_PORTS=1
	@node scripts/stack.ts $(if $(ANY_PORTS),--any-ports)

# What was stored nobody can make again: it goes only by name. Where nothing was installed nothing can run, and there is no Node to look.
clean: $(if $(filter 1,$(VOLUMES)),install) ## remove what build and test made (not node_modules); VOLUMES=1: what the stack stored, and tailrace-data
	@if [ -e node_modules/.installed ]; then node scripts/clean.ts $(if $(filter 1,$(VOLUMES)),--volumes); else rm -rf dist coverage; fi
