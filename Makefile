PYTHON ?= python3
# The path and version of PYTHON. A Python of pyenv is also found where it is not active here.
PYENV := $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/*/bin/$(notdir $(PYTHON))
ABOUT := import sys; print(sys.executable, "%d.%d" % sys.version_info[:2], sys.version_info >= (3, 11))
FOUND := $(strip $(foreach each,$(PYTHON) $(lastword $(sort $(wildcard $(PYENV)))),\
	$(shell $(each) -c '$(ABOUT)' 2>/dev/null)))
VERSION := $(word 2,$(FOUND))
ifneq ($(MAKECMDGOALS),clean)
ifeq ($(FOUND),)
$(error there is no $(PYTHON) here: name a Python 3.11 or newer, as in: make PYTHON=python3.13)
endif
ifneq ($(word 3,$(FOUND)),True)
$(error $(PYTHON) is Python $(VERSION), and this needs 3.11 or newer: make PYTHON=python3.13, or the like)
endif
endif
# A Python that is asked for has an environment of its own, beside that of the machine's Python.
VENV := .venv$(if $(filter-out file,$(origin PYTHON)),-$(VERSION))
BIN := $(VENV)/bin
MIN := $(VENV)-min
INSTALL := -m pip install --quiet --disable-pip-version-check
PIP := $(BIN)/python $(INSTALL)
# Arguments of the long runs: SOAK="--runs 10 --seed 7" CHURN="--seconds 60" FUZZ=-max_total_time=600
SOAK ?= --runs 100
CHURN ?= --seconds 3600
FUZZ ?= -max_total_time=20
RESILIENCE := tests/resilience
ANCESTOR := filtered-websocket==0.4.1

.PHONY: run test test-min test-pythons lint unit programs faults coverage fuzz bench soak faults-bench autobahn docs \
	clean

run: $(VENV)/run.stamp ## the example chat at http://127.0.0.1:9000/
	$(BIN)/python example_app/chat_server.py

test: lint unit ## what has to pass before a commit

test-min: $(MIN)/test.stamp ## the unit tests with the lowest versions that pyproject.toml allows
	$(MIN)/bin/python -m tests.programs
	$(MIN)/bin/python -m tests.parts

test-pythons: ## `make test` with each Python from 3.11 to 3.14 that is installed
	@found=$$(.ci/pythons); failed=; \
	test -n "$$found" || { echo "there is no Python 3.11 to 3.14 with venv" >&2; exit 1; }; \
	echo "found:" $$found; \
	for each in $$found; do $(MAKE) test PYTHON="$$each" || failed="$$failed $$each"; done; \
	test -z "$$failed" || { echo "make test failed with:$$failed" >&2; exit 1; }

lint: $(VENV)/test.stamp ## the linter, the formatter, spelling, wording and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/python -m tests.words
	$(BIN)/mypy

unit: programs ## all tests but those of `make faults`; what was skipped for want of a program comes last
	$(BIN)/python -m tests.parts

programs: $(VENV)/test.stamp ## Redis and nginx for the tests, where the machine has none
	$(BIN)/python -m tests.programs

faults: programs ## every fault, against real servers in each of the three ways of running
	$(BIN)/python -m pytest $(RESILIENCE)

coverage: programs ## branch coverage: all of protocol/, and 90 % of the whole at least
	$(BIN)/coverage erase
	# The verdict is make test's: coverage itself imports gevent, and some tests hold that nobody does.
	-$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --fail-under=90
	$(BIN)/coverage report --show-missing --include='fws_gevent/protocol/*' --fail-under=100

fuzz: $(VENV)/fuzz.stamp ## the protocol fed with bytes that a fuzzer makes up; FUZZ="-max_total_time=600"
	$(BIN)/python -m fuzz.run receiver $(FUZZ)
	$(BIN)/python -m fuzz.run handshake $(FUZZ)

bench: $(VENV)/bench.stamp ## CPU per message and memory, against gevent-websocket and picows
	$(BIN)/python benchmarks/compare.py

faults-bench: programs ## what each fault costs, beside what is wanted; FAULTS="--way ours --quick"
	$(BIN)/python -m benchmarks.faults $(FAULTS)

soak: programs ## nodes, Redis and clients killed and frozen, then an hour of coming and going
	$(BIN)/python -m benchmarks.soak.run $(SOAK)
	$(BIN)/python -m benchmarks.soak.churn $(CHURN)

autobahn: $(VENV)/test.stamp ## the Autobahn test suite; needs its `wstest`, see docs/testing.md
	$(BIN)/python benchmarks/autobahn.py $(if $(WSTEST),--wstest $(WSTEST))

docs: $(VENV)/test.stamp ## the reference of all public names, in build/reference/
	$(BIN)/python -m docs.reference

# Named after the version, so that an environment of another one is made anew.
$(VENV)/python-$(VERSION) $(MIN)/python-$(VERSION):
	$(word 1,$(FOUND)) -m venv --clear $(@D)
	touch $@

$(VENV)/run.stamp: $(VENV)/python-$(VERSION) requirements.txt pyproject.toml
	$(PIP) -r requirements.txt -e .
	touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp requirements-dev.txt
	$(PIP) -r requirements-dev.txt
	# The ancestor alone: its filters need nothing of the old libraries that its server needs.
	$(PIP) --no-deps $(ANCESTOR)
	# The ancestor, which the tests run, has a script of the same name: ours goes last.
	$(PIP) --no-deps --force-reinstall -e .
	touch $@

$(MIN)/test.stamp: $(MIN)/python-$(VERSION) pyproject.toml requirements-dev.txt tests/lowest.py
	$(MIN)/bin/python -m tests.lowest >$(MIN)/lowest.txt
	$(MIN)/bin/python $(INSTALL) -r $(MIN)/lowest.txt -r requirements-dev.txt
	$(MIN)/bin/python $(INSTALL) --no-deps $(ANCESTOR)
	$(MIN)/bin/python $(INSTALL) --no-deps --force-reinstall -e .
	touch $@

$(VENV)/fuzz.stamp: $(VENV)/run.stamp requirements-fuzz.txt
	$(PIP) -r requirements-fuzz.txt
	touch $@

$(VENV)/bench.stamp: $(VENV)/run.stamp benchmarks/requirements.txt
	$(PIP) -r benchmarks/requirements.txt
	touch $@

clean:
	rm -rf .venv .venv-* build .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage *.egg-info
