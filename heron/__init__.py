"""Heron from Python: `encode` takes numpy planes and gives bytes, reconstruction and report."""

from heron.api import Encoded, encode
from heron.encoder import Encoder
from heron.errors import HeronError

__all__ = ["Encoded", "Encoder", "HeronError", "encode"]
