# make help says what there is. It takes Go and make; what else a target needs, .ci/services installs or names.

SHELL := /bin/bash
space := $(subst ,, )
.DEFAULT_GOAL := help
.PHONY: help run build image quick test storm fleet rehearse scale lighthouse check rules generate vulndb bench fuzz clean

# No limit judges a test: an hour is when something hangs. Packages and tests run beside each other, more than there are
# processors: many wait.
GO_TEST = go test -vet=off -count=1 -p $(PACKAGES) -parallel 8 -timeout 1h
PACKAGES = 3
# The race detector watches all but SQLite's own code: that is C, written as Go by a program, and watched it takes eight times as
# long; what belongs to it is watched, but for how it casts pointers. No package with generic functions may be left out
# itself: the linker keeps one copy of each for all. make storm watches SQLite too.
RACE    := -race -gcflags=modernc.org/...=-d=checkptr=0 -gcflags=modernc.org/sqlite/lib=-race=false
# What make quick leaves out: tests that start a server, be it PostgreSQL, Redis, Prometheus or the program itself, and those that run
# promtool or Node. One that is missing here fails in make quick, and says which server it wants.
ENGINES := ^(postgres|postgres_redis|redis|cluster)$$
# Go takes the first of them that fits a name so far: those of tests stand before those of subtests.
SERVERS := ^Test(Alerts|Runbook|WebhookStorm|KilledWhileSending|OneCreditLeft|RedisGone|ExpiredWithoutWorkers|OneNumber|Panels|MetricsPages|TwoProcesses|LiveCopies|RestoreFromTheReadme|DowngradeFromTheReadme|Health)$$ \
	| ^Test(Trace|Fleet|PostgresFailsOver|SentinelUnderLoad|ClusterNodeLost)$$ \
	| ^Test(BoardsAtFirstLook|LegendsStayShort)$$ \
	| ^Test(PreflightOfTenThousand|Salesforce(Storm|OneBadRow|DailyLimit|Drift|Backfill|Check))$$ \
	| ^Test(ErasureLeavesNoRow|OpenPostgresRefuses|OpenTogether|ErrorsQuoteNoValue|SchemasAreTheSame|RolesOfTheReadme|Partitions)$$ \
	| ^Test(RedisComesLate|MessagesRefused|PingNamesTheRemedy|WarnsOfEviction|SentinelFailsOver|Jsforce|JsforceNormal|OfficialClient|Recipes)$$ \
	| ^Test(EveryQueryAnswers|CheckFindsWhatIsMissing|Faster|Alertmanager|RuleFilesAreSound|RuleTestsPass)$$ \
	| ^TestField(PgBouncer|Clock|Outages)$$ \
	| ^Test(ReadyByRole|PagesInABrowser|GeneratedClients|SampleInAShell)$$ \
	| /$(ENGINES) \
	| /^R60_(nothing_is_left|killed_in_the_middle)$$ \
	| /^(R57_open_rate_of_complete_weeks|R58_response_rate_of_complete_weeks|R59_two_replicas_tell_one_figure)$$ \
	| /^R61_postgres$$ \
	| /^R68_verified_by_the_library_of_subscribers$$ \
	| /^F35_(postgres|redis)_ \
	| /^F37_(tls_asked|unknown_host|closed_port|absent_schema|no_socket) \
	| //$(ENGINES) \
	| ///$(ENGINES)
CHECKS  := check-format check-vet check-static check-vulnerabilities check-imports check-chart check-api check-generated
FUZZ    ?= 10s
VULNDB  := golang.org/x/vulndb
.PHONY: $(CHECKS)

# Go takes the toolchain that go.mod names, which it fetches as a module, also where its installation says "local".
# make GOTOOLCHAIN=local TARGET keeps to the Go that is installed.
ifeq ($(shell cd / && go env GOTOOLCHAIN 2> /dev/null),local)
export GOTOOLCHAIN := auto
endif

help: ## Print this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-17s %s\n", $$1, $$2}'

run: build ## Build and serve the sample data at http://127.0.0.1:8080 (nothing else is needed)
	env -u INMAIL_TIME_TRAVEL .build/inmail serve --sample

build: ## Build the program, without cgo, as .build/inmail
	@mkdir -p .build
	CGO_ENABLED=0 go build -trimpath -o .build/inmail ./cmd/inmail

image: build ## Build the container image inmail, with DOCKER (docker; podman or buildah do as well)
	@rm -rf .build/image && mkdir -p .build/image/data && cp .build/inmail .build/image/inmail
	$(or $(DOCKER),docker) build -f config/deploy/Dockerfile -t inmail .build/image

# More packages fit where no servers run beside them, and a tenth of the time went into collecting the garbage of small heaps.
quick: PACKAGES = 5
quick: export GOGC := 400
quick: ## Run every test that needs no server and nothing but Go, without the race detector: what to run after each change
	@env -u INMAIL_TEST_POSTGRES_URL -u INMAIL_TEST_REDIS_URL $(GO_TEST) -skip '$(subst $(space),,$(SERVERS))' ./...

test: .build/rules ## Run every test with the race detector, on private servers, and hold the rules against the results
	@set -o pipefail; .ci/services run --fast -- $(GO_TEST) $(RACE) -json ./... | .build/rules --report --check domain/README.md

storm: .build/rules ## Run every test in its long form: storms, kills, scale and histories at full size, SQLite raced, PostgreSQL durable
	@set -o pipefail; INMAIL_TEST_LONG=1 .ci/services run -- $(GO_TEST) -race -json ./... | .build/rules --report --check domain/README.md

fleet: ## Disturb two processes of each role at random for MINUTES (5), in the order of SEED (a new one), and count that all happened once
	@INMAIL_TEST_FLEET_SEED=$(SEED) INMAIL_TEST_FLEET_MINUTES=$(or $(MINUTES),5) .ci/services run -- \
		go test -vet=off -count=1 -timeout 0 -v -run '^TestFleet$$' ./cmd/inmail

rehearse: ## Run the commands of the Salesforce package's README with the Salesforce CLI (some 480 MB from npm) against the sandbox
	@INMAIL_REHEARSE=1 go test -vet=off -count=1 -timeout 30m -run '^TestRehearsal$$' ./connectors/salesforce/sandbox

scale: ## Compare the costs of figures and pages at a thousand InMails with those at INMAILS (1000000)
	@INMAIL_TEST_SCALE=$(or $(INMAILS),1000000) .ci/services run -- \
		go test -vet=off -count=1 -timeout 0 -v -run '^TestFiguresCostTheSame$$' ./cmd/inmail

lighthouse: ## Measure the pages that people begin at with Lighthouse, as a phone (wants all of Chromium: apt-get install chromium)
	@go test -tags lighthouse -vet=off -count=1 -timeout 1h -v -run '^TestLighthouse$$' ./cmd/inmail

# All parts compile as make build does: in another configuration each package would be compiled once more.
check: export CGO_ENABLED := 0
check: export GOFLAGS := $(strip $(GOFLAGS) -trimpath)
check: ## Look without running: format, vet, staticcheck, known vulnerabilities, imports, Helm chart, API document, generated files
	@$(MAKE) --no-print-directory -k $(CHECKS)

rules: .build/rules ## Run the rules' tests and write domain/README.md: each rule, where it is decided, what proves it
	@set -o pipefail; .ci/services run --fast -- $(GO_TEST) -run '^TestRules$$' -json ./... | .build/rules --write domain/README.md

generate: ## Write every generated file anew (domain/README.md is written by make rules)
	go generate ./...

vulndb: ## Bring the database of known vulnerabilities, which make check looks into, forward to the newest
	@go -C .ci/vulndb get $(VULNDB)@latest && rm -f .ci/vulndb/go.sum && go -C .ci/vulndb mod download $(VULNDB) && \
	go -C .ci/vulndb list -m $(VULNDB)

bench: build ## Run the load of cmd/inmail/BENCH.md on private servers and print its table
	@go -C .ci/river build -o "$(CURDIR)/.build/river" .
	@.ci/services run -- bash -c 'set -euo pipefail; .build/inmail bench; server=$$INMAIL_TEST_POSTGRES_URL; echo; \
		psql -q "$$server" -c "CREATE DATABASE inmail_bench TEMPLATE template0 ENCODING '"'UTF8'"'"; \
		url=$$(sed -E "s#^([a-z]+://[^/]*)/[^?]*#\1/inmail_bench#" <<< "$$server"); \
		INMAIL_DATABASE_URL=$$url .build/inmail bench --river .build/river; \
		psql -q "$$server" -c "DROP DATABASE inmail_bench"'

fuzz: ## Fuzz each fuzz test for FUZZ (10s)
	@set -eo pipefail; for package in $$(go list ./...); do \
		for name in $$(go test -vet=off -list '^Fuzz' "$$package" | grep '^Fuzz' || true); do \
			go test -vet=off -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZ) -parallel 2 "$$package"; \
		done; \
	done

clean: ## Remove what the build made (never the data folder)
	rm -rf .build

.PHONY: .build/rules
.build/rules:
	@mkdir -p .build
	@go build -o .build/rules ./cmd/rules

# --- the parts of make check; each can be run alone -----------------------------------------------

check-format:
	@echo "gofmt"; unformatted=$$(git ls-files -co --exclude-standard -- '*.go' | xargs gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "not formatted; run gofmt -w on:" $$unformatted; exit 1; fi

check-vet:
	@echo "go vet"; go vet ./...

check-static:
	@echo "staticcheck"; go tool staticcheck ./...

# govulncheck looks into the database that .ci/vulndb pins: a module of OSV files, which Go fetches as it fetches the
# others. The check fails when it could not look, and when the code reaches something that is known.
check-vulnerabilities:
	@echo "govulncheck"; mkdir -p .build; \
	blind() { echo "govulncheck: nothing was looked up, its database could not be had: $$1"; exit 1; }; \
	go -C .ci/vulndb mod download $(VULNDB) > .build/vulndb.txt 2>&1 || blind "$$(grep -v downloading .build/vulndb.txt | head -n 1)"; \
	entries=$$(go -C .ci/vulndb list -m -f '{{.Dir}}/data/osv' $(VULNDB)); \
	ls "$$entries" 2>&1 | grep -q '^GO-.*\.json$$' || blind "no entries in $$entries"; \
	go tool govulncheck -db "file://$$entries" ./... > .build/govulncheck.txt 2>&1 || { cat .build/govulncheck.txt; exit 1; }

check-imports:
	@echo "imports"; go test -vet=off ./cmd

# The linters are npm's, pinned in .ci/api (80 MB): some 8 s when they are installed.
check-api: build
	@echo "OpenAPI document"; .ci/api/lint > .build/api.txt 2>&1 || { cat .build/api.txt; exit 1; }

# The Helm chart is checked by Helm itself and the types of Kubernetes, a module of its own. The first time builds both: some 90
# seconds of one processor.
check-chart: build
	@echo "chart"; INMAIL_TEST_PROGRAM="$(CURDIR)/.build/inmail" go -C .ci/helm test -vet=off -count=1 . > .build/chart.txt 2>&1 || \
	{ cat .build/chart.txt; exit 1; }

check-generated:
	@echo "generated files"; mkdir -p .build; \
	sums() { git ls-files -co --exclude-standard -z | sort -z | xargs -0 cksum 2>/dev/null; }; \
	sums > .build/before.sums; $(MAKE) --no-print-directory generate > .build/generate.txt 2>&1 || { cat .build/generate.txt; exit 1; }; \
	sums > .build/after.sums; \
	if ! diff .build/before.sums .build/after.sums > .build/generated.diff; then \
		echo "out of date, now written anew by make generate; commit:"; sed -n 's/^> [0-9]* [0-9]* /  /p' .build/generated.diff; exit 1; \
	fi
