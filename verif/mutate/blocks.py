"""The blocks of hdl/ and the bench that judges each: its own, or that of the nearest stage around it."""

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from amaranth.hdl import Fragment
from amaranth.lib import wiring

import hdl
from hdl.params import DEFAULT_PRESET, PRESETS, Params
from verif.mutate.benches import Bench


def block_name(cls: type) -> str:
    """`entropy.arithmetic_coder` for the class ArithmeticCoder below hdl/entropy/."""
    folders = cls.__module__.split(".")[1:-1]
    return ".".join([*folders, re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()])


def is_block(origin: object) -> bool:
    """Whether this is a public Component of hdl/; what is private belongs to the block that uses it."""
    cls = type(origin)
    return isinstance(origin, wiring.Component) and cls.__module__.startswith("hdl.") and cls.__name__[0] != "_"


def all_blocks() -> list[str]:
    """Names of all public Components of hdl/, sorted."""
    names = set()
    for found in pkgutil.walk_packages(hdl.__path__, "hdl."):
        module = importlib.import_module(found.name)
        for cls in vars(module).values():
            own = isinstance(cls, type) and issubclass(cls, wiring.Component) and cls.__module__ == found.name
            if own and not cls.__name__.startswith("_"):
                names.add(block_name(cls))
    return sorted(names)


def blocks_of(fragment: Fragment, outer: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """For each block in the hierarchy the names of the blocks around it, outermost first, and its own."""
    path = outer + tuple(block_name(type(origin)) for origin in fragment.origins or () if is_block(origin))
    if len(path) > len(outer):
        yield path
    for inner, _, _ in fragment.subfragments:
        yield from blocks_of(inner, path)


def fragments(fragment: Fragment) -> int:
    """How many modules there are: a measure of size."""
    return 1 + sum(fragments(inner) for inner, _, _ in fragment.subfragments)


@dataclass(frozen=True)
class Judge:
    """`bench` judges a block; `stage`: the block whose bench it is when the block has none of its own."""

    bench: Bench
    stage: str | None


def judges(benches: Iterable[Bench]) -> tuple[dict[str, Judge], list[str]]:
    """Block to judge: the bench in which the fewest blocks are around it. And a sentence for each bench that fails.

    Of several the one of the default preset's parameters, then that of the fewest blocks, then the first.
    """
    ranked: dict[str, tuple[tuple, Judge]] = {}
    complaints = []
    for bench in benches:
        try:
            paths = list(blocks_of(Fragment.get(bench.component, None)))
        except Exception as error:  # whatever a design under work raises
            complaints.append(f"{bench.name} does not elaborate: {error}")
            continue
        other_preset = getattr(bench.component, "p", None) is not None and not _is_default(bench.component.p)
        for path in paths:
            rank = (len(path), other_preset, len(paths))
            if path[-1] not in ranked or rank < ranked[path[-1]][0]:
                ranked[path[-1]] = rank, Judge(bench, path[0] if len(path) > 1 else None)
    return {block: judge for block, (_, judge) in ranked.items()}, complaints


def _is_default(params: Params) -> bool:
    default = PRESETS[DEFAULT_PRESET]
    return (params.ctb_log2_size, params.axi_data_width) == (default.ctb_log2_size, default.axi_data_width)
