# The verbs of this project. Everything they need is installed into the checkout (.venv, node_modules, var).

PORT   ?= 8000
VENV   := .venv
PY     := $(VENV)/bin/python
MANAGE := $(PY) manage.py
GUNICORN := $(VENV)/bin/gunicorn --config python:stemset.gunicorn stemset.wsgi
SITE := scripts/with-worker $(GUNICORN)
# The bundled recording's page: its name and the first digits of its SHA-256.
DEMO_PAGE := /library/demo/harbour_83014dee

# The recording page's JavaScript, bundled. One file of it stands for all.
PLAYER := static/player/page.js

.PHONY: help demo run test test-postgres test-kills lint format bench fuzz faults clean lock test-neural bench-neural messages \
	screenshots

help:
	@echo "make demo         set up, separate the bundled recording and open the site on port $(PORT)"
	@echo "make run          the site and a worker, for development"
	@echo "make test         set up, lint and run every test (DATABASE_URL=… for a server of your own)"
	@echo "make test-postgres  the tests against the PostgreSQL installed on this machine"
	@echo "make test-kills  processes killed at many random moments (KILLS=40)"
	@echo "make lint         style, types, migrations;  make format mends style"
	@echo "make fuzz         thousands of generated requests to the API (FUZZ_REQUESTS=20000)"
	@echo "make faults       many jobs, killed workers, a failing object store (docs/jobs.md)"
	@echo "make bench        the measurements of docs/performance.md"
	@echo "make test-neural  the neural engine in an environment of its own (several GB);  make bench-neural"
	@echo "make lock         pin the dependencies anew"
	@echo "make screenshots  the pictures of docs/practice.md, while make demo runs;  make messages  texts to translate (TO=de)"
	@echo "make clean        remove what make installed; keeps var/ and media/"

demo: $(VENV)/.local $(PLAYER)
	@strategy=; \
	$(MANAGE) fetch_models || { echo "Going on without pretrained weights."; strategy="--strategy four_stems_dsp"; }; \
	$(MANAGE) migrate --verbosity 0; \
	$(MANAGE) process demo --local $$strategy
	@DEBUG=true STEMSET_BYPASS_AUTH=true STEMSET_BIND=127.0.0.1:$(PORT) STEMSET_OPEN_PATH=$(DEMO_PAGE) exec $(SITE)

run: $(VENV)/.local $(PLAYER)
	@$(MANAGE) migrate --verbosity 0
	@DEBUG=true STEMSET_BYPASS_AUTH=true STEMSET_BIND=127.0.0.1:$(PORT) exec $(SITE) --reload

# Each worker takes files from its own end, so what a file's tests share is made once; who is done first helps out.
TWO_AT_ONCE := -n 2 --dist worksteal
test: lint $(VENV)/.browser $(PLAYER)
	npm test --silent
	$(MANAGE) fetch_models
	$(PY) -m pytest $(TWO_AT_ONCE)

# The same against a temporary server of the PostgreSQL that this machine has.
test-postgres: $(VENV)/.browser $(PLAYER)
	$(MANAGE) fetch_models
	scripts/with-postgres $(PY) -m pytest $(TWO_AT_ONCE)

# Kills at many more random moments than `make test` has time for.
KILLS ?= 40
test-kills: $(VENV)/.dev
	STEMSET_TEST_KILLS=$(KILLS) $(PY) -m pytest -n 2 -k killed

lint: $(VENV)/.dev node_modules/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(MANAGE) makemigrations --check --dry-run
	npm run --silent lint

format: $(VENV)/.dev node_modules/.installed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	npm run --silent format

# The texts of the recording's page, to be translated into a language of yours. It needs the programs of gettext.
TO ?= de
messages: $(VENV)/.dev
	mkdir -p locale
	$(MANAGE) makemessages --locale $(TO) --domain django --ignore node_modules --ignore '.venv*' --ignore var
	$(MANAGE) makemessages --locale $(TO) --domain djangojs --ignore node_modules --ignore '.venv*' --ignore var \
		--ignore static --ignore staticfiles --ignore tests

# The pictures of docs/practice.md, of the site that `make demo` has opened: a loop from 0:10 to 0:18 is playing.
PICTURE := scripts/screenshots.py --site http://127.0.0.1:$(PORT) --keys 0 [ ArrowRight ArrowRight Shift+ArrowLeft \
	 Shift+ArrowLeft ] Home Space
screenshots: $(VENV)/.browser
	$(PY) $(PICTURE) --widths 390 --schemes light -- 'practice-phone=$(DEMO_PAGE)?t=10'
	$(PY) $(PICTURE) --widths 1280 --schemes dark -- 'practice-desktop=$(DEMO_PAGE)?t=10'

# A database and a server of their own; exits 1 when something is found.
FUZZ_REQUESTS ?= 20000
fuzz: $(VENV)/.dev
	$(PY) -m tests.fuzz --requests $(FUZZ_REQUESTS)

# Killed workers, a failing object store, a restarted database (docs/jobs.md).
faults: $(VENV)/.dev
	$(PY) -m tests.faults.campaign --jobs 50

bench: $(VENV)/.browser $(PLAYER)
	$(MANAGE) fetch_models
	$(PY) benchmarks/analyser.py
	$(PY) benchmarks/quality.py
	$(PY) benchmarks/process.py
	$(PY) benchmarks/cutover.py
	$(PY) benchmarks/api.py
	$(PY) benchmarks/jobs.py
	$(PY) benchmarks/upload.py
	$(PY) benchmarks/player.py
	node benchmarks/player_dsp.mjs

# Tiny models through the real library: real ones cannot be had everywhere.
test-neural: $(VENV)/.dev .venv-neural/.installed
	STEMSET_TEST_NEURAL=1 $(PY) -m pytest tests/neural

bench-neural: $(VENV)/.dev .venv-neural/.installed
	$(PY) benchmarks/neural.py

clean:
	rm -rf $(VENV) .venv-neural node_modules static/player staticfiles .mypy_cache .ruff_cache .pytest_cache

# No index address is written down, so the files work behind any proxy or mirror.
UV_OPTIONS := --universal --python-version 3.12 --generate-hashes --no-header --no-emit-index-url \
	--no-emit-find-links --quiet
UV_COMPILE := $(VENV)/bin/uv pip compile pyproject.toml $(UV_OPTIONS)
lock: $(VENV)/.dev
	$(UV_COMPILE) -o requirements/runtime.txt
	$(UV_COMPILE) -c requirements/runtime.txt --group embedded -o requirements/local.txt
	$(UV_COMPILE) -c requirements/runtime.txt --group dev -o requirements/dev.txt
	$(VENV)/bin/uv pip compile --group neural $(UV_OPTIONS) -c requirements/runtime.txt -o requirements/neural.txt
	npm install --package-lock-only --omit-lockfile-registry-resolved

# --- set-up -------------------------------------------------------------------------------------------------------

$(PY):
	scripts/make-venv $(VENV)

$(VENV)/.local: requirements/local.txt | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/local.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@ $(VENV)/.local

$(VENV)/.browser: scripts/ensure-chromium | $(VENV)/.dev
	scripts/ensure-chromium $(PY)
	@touch $@

.venv-neural/.installed: requirements/neural.txt
	test -x .venv-neural/bin/python || scripts/make-venv .venv-neural
	.venv-neural/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/neural.txt
	@touch $@

$(PLAYER): scripts/build-player.mjs $(shell find player -name '*.js') node_modules/.installed
	npm run --silent build
	@touch $@

node_modules/.installed: package-lock.json
	npm ci --no-audit --no-fund --silent
	@touch $@
