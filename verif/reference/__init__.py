"""The reference codec. Compiled functions are cached by the content of this whole folder: numba alone looks only at the
file of each function, and would go on using what another file has changed."""

import hashlib
import os
from pathlib import Path

from numba.core import config

_here = Path(__file__).parent
_sources = b"".join(path.read_bytes() for path in sorted(_here.glob("*.py")))
_build = Path(os.environ.get("HERON_BUILD", _here.parents[1] / "build")).resolve()
config.CACHE_DIR = str(_build / "numba" / hashlib.sha256(_sources).hexdigest()[:16])
