# The platform on this machine, and the checks. `make` or `make help` lists what there is.

SHELL := /bin/sh
STACK := .sidecart/bin/stack
PKG   ?=

.DEFAULT_GOAL := help
.PHONY: help run start stop infra status doctor logs dead-letters reset demo seed test lint fmt fuzz invariants chaos bench build stack audit-deps audit-verify generate rotate-keys

help: ## What there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: stack ## Run the platform here, until Ctrl-C
	@exec $(STACK) run

start: stack ## Run it in the background; returns when it is ready
	@$(STACK) start

stop: stack ## Stop it, wherever it runs
	@$(STACK) stop

infra: stack ## Only what is underneath, for `dapr run -f dapr/dapr.yaml`
	@$(STACK) infra

status: stack ## What runs
	@$(STACK) status

doctor: stack ## What is here, what is missing, what to do
	@$(STACK) doctor

logs: stack ## Follow a service and its sidecar: make logs SERVICE=orders
	@exec $(STACK) logs $(SERVICE)

dead-letters: stack ## What services could not handle; REPLAY=all or an id has it handled again, DISCARD= throws it away
	@$(STACK) dead-letters $(if $(REPLAY),replay $(REPLAY)) $(if $(DISCARD),discard $(DISCARD))

reset: stack ## Empty the platform (asks; YES=1 does not)
	@$(STACK) reset $(if $(YES),--yes)

demo: ## A buyer's first order, against the running platform
	@go run ./tests/demo

seed: ## A believable catalogue with pictures, buyers and months of orders, into the running platform
	@go run ./tests/seed

test: stack ## Everything CI checks; PKG=./apps/orders/... for one part
	@$(STACK) check $(PKG)

lint: stack ## Only the linter
	@$(STACK) lint

fuzz: ## Look for input that breaks a reader, FUZZTIME (60s) for each
	@for target in ./kit/auth:FuzzVerify ./kit/web:FuzzDecode ./kit/web:FuzzCursor ./apps/gateway/internal/door:FuzzPlain ./apps/gateway/internal/door:FuzzHostname ./apps/users/internal/account:FuzzNames; do \
		go test $${target%%:*} -run '^$$' -fuzz "^$${target##*:}$$" -fuzztime $(or $(FUZZTIME),60s) || exit 1; done

audit-deps: stack ## Dependencies: unchanged, and without known weaknesses (asks vuln.go.dev, or DB=file:///...)
	@$(STACK) audit-deps $(if $(DB),-- -db $(DB))

fmt: ## Format all Go code
	@gofmt -w apps kit stack tests tools

generate: ## Write anew what is made from the code: docs/events.md, golden events, dapr/config/, topics in components/
	@go run ./tools/daprgen
	@go test ./kit/shop -count 1 -run TestOldEventsDecode -update

invariants: ## Check on the running platform what must always hold: stock, money, orders, events
	@go run ./tests/invariants/report

chaos: stack ## 3,000 orders while everything is killed at random; ORDERS=500 for fewer
	@CHAOS_ORDERS=$(or $(ORDERS),3000) $(STACK) check ./tests/invariants/...

bench: stack ## Measure a platform of its own, into docs/performance.md
	@go build -o .sidecart/bin/bench ./tests/bench && exec .sidecart/bin/bench -write docs/performance.md

rotate-keys: stack ## Sign tokens with a new key from now on; nobody has to sign in again
	@$(STACK) rotate-keys

audit-verify: stack ## Walk the audit's chain and name what was tampered with; SINCE=NUMBER:HASH was its head before
	@$(STACK) audit-verify $(if $(SINCE),-- -since $(SINCE))

build: ## Build the services and the stack into .sidecart/bin
	@mkdir -p .sidecart/bin && go build -o .sidecart/bin/ ./stack $(wildcard ./apps/*)

stack:
	@mkdir -p .sidecart/bin && go build -o $(STACK) ./stack
