# make run    installs what is missing, builds Sotto and opens it
# make test   installs what is missing and runs all tests
# make demo   opens two windows that share a relay on this computer
# make bench  prints the benchmarks
# make build  puts sotto, sotto-cli and sotto-relay into bin/

SHELL := /bin/sh
.DELETE_ON_ERROR:
.PHONY: run demo build test check bench setup setup-test clean

GO = $(shell packaging/go.sh)
# All but the window itself builds without cgo.
PURE = $(shell $(GO) list ./... | grep -v /cmd/sotto$$)
# The packages that start goroutines.
RACE = $(shell $(GO) list ./core/... ./store/... | grep -vE '/(wire|crypt|sntrup761|ratchet|mp4|picture|voice|event|tornet|s3)$$')

# What only computes would spend two thirds of the time under the race detector: SQLite's C code, which is one
# goroutine's at a time, and the ciphers. Go's own crypto keeps its eyes: it synchronizes by atomics.
BLIND = -race=false -d=checkptr=0
RACEFLAGS = -race -short -timeout 30m -gcflags='modernc.org/sqlite/lib=$(BLIND)' -gcflags='modernc.org/memory=$(BLIND)' \
	-gcflags='modernc.org/libc/...=-d=checkptr=0' -gcflags='github.com/cloudflare/circl/...=$(BLIND)' \
	-gcflags='github.com/oasisprotocol/curve25519-voi/...=$(BLIND)' \
	-gcflags='github.com/sotto-chat/sotto/core/crypt/...=$(BLIND)'

run: setup
	$(MAKE) bin/sotto
	bin/sotto

demo: setup
	$(MAKE) bin/sotto
	bin/sotto --demo

build: setup
	$(MAKE) bin/sotto bin/sotto-cli bin/sotto-relay

.PHONY: bin/sotto bin/sotto-cli bin/sotto-relay
# A cursor that blinks would keep the whole window being drawn: 10 % of a core without a graphics card.
bin/sotto:
	$(GO) build -tags no_animations -trimpath -ldflags "-s -w" -o $@ ./cmd/sotto
bin/sotto-cli bin/sotto-relay:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o $@ ./cmd/$(@F)

test: setup-test
	$(MAKE) check
	CGO_ENABLED=0 $(GO) test $(PURE)
	CGO_ENABLED=1 $(GO) test $(RACEFLAGS) $(RACE)
	CGO_ENABLED=1 $(GO) test -count=1 ./cmd/sotto

# check looks at the code without running it.
check:
	@unformatted=$$($(GO) list -f '{{.Dir}}' ./... | xargs $$($(GO) env GOROOT)/bin/gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

bench: setup-test
	CGO_ENABLED=0 $(GO) test -run '^$$' -bench . $(PURE)

setup:
	@packaging/setup.sh
setup-test:
	@packaging/setup.sh test

clean:
	rm -rf bin
