"""Lambda as AWS runs it: the functions' own binaries over the Runtime API, retries, destinations."""

from localcloud.functions.api import install
from localcloud.functions.asynchronous import invoke_asynchronously
from localcloud.functions.pool import stop_all

__all__ = ["install", "invoke_asynchronously", "stop_all"]
