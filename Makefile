# make demo   plays the whole loop on this machine
# make test   everything that CI checks
# make local  an AWS account on 127.0.0.1:4566, with the stack deployed
# make help   the rest

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
SCENE ?= admin-ports
PORT ?= 4566

# The Rust tools come as wheels, pinned and hashed, with the local cloud's requirements.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONPATH := $(CURDIR)/local
export SAM_CLI_TELEMETRY := 0
# cargo lambda would look for Zig; on the same architecture cargo itself is enough.
export CARGO_LAMBDA_COMPILER := cargo

comma := ,
step = @printf '\n== %s\n' "$(1)"

.PHONY: help
help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# --- setting up -----------------------------------------------------------------------------------

.PHONY: setup
setup: .venv/ready ## what the rest needs, apart from Rust and Python 3.11

.venv/ready: local/requirements.txt
	$(call step,Python: the local cloud and the Rust tools (half a minute$(comma) silent))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Mend needs Python 3.11 or later: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv-template/ready: tests/template/requirements.txt
	$(call step,Python: SAM CLI and cfn-lint)
	$(PYTHON) -m venv .venv-template
	.venv-template/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

.venv-checkov/ready: tests/template/requirements-checkov.txt
	$(call step,Python: checkov)
	$(PYTHON) -m venv .venv-checkov
	.venv-checkov/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.PHONY: requirements
requirements: .venv/ready ## pin the Python packages anew
	.venv/bin/uv pip compile --quiet --no-header --generate-hashes --python-version 3.11 local/requirements.in -o local/requirements.txt
	.venv/bin/uv pip compile --quiet --no-header --generate-hashes --no-strip-extras --python-version 3.11 tests/template/requirements.in -o tests/template/requirements.txt
	.venv/bin/uv pip compile --quiet --no-header --generate-hashes --python-version 3.11 tests/template/requirements-checkov.in -o tests/template/requirements-checkov.txt

# --- using ----------------------------------------------------------------------------------------

.PHONY: functions
functions: .venv/ready
	$(call step,Rust: the functions (some minutes the first time))
	cargo build --workspace --bins

.PHONY: demo
demo: functions ## play the loop: a security group is opened to the world and closed again (SCENE=name, SCENE=all)
	@python -m demo --scene $(SCENE)

.PHONY: local
local: functions ## an AWS account on this machine, with the stack deployed; MEND_MODE=enforce sets the mode, PORT another port, EMPTY=1 leaves the deployment to you
	@exec python -m localcloud --port $(PORT) $(if $(EMPTY),--empty)

.PHONY: package
package: .venv/ready .venv-template/ready ## build for deployment; then sam deploy --config-env dev
	$(call step,The optimised functions (ten minutes the first time$(comma) and SAM shows no progress))
	.venv-template/bin/sam build

.PHONY: bench
bench: .venv/ready ## measure the optimised functions against their budgets
	$(call step,Rust: the optimised functions (ten minutes the first time))
	cargo build --release --workspace --bins
	cargo build --release --package empty-function --example empty-function
	@python -m tests.bench

# --- checking -------------------------------------------------------------------------------------

.PHONY: test
test: lint test-rust test-template test-python ## everything that CI checks

.PHONY: lint
lint: .venv/ready ## formats, lints, licences, documentation
	$(call step,Formats)
	cargo fmt --all --check
	ruff format --check --quiet
	$(call step,Lints)
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	ruff check --quiet
	$(call step,Licences and duplicate dependencies)
	cargo deny --log-level error check bans licenses sources
	$(call step,Documentation)
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

.PHONY: test-rust
test-rust: .venv/ready
	$(call step,Rust tests)
	cargo nextest run --workspace --no-fail-fast

.PHONY: test-template
test-template: .venv/ready .venv-template/ready .venv-checkov/ready
	$(call step,Template)
	.venv-template/bin/sam validate --lint
	.venv-template/bin/cfn-lint --config-file tests/template/.cfnlintrc
	.venv-checkov/bin/checkov --config-file tests/template/.checkov.yaml
	SAM_BUILD_MODE=debug .venv-template/bin/sam build

.PHONY: test-python
test-python: functions .venv-template/ready
	$(call step,Python tests: local cloud$(comma) runbooks$(comma) template$(comma) end to end (some minutes))
	pytest

.PHONY: permissions
permissions: .venv/ready ## write docs/permissions.md anew, after a test-python
	@python -m localcloud.permissions

.PHONY: clean
clean: ## remove what was built and installed here
	rm -rf target .aws-sam .venv .venv-template .venv-checkov
