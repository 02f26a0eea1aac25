# make demo    the main job, on a broker in this process: needs nothing but Go
# make test    all tests, with the race detector, on RabbitMQ 3.10 and 4.0: sets up what it needs
# make lint    formatting, vet, the linters, the rules of the rooms
# make simulate [SEEDS=100000]   the deterministic simulation, each seed in two modes, then what it finds of planted bugs; REPORT=docs/reliability.md puts the tables there
# make matrix [SEED=1] [ARGS='-match "data-producer, closing" -v']   every way to fail at every point in the life of every actor, in virtual time; REPORT=docs/reliability.md puts the summary there
# make soak [DURATION=30m]   restarts, resets and an outage at load, on the embedded broker and on RabbitMQ: what grows, and whether anything is lost; REPORT=docs/reliability.md puts the table there
# make chaos [SCHEDULES=184] [CLUSTERS=12] [SEED=7]   randomised schedules of faults on private RabbitMQ nodes and clusters: an hour; REPORT=docs/reliability.md puts the table there
# make bench [ARGS=-quick]   weir beside the raw clients and watermill, on a RabbitMQ node of its own, into docs/performance.md: 25 minutes on two idle cores
# make bench-growth   how costs grow with records, writers, readers, channels and peers, into docs/growth.md
# make bench-recovery  how fast clients are back after resets and restarts, beside each other, into docs/reliability.md: half an hour
# make bench-go       Go benchmarks of the hot paths
# make benchstat OLD=main [BENCH=Write] [COUNT=8]   the same, compared with another commit

GO    ?= go
SEEDS ?= 100000
SCHEDULES ?= 184
CLUSTERS ?= 12
SEED  ?= 0
DURATION ?= 30m
OLD   ?= main
BENCH ?= .
COUNT ?= 8
BIN   := bin

.PHONY: demo test lint simulate matrix chaos soak bench bench-growth bench-recovery bench-go benchstat prepare

demo:
	$(GO) run ./cmd/demo run --crash data-consumer=panic@1500ms --crash data-producer=error@2s --crash status-consumer=goexit@3s

# The simulation and the lifecycle matrix run each world on one thread, where the race detector finds little and takes many times as long: some of it with it, all without.
test: prepare
	CGO_ENABLED=1 $(GO) test -race -timeout 15m ./...
	$(GO) test -timeout 15m ./test/sim ./test/matrix
	$(GO) test -C test/bench ./...

# The trees of the brokers and the C compiler that the race detector needs, where they are missing.
prepare:
	$(GO) run ./test/rabbit/cmd/node prepare

# The linter is pinned in a module of its own, so that users do not inherit its dependencies.
lint: $(BIN)/golangci-lint
	$(GO) vet ./...
	$(BIN)/golangci-lint run
	cd test/bench && $(GO) vet ./... && ../../$(BIN)/golangci-lint run
	$(GO) test ./test/rules

$(BIN)/golangci-lint: .ci/go.mod
	CGO_ENABLED=0 $(GO) build -C .ci -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	touch $@

simulate:
	$(GO) run ./test/sim/cmd/simulate -seeds $(SEEDS) -cells $(if $(REPORT),-report $(REPORT))
	$(GO) run ./test/sim/bugs $(if $(REPORT),-report $(REPORT))

matrix:
	$(GO) run ./test/matrix/cmd/matrix $(if $(filter-out 0,$(SEED)),-seed $(SEED)) $(if $(REPORT),-report $(REPORT)) $(ARGS)

# What violated a promise leaves its logs in bin/chaos-logs.
chaos: prepare
	mkdir -p $(BIN)
	$(GO) build -o $(BIN)/chaos ./test/chaos/cmd/chaos
	$(BIN)/chaos -schedules $(SCHEDULES) -clusters $(CLUSTERS) -seed $(SEED) -logs $(BIN)/chaos-logs $(if $(REPORT),-report $(REPORT))

soak: prepare
	$(GO) run ./test/soak/cmd/soak -duration $(DURATION) $(if $(REPORT),-report $(REPORT))

# The samples are kept: go run -C test/bench . -load ../../bin/bench.json -report ../../docs/performance.md makes the page again.
bench: prepare
	mkdir -p $(BIN)
	$(GO) run -C test/bench . -report ../../docs/performance.md -save ../../$(BIN)/bench.json $(ARGS)

bench-growth: prepare
	$(GO) run -C test/bench . -growth -report ../../docs/growth.md $(ARGS)
	$(GO) run -C test/bench . -many 1000 -report ../../docs/growth.md

# Without a broker: the parts that a profile of the data path names.
HOT := . ./actors ./supervisor ./codec/... ./broker/embedded ./broker/rabbitmq ./broker/rabbitstream

bench-recovery: prepare
	$(GO) run -C test/bench . -recovery -report ../../docs/reliability.md $(ARGS)

bench-go:
	$(GO) test -run '^$$' -bench '$(BENCH)' -skip BenchmarkBroker -benchmem $(HOT)

# Old and new take turns, so that a change of the machine hits both.
benchstat: $(BIN)/benchstat
	rm -rf $(BIN)/old $(BIN)/old.txt $(BIN)/new.txt && git worktree prune && git worktree add --detach $(BIN)/old '$(OLD)'
	for i in $$(seq $(COUNT)); do \
		(cd $(BIN)/old && $(GO) test -run '^$$' -bench '$(BENCH)' -skip BenchmarkBroker -benchmem $(HOT) 2>&1) >>$(BIN)/old.txt; \
		$(GO) test -run '^$$' -bench '$(BENCH)' -skip BenchmarkBroker -benchmem $(HOT) >>$(BIN)/new.txt || exit 1; \
		echo "$$i of $(COUNT)"; \
	done
	git worktree remove --force $(BIN)/old
	$(BIN)/benchstat $(BIN)/old.txt $(BIN)/new.txt

$(BIN)/benchstat: .ci/go.mod
	CGO_ENABLED=0 $(GO) build -C .ci -o ../$@ golang.org/x/perf/cmd/benchstat
	touch $@
