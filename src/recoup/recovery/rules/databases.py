"""What databases answer: SQLSTATE, which all of them share, and the numbers of those that have their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from recoup.model.failure import FailureKind as Kind
from recoup.recovery.rules.tables import by_number, by_word

SQLSTATE: Final[Mapping[str, Kind]] = by_word(
    {
        Kind.NETWORK: "08 HYT01 HV00N",
        Kind.SERVICE: "57 58 57P01 57P02 57P03 57P05 XX 53",
        Kind.THROTTLED: "53300",
        Kind.TIMEOUT: "57014 70100 25P03 25P04 57P04",
        Kind.MEMORY: "53200 HY001 HY013",
        Kind.DISK: "53100 58030",
        Kind.CONFLICT: "23505 23P01 40 55P03 55006 58P02 42P07 42710 42P06 42P04 42701 42S01 42723",
        Kind.AUTH: "28",
        Kind.PERMISSION: "42501 25006 38004 0L 0P",
        Kind.MISSING: "42P01 3F 3D 42S02 58P01 02",
        # Not NULL, and a text that is no number: the rows are not what the table declares.
        Kind.CONTRACT: "42703 42S22 23502 22P02 22P03 22P04 22007 22008 22018 22001 22003 42804 22005 21S01"
        " 22P05 22026 22021 22030 22032 22033 22034 22035 22036 22037 22038 22039",
        Kind.QUALITY: "23 44",
        Kind.CORRUPT: "XX001 XX002",
        Kind.CONFIG: "F0 IM 53400 55P02",
        Kind.LOGIC: "03 07 09 0A 0B 0D 0E 0F 0K 0M 0N 0S 0T 0U 0V 0W 0X 0Y 0Z 10 20 21 22 24 25 26 27 2B 2C 2D 2E 2F 2H"
        " 30 33 34 35 36 38 39 3B 3C 42 46 51 54 55 56 P0 HY010",
    }
)
"""The longest beginning that fits decides: a code of five characters, or its class of two."""

UNTOLD_SQLSTATE: Final = frozenset({"23000", "HY000", "42000", "HYT00", "HY008", "S1000"})
"""They say nothing by themselves: the server's own number or words decide."""

SQLSTATE_OF_CLASS: Final[Mapping[str, str]] = {
    name: state
    for state, names in {
        "08006": "ConnectionFailure ConnectionDoesNotExist ConnectionException ClientCannotConnect",
        "22001": "StringDataRightTruncation",
        "22003": "NumericValueOutOfRange",
        "22007": "InvalidDatetimeFormat",
        "22008": "DatetimeFieldOverflow DatetimeOverflow",
        "22012": "DivisionByZero",
        "22021": "CharacterNotInRepertoire",
        "22P02": "InvalidTextRepresentation",
        "22P03": "InvalidBinaryRepresentation",
        "22P04": "BadCopyFileFormat",
        "22P05": "UntranslatableCharacter",
        "22026": "StringDataLengthMismatch",
        "22023": "InvalidParameterValue",
        "22000": "DataException CardinalityViolation SubstringError InvalidRegularExpression",
        "22032": "InvalidJsonText",
        "23502": "NotNullViolation",
        "23503": "ForeignKeyViolation",
        "23505": "UniqueViolation",
        "23514": "CheckViolation",
        "23P01": "ExclusionViolation",
        "25006": "ReadOnlySqlTransaction ReadOnlySQLTransaction",
        "25P02": "InFailedSqlTransaction InFailedSQLTransaction ActiveSqlTransaction ActiveSQLTransaction",
        "25P03": "IdleInTransactionSessionTimeout",
        "25P04": "TransactionTimeout",
        "28000": "InvalidAuthorizationSpecification",
        "28P01": "InvalidPassword",
        "2F000": "SqlRoutineException",
        "3D000": "InvalidCatalogName",
        "3F000": "InvalidSchemaName",
        "40001": "SerializationFailure Serialization",
        "40P01": "DeadlockDetected",
        "40003": "StatementCompletionUnknown",
        "42501": "InsufficientPrivilege",
        "42601": "SyntaxError PostgresSyntax SyntaxErrorOrAccessRuleViolation",
        "42703": "UndefinedColumn",
        "42883": "UndefinedFunction",
        "42P01": "UndefinedTable",
        "42P02": "UndefinedParameter",
        "42704": "UndefinedObject",
        "42702": "AmbiguousColumn AmbiguousFunction GroupingError InvalidColumnReference"
        " InvalidTableDefinition WrongObjectType",
        "42804": "DatatypeMismatch",
        "42P07": "DuplicateTable",
        "42710": "DuplicateObject",
        "42701": "DuplicateColumn",
        "42P06": "DuplicateSchema",
        "42P04": "DuplicateDatabase",
        "53100": "DiskFull",
        "53200": "OutOfMemory",
        "53300": "TooManyConnections",
        "53000": "InsufficientResources",
        "54000": "ProgramLimitExceeded StatementTooComplex TooManyColumns TooManyArguments",
        "55006": "ObjectInUse",
        "55P03": "LockNotAvailable",
        "57014": "QueryCanceled",
        "57P01": "AdminShutdown",
        "57P02": "CrashShutdown",
        "57P03": "CannotConnectNow",
        "57P05": "IdleSessionTimeout",
        "58030": "IoError",
        "58P01": "UndefinedFile",
        "0A000": "FeatureNotSupported",
        "P0001": "RaiseException",
        "XX000": "InternalError_ PostgresInternalError",
        "XX001": "DataCorrupted",
        "XX002": "IndexCorrupted",
    }.items()
    for name in names.split()
}
"""The classes of psycopg, psycopg2 and asyncpg are named after the conditions; asyncpg adds `Error`."""
CLASSES_IN: Final = frozenset({"psycopg.errors", "psycopg2.errors", "psycopg2.extensions", "asyncpg.exceptions"})

MYSQL: Final[Mapping[int, Kind]] = by_number(
    {
        Kind.NETWORK: "1042 1043 1152 1158-1161 1184 1189 1190 2002-2006 2012 2013 2026 2055",
        Kind.SERVICE: "1053 1077-1079",
        Kind.THROTTLED: "1040 1203 1226 1129 1135",
        Kind.TIMEOUT: "3024 1969",
        Kind.MEMORY: "1037 1038 1041 5",
        Kind.DISK: "1021 1114 1024 3 28 1034",
        Kind.CONFLICT: "1007 1022 1050 1061 1062 1099 1100 1205 1213 1586 1614 3058 3572 1020 1689 1907",
        Kind.AUTH: "1045 1251 1698 1862 1820 2059 2061 3118 3955 4151 1396",
        Kind.PERMISSION: "1044 1142 1143 1227 1370 1410 1419 1792 1836 1290",
        Kind.MISSING: "1008 1017 1049 1051 1146 1109 1932",
        Kind.CONTRACT: "1048 1054 1136 1138 1263-1265 1292 1364 1366 1406 1411 1525 1166 1072 1091",
        Kind.QUALITY: "1216 1217 1451 1452 3819 4025",
        Kind.CORRUPT: "126 127 134 145 1035 1194 1195 1712",
        Kind.CONFIG: "1115 1193 1231 1273 1286 2019 2028 2054",
        Kind.CANCELLED: "1317 1927 1028",
        Kind.LOGIC: "1046 1052 1055 1056 1058-1060 1063-1066 1068-1071 1074 1075 1093 1101 1110 1111 1149"
        " 1172 1241 1242 1305 1318 1365 1582 1690",
    }
)
"""MySQL and MariaDB, the client's own from 2000 on."""

SQL_SERVER: Final[Mapping[int, Kind]] = by_number(
    {
        Kind.NETWORK: "-2 2 53 64 121 233 10053 10054 10060 10061 11001 17197 20002 20003 20006 20009 20047",
        Kind.SERVICE: "596 6005 17142 18401 40143 40197 40540 40613 42108 42109 49918 983 976 978 921 922 927",
        Kind.THROTTLED: "10928 10929 10936 40501 49919 49920 17809 17300",
        Kind.MEMORY: "701 802 8645 8651 8657 41805",
        Kind.DISK: "1101 1105 3257 9002 5149",
        Kind.QUOTA: "40544",
        Kind.CONFLICT: "1204 1205 1222 2601 2627 2714 3960 3961 41301 41302 41305 41325 41839 1807 3702",
        Kind.AUTH: "18452 18456 18470 18486-18488 40532 40615 15404 33155",
        Kind.PERMISSION: "229 230 262 297 300 916 3906 3908 4613 15151 15247 15517 1088",
        Kind.MISSING: "208 911 4060 4701 4902 3701 942",
        Kind.CONTRACT: "207 213 241 242 245 248 257 515 2628 4863 4864 4866 8114 8152 8169 9420 9436 13609 206 295 244",
        Kind.QUALITY: "547",
        Kind.CORRUPT: "823 824 825 605 5172 7105 8928 9004",
        Kind.TIMEOUT: "40549 40550",
        Kind.CONFIG: "5808 15281",
        Kind.LOGIC: "102 105 109 116 137 156 174 195 201 209 512 1038 2812 4104 8134 8115 8120 8144 8145",
    }
)
ORACLE: Final[Mapping[int, Kind]] = by_number(
    {
        Kind.NETWORK: "3113 3114 3135 12170 12203 12224 12535 12537 12541 12543 12545 12547 12560 12571"
        " 12606 25408 28547",
        Kind.SERVICE: "1033 1034 1089 1090 1092 12514 12520 12521 12526 12528 25401 25402 3149 1109",
        Kind.THROTTLED: "18 20 2391 12516 12519",
        Kind.TIMEOUT: "3156 40 56735",
        Kind.MEMORY: "4030 4031 4036",
        Kind.DISK: "257 1628 1630 1631 1632 1652-1655 1658 1659 1683 1688 1691 19502 19809 27072 30036",
        Kind.QUOTA: "1536",
        Kind.CONFLICT: "1 54 60 955 1408 4020 4021 8177 8176 30006",
        Kind.AUTH: "1004 1005 1017 1045 12638 28000 28001 28009 28040 12650",
        Kind.PERMISSION: "990 1031 1720 1950 16000 41900",
        Kind.MISSING: "942 1435 4043 2289 22288 29283 1403",
        Kind.CONTRACT: "904 932 1400 1407 1438 1722 1747 1830-1866 12899 1401 1481 6502",
        Kind.QUALITY: "2290 2291 2292",
        Kind.CORRUPT: "1578 26040 1110 8102 29275",
        Kind.CONFIG: "12154 12162 12505 12533 1019",
        Kind.CANCELLED: "1013 28",
        Kind.LOGIC: "900 903 905 906 907 909 911 913 917 918 920 921 923 933 934 936 937 939 947 979 1427"
        " 1476 1756 1789 1790 6550 6512",
    }
)
CLICKHOUSE: Final[Mapping[int, Kind]] = by_number(
    {
        Kind.NETWORK: "209 210 198 425",
        Kind.SERVICE: "242 279 285 319 999 225",
        Kind.THROTTLED: "202 252 745",
        Kind.TIMEOUT: "159 160",
        Kind.MEMORY: "173 241",
        Kind.DISK: "243",
        Kind.QUOTA: "201",
        Kind.CONFLICT: "57 82 473 517 219",
        Kind.AUTH: "192-194 516",
        Kind.PERMISSION: "164 291 497",
        Kind.MISSING: "60 81 107 218",
        Kind.CONTRACT: "6 10 16 26 27 38 41 53 70 117 131 349 8",
        Kind.QUALITY: "469",
        Kind.CORRUPT: "33 40 246 271 354",
        Kind.CONFIG: "115 114",
        Kind.CANCELLED: "394 236 735",
        Kind.LOGIC: "36 42 43 44 46 47 62 153 184 215 352",
    }
)
SNOWFLAKE: Final[Mapping[int, Kind]] = by_number(
    {
        Kind.NETWORK: "250001 250003 250006",
        Kind.SERVICE: "603",
        Kind.TIMEOUT: "630",
        Kind.MEMORY: "300005",
        Kind.QUOTA: "90073",
        Kind.CONFLICT: "625 2002",
        Kind.AUTH: "390100-390102 390111-390195 394300-394400",
        Kind.PERMISSION: "3001 3041",
        Kind.MISSING: "2003 2043 253006",
        Kind.CONTRACT: "904 100035 100037-100040 100046 100048 100069 100072 100078 100080 2057",
        Kind.CONFIG: "606 390201 251005 251001 90105 90106",
        Kind.CANCELLED: "604",
        Kind.LOGIC: "1003 1007 1044 1065 100051 2049 2140 2028",
    }
)
LASTING_SQLSTATE: Final = frozenset(["23505", "23P01", "42P07", "42710", "42P06", "42P04", "42701", "42S01", "42723"])
LASTING_NUMBERS: Final = frozenset(
    {
        ("mssql", 2601),
        ("mssql", 2627),
        ("mssql", 2714),
        ("ora", 1),
        ("ora", 955),
        ("clickhouse", 57),
        ("clickhouse", 82),
        ("snowflake", 2002),
    }
)
"""A key or table that is there stays there."""
