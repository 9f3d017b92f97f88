"""Phrases about data: what is not there, not as declared, not good enough, not readable; and about the other side."""

from __future__ import annotations

from typing import Final

from recoup.model.failure import FailureKind as Kind
from recoup.recovery.rules.words import Block

KEYS: Final[Block] = (
    Kind.CONFLICT,
    """
        duplicate key | duplicate entry | unique constraint | unique key constraint | primary key constraint |
        violates primary key | violates unique | e11000 | already exists | already exist | file exists |
        unique index
        """,
)
"""A key or file that is there stays there: this conflict does not pass by itself."""

DATA: Final[tuple[Block, ...]] = (
    (
        Kind.CORRUPT,
        """
        cannot read header | expected object or value | footer … error | invalid footer | file is too small |
        unpack failed |
        bytes shorter than | in the middle of a … field | open file (bad | open file (file signature |
        open file (truncated | lz4f_* failed | out-of-spec | invalidfooter | at character # ( |
        bad magic | magic byte* | magic number | not in gzip format | not a gzip* | truncated |
        unexpected end of file | unexpected end of data | unexpected end of stream | unexpected end of input |
        unexpected end of archive | unexpected end of json | unexpected eof in | premature end |
        checksum mismatch | checksum does not match | checksum … failed | checksum error | checksum … mismatch |
        checksums did not match | crc error | crc mismatch | crc check | crc32 | corrupt* | digest mismatch |
        md5 mismatch | md5 … not match | hash mismatch | sha256 … mismatch | size mismatch | invalid start byte |
        can't decode byte | codec can't decode | invalid utf-8 | invalid utf8 | not valid utf |
        invalid byte sequence | invalid unicode | incomplete multibyte | not a zip file | bad zip* |
        not a parquet file | is not a parquet | not a database | not a valid … file | not a valid … database |
        malformed | invalid parquet | parquet footer | file out of specification | invalid thrift |
        corrupted … page | incorrect header check | invalid block type | invalid stored block |
        invalid compressed data | invalid distance | error -3 while decompressing | decompress* … failed |
        failed to decompress | decompression error | decoding error | error decoding | not well-formed |
        mismatched tag | no element found | compressed file ended | end-of-stream marker | not an avro |
        not avro | invalid avro | cannot read avro header | unreadable | bad archive | invalid tar header |
        does not look like a tar | invalid header | file could not be opened successfully | invalid json |
        malformed json | expecting value | expecting property name | extra data: | unterminated string |
        invalid control character | error parsing json | garbage | ran out of input | pickle data |
        invalid load key | unknown compression | cannot identify image | postscript length | invalid footer |
        invalid orc | snappy | snappy: corrupt* | zstd: | lz4 | unpack requires | incorrect padding |
        line contains nul | eof inside string | eof reached | bad block | loose object | object file … is empty |
        page … failed | not a bzip* | invalid data stream | end of central directory | file is damaged | damaged |
        file too small
        """,
    ),
    KEYS,
    (
        Kind.MISSING,  # before schema: a table or file that is not there
        """
        not_found - no | paths were empty |
        no such table | no such file | no such key | no such bucket | no such object | nosuchkey | nosuchbucket |
        no such index | no such topic | no such queue | no such collection | no such container | no such image |
        no such entity | no such partition | no such sheet | no such remote | relation … does not exist |
        table … does not exist | table … doesn't exist | table … not exist | view … does not exist |
        schema … does not exist | database "~" does not exist | object … does not exist | file … does not exist |
        path … does not exist | path does not exist | bucket … does not exist | container does not exist |
        blob does not exist | key does not exist | topic … does not exist | partition … does not exist |
        index … does not exist | directory … does not exist | dataset … does not exist | not found: table |
        not found: dataset | not found: uri | not found: job | table not found | table … not found |
        table_or_view_not_found | path_not_found | schema_not_found | table or view not found |
        table or view does not exist | view … not found | dataset not found | dataset … not found |
        file not found | file … not found | filenotfound* | object not found | object … not found |
        blob not found | bucket not found | bucket … not found | bucket … not exist | topic … not found |
        partition not found | partition … not found | partitions … not found | snapshot … not found |
        sheet … not found | worksheet … not found | worksheet named | repository … not found |
        repository not found | manifest unknown | manifest … not found | image … not found | page not found |
        resource not found | resource … not found | no data found | no raw data | no data for | no data in |
        delivered 0 | delivered no | found 0 files | no object ~ | no file ~ | no data available | no data yet |
        no data returned |
        no records found | no records for | no rows found |
        no rows for | no rows in | no rows returned | no files found | no files match* | no file found |
        no files in | no file … match* | no objects found | no objects match* | no parquet files | no csv files |
        no partitions | no input | no match* … files | did not match any file* | empty source |
        source … is empty | source is empty | empty input | input … is empty | empty file | file is empty |
        file … is empty | empty response | empty result | empty dataset | empty csv | returned no rows |
        returned 0 rows | returned no data | zero rows from | no columns to parse | invalid object name |
        unknown table | unknown database | missing input | missing file | missing source | missing partition* |
        input … missing | file … missing | requested run | missing under | missing from the lake | missing in s3 |
        missing snapshot | is not there | not there yet | has not arrived | not arrived | not yet arrived |
        has not been delivered | not been delivered | not delivered | has not landed | not landed |
        not available yet | not yet available | not yet published | could not find file |
        could not find the file | could not find object | unable to find | could not find remote ref |
        cannot find the file | cannot find the path | unknown revision | pathspec | not a git repository |
        there is no item named | in the archive | member … not found | unknown_topic_or_part* |
        cannot open … no such | errorcode:blobnotfound | index_not_found* | does not exist or not authorized |
        550 … file | stat cache miss | key … does not exist in bucket
        """,
    ),
    (
        Kind.CONTRACT,
        """
        could not find an appropriate format | column … expected … got |
        usecols do not match | column names don't match | does not exist in schema |
        deserialization error | the contract says | is required but | value deserialization | has no field |
        has no column |
        expected column … header |
        badly formed | does not appear to be an | "~" is not a valid | cannot store … value in | has # field* |
        missing required column* | missing required field* | missing required key* | missing column* |
        missing field* | missing header* | missing mandatory | required column* | required field* |
        required key* | column … does not exist | column … not found | column … not exist | column … is missing |
        column … missing | columns … missing | column* … absent | no such column | unknown column |
        unknown field | unexpected column* | unexpected field* | extra column* | extra field* |
        additional column* | new column* | renamed column* | column count | columns … not in |
        columns … do not match | columns … differ | number of columns | column names … do not match |
        header … does not match | unexpected header | wrong header | invalid identifier | invalid column name |
        unresolved column | unresolved_column* | unrecognized name | cannot resolve | field … does not exist |
        field … not found in | no field named | unable to find column* | unable to get field | not in index |
        in the [columns] | duplicate column* | schema mismatch | schema … mismatch | schema … not match* |
        schema … differ* | schema … violat* | schema violation | schema validation | schemavalidation* |
        schema drift* | schema … changed | schema change | schema … incompatible | incompatible schema |
        schema evolution | schemas are incompatible | schema error | does not conform to … schema |
        contract … violat* | contract violation | violates … contract | type mismatch | datatype mismatch |
        data type mismatch | data type of | dtype mismatch | type … does not match | wrong type |
        incompatible type* | incompatible data type* | unexpected type | unexpected dtype | expected type |
        expected dtype | expected … dtype | to have type | to be of type | should be a valid | should be of type |
        must be of type | must be an integer | must be a string | must be a number | is not of type |
        is not a valid … type | not-null constraint | not null constraint | cannot be null | null constraint |
        not nullable | non-nullable | nullable … false | must not be null | may not be null |
        contains null values | does not allow nulls | cannot insert null | cannot insert the value null |
        null result in a non-nullable | null in non-null* | could not convert | cannot convert | can't convert |
        invalid literal for | cannot cast | cannot be cast | failed to cast | casting … failed |
        cast_invalid_input | malformed … cast | conversion … failed | conversion from | conversion failed |
        could not parse | cannot parse | can't parse | failed to parse | unable to parse | cannot_parse* |
        unparsable | unparseable | unparsed | does not match format | doesn't match format |
        unconverted data remains | invalid input syntax | invalid isoformat | invalid datetime | invalid date |
        invalid timestamp | invalid number | is not a number | not a valid integer | not a valid number |
        not a valid date* | not a valid float | not a valid string | not a valid boolean | field required |
        missing data for required | is a required property | is a required field | additional properties |
        unknown field. | validation error* for | mapper_parsing* | failed to parse field | data too long |
        value too long | too long for | string data, right truncation | string or binary data would be truncated |
        out of range value | out of range for type | out of range for column | value out of range for |
        numeric field overflow | numeric value … is not recognized | is not recognized |
        value … is out of range for | incorrect … value | expected # fields | expected # columns |
        expected # values | has # columns | # columns but | but # values | more columns than |
        fewer columns than | extra data after last expected column | missing data for column |
        error tokenizing data | bad lines | numberformatexception | datetimeparse* | not a member of enum |
        invalid enum | unsupported type | incompatible with | type … not supported | cannot be coerced |
        type cast | cannot be converted | doesn't have a default value | must be one of the declared
        """,
    ),
    (
        Kind.QUALITY,
        """
        check constraint | foreign key constraint | violates foreign key | foreign key violation |
        integrity constraint … violated - parent | parent key not found | duplicate row* | duplicate value* |
        duplicate id* | duplicate record* | duplicate keys | duplicate … rows | duplicate … values |
        duplicate … found | duplicated | duplicates | # duplicate* | not unique | is not unique | non-unique |
        uniqueness | expectation* … failed | expectation* … not met | failed expectation* | unmet expectation* |
        expect_column* | expect_table* | expect_* | checks failed | check failed | checks … failed |
        check … failed | failed check* | check … not passed | data quality | dq check* | dq rule* | quality gate |
        quality check* | quality threshold | quality rule* | row count | row_count | rowcount | record count |
        rows … expected | expected … rows | expected at least | expected at most | at most # allowed |
        more than the allowed |
        at least # allowed | expected between |
        too few rows | too many rows | too few records | fewer rows than | fewer than # | more than # |
        only # rows | only # records | rows dropped | row loss | count mismatch | totals do not match |
        total … does not match | sum … does not match | does not reconcile | reconciliation | outside … range |
        out of range | not in range | outside the allowed | outside … bounds | outside [ | not between |
        must be between | must be positive | must be non-negative | must be greater | must be less | must be >= |
        must be > | greater than or equal | less than or equal | null rate | null ratio | null fraction |
        null share | nulls in | nulls … above | null … exceed* | % null* | negative … value* | negative … in |
        # negative | is negative | orphan* | referential integrity | anomal* | outlier* | deviat* |
        above … threshold | below … threshold | over … threshold | under … threshold | exceeds … threshold |
        exceeds … tolerance | threshold … exceeded | threshold not met | below minimum | above maximum |
        less than the minimum | greater than the maximum | below the minimum | above the maximum | implausible |
        invalid rows | failed validation | validation failed | failed element-wise validator | test failed |
        tests failed | failure in test | configured to fail | got # results | distribution … shift* | pass rate |
        sanity check | assert … rows | not within
        """,
    ),
    (
        Kind.NETWORK,
        """
        is the server running | connection refused | connection was refused | actively refused |
        connection reset | reset by peer | connection aborted | connection was aborted | connection closed |
        connection was closed | connection is closed | connection already closed | connection … closed |
        connection lost | connection … lost | lost connection | connection … dropped | connection … broken |
        connection broken | connection timed out | connection timeout* | connection time-out |
        connection … timed out | connect timeout | connect timed out | connection attempt failed |
        connecting … timed out | broken pipe | name or service not known | name resolution | failed to resolve |
        could not resolve | cannot resolve host | couldn't resolve | unknown host | unknownhostexception |
        no such host | nodename nor servname | no address associated | could not translate host name |
        temporary failure in name | getaddrinfo | dns | nxdomain | no route to host | network is unreachable |
        network unreachable | host is unreachable | host unreachable | host is down | destination unreachable |
        not reachable | is unreachable | ssl handshake | tls handshake | handshake | certificate verify failed |
        certificate verification | certificate has expired | self-signed certificate | self signed certificate |
        unable to get local issuer | certificate problem | wrong version number | ssl error | sslerror | ssl: |
        tls: | ssl connect error | ssl connection | ssl_* | x509 | eof occurred in violation |
        unexpected_eof_while_reading | unexpected eof while reading | remote end closed | remote host closed |
        server disconnected | peer closed | closed by remote | closed by the remote | closed by peer |
        remote server closed | closed the connection | closed connection | close notify | read timed out |
        read timeout* | read operation timed out | write operation timed out | socket timeout* | sockettimeout* |
        socket hang up | socket closed | max retries exceeded | failed to establish a new connection |
        could not connect | couldn't connect | can't connect | cannot connect | unable to connect |
        failed to connect | failed connecting | error connecting | unable to reach | could not reach |
        cannot reach | failed to open … connection | could not open a connection | could not establish |
        unable to establish | no brokers available | all brokers are down | login timeout | unexpectedly closed |
        closed unexpectedly | gone away | econnrefused | econnreset | etimedout | epipe | enotfound |
        ehostunreach | eai_again | operation timed out | request timed out | request timeout |
        response timed out | i/o timeout | io timeout | network error | network timeout | network failure |
        network-related | transport error | communications link failure | communication link failure |
        tcp provider | early eof | unexpected disconnect | hung up unexpectedly | ran out of bytes |
        incompleteread | incomplete read | empty reply | transfer closed | stream error | http/2 stream |
        proxy error | tunnel no response from | server selection timeout | serverselectiontimeout* |
        timed out: connect | api timeout* | source timeout* | endpoint … timed out | vpn | firewall |
        could not read from remote | remote: end | banner
        """,
    ),
    (
        Kind.SERVICE,
        """
        internal server error | internalservererror | service unavailable | serviceunavailable |
        service is unavailable | service temporarily | bad gateway | gateway timeout | gateway time-out |
        temporarily unavailable | temporarily down | temporarily overloaded | is starting up | starting up |
        not yet accepting connections | shutting down | shutdown in progress | server shutdown | is shut down |
        recovery mode | in recovery | is recovering | failover | fail-over | failing over | leader election |
        electing | not the leader | not leader | no leader | not a leader | not leader or follower |
        leader not available | not primary | notwritableprimary | not master | no primary | no master |
        primary … stepped down | master is down | administrator command | server is not ready |
        not ready to serve | under maintenance | maintenance mode | in maintenance | down for maintenance |
        scheduled maintenance | connection_forced | backend error | backenderror | internal error |
        internal failure | currently unavailable | currently not available | is not currently available |
        service not available | service … not available | not available at this time | please try again later |
        try again later | please retry later | retry your request | retry later | server error | overloaded |
        over capacity | at capacity | is unavailable | are unavailable | unavailable | loading the dataset |
        clusterdown | cluster is down | masterdown | cluster … unavailable | no nodes available | error on the server |
        encountered an error processing | broker not available | coordinator … not available |
        not enough replicas | insufficient … replicas | no quorum | quorum lost | lost quorum | degraded |
        outage | server closed for
        """,
    ),
    (Kind.NETWORK, "connection failed | connection failure | connection error | connecting to"),
    (
        Kind.TIMEOUT,  # nothing tells of what
        """
        timed out | timeout expired | timeout exceeded | timeout reached | timeout after | timeout while |
        timeout waiting | timeout error | timeout of # | timeout: | timeouterror | timeoutexception |
        operation timeout | deadline exceeded | time out
        """,
    ),
    (
        Kind.MISSING,  # nothing tells of what kind
        """
        doesn't exist | does not exist | not exist | not found | cannot find | could not find |
        could not be found | couldn't find
        """,
    ),
    (
        Kind.LOGIC,
        """
        null value | null values | invalid data type | invalid data | assertion failed | assertion error |
        runtime exception in
        """,
    ),
)
