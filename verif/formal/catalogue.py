"""All proofs, in the order of the page."""

from verif.formal import arithmetic, axi_read, axi_write, emulation, queues, registers
from verif.formal.proof import Proof

PROOFS: tuple[Proof, ...] = (
    *queues.PROOFS,
    *emulation.PROOFS,
    *arithmetic.PROOFS,
    *axi_read.PROOFS,
    *axi_write.PROOFS,
    *registers.PROOFS,
)


def find(name: str) -> list[Proof]:
    """The proofs that are called `name` or stand below it; ValueError with the names there are."""
    found = [proof for proof in PROOFS if proof.name == name or proof.name.startswith(f"{name}.")]
    if not found:
        raise ValueError(f"no proof '{name}'; there are {', '.join(proof.name for proof in PROOFS)}")
    return found
