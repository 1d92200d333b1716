# Keyturn's build. Needs Go, git, make and a shell; whatever else a target needs, it builds first, once per version,
# into the user's cache folder. The browser, the proxy and the directory servers that test needs are the
# system's: installed where they are missing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The same for every build, so that one fills the cache for the next; and no C compiler is needed.
export CGO_ENABLED := 0

# State and address of the local cluster.
LOCAL_DIR ?= .local
LOGIN_ADDR ?= 127.0.0.1:8080

# How long one package's tests may take, and for how long each fuzz target is fuzzed by fuzz and by fuzz-smoke.
TEST_TIMEOUT ?= 35m
FUZZ_TIME ?= 60s
FUZZ_SMOKE_TIME ?= 3s

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)

# Where make release writes to, and where the images of the release will be.
DIST ?= dist
REGISTRY ?= ghcr.io/keyturn

# A tool of hack/tools: its path, for use inside a recipe, where it is built if it is missing.
tool = $$(go run ./hack/provision tool $(1))

# Every module of the repository.
modules = $(patsubst %/,%,$(dir $(shell git ls-files --cached --others --exclude-standard go.mod "*/go.mod")))

.PHONY: help
help: ## Show this help.
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Use

.PHONY: run
run: build control-plane ## Run a local cluster with Keyturn in it (LOCAL_DIR, LOGIN_ADDR). Ctrl-C ends it.
	@exec bin/localcluster run --dir '$(LOCAL_DIR)' --login-address '$(LOGIN_ADDR)'

.PHONY: provider
provider: build oidc-provider ## Run a sample identity provider beside `make run` (the same LOCAL_DIR, LOGIN_ADDR). Ctrl-C ends it.
	@exec bin/localcluster provider --dir '$(LOCAL_DIR)' --login-address '$(LOGIN_ADDR)'

.PHONY: directory
directory: build directory-servers ## Run a sample directory beside `make run` (the same LOCAL_DIR, LOGIN_ADDR), as root. Ctrl-C ends it.
	@exec bin/localcluster directory --dir '$(LOCAL_DIR)' --login-address '$(LOGIN_ADDR)'

.PHONY: build
build: ## Build the servers and the local cluster's runner into bin.
	@echo 'Building the servers. The first time, with what they depend on, that takes some minutes ...'
	go build -ldflags '-X main.version=$(VERSION) -X main.commit=$(COMMIT)' -o bin/ ./cmd/...
	@go build -o bin/ ./hack/localcluster

##@ Develop

.PHONY: generate
generate: ## Generate deep copies from the API types.
	@# No apply configurations: nothing applies. A status is patched (controllers/internal/mergepatch), since its unreadable fields have to be replaced.
	"$(call tool,controller-gen)" object paths=./api/...

.PHONY: manifests
manifests: ## Generate the CustomResourceDefinitions, and what the chart copies out of config. Roles are written by hand.
	@rm -f config/crd/bases/*.yaml
	"$(call tool,controller-gen)" crd paths=./api/... output:crd:artifacts:config=config/crd/bases
	@hack/chart "$$(go run ./hack/provision path kubectl)"

.PHONY: fmt
fmt: ## Format the code.
	"$(call tool,golangci-lint)" fmt

.PHONY: lint
lint: ## Run the linters, over the code and over the API's conventions.
	"$(call tool,golangci-lint)" run
	"$(call tool,kube-api-linter)" run --config .golangci-kal.yml ./api/...
	linter="$(call tool,golangci-lint)"; cd hack/release; "$$linter" run

.PHONY: test
test: control-plane browser nginx oidc-provider directory-servers ## Run all tests, end to end included; pictures of the pages go to .screenshots.
	@echo 'Testing. Packages that talk to the API server start their own and take up to some minutes ...'
	@go run ./hack/provision tool promtool >/dev/null
	@go run ./hack/provision tool helm >/dev/null
	@# Not from the cache: it cannot see that the binaries have changed which end-to-end tests build and start.
	go test -count=1 -timeout $(TEST_TIMEOUT) ./...
	go test -C hack/release -count=1 ./...
	@echo 'What the end-to-end tests have measured:'
	@cat .figures
	@$(MAKE) fuzz-smoke

.PHONY: node-test
node-test: ## Install, log in, upgrade and uninstall on a real node. Needs Linux, root, and what release has made in DIST.
	@hack/node >/dev/null
	@$(MAKE) control-plane
	@echo 'Providing kubelet, kube-scheduler and kube-proxy. The first time, to build them takes some minutes ...'
	@go run ./hack/provision node
	KEYTURN_DIST='$(abspath $(DIST))' PATH=$$PATH:/usr/sbin:/sbin go test -count=1 -timeout $(TEST_TIMEOUT) -tags node -v ./test/node

.PHONY: pictures
pictures: control-plane browser oidc-provider directory-servers ## Take the pictures of the README and of docs anew.
	go test -count=1 -timeout $(TEST_TIMEOUT) -run '^TestPictures' ./test/e2e
	cp .screenshots/README-login.png docs/pictures/login.png
	cp .screenshots/README-change-password.png docs/pictures/change-password.png
	cp .screenshots/README-admin-list.png docs/pictures/admin-list.png
	cp .screenshots/README-admin-reset.png docs/pictures/admin-reset.png
	cp .screenshots/README-external-login.png docs/pictures/external-login.png
	cp .screenshots/README-external-change-refused.png docs/pictures/external-change-refused.png
	cp .screenshots/README-directory-login.png docs/pictures/directory-login.png
	cp .screenshots/README-directory-home.png docs/pictures/directory-home.png
	cp .screenshots/README-directory-change-refused.png docs/pictures/directory-change-refused.png
	cp .screenshots/README-directory-must-change.png docs/pictures/directory-must-change.png

.PHONY: bench
bench: control-plane build directory-servers ## Measure what the design budgets.
	go run ./test/bench

.PHONY: fuzz
fuzz: ## Fuzz each target for a minute (FUZZ_TIME). What fails is left in testdata/fuzz.
	@hack/fuzz '$(FUZZ_TIME)'

.PHONY: fuzz-smoke
fuzz-smoke: ## Fuzz each target for a few seconds (FUZZ_SMOKE_TIME), as test does.
	@echo 'Fuzzing. The first time, to build everything for it takes some minutes ...'
	@hack/fuzz '$(FUZZ_SMOKE_TIME)' committed

##@ Release

# VERSION has another value where nobody has set it, and that names no release.
.PHONY: release
release: ## Make a release in DIST (VERSION=v0.1.0, REGISTRY, ALLOW_UNCOMMITTED=1). docs/releasing.md says more.
	@go run -C hack/release . -version '$(if $(findstring command line,$(origin VERSION)),$(VERSION))' -registry '$(REGISTRY)' -dist '$(abspath $(DIST))' \
		-kubectl "$$(go run ./hack/provision path kubectl)" -cyclonedx-gomod "$(call tool,cyclonedx-gomod)" \
		-helm "$(call tool,helm)" $(if $(ALLOW_UNCOMMITTED),-allow-uncommitted)

.PHONY: release-test
release-test: ## Release the last commit twice, from two folders, compare, and start what is in the images. Needs root.
	@hack/release-test

##@ Check

.PHONY: verify
verify: ## Check that generated files, module files and formatting are up to date.
	@hack/verify $(modules)

##@ Prepare and clean

.PHONY: control-plane
control-plane: ## Build etcd, kube-apiserver, kube-controller-manager and kubectl, once per version.
	@go run ./hack/provision control-plane

.PHONY: browser
browser: ## Provide Chromium and what the pages are checked with, where they are missing.
	@hack/browser >/dev/null

.PHONY: nginx
nginx: ## Provide nginx, where it is missing.
	@hack/nginx >/dev/null

.PHONY: oidc-provider
oidc-provider: ## Provide the OpenID provider that the tests run, where it is missing.
	@hack/npm-packages hack/oidc-provider >/dev/null

.PHONY: directory-servers
directory-servers: ## Provide Samba, slapd and krb5kdc, which the tests run, where they are missing.
	@hack/directories >/dev/null

.PHONY: tools
tools: ## Build the generators and linters, once per version.
	@for module in hack/tools/*/; do go run ./hack/provision tool "$$(basename "$$module")"; done

.PHONY: clean-local
clean-local: ## Forget the local cluster's state.
	@go build -o bin/ ./hack/localcluster
	@bin/localcluster forget --dir '$(LOCAL_DIR)'

.PHONY: clean
clean: ## Remove what build and release made.
	rm -rf bin dist
