"""What the AWS_* variables of the environment say about a bucket."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from recoup.lake.layout import check_prefix
from recoup.model.errors import ConfigError, UsageError
from recoup.model.keys import quoted

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_VARIABLES = {
    "access_key_id": ("AWS_ACCESS_KEY_ID",),
    "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
    "session_token": ("AWS_SESSION_TOKEN",),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint_url": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
}


@dataclass(frozen=True, slots=True)
class S3Settings:
    """A bucket, a prefix that is empty or ends with `/`, and how to get there; `options` holds secrets.

    Without keys in the environment the client asks the machine's role, as it does everywhere on AWS.
    """

    bucket: str
    prefix: str
    options: Mapping[str, str] = field(repr=False)
    allow_http: bool = False

    @classmethod
    def of(cls, url: str, environment: Mapping[str, str]) -> S3Settings:
        """Read them; ConfigError names what is wrong, and never shows a key."""
        parts = urlsplit(url)
        if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc) or parts.query or parts.fragment:
            message = f"{quoted(url)} is not a bucket"
            raise ConfigError(message, "write s3://bucket/prefix; keys and endpoint come from AWS_* variables")
        try:
            prefix = check_prefix(parts.path.strip("/"))
        except UsageError as error:
            raise ConfigError(error.message, error.remedy) from error
        given = {
            name: next((environment[v] for v in names if environment.get(v)), "") for name, names in _VARIABLES.items()
        }
        # A key that holds None, or nothing, is refused by the client: leave it out.
        options = {"region": "us-east-1"} | {name: value for name, value in given.items() if value}
        return cls(parts.netloc, prefix, options, _http_allowed(options.get("endpoint_url", ""), environment))


def _http_allowed(endpoint: str, environment: Mapping[str, str]) -> bool:
    """Plain HTTP shows data and signatures to everybody on the way: only on this machine, or when asked for."""
    if not endpoint.startswith("http://"):
        return False
    host = urlsplit(endpoint).hostname
    if host not in _LOOPBACK and environment.get("AWS_ALLOW_HTTP", "").lower() not in {"1", "true"}:
        message = f"the endpoint http://{host} is not encrypted"
        raise ConfigError(message, "use https in AWS_ENDPOINT_URL, or set AWS_ALLOW_HTTP=true if you mean it")
    return True
