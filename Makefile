# Everything that is done with Fairboard, in one place: `make` lists it. A machine needs Python 3.11 or later and make.

BIN := .venv/bin
PLAYERS ?= 12
ARGS ?=
SECONDS ?= 60
AUDIT := .venv/audit/bin
CODE := web services workers models config cli fairboard_client wsgi.py celeryconfig.py flowerconfig.py
# Passwords and keys in tests are made up; hashes in locks are no secrets.
FAKES := ^(tests/|requirements/.*\.txt|bench/peers/|docs/evaluation/)|\.json$$
# What merely looks like `password = ...` is said by hundreds of lines here.
NO_WORDS := --disable-plugin KeywordDetector --disable-plugin BasicAuthDetector

.DEFAULT_GOAL := help
.PHONY: advisories attack audit drill drill-quick drill-long drill-soak drill-rebuild drill-upgrade fuzz sbom help run cluster test test-cluster lint format bench bench-live evaluate pictures lock clean check-monitoring

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  PLAYERS=0 make run        without simulated players"
	@echo "  make test ARGS='-k rank'  arguments for pytest"
	@echo "  PYTHON=/path/to/python    which Python to use (3.11 or later)"

run: .venv/.installed-runtime ## Start everything on this machine, on http://127.0.0.1:8000 (PLAYERS=12)
	@exec $(BIN)/fairboard up --with-parent --players $(PLAYERS) $(ARGS)

cluster: .venv/.installed-cluster ## Start the production topology on this machine, on https://127.0.0.1:8443 (PLAYERS=12)
	@exec $(BIN)/python -m deploy.local --with-parent --players $(PLAYERS) $(ARGS)

test: .venv/.installed-dev ## Run all tests on servers of their own
	$(BIN)/python -m pytest -n 2 --dist loadgroup --ignore=tests/e2e/test_cluster.py $(ARGS)

# Its thirteen servers would take the cores from the other tests.
test-cluster: .venv/.installed-dev ## Test that the production topology starts, serves and ends
	$(BIN)/python -m pytest -p no:xdist tests/e2e/test_cluster.py

lint: .venv/.installed-dev ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.installed-dev ## Rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.installed-dev ## Measure speed and print the figures
	$(BIN)/python -m bench $(ARGS)

bench-live: .venv/.installed-dev ## Measure the live board beside Socket.IO; the peer needs Node.js
	$(BIN)/python -m bench.live $(ARGS)

evaluate: .venv/.installed-dev ## Measure how well cheats are found (HUMANS=FILE, ARGS=--quick)
	$(BIN)/python -m bench.evaluate $(if $(HUMANS),--humans $(HUMANS)) $(ARGS)

attack: .venv/.installed-dev ## Attack it at full size, half an hour, and keep the figures in docs/attacks.md
	$(BIN)/python -m tests.attacks $(ARGS)

fuzz: .venv/.installed-dev .venv/.installed-fuzz ## Fuzz the parser of frames, the readers of tokens and canonical JSON (SECONDS=60)
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(ARGS)

audit: .venv/audit/.installed sbom ## Look for weak code and for secrets: bandit, semgrep, detect-secrets
	$(AUDIT)/bandit --quiet --recursive --severity-level medium --skip B104 $(CODE)
	$(AUDIT)/semgrep scan --metrics=off --disable-version-check --quiet --error --config deploy/semgrep.yml $(CODE)
	git ls-files -z | grep -zvE '$(FAKES)' | xargs -0 $(AUDIT)/detect-secrets-hook $(NO_WORDS)
	git ls-files -z tests | xargs -0 $(AUDIT)/detect-secrets-hook $(NO_WORDS) \
		$(foreach it,HexHighEntropyString Base64HighEntropyString JwtTokenDetector,--disable-plugin $(it))

sbom: .venv/audit/.installed ## Write what Fairboard is made of to sbom.cdx.json (CycloneDX)
	$(AUDIT)/cyclonedx-py requirements requirements/runtime.txt --pyproject pyproject.toml --mc-type application \
		--output-reproducible --of JSON -o sbom.cdx.json

advisories: .venv/.installed-dev ## Compare the locked versions with a checkout of PyPA's advisories, as new as that is (ADVISORIES=FOLDER)
	$(BIN)/python -m tests.attacks.advisories $(ADVISORIES)

check-monitoring: .venv/.installed-cluster ## Check the alert rules with Prometheus's promtool
	promtool=$$($(BIN)/python -m deploy.local.programs promtool) && \
		"$$promtool" check config deploy/prometheus/prometheus.yml && \
		"$$promtool" check rules deploy/prometheus/alerts.yml && \
		"$$promtool" test rules deploy/prometheus/tests/*.yml

drill: .venv/.installed-dev ## Hurt it part by part under load, judge, and keep the figures in docs/drills.md (ARGS='8c --seed 7')
	$(BIN)/python -m drills $(ARGS)

drill-quick: .venv/.installed-dev ## The most telling drills, four minutes
	$(BIN)/python -m drills --quick --on machine $(ARGS)

drill-long: .venv/.installed-dev ## A million completions over a hundred faults; goes on where it was stopped (MINUTES=60 ARGS='--more 10')
	$(BIN)/python -m drills.long $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

drill-soak: .venv/.installed-dev ## Faults drawn at random while memory and connections are watched (MINUTES=120)
	$(BIN)/python -m drills.soak $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

drill-rebuild: .venv/.installed-dev ## How long a rebuild of a million players takes while people play
	$(BIN)/python -m drills.rebuild $(ARGS)

drill-upgrade: .venv/.installed-dev ## From a former version to this one and back under load (ARGS='--former v1.0.0')
	$(BIN)/python -m drills.upgrade $(ARGS)

pictures: .venv/.installed-dev ## Take the pictures of docs/images anew
	$(BIN)/python -m tests.browser.pictures

lock: .venv/.installed-dev ## Write requirements/*.txt anew from requirements/*.in
	for set in dev runtime patroni cluster bootstrap audit compiler fuzz; do \
		$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-header --no-annotate $$(case $$set in runtime|patroni|cluster) echo -c requirements/dev.txt;; esac) \
			$(ARGS) requirements/$$set.in -o requirements/$$set.txt || exit 1; \
	done

clean: ## Remove the virtual environment and the caches, but no data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

# In an environment of its own: these tools pin what the product does not.
.venv/audit/.installed: .venv/.installed-dev requirements/audit.txt
	$(BIN)/uv venv --quiet --clear .venv/audit
	$(BIN)/uv pip install --quiet --python $(AUDIT)/python --require-hashes -r requirements/audit.txt
	@touch $@

# The marks make a second run start at once, and a changed file of requirements install again.
.venv/.installed-%: requirements/bootstrap.txt requirements/%.txt pyproject.toml deploy/setup.sh
	@sh deploy/setup.sh $*
