"""What the Verilog itself says about its signals: which block an instance is, which bits are one net or constant."""

import gzip
import json
import subprocess
from pathlib import Path

from amaranth.hdl import Fragment

from sim import build, toolchain
from sim.toolchain import BUILD

# Constants are those that follow from the text alone, through registers that never leave their initial value.
_FOLD = "opt_expr\nopt_dff -nodffe -nosdff\n"
SCRIPT = f"""
read_verilog {{file}}
hierarchy -top {{top}}
proc
flatten
{_FOLD * 3}
opt_clean
delete */c:*
write_json -noscopeinfo nets.json
"""

Nets = dict[str, list]
"""Of each signal, by instance and name: net of each bit, the same number for what is wired together; '0', '1' or 'x'
where Yosys finds it constant."""


def nets(verilog: Path, top: str) -> Nets:
    """The nets of a design; kept under build/, as a chip takes minutes."""
    text = verilog.read_text()
    folder = BUILD / "coverage" / f"nets-{build.digest(text, SCRIPT)}"
    kept = folder / "nets.json.gz"
    with build.locked(folder):
        if not kept.exists():
            (folder / verilog.name).write_text(text)
            (folder / "nets.ys").write_text(SCRIPT.format(file=verilog.name, top=top))
            # YoWASP's Yosys sees the current folder, not all of the disk
            subprocess.run([toolchain.yosys(), "-q", "-s", "nets.ys"], cwd=folder, check=True)
            found = json.loads((folder / "nets.json").read_text())["modules"][top]["netnames"]
            bits = {f"{top}.{name}".replace("\\", ""): net["bits"] for name, net in found.items()}
            kept.write_bytes(gzip.compress(json.dumps(bits).encode(), 3))
            for name in (verilog.name, "nets.json"):
                (folder / name).unlink()
    return json.loads(gzip.decompress(kept.read_bytes()))


def blocks(component, top: str) -> dict[str, str]:
    """The block of each instance below `component`: the file below hdl/ of its class. What is of hdl/common or of
    Amaranth counts to the block that it is in."""
    found = {}

    def walk(fragment, instance, block):
        for origin in fragment.origins or ():
            module = type(origin).__module__
            if module.startswith("hdl.") and not module.startswith("hdl.common."):
                block = module.removeprefix("hdl.")
        found[instance] = block
        for inner, name, _ in fragment.subfragments:
            walk(inner, f"{instance}.{name}", block)

    walk(Fragment.get(component, None), top, type(component).__module__)
    return found
