"""Which endpoint a network failure was about, and whether it takes a connection now."""

from __future__ import annotations

import re
import socket
from typing import Final, NamedTuple
from urllib.parse import urlsplit

PATIENCE_SECONDS: Final = 0.5
_PORTS: Final = {"http": 80, "https": 443, "postgresql": 5432, "redis": 6379, "amqp": 5672, "s3": 443}
# As libpq, urllib3 and sockets say it.
_SAID: Final = (
    re.compile(r"server at \"([\w.:-]+)\"(?: \([\w.:]+\))?, port (\d+)"),
    re.compile(r"host='([^']+)', port=(\d+)"),
    re.compile(r"\('([\w.-]+)', (\d+)\)"),
)


class Endpoint(NamedTuple):
    """A host and its port."""

    host: str
    port: int

    def __str__(self) -> str:
        """As evidence has it."""
        return f"{self.host}:{self.port}"


def endpoint_of(address: str, message: str) -> Endpoint | None:
    """By the address that was asked, else by what the failure says."""
    parts = urlsplit(address)
    port = parts.port or _PORTS.get(parts.scheme)
    if parts.hostname and port:
        return Endpoint(parts.hostname, port)
    said = next(filter(None, (form.search(message) for form in _SAID)), None)
    return Endpoint(said.group(1), int(said.group(2))) if said else None


def probe(endpoint: Endpoint) -> str:
    """In a few words; nobody waits long for it."""
    try:
        socket.create_connection(endpoint, timeout=PATIENCE_SECONDS).close()
    except socket.gaierror:
        return "its name does not resolve"
    except ConnectionRefusedError:
        return "refuses connections"
    except TimeoutError:
        return f"takes no connection within {PATIENCE_SECONDS:g} s"
    except OSError as error:
        return error.strerror or str(error)
    return "takes connections"
