"""What an operating system says: error numbers, exit codes, signals, and curl's own codes."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final

from recoup.model.failure import FailureKind as Kind
from recoup.recovery.rules.tables import by_number, by_word

ERRNO: Final[Mapping[str, Kind]] = by_word(
    {
        Kind.DISK: "ENOSPC EMFILE ENFILE EFBIG",
        Kind.QUOTA: "EDQUOT",
        Kind.MEMORY: "ENOMEM ENOBUFS",
        Kind.PERMISSION: "EACCES EPERM EROFS",
        Kind.AUTH: "ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED",
        Kind.CORRUPT: "EILSEQ EBADMSG EUCLEAN",
        Kind.LOST: "ESRCH ECHILD EOWNERDEAD",
        Kind.MISSING: "ENOENT ENXIO ENODEV ENODATA ENOMEDIUM",
        Kind.NETWORK: "ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ESHUTDOWN ETIMEDOUT EHOSTUNREACH EHOSTDOWN"
        " ENETUNREACH ENETDOWN ENETRESET ENOTCONN ENONET ENOLINK ECOMM EPROTO EREMOTEIO ETIME",
        Kind.CONFLICT: "EADDRINUSE EEXIST EBUSY ETXTBSY EAGAIN EWOULDBLOCK EDEADLK EDEADLOCK ENOTEMPTY ESTALE"
        " ENOLCK EALREADY EINPROGRESS",
        Kind.CONFIG: "EADDRNOTAVAIL EAFNOSUPPORT EPROTONOSUPPORT EPFNOSUPPORT ESOCKTNOSUPPORT ENOEXEC ELIBACC ELIBBAD",
        Kind.CANCELLED: "EINTR ECANCELED",
        Kind.LOGIC: "EBADF ENOTDIR EISDIR ENAMETOOLONG EINVAL E2BIG ENOTSOCK ENOSYS EOPNOTSUPP ENOTSUP"
        " EOVERFLOW ERANGE EDOM EXDEV ELOOP EFAULT ENOTTY ESPIPE EMSGSIZE EISCONN EDESTADDRREQ EMLINK EPROTOTYPE"
        " ENOPROTOOPT ENOTBLK EBADFD",
    }
)
LASTING_ERRNO: Final = frozenset({"EEXIST", "ENOTEMPTY"})
"""A conflict that does not pass by itself."""

GAI: Final[Mapping[int, Kind]] = by_number({Kind.CONFIG: "-1 -6 -7 -8", Kind.MEMORY: "-10"})
GAI_NUMBERS: Final = range(-20, 0)
"""What `getaddrinfo` answers has negative numbers of its own: a name that does not resolve, or a port that is none."""

WINERROR: Final[Mapping[int, Kind]] = by_number(
    {
        Kind.NETWORK: "53 64 121 10051-10054 10060 10061 10065 11001",
        Kind.PERMISSION: "5",
        Kind.MISSING: "2 3",
        Kind.CONFLICT: "32 33 183 10048",
        Kind.DISK: "112",
        Kind.MEMORY: "8 14",
    }
)
EXIT_CODE: Final[Mapping[int, Kind]] = by_number(
    {
        Kind.CANCELLED: "-1 -2 -3 -15 129-131 143",
        Kind.LOST: "-4 -5 -6 -7 -8 -9 -11 132-136 139",
        Kind.MEMORY: "137",  # what containers say when they were killed for it; a bare SIGKILL is -9, and lost
        Kind.NETWORK: "-13 141",
        Kind.TIMEOUT: "-14 -24 124 142 152",
        Kind.DISK: "-25 153",
        Kind.PERMISSION: "77 126",
        Kind.CONFIG: "64 78 127",
        Kind.MISSING: "66",
    }
)
"""Negative: killed by that signal. A shell says 128 + signal; `timeout` says 124; sysexits has its own from 64 on."""

CURL: Final[Mapping[int, Kind]] = by_number(
    {
        Kind.NETWORK: "5-7 16 18 28 35 52 55 56 60 92 95",
        Kind.CONFIG: "1 3 4 77",
        Kind.AUTH: "67 94",
        Kind.MISSING: "37 78",
        Kind.DISK: "23",
        Kind.MEMORY: "27",
        Kind.PERMISSION: "9",
    }
)

REPLY: Final[Mapping[int, Kind]] = by_number(
    {
        Kind.SERVICE: "421 451 454",
        Kind.NETWORK: "425 426",
        Kind.AUTH: "332 430 530 532 534 535",
        Kind.CONFLICT: "450",
        Kind.DISK: "452 552",
        Kind.MISSING: "550",
        Kind.PERMISSION: "553",
        Kind.LOGIC: "500-504 555",
    }
)
"""What servers of FTP and mail answer."""


def errno_name(number: int) -> str:
    """`ENOENT`; the number where this system has no name for it."""
    return errno.errorcode.get(number, str(number))
