"""A proof: a block, its properties, the method, and the broken blocks that it must find."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from verif.formal.properties import Properties


@dataclass(frozen=True)
class Defect:
    """A broken block: `old` in the source becomes `new`, and property `breaks` must have a counterexample.

    The source is that of the block's module, or of the module or class `part` which that one uses.
    """

    breaks: str
    old: str
    new: str
    part: ModuleType | type | None = None

    def apply(self, block: type) -> type:
        """The block as broken; ValueError unless `old` stands in the source exactly once."""
        if self.part is None:
            return vars(self._broken(block))[block.__name__]
        using = _load(sys.modules[block.__module__])
        broken = self._broken(self.part)
        for name, value in list(vars(using).items()):
            if value is self.part:
                setattr(using, name, broken if isinstance(value, ModuleType) else getattr(broken, value.__name__))
        return vars(using)[block.__name__]

    def _broken(self, part) -> ModuleType:
        module = part if isinstance(part, ModuleType) else sys.modules[part.__module__]
        source = inspect.getsource(module)
        if source.count(self.old) != 1:
            raise ValueError(f"{module.__name__}: '{self.old}' stands there {source.count(self.old)} times, not once")
        return _load(module, source.replace(self.old, self.new))


def _load(module: ModuleType, source: str | None = None) -> ModuleType:
    """A module of its own from the source of `module`, or from what became of it."""
    loaded = ModuleType(module.__name__)
    loaded.__file__ = module.__file__
    exec(compile(source or inspect.getsource(module), module.__file__ or "", "exec"), vars(loaded))
    return loaded


@dataclass(frozen=True, kw_only=True)
class Proof:
    """`properties` of `block`, with each of its `arguments`.

    make: the block of given arguments, when these are not simply its own.
    depth: of the induction (so many cycles in which all holds are followed by one in which it does), and of the cycles
    after reset; without `induction` these are all, and the result is a bounded one.
    cover_depth: cycles within which everything covered happens and every defect shows, with the first arguments.
    """

    name: str
    properties: type[Properties]
    block: type
    arguments: tuple[tuple, ...] = ((),)
    make: Callable = lambda block, *arguments: block(*arguments)
    depth: int = 2
    induction: bool = True
    cover_depth: int = 16
    defects: tuple[Defect, ...] = ()

    @property
    def method(self) -> str:
        return f"induction, k = {self.depth}" if self.induction else f"bounded, {self.depth} cycles"

    def build(self, arguments: tuple, defect: Defect | None = None) -> Properties:
        """The properties around the block, or around the broken block."""
        block = defect.apply(self.block) if defect else self.block
        return self.properties(self.make(block, *arguments), only=defect.breaks if defect else None)
