"""Text without passwords, keys and tokens: done before anything is cut, stored, shown or sent.

A secret is known by its looks (`password=…`, a password in a URL, a header, a token of a known form), or because it is
the value of a variable of the environment whose name says so, or which `SECRETS_LISTED` lists. This room reads no
environment: whoever has one gives it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote

Redact = Callable[[str], str]

HIDDEN = "***"
SECRETS_LISTED = "RECOUP_HIDDEN_VARIABLES"
"""A variable with the names, between commas, of those that hold a secret though their names do not say so.

It stands in the environment because workers have that before they have read anything else.
"""
SHORTEST_SECRET = 6
"""Shorter values (`1`, `true`, `root`) stand in too many texts that have nothing to do with them."""

# Words without which there is nothing to look for: to see that costs a tenth of what the pattern does. Then what
# stands before a secret, and the secret: `name=value` in any spelling, a password in a URL, a header, and the tokens
# and keys that are known by their looks.
_LOOKS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (
        ("passw", "pwd", "_pw", "passphrase", "secret", "token", "key", "sig", "sas", "credential"),
        re.compile(
            r"(?i)((?:passw(?:or)?d|pwd|_pw|passphrase|secret|token|(?:api|access|account|private|shared|secret)[_-]?key"
            r"|signature|\bsig|\bsas|credentials?)[\"']?\s*[=:]\s*)(\"[^\"\n]*\"?|'[^'\n]*'?|[^\s;,&'\")}\]]+)"
        ),
    ),
    (
        ("passw", "passphrase", "secret", "token", "key"),
        re.compile(
            r"(?i)((?:passw(?:or)?d|passphrase|secret|token|(?:api|access|account|private|shared|secret)[_ -]?key)"
            r"\s+(?:is|was)\s+)(\"[^\"\n]+\"|'[^'\n]+')"
        ),
    ),
    (("://",), re.compile(r"(://[^/\s:@]*:)([^\s'\"]+)(?=@)")),
    (("authorization",), re.compile(r"(?i)(\bauthorization[\"']?\s*[=:]\s*[\"']?(?:\w+\s+)?)([^\s\"',;]+)")),
    (("bearer", "basic"), re.compile(r"(?i)(\b(?:bearer|basic)\s+)(?=\S*\d)([A-Za-z0-9._~+/=-]{8,})")),
    (
        ("akia", "asia", "gh", "xox", "eyj"),
        re.compile(r"()\b(?:A[KS]IA[0-9A-Z]{16}|gh[pousr]_\w{20,}|xox[abprs]-[\w-]{10,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*)"),
    ),
    (("private key",), re.compile(r"(?s)(-----BEGIN [A-Z ]*PRIVATE KEY-----).+?(?=-----END|\Z)")),
)
_SECRET_NAME = re.compile(
    r"(?i)passw(or)?d|passphrase|passwd|(^|_)pwd|(^|_)pass$|(^|_)pw$|secret|token|api_?key|access_?key$|account_?key"
    r"|private_?key|shared_?key|(^|_)sas($|_)|credential"
)
_NO_SECRET_NAME = re.compile(
    r"(?i)^(old)?pwd$|_(file|path|dir|id|name|user|url|uri|type|ttl|seconds|expir\w*)$|^google_app"
)
_URL_PASSWORD = re.compile(r"://[^/\s:@]*:([^\s]+)@")
_NAMED_IN_VALUE = re.compile(r"(?i)(?:password|pwd|accountkey|sharedaccesskey|sharedaccesssignature)=([^;\s]+)")


def redact(text: str) -> str:
    """Without what looks like a secret; `redactor` also knows those of an environment."""
    lowered = text.lower()
    for words, looks in _LOOKS:
        if any(word in lowered for word in words):
            text = looks.sub(rf"\1{HIDDEN}", text)
    return text


def redactor(environment: Mapping[str, str]) -> Redact:
    """Like `redact`, and without the values of this environment that are secret, however they are written."""
    known = sorted(set(_spellings(environment)), key=len, reverse=True)
    if not known:
        return redact
    values = re.compile("|".join(map(re.escape, known)))
    return lambda text: redact(values.sub(HIDDEN, text))


def redacted(body: Any, hide: Redact) -> Any:  # noqa: ANN401 - whatever JSON can say
    """JSON without secrets, and still JSON: each text for itself, in the light of the name that it has."""
    match body:
        case None | bool() | int() | float():
            return body
        case list() | tuple():
            return [redacted(one, hide) for one in body]
        case Mapping():
            return {name: _named(str(name), value, hide) for name, value in body.items()}
        case _:
            return hide(str(body))


def _named(name: str, value: Any, hide: Redact) -> Any:  # noqa: ANN401 - as above
    if not isinstance(value, str):
        return redacted(value, hide)
    return HIDDEN if hide(f"{name}={value}").startswith(f"{name}={HIDDEN}") else hide(value)


def _spellings(environment: Mapping[str, str]) -> Iterator[str]:
    """Each secret as it is, as URLs and JSON write it, and line by line where it has lines."""
    for secret in _secrets(environment):
        parts = [line.strip() for line in secret.splitlines()] if "\n" in secret else [secret]
        for part in parts:
            for spelling in (part, quote(part, safe=""), quote_plus(part), unquote(part), json.dumps(part)[1:-1]):
                if len(spelling) >= SHORTEST_SECRET:
                    yield spelling


def _secrets(environment: Mapping[str, str]) -> Iterator[str]:
    listed = environment.get(SECRETS_LISTED, "").split(",")
    for name, value in environment.items():
        if name in listed:
            yield value
        if _SECRET_NAME.search(name) and not _NO_SECRET_NAME.search(name):
            yield value
        yield from _URL_PASSWORD.findall(value)
        yield from _NAMED_IN_VALUE.findall(value)
