"""The tests of the environment, which cocotb finds in this module: a story from a seed, and one for each sequence."""

import random

import pyuvm

from verif.uvm import sequences
from verif.uvm.env import ChipTest


@pyuvm.test()
class RandomStory(ChipTest):
    """A bit of everything."""

    async def story(self, rng: random.Random) -> None:
        await sequences.RandomStory(rng).start(self.env.sequencer)


@pyuvm.test()
class NoRoom(ChipTest):
    """Fails: the bitstream buffer is not where the chip was told. For the test that failures say what is wrong."""

    async def story(self, rng: random.Random) -> None:
        await sequences.Misplaced(rng).start(self.env.sequencer)


class Directed(ChipTest):
    """One kind of sequence, several times, with a memory that changes its manners in between."""

    kind: type
    times = 4

    async def story(self, rng: random.Random) -> None:
        for _ in range(self.times):
            await sequences.step(self.kind, rng, self.env.sequencer)
        await sequences.step(sequences.Encode, rng, self.env.sequencer)


for _kind in sequences.RandomStory.KINDS:
    _name = f"Test{_kind.__name__}"
    globals()[_name] = pyuvm.test()(type(_name, (Directed,), {"kind": _kind, "__module__": __name__}))
