# Commands for the platform on this machine, and for checks. `make help` lists them.

SHELL := /bin/sh
STACK := .sidecart/bin/stack
PKG   ?=

.DEFAULT_GOAL := help
.PHONY: help run start stop infra status doctor logs dead-letters reset demo seed test lint fmt fuzz fuzz-api invariants \
	chaos bench images secrets certificate build stack test-containers audit-deps audit-verify generate openapi \
	rotate-keys schemas kube kube-stop kube-test

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: stack ## Run the platform until Ctrl-C
	@exec $(STACK) run

start: stack ## Run the platform in the background; returns when it is ready
	@$(STACK) start

stop: stack ## Stop the platform
	@$(STACK) stop

infra: stack ## Run only the infrastructure, for `dapr run -f dapr/dapr.yaml`
	@$(STACK) infra

status: stack ## List the processes
	@$(STACK) status

doctor: stack ## Check this machine: programs, disk, memory, ports
	@$(STACK) doctor

logs: stack ## Follow the logs of a service and its sidecar: make logs SERVICE=orders
	@exec $(STACK) logs $(SERVICE)

dead-letters: stack ## List events that services could not handle; REPLAY=all or REPLAY=ID, DISCARD=all or DISCARD=ID
	@$(STACK) dead-letters $(if $(REPLAY),replay $(REPLAY)) $(if $(DISCARD),discard $(DISCARD))

reset: stack ## Delete all data of the platform after a confirmation (YES=1: without)
	@$(STACK) reset $(if $(YES),--yes)

demo: ## Place a buyer's first order on the running platform
	@go run ./tests/demo

seed: ## Fill the running platform with products, pictures, buyers and months of orders
	@go run ./tests/seed

test: stack ## Run all checks of CI; PKG=./apps/orders/... tests one part
	@$(STACK) check $(PKG)

lint: stack ## Run the linters: of the code, and of docs/openapi.json where Node.js is installed
	@$(STACK) lint

fuzz: stack ## Run all fuzz targets for FUZZTIME (1m) each; TARGET=FuzzCursor for one
	@$(STACK) test -- $(STACK) fuzz $(TARGET)

fuzz-api: stack ## Send N (5000) hostile requests to a platform of its own; SEED repeats a run
	@FUZZ_REQUESTS=$(or $(N),5000) FUZZ_SEED=$(or $(SEED),$$(date +%s)) FUZZ_NUMBER=$(NUMBER) \
		go test -count 1 -v -timeout 4h ./tests/fuzz

audit-deps: stack ## Verify dependencies and look for known vulnerabilities (at vuln.go.dev, or DB=file:///...)
	@$(STACK) audit-deps $(if $(DB),-- -db $(DB))

fmt: ## Format all Go code
	@gofmt -w apps kit stack tests tools

generate: ## Generate docs/events.md, golden events, descriptions of the API, dapr/config/, topics, files of targets
	@go run ./tools/daprgen
	@go run ./tools/deploygen
	@go test ./kit/shop -count 1 -run TestOldEventsDecode -update
	@go test ./apps/gateway/internal/document -count 1 -run TestDescriptionsAreTheComments -update

schemas: ## Write the schemas of Kubernetes' and Dapr's resources (tools/kubernetes/schemas) from the pinned modules
	@GOWORK=off go run -C tools/kubernetes .

openapi: ## Write docs/openapi.json as the running platform serves it, and the tests' Go client from it
	@go run ./tests/openapi
	@go generate ./tests/client/api

invariants: ## Check the invariants on the running platform: stock, money, orders, events
	@go run ./tests/invariants/report

chaos: stack ## Place 3,000 orders while processes are killed at random; ORDERS=500 for fewer
	@CHAOS_ORDERS=$(or $(ORDERS),3000) $(STACK) check ./tests/invariants/...

test-containers: stack ## Run the composition on a private Docker engine, as root; RUN=TestCompose for one test
	@$(STACK) containers $(RUN)
kube: stack ## Start a Kubernetes of one node in .sidecart/kube, and the platform in it (root, Linux; cold half an hour)
	@$(STACK) kube start
	@$(STACK) kube apply deploy/kubernetes/overlays/local
	@echo 'a command in it: $(STACK) kube enter kubectl --namespace sidecart get pods'

kube-stop: stack ## Stop that Kubernetes; nothing of it is left but programs and logs
	@$(STACK) kube stop

kube-test: stack ## Run the platform in such a Kubernetes, make trouble there (more with ALL=1), check that nothing is left
	@KUBE_TEST=$(if $(ALL),all,1) go test -count 1 -v -timeout 90m ./tests/kubernetes

bench: stack ## Measure a platform of its own, and write docs/performance.md
	@go build -o .sidecart/bin/bench ./tests/bench && exec .sidecart/bin/bench -write docs/performance.md

images: stack ## Build and check the images of containers: TAG=1.2.0, IMAGES="orders podinit", DOCKER=/usr/bin/docker
	@$(STACK) images -- -tag $(or $(TAG),latest) -docker $(or $(DOCKER),docker) \
		-base "GO_IMAGE=$(GO_IMAGE)" -base "DAPRD_IMAGE=$(DAPRD_IMAGE)" $(IMAGES)

secrets: ## Make the secrets of a production platform in secrets/, from .env (.env.example has all settings)
	@go run ./stack/podinit secrets -production -tls -env .env -dir secrets

certificate: ## Make a self-signed certificate in secrets/nginx, to try docker-compose.ssl.yml; HOST=shop.example.com
	@go run ./stack/podinit certificate -dir secrets/nginx $(or $(HOST),localhost)

rotate-keys: stack ## Sign tokens with a new key; users stay signed in
	@$(STACK) rotate-keys schemas

audit-verify: stack ## Verify the hash chain of the audit log; SINCE=NUMBER:HASH is an earlier head
	@$(STACK) audit-verify $(if $(SINCE),-- -since $(SINCE))

build: ## Build the services and the stack into .sidecart/bin
	@mkdir -p .sidecart/bin && go build -o .sidecart/bin/ ./stack $(wildcard ./apps/*)

stack:
	@mkdir -p .sidecart/bin && go build -o $(STACK) ./stack
