"""castgate: calls the control API of a castgate gateway.

    gateway = castgate.Client("127.0.0.1:7273", key="...")
    gateway.bind(client_id, "42", groups=["news"])
    gateway.push(uids=["42"], text="hello")
"""

from .aio import AsyncBatch, AsyncClient
from .client import Batch, Client
from .errors import CastgateError
from .events import TOLERANCE, verify
from .types import PROBLEM_CODES

__all__ = ["AsyncBatch", "AsyncClient", "Batch", "CastgateError", "Client", "PROBLEM_CODES", "TOLERANCE", "verify"]
__version__ = "0.1.0"
