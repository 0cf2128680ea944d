# make, or make help, lists the targets.
.DEFAULT_GOAL := help

GO          ?= go
GOLANGCI    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
BENCHSTAT   := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT      := $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS     := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# The slowest packages start first, or the run would wait for them alone at the end.
LONGEST := ./server ./server/gatewayworker ./cmd/castgate

# What plays against programs that it starts, and makes figures of it.
DRIVERS := ./e2e/... ./stress/... ./bench/... ./cmd/bench ./cmd/soak ./cmd/stress

# Nothing of these runs in a second goroutine, which a test of the root holds: there is no
# race to detect.
SEQUENTIAL := ./cmd/castgate/internal/process ./codec/codectest ./codec/gatewayworker ./internal/snippets \
	./loadtest/clock ./loadtest/internal/oneline ./loadtest/internal/sequence ./loadtest/latency \
	./loadtest/payload ./loadtest/timeline ./server/client ./server/cluster/internal/message \
	./server/cluster/internal/names ./server/cluster/internal/simnet ./server/events/internal/sign \
	./server/events/internal/store ./server/frames ./server/gateway \
	./server/gatewayworker/internal/faults ./server/heartbeat ./server/internal/clientid \
	./server/internal/integer ./server/internal/mergepatch ./server/internal/object \
	./server/internal/waitlist ./server/internal/wheel ./server/openfiles ./server/origin \
	./server/reason ./server/setting ./server/token

# All packages but these, the drivers, and the root, whose tests look at sources one after another.
RACED = $(shell $(GO) list ./... | grep -vxF "$$($(GO) list . $(DRIVERS) $(SEQUENTIAL))")

# The admin page, bundled. It is built again when a file of it is newer.
PAGE := server/admin/built/licenses.txt

.PHONY: help page run demo test compiled drivers race counting histories rivals modules shuffle clients references reconnects check quick lint fmt deps build packages packages-check dashboard deploy-check conformance stress soak fuzz vuln bench bench-1m bench-compare bench-registry loadtest clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

page: $(PAGE) ## bundle the admin page, which needs npm

$(PAGE): $(wildcard server/admin/page/*.* server/admin/page/src/*) ci/page.sh
	@ci/page.sh

run: page ## build the gateway into bin/ and run it with the admin page; flags in ARGS, e.g. make run ARGS="--listen :8000"
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$(LDFLAGS)" -o bin/ ./cmd/castgate
	@CASTGATE_ADMIN=$${CASTGATE_ADMIN-127.0.0.1:7274} exec bin/castgate serve $(ARGS)

demo: ## run the gateway, an example backend and its page
	./examples/demo.sh

# Programs that tests build and run have no symbols: linking takes half the time.
test check: export GOFLAGS := $(GOFLAGS) -ldflags=castgate/...=-s

# Two steps run at a time: each of them often leaves a processor idle.
test: deps compiled ## everything CI runs: lint, unit, race and end-to-end tests
	@$(MAKE) --no-print-directory -j2 --output-sync=line drivers race lint sequential counting histories rivals modules

# The steps and many tests build programs, side by side. What is not compiled by then,
# each of them would compile for itself. The compiler collects its garbage less often: that
# takes a sixth of its time.
compiled: export GOGC = 400
compiled: page
	@mkdir -p bin/test
	$(GO) build -race -o bin/test/castgate-race ./cmd/castgate
	$(GO) list -race -export -test $(RACED) >/dev/null
	$(GO) list -export -test ./... >/dev/null
	cd bench/rivals && $(GO) list -export ./... >/dev/null

check: ## lint and the quick tests, to run before a commit
	@$(MAKE) --no-print-directory -j2 --output-sync=line quick lint

quick:
	$(GO) test -short -vet=off -p 4 -timeout 5m $$($(GO) list $(LONGEST) ./... | grep -v /e2e)

lint: export GOGC = 400
lint: ## gofmt, and golangci-lint with staticcheck and go vet (.golangci.yml)
	@unformatted=$$(gofmt -d .); if [ -n "$$unformatted" ]; then echo "$$unformatted"; echo "gofmt: run make fmt" >&2; exit 1; fi
	$(GO) run $(GOLANGCI) run ./...
	cd bench/rivals && $(GO) run $(GOLANGCI) run ./...
	cd clients/go && $(GO) run $(GOLANGCI) run ./...
	cd examples/presence/go && $(GO) run $(GOLANGCI) run ./...

fmt: ## format all Go files
	gofmt -w .

# Many packages wait for processes or timers, so four at once keep two
# processors busy. lint has go vet's checks and more.
race:
	$(GO) test -race -vet=off -p 3 -timeout 30m $(LONGEST) $(RACED)
	$(GO) test -race -vet=off -short -p 4 -timeout 15m $(filter-out ./e2e/...,$(DRIVERS))

sequential:
	$(GO) test -vet=off -p 3 -timeout 10m $(SEQUENTIAL)

# The gateways that they start have the race detector; they themselves have it in race,
# where they start none.
drivers:
	WSTEST_RACE=1 $(GO) test -vet=off -p 3 -timeout 30m $(DRIVERS) .

counting:
	GO="$(GO)" ci/counting.sh

# Two thousand clusters in trouble, in virtual time, the same in each run of the tests.
# SEED=$(date +%s)0000 has others; a failure names its seed.
histories: ## simulated clusters in trouble against the contract; SEEDS=20000 for more, SEED=20001 for others
	CASTGATE_SIM_SEED=$(or $(SEED),1) CASTGATE_SIM_SEEDS=$(or $(SEEDS),2000) GOGC=1600 \
		$(GO) test -vet=off -count=1 -timeout 15m -run 'TestHistories$$' ./server/cluster

rivals:
	cd bench/rivals && $(GO) test -race -vet=off -timeout 5m ./control

modules:
	cd clients/go && $(GO) test -race -vet=off -timeout 5m ./...
	cd examples/presence/go && CGO_ENABLED=0 $(GO) test -vet=off -timeout 5m ./...
	cd deploy && $(GO) test -timeout 5m ./kinds

# go test ends a package after 10 minutes; e2e took 15 for this while another program kept
# two processors busy.
shuffle: page ## all tests three times in random order; COUNT=10 for more, SEED=… for an order that failed
	$(GO) test -shuffle=$(or $(SEED),on) -count=$(or $(COUNT),3) -timeout 60m ./...

clients: ## write the clients' types and codes from the OpenAPI document
	$(GO) test -count=1 -run TestClientTypes ./e2e -update

references: ## write docs/settings.md, docs/errors.md and docs/metrics.md from what the program says
	$(GO) test -count=1 -run TestReferences ./e2e -update

reconnects: ## draw docs/reconnects.svg: 1,000 pages after a restart, with clients/js and with a naive loop
	$(GO) test -count=1 -v -run TestPagesAfterRestart ./e2e -reconnects $(CURDIR)/docs/reconnects.svg

deps:
	@ci/deps.sh

vuln: ## known vulnerabilities in the code that the programs call; skipped if the database is unreachable
	GO="$(GO)" GOVULNCHECK=$(GOVULNCHECK) ci/vuln.sh

build: page ## static binaries of every program into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$(LDFLAGS)" -o bin/ ./cmd/...

packages: page ## .deb, .rpm, an OCI image, bills of materials and checksums into bin/packages
	@GO="$(GO)" VERSION="$(VERSION)" ci/packages.sh

dashboard: ## write deploy/grafana/castgate.json from code
	cd deploy && $(GO) run ./grafana

deploy-check: ## tests of deploy, helm lint, manifests in Kubernetes' types, promtool; minutes of compiling at first
	@GO="$(GO)" ci/deploy-check.sh

packages-check: ## lintian, rpmlint, the .deb in a booted Debian, the image in a runtime; as root, two minutes
	@ci/packages-check.sh

conformance: ## test the real binary against the rules of RFC 6455 and 7692, one by one
	@$(GO) test -count=1 -v -run TestConformance ./e2e/conformance

stress: ## all kinds of trouble for the real binary, with exact checks; STRESS=1h for longer, RACE=1, scenarios in ARGS
	@STRESS=$(or $(STRESS),1m) $(GO) run $(if $(RACE),-race) ./cmd/stress $(ARGS)

soak: build ## connections come and go for hours: does the gateway grow? SOAK=20m, flags in ARGS
	@SOAK=$(or $(SOAK),20m) bin/soak $(ARGS)

fuzz: ## run every fuzz target for FUZZTIME (30s)
	ci/fuzz.sh $(or $(FUZZTIME),30s)

bench: ## fan-out side by side with other servers; flags in ARGS
	@ci/deps.sh bench
	$(GO) run ./cmd/bench $(ARGS)

bench-compare: ## compare Go benchmarks of this tree and REF (HEAD~1) with benchstat; PKGS, BENCH, COUNT, BENCHTIME
	BENCHSTAT=$(BENCHSTAT) ci/bench-compare.sh $(or $(REF),HEAD~1)

bench-registry: ## 10,000,000 clients without sockets: bytes per client, the collector's pauses (6 GB, 10 minutes)
	CASTGATE_BENCH_10M=1 $(GO) test -run '^$$' -bench 'Registry10M$$' -benchmem -benchtime 5s -timeout 60m ./server/loop

bench-1m: build ## 1,000,000 connections in one process, in a guest if necessary; CONNECTIONS, GUEST, ARGS
	ci/bench-1m.sh $(ARGS)

loadtest: ## a swarm of clients that checks every message; flags in ARGS
	$(GO) run ./cmd/loadtest $(ARGS)

clean: ## remove bin/
	rm -rf bin
