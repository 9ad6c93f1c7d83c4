"""A module without cocotb tests: the runner has to notice."""
