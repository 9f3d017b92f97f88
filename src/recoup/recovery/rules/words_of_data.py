"""Phrases about data: what is not there, not as declared, not good enough, not readable."""

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
        failed to read parquet | failed the read enough | malformedinputexception | java.io.eofexception |
        zipexception | unpack failed |
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
        file too small | smaller than the minimum file | not an arrow | not an orc | not an excel
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
        file not found | file … not found | filenotfound* | nosuchfile* | object not found | object … not found |
        blob not found | bucket not found | bucket … not found | bucket … not exist | topic … not found |
        partition not found | partition … not found | partitions … not found | snapshot … not found |
        sheet … not found | worksheet … not found | worksheet named | repository … not found |
        repository not found | manifest unknown | manifest … not found | image … not found | page not found |
        resource not found | resource … not found | no objects to concatenate | no urls matched | no data found |
        no raw data |
        no data for | no data in |
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
        field type conflict | bad data | error parsing field | trying to merge on … columns | value # not in range |
        error while reading data | encountered too many errors |
        more fields than | fewer fields than |
        out of range for month | must be in 1..12 | must be in 0..# | year # is out of range |
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
        duplicate … found | duplicated | duplicates | not unique | non-unique | uniqueness | expectation* … failed |
        expectation* … not met | failed expectation* | unmet expectation* | expect_column* | expect_table* | expect_* |
        checks failed | check failed | checks … failed | check … failed | failed check* | check … not passed |
        data quality | dq check* | dq rule* | quality gate | quality check* | quality rule* | row count | row_count |
        rowcount | record count | rows … expected | expected … rows | too few rows | too many rows | too few records |
        rows dropped | row loss | count mismatch | does not reconcile | reconciliation | null rate | null ratio |
        null fraction | null share | % null* | orphan* | referential integrity | invalid rows | failed validation |
        validation failed | failed element-wise validator | test failed | tests failed | failure in test |
        configured to fail | pass rate | join keys did not fulfill | sanity check | assert … rows
        """,
    ),
)

CHECKED: Final[tuple[Block, ...]] = (
    (
        Kind.QUALITY,
        """
        # duplicate* | is not unique | quality threshold | expected at least | expected at most | at most # allowed |
        more than the allowed | at least # allowed | expected between | fewer rows than | fewer than # | more than # |
        only # rows | only # records | totals do not match | total … does not match | sum … does not match |
        outside … range | out of range | not in range | outside the allowed | outside … bounds | outside [ |
        not between | must be between | must be positive | must be non-negative | must be greater | must be less |
        must be >= | must be > | greater than or equal | less than or equal | nulls in | nulls … above |
        null … exceed* | negative … value* | negative … in | # negative | is negative | anomal* | outlier* | deviat* |
        above … threshold | below … threshold | over … threshold | under … threshold | exceeds … threshold |
        exceeds … tolerance | threshold … exceeded | threshold not met | below minimum | above maximum |
        less than the minimum | greater than the maximum | below the minimum | above the maximum | implausible |
        got # results | distribution … shift* | not within
        """,
    ),
)
"""What checks of data count and compare, as limits of time do, too: it goes after those."""
