PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# How long the long ones take: SOAK="--runs 10 --seed 7" CHURN="--seconds 60" FUZZ=-max_total_time=600
SOAK ?= --runs 100
CHURN ?= --seconds 3600
FUZZ ?= -max_total_time=20
EXAMPLE := tests/example_app
WEB := tests/web
NODES := tests/nodes tests/storage
CLUSTER := tests/cluster
# What starts the whole from outside, in two halves of about the same length.
WHOLE := $(wildcard tests/test_[a-d]*.py)
WHOLE_TOO := $(filter-out $(WHOLE),$(wildcard tests/test_*.py))
RESILIENCE := tests/resilience

UNITS := unit-example unit-web unit-nodes unit-cluster unit-whole unit-whole-too unit-rest

.PHONY: run test lint unit $(UNITS) faults coverage fuzz bench soak faults-bench autobahn clean

run: $(VENV)/run.stamp ## the example chat at http://127.0.0.1:9000/
	$(BIN)/python example_app/chat_server.py

test: lint unit ## what has to pass before a commit

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(VENV)/test.stamp ## all parts at once: most of them wait for something most of the time
	+$(MAKE) --no-print-directory --jobs=7 --output-sync=target $(UNITS)

unit-example:
	$(BIN)/python -m pytest $(EXAMPLE)

unit-web:
	$(BIN)/python -m pytest $(WEB)

unit-nodes:
	$(BIN)/python -m pytest $(NODES)

unit-cluster:
	$(BIN)/python -m pytest $(CLUSTER)

unit-whole:
	$(BIN)/python -m pytest $(WHOLE)

unit-whole-too:
	$(BIN)/python -m pytest $(WHOLE_TOO)

unit-rest:
	$(BIN)/python -m pytest $(addprefix --ignore=,\
		$(EXAMPLE) $(WEB) $(NODES) $(CLUSTER) $(WHOLE) $(WHOLE_TOO) $(RESILIENCE))

faults: $(VENV)/test.stamp ## every fault, against real servers in each of the three ways of running
	$(BIN)/python -m pytest $(RESILIENCE)

coverage: $(VENV)/test.stamp ## branch coverage: all of protocol/, and 90 % of the whole at least
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

faults-bench: $(VENV)/test.stamp ## what each fault costs, beside what is wanted; FAULTS="--way ours --quick"
	$(BIN)/python -m benchmarks.faults $(FAULTS)

soak: $(VENV)/test.stamp ## nodes, Redis and clients killed and frozen, then an hour of coming and going
	$(BIN)/python -m benchmarks.soak.run $(SOAK)
	$(BIN)/python -m benchmarks.soak.churn $(CHURN)

autobahn: $(VENV)/test.stamp ## the Autobahn test suite; needs its `wstest`, see docs/architecture.md
	$(BIN)/python benchmarks/autobahn.py $(if $(WSTEST),--wstest $(WSTEST))

$(VENV)/run.stamp: requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -e .
	touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	# The ancestor alone: its filters need nothing of the old libraries that its server needs.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps filtered-websocket==0.4.1
	# The ancestor, which the tests run, has a script of the same name: ours goes last.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall -e .
	touch $@

$(VENV)/fuzz.stamp: $(VENV)/run.stamp requirements-fuzz.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-fuzz.txt
	touch $@

$(VENV)/bench.stamp: $(VENV)/run.stamp benchmarks/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	touch $@

clean:
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage *.egg-info
