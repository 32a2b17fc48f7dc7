# make demo                 animate the bundled picture        (PICTURE=me.jpg, DRIVE=clip.mp4 | motion.csv | "happy @0-3")
# make test                 lint and all tests                 (PYTEST_ARGS="-k warp", COMFYUI_PATH=~/ComfyUI)
# make lint | bench | clean          (bench compares with real clips too where TROUPE_MEDIA names a folder of them)
#
# The first run makes $(VENV) with Python 3.10, 3.11 or 3.12 (PYTHON=/path/to/one) and installs what is needed;
# later runs install again only if one of the requirement files has changed.

VENV    ?= .venv
PYTHON  ?=
PICTURE ?= assets/two_people.png
DRIVE   ?=
OUTPUT  ?= output

PY  := $(VENV)/bin/python
PIP := $(PY) -m pip install -qq --disable-pip-version-check

# The ComfyUI whose requirements the tests install: the first one named (COMFYUI_PATH may list several, parted by
# colons), or the one in whose custom_nodes this folder stands, or in the home folder. The tests find all by themselves.
HOST         := $(firstword $(if $(COMFYUI_PATH),$(subst :, ,$(COMFYUI_PATH)),$(foreach d,$(abspath ../..) $(HOME)/ComfyUI,$(if $(wildcard $(d)/comfy/samplers.py),$(d)))))
HOST_NEEDS   := $(wildcard $(HOST:%=%/requirements.txt))

sum   = $(firstword $(shell cat $(1) | cksum))
LIGHT := $(VENV)/.light-$(call sum,requirements.txt constraints.txt)
FULL  := $(VENV)/.full-$(call sum,requirements.txt constraints.txt requirements-dev.txt $(HOST_NEEDS))
RUFF  := $(VENV)/.lint-$(call sum,requirements-dev.txt)

.PHONY: demo test lint bench clean
.DEFAULT_GOAL := demo

demo: $(LIGHT)
	@$(PY) tools/demo.py "$(PICTURE)" --output "$(OUTPUT)" $(if $(DRIVE),--drive "$(DRIVE)")

# Tests run even if the linter complains: both are worth knowing.
test: $(FULL) $(RUFF)
	@$(MAKE) --no-print-directory lint && clean=yes; $(PY) -m pytest $(PYTEST_ARGS) \
		&& { test -n "$$clean" || { echo "The tests pass, but the linter complained: see above." >&2; exit 1; }; }

lint: $(RUFF)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

bench: $(FULL)
	@for script in warp composite rasterize faces expression branch guidance speech $(if $(TROUPE_MEDIA),reenact); do echo "== $$script"; $(PY) benchmarks/$$script.py || exit 1; done

clean:
	rm -rf $(VENV) $(OUTPUT) build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@python=$$(tools/find_python.sh $(PYTHON)) && echo "Making $(VENV) with $$($$python -V)" \
		&& $$python -m venv $(VENV)

# OpenCV's usual build wants libGL, which a machine without a desktop may lack: its headless twin does not.
define check_opencv
	@$(PY) -c "import cv2" 2>/dev/null || { echo "No libGL here: taking OpenCV's headless build"; \
		version=$$($(PY) -c "from importlib.metadata import version as v; print(v('opencv-contrib-python'))") \
		&& $(PY) -m pip uninstall --quiet --yes opencv-contrib-python \
		&& $(PIP) "opencv-contrib-python-headless==$$version" && $(PY) -c "import cv2"; }
endef

$(LIGHT): | $(PY)
	@echo "Installing what the demo needs (about 1 GB on disk; takes minutes, once)"
	@$(PIP) -e . -c constraints.txt
	$(check_opencv)
	@rm -f $(VENV)/.light-* && touch $@

$(FULL): | $(PY)
	@echo "Installing what the tests need, PyTorch included (several GB; takes minutes, once)"
	@$(PIP) -e . -r requirements-dev.txt $(HOST_NEEDS:%=-r %) -c constraints.txt
	$(check_opencv)
	@rm -f $(VENV)/.full-* $(VENV)/.light-* && touch $@ $(LIGHT)

$(RUFF): | $(PY)
	@$(PIP) "$$(grep '^ruff' requirements-dev.txt)"
	@rm -f $(VENV)/.lint-* && touch $@
