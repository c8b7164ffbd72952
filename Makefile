# `make demo` and `make test` are all one needs: they set everything up first, once.

PY := .venv/bin/python
SOLC_VERSION := $(shell sed -n 's/^  version: \(0\.8\.[0-9]*\)$$/\1/p' ape-config.yaml)
SOLC := $(or $(SOLCX_BINARY_PATH),$(HOME)/.solcx)/solc-v$(SOLC_VERSION)
SOLIDITY := 'contracts/**/*.sol' 'tests/contracts/**/*.sol' 'tests/symbolic/*.sol' 'benchmarks/gas/*.sol'
SCRIPTS := 'scripts/**/*.js' 'page/src/*.js' page/build.mjs page/style.css page/index.html
# Tests that wait for a node leave a core idle.
WORKERS ?= 3

# Ape finds anvil here, and the compiler finds Node.
export PATH := $(CURDIR)/node_modules/.bin:$(CURDIR)/.venv/bin:$(PATH)
export FOUNDRY_SOLC := $(SOLC)

.DEFAULT_GOAL := help
.PHONY: help setup build build-check page page-check screenshots test slow nightly coverage mutants slither symbolic zk erc7730 demo tour finetune readers bench lint fmt lock ci clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

# SETUP: each step leaves a stamp, so that it runs again only when its inputs change.

setup: .venv/.installed node_modules/.installed $(SOLC) ## install everything (done by the other targets)

.venv/.installed: requirements.lock pyproject.toml scripts/setup/python.sh
	@scripts/setup/python.sh
	@touch $@

node_modules/.installed: package.json package-lock.json scripts/setup/node.sh | .venv/.installed
	@scripts/setup/node.sh
	@touch $@

$(SOLC): scripts/solc/solc.js scripts/solc/install.py | .venv/.installed node_modules/.installed
	@echo "==> solc $(SOLC_VERSION)"
	@$(PY) scripts/solc/install.py $(SOLC_VERSION)
	@touch $@

# WORK

build: setup ## compile the contracts into oracles/chain/artifacts
	@$(PY) -m scripts.build

build-check: setup ## fail unless the tracked artifacts are what the sources compile to
	@$(PY) -m scripts.build --check

page: setup ## bundle the page for wallets
	@node page/build.mjs

page-check: setup ## fail unless the tracked bundles are what the page's sources make
	@mkdir -p .build/page && node page/build.mjs .build/page
	@cmp page/app.js .build/page/app.js && cmp page/worker.js .build/page/worker.js \
	  || { echo "page/ is stale; run \`make page\`" >&2; exit 1; }

screenshots: setup ## take pictures of every view of the page (needs Chromium)
	@$(PY) -W ignore -m scripts.screenshots $(ARGS)

test: setup ## run the tests
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) $(ARGS)

slow: setup ## run the long tests
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) -m slow $(ARGS)

nightly: setup ## drive contracts and model through 300,000 calls
	@QMIA_PROFILE=nightly OMP_NUM_THREADS=1 $(PY) -m pytest -s -m slow tests/contracts/test_machine.py

coverage: setup ## statement and branch coverage of the contracts
	@$(PY) -m scripts.coverage $(ARGS)

mutants: setup ## mutation score of the contracts
	@$(PY) -m scripts.mutate $(ARGS)

.build/slither/bin/slither: Makefile | .venv/.installed
	@echo "==> slither"
	@$(PY) -m venv --clear .build/slither
	@.build/slither/bin/pip -q install slither-analyzer==0.11.6
	@touch $@

slither: setup .build/slither/bin/slither ## static analysis of the contracts (slither.config.json)
	@.build/slither/bin/slither .

symbolic: setup ## check the contracts' arithmetic symbolically (halmos)
	@$(PY) -m scripts.symbolic $(ARGS)

zk/node_modules/.installed: zk/package.json zk/package-lock.json | node_modules/.installed
	@echo "==> npm packages for proofs (200 MB)"
	@npm --prefix zk ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

zk: zk/node_modules/.installed ## install what proofs of thresholds need (optional)

.build/erc7730/bin/erc7730: Makefile
	@echo "==> erc7730 (needs Python 3.12)"
	@python3.12 -m venv --clear .build/erc7730
	@.build/erc7730/bin/pip -q install erc7730==1.0.12
	@touch $@

erc7730: setup .build/erc7730/bin/erc7730 ## lint what wallets show of calls and messages (needs Python 3.12)
	@$(PY) -m pytest -n 0 tests/chain/test_clear_signing.py

demo: setup ## buy real text on a local testnet, from commit to claim
	@$(PY) -m scripts.demo

# An environment of its own, which sees the project's packages too.
define beside
@$(PY) -m venv --clear $(1)
@$(PY) -c 'import site; print(site.getsitepackages()[0])' > \
  "$$($(1)/bin/python -c 'import site; print(site.getsitepackages()[0])')/project.pth"
endef

.build/finetune/.installed: Makefile | .venv/.installed
	@echo "==> trl, peft, datasets"
	$(call beside,.build/finetune)
	@.build/finetune/bin/pip -q install datasets==5.2.0 trl==1.16.0 peft==0.21.2 accelerate==1.15.0 \
	  fastapi openai
	@touch $@

tour: setup .build/finetune/.installed zk/node_modules/.installed ## the demo, then prove, object, train, serve, meter, pay, audit
	@$(PY) -m scripts.tour $(ARGS)

.build/texts/seed.jsonl: | .venv/.installed
	@echo "==> texts for the study"
	@$(PY) -W ignore -m benchmarks.impact.texts .build/texts

study: setup .build/texts/seed.jsonl ## the quick study on real texts: buy under every rule, retrain, compare
	@$(PY) -W ignore .venv/bin/qmia study run .build/texts/providers/*.jsonl --profile quick \
	  --seed-corpus .build/texts/seed.jsonl --evaluation .build/texts/evaluation.jsonl --folder .build/study
	@$(PY) -W ignore .venv/bin/qmia study report --folder .build/study --page .build/study/report.html >/dev/null
	@echo "The page is .build/study/report.html"

finetune: setup .build/finetune/.installed ## fine-tune a small model on bought text (trl, peft, datasets)
	@OMP_NUM_THREADS=2 .build/finetune/bin/python -m benchmarks.finetune $(ARGS)

.build/readers/.installed: Makefile | .venv/.installed
	@echo "==> readers of data files by others"
	$(call beside,.build/readers)
	@.build/readers/bin/pip -q install duckdb==2.0.1 pandas==2.3.3 fastwarc==2.0.1 fpdf2==2.8.9 \
	  html5lib==1.1 pypdfium2==5.15.2 stream-unzip==0.0.101
	@touch $@

readers: setup .build/readers/.installed ## read damaged data files a second time, by other programs
	@.build/readers/bin/python -m pytest -n 0 tests/dataset/test_second_readers.py

bench: setup ## print the measured figures
	@for file in benchmarks/[a-z]*.py benchmarks/[a-z]*/__main__.py; do \
	  [ -f "$$file" ] && [ "$$file" != benchmarks/finetune.py ] || continue; \
	  module=$$(echo "$${file%/__main__.py}" | sed 's/\.py$$//; s|/|.|g'); \
	  echo "==> python -m $$module"; $(PY) -m "$$module" || exit 1; \
	done

# QUALITY

lint: setup ## check style and types; warnings are errors
	@echo "==> ruff";     ruff check && ruff format --check
	@echo "==> mypy";     mypy && mypy scripts tests/support tests/conftest.py
	@echo "==> solhint";  solhint --disc --noPoster -w 0 'contracts/**/*.sol'
	@echo "==> prettier"; prettier --log-level warn --check $(SOLIDITY) $(SCRIPTS)

fmt: setup ## format all sources
	@ruff format && ruff check --fix --quiet
	@prettier --log-level warn --write $(SOLIDITY) $(SCRIPTS)

ci: ## what continuous integration runs
	@.ci/run

# UPKEEP

lock: .venv/.installed ## choose and record the Python packages for pyproject.toml
	@$(PY) scripts/setup/lock.py

clean: ## remove what the build and the tests leave behind (not the environments)
	@rm -rf .build build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis contracts/.cache
	@find . -name __pycache__ -not -path './.venv/*' -not -path './node_modules/*' -exec rm -rf {} +
