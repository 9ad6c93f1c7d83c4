# The entry points. Everything is made in .venv and build/; nothing needs root.
PYTHON ?= python3
JOBS ?= 2
SEEDS ?= 200
FIRST ?= 0
NIGHT_SEEDS ?= 5000
BOARD ?= ulx3s_85f
NIGHTLY := formal conformance gate-level regress rtl-coverage mutate
BIN := .venv/bin

.PHONY: help demo test regress nightly formal mutate rtl-coverage conformance gate-level bench example synth synth-check bitstream timing silicon registers lint doctor clean distclean
.DEFAULT_GOAL := help

help:
	@echo "make demo     encode a real clip with the RTL, prove the result, leave it in build/demo"
	@echo "make test     the tests"
	@echo "make regress  SEEDS=200 random cases of the RTL against the reference codec, and the clips of HERON_CLIPS"
	@echo "make nightly  $(NIGHTLY), with $(NIGHT_SEEDS) new seeds each night"
	@echo "make formal   proofs of streams, queues, the arithmetic coder, emulation prevention, AXI masters, registers"
	@echo "make mutate   mutants of every block against its bench, hours, goes on where it was; the scores into docs"
	@echo "make rtl-coverage  Verilator's coverage of lines and toggles of the chip, by block, half an hour"
	@echo "make conformance  the reference codec's streams of HERON_CLIPS in FFmpeg and libde265"
	@echo "make gate-level  the core's netlist of ECP5 cells encodes small pictures as the reference codec does"
	@echo "make bench    compression, cycles and speed, into build/bench"
	@echo "make example  the chip as Verilog in a plain Verilog testbench, in build/example"
	@echo "make silicon  PDK=DIR gates of every block in the ASAP7 cells of DIR, into docs, hours"
	@echo "make synth    LUT, EBR and DSP of every block on ECP5, into docs"
	@echo "make synth-check  has a block or the board's design grown by more than 5 %"
	@echo "make bitstream  BOARD=ulx3s_85f: Yosys, three seeds of nextpnr, a bitstream in build/bitstream, hours"
	@echo "make timing   the worst paths of that design, by source line"
	@echo "make registers  pages, C header, IP-XACT and register model from hdl/chip/registers.rdl; CHECK=1: are they stale"
	@echo "make lint     ruff and pyright"
	@echo "make doctor   which system tools are missing"
	@echo "make clean    remove build/"

doctor:
	@if [ -e .venv/.installed ]; then $(BIN)/python heron/doctor.py; else $(PYTHON) heron/doctor.py --system; fi

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) heron/doctor.py --system --quiet
	@echo "creating .venv with pinned packages (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --disable-pip-version-check --no-input -q --progress-bar off \
	    -c constraints.txt -e .
	@touch $@
	@echo ".venv is ready"

.venv/.lint: .venv/.installed
	@$(BIN)/python -m pip install --disable-pip-version-check --no-input -q --progress-bar off \
	    -c constraints.txt -e '.[lint]'
	@touch $@

demo: .venv/.installed
	@$(BIN)/heron demo

test: .venv/.installed doctor
	$(BIN)/python -m pytest -n $(JOBS)

regress: .venv/.installed
	$(BIN)/heron regress --first $(FIRST) --seeds $(SEEDS) --jobs $(JOBS)

# Seeds that no night before had; a part that fails does not keep the others from running.
nightly:
	$(MAKE) --keep-going SEEDS=$(NIGHT_SEEDS) FIRST=$$(($$(date +%s) / 86400 * $(NIGHT_SEEDS))) $(NIGHTLY)

formal: .venv/.installed
	$(BIN)/python -m verif.formal --jobs $(JOBS)

mutate: .venv/.installed
	$(BIN)/python -m verif.mutate --update --jobs $(JOBS)

rtl-coverage: .venv/.installed
	$(BIN)/python -m verif.rtl_coverage --jobs $(JOBS)

conformance: .venv/.installed
	$(BIN)/python -m verif.conformance

gate-level: .venv/.installed
	$(BIN)/python -m verif.gate_level

bench: .venv/.installed
	$(BIN)/heron bench speed
	$(BIN)/heron bench rd
	$(BIN)/heron bench cycles
	$(BIN)/heron bench chip

example: .venv/.installed
	$(BIN)/python -m verif.example

synth: .venv/.installed
	$(BIN)/python -m synth

synth-check: .venv/.installed
	$(BIN)/python -m synth --check

bitstream: .venv/.installed
	$(BIN)/python -m synth.bitstream $(BOARD)

timing: .venv/.installed
	$(BIN)/python -m synth.timing $(BOARD)

silicon: .venv/.installed
	$(BIN)/python -m synth.silicon $(if $(PDK),--pdk $(PDK)) --update

registers: .venv/.installed
	$(BIN)/python -m heron.registers $(if $(CHECK),--check)

lint: .venv/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

clean:
	rm -rf build

distclean: clean
	rm -rf .venv *.egg-info
