"""What the class of an exception says, by its package and name; of its bases the nearest that stands here decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from recoup.model.failure import FailureKind as Kind

Table = Mapping[Kind, str]

# Classes that mean one thing: they go before words.
SPECIFIC_CLASSES: Final[Mapping[str, Table]] = {
    "builtins": {
        Kind.MEMORY: "MemoryError",
        Kind.CANCELLED: "KeyboardInterrupt GeneratorExit",
        Kind.NETWORK: "ConnectionRefusedError ConnectionResetError ConnectionAbortedError BrokenPipeError",
        Kind.CORRUPT: "UnicodeDecodeError",
        Kind.LOGIC: "RecursionError SyntaxError NotImplementedError UnicodeEncodeError",
        Kind.CONFLICT: "FileExistsError BlockingIOError",
    },
    "recoup": {
        Kind.DISK: "DiskFullError FsyncFailedError",
        Kind.AUTH: "IdentityRefusedError",
        Kind.NETWORK: "UnreachableError",
        Kind.THROTTLED: "ServerBusyError",
        Kind.PERMISSION: "GrantMissingError",
        Kind.CONFLICT: "ConflictError LedgerLockedError",
        Kind.CANCELLED: "FencedError",
        Kind.CORRUPT: "CorruptError",
        Kind.LOGIC: "StepReturnError",
        Kind.CONFIG: "UsageError",
        Kind.CONTRACT: "RowsRefusedError",
    },
    "obstore": {Kind.AUTH: "PermissionDeniedError UnauthenticatedError", Kind.MISSING: "NotFoundError"},
    "socket": {Kind.NETWORK: "gaierror herror"},
    "ssl": {Kind.NETWORK: "SSLError SSLCertVerificationError SSLEOFError SSLZeroReturnError"},
    "asyncio": {
        Kind.CANCELLED: "CancelledError",
        Kind.NETWORK: "IncompleteReadError",
        Kind.LOGIC: "InvalidStateError",
    },
    "concurrent": {Kind.LOST: "BrokenExecutor BrokenProcessPool BrokenThreadPool", Kind.CANCELLED: "CancelledError"},
    "multiprocessing": {Kind.LOGIC: "MaybeEncodingError", Kind.AUTH: "AuthenticationError"},
    "subprocess": {Kind.TIMEOUT: "TimeoutExpired"},
    "zipfile": {Kind.CORRUPT: "BadZipFile BadZipfile LargeZipFile"},
    "tarfile": {Kind.CORRUPT: "ReadError HeaderError CompressionError InvalidHeaderError EmptyHeaderError"},
    "gzip": {Kind.CORRUPT: "BadGzipFile"},
    "zlib": {Kind.CORRUPT: "error"},
    "lzma": {Kind.CORRUPT: "LZMAError"},
    "zstandard": {Kind.CORRUPT: "ZstdError"},
    "snappy": {Kind.CORRUPT: "UncompressError CramjamError"},
    "cramjam": {Kind.CORRUPT: "DecompressionError"},
    "json": {Kind.CORRUPT: "JSONDecodeError"},
    "simplejson": {Kind.CORRUPT: "JSONDecodeError"},
    "orjson": {Kind.CORRUPT: "JSONDecodeError"},
    "xml": {Kind.CORRUPT: "ParseError ExpatError SAXParseException"},
    "lxml": {Kind.CORRUPT: "XMLSyntaxError ParseError"},
    "binascii": {Kind.CORRUPT: "Error Incomplete"},
    "struct": {Kind.CORRUPT: "error"},
    "pickle": {Kind.CORRUPT: "UnpicklingError", Kind.LOGIC: "PicklingError"},
    "PIL": {Kind.CORRUPT: "UnidentifiedImageError"},
    "msgpack": {Kind.CORRUPT: "ExtraData FormatError StackError UnpackException"},
    "configparser": {Kind.CONFIG: "Error"},
    "tomllib": {Kind.CONFIG: "TOMLDecodeError"},
    "tomli": {Kind.CONFIG: "TOMLDecodeError"},
    "toml": {Kind.CONFIG: "TomlDecodeError"},
    "yaml": {Kind.CONFIG: "YAMLError"},
    "getopt": {Kind.CONFIG: "GetoptError"},
    "graphlib": {Kind.LOGIC: "CycleError"},
    "statistics": {Kind.LOGIC: "StatisticsError"},
    "re": {Kind.LOGIC: "error PatternError"},
    "dbm": {Kind.CORRUPT: "error"},
    "zoneinfo": {Kind.CONFIG: "ZoneInfoNotFoundError"},
    "argparse": {Kind.CONFIG: "ArgumentError ArgumentTypeError"},
    "click": {Kind.CONFIG: "UsageError BadParameter NoSuchOption MissingParameter", Kind.CANCELLED: "Abort"},
    "decouple": {Kind.CONFIG: "UndefinedValueError"},
    "environ": {Kind.CONFIG: "ImproperlyConfigured"},
    "omegaconf": {Kind.CONFIG: "OmegaConfBaseException"},
    "hydra": {Kind.CONFIG: "HydraException"},
    "dynaconf": {Kind.CONFIG: "ValidationError"},
    "pydantic_settings": {Kind.CONFIG: "SettingsError"},
    "http": {Kind.NETWORK: "RemoteDisconnected IncompleteRead BadStatusLine", Kind.CONFIG: "InvalidURL"},
    "smtplib": {
        Kind.AUTH: "SMTPAuthenticationError",
        Kind.NETWORK: "SMTPServerDisconnected SMTPConnectError",
        Kind.LOGIC: "SMTPRecipientsRefused SMTPSenderRefused",
    },
    "requests": {
        Kind.NETWORK: "ConnectTimeout ReadTimeout SSLError ChunkedEncodingError",
        Kind.CONFIG: "MissingSchema InvalidSchema InvalidURL InvalidProxyURL InvalidHeader TooManyRedirects",
        Kind.CORRUPT: "ContentDecodingError JSONDecodeError InvalidJSONError",
    },
    "urllib3": {
        Kind.NETWORK: "ConnectTimeoutError ReadTimeoutError NewConnectionError NameResolutionError SSLError"
        " IncompleteRead InvalidChunkLength",
        Kind.CONFIG: "LocationParseError LocationValueError URLSchemeUnknown ProxySchemeUnknown ProxySchemeUnsupported",
        Kind.CORRUPT: "DecodeError",
    },
    "httpx": {
        Kind.NETWORK: "ConnectTimeout ReadTimeout WriteTimeout PoolTimeout ReadError WriteError CloseError"
        " RemoteProtocolError",
        Kind.CONFIG: "UnsupportedProtocol InvalidURL TooManyRedirects",
        Kind.CORRUPT: "DecodingError",
        Kind.LOGIC: "LocalProtocolError StreamConsumed StreamClosed ResponseNotRead",
    },
    "httpcore": {
        Kind.NETWORK: "ConnectTimeout ReadTimeout WriteTimeout PoolTimeout ReadError WriteError RemoteProtocolError",
        Kind.CONFIG: "UnsupportedProtocol",
    },
    "aiohttp": {
        Kind.NETWORK: "ClientConnectorError ClientOSError ServerDisconnectedError ServerTimeoutError"
        " ClientPayloadError ClientConnectorDNSError ClientSSLError ServerFingerprintMismatch"
        " ConnectionTimeoutError SocketTimeoutError",
        Kind.CONFIG: "InvalidURL NonHttpUrlClientError TooManyRedirects",
        Kind.CONTRACT: "ContentTypeError",
    },
    "pika": {
        Kind.AUTH: "ProbableAuthenticationError ProbableAccessDeniedError AuthenticationError",
        Kind.NETWORK: "StreamLostError AMQPConnectorException AMQPHeartbeatTimeout IncompatibleProtocolError"
        " AMQPConnectorSocketConnectError",
        Kind.SERVICE: "ConnectionBlockedTimeout NackError",
        Kind.MISSING: "UnroutableError",
        Kind.LOGIC: "ChannelWrongStateError ConnectionWrongStateError",
    },
    "amqp": {
        Kind.AUTH: "AccessRefused",
        Kind.MISSING: "NotFound",
        Kind.CONFIG: "PreconditionFailed",
        Kind.CONFLICT: "ResourceLocked",
        Kind.SERVICE: "ConnectionForced InternalError ResourceError",
        Kind.NETWORK: "RecoverableConnectionError",
    },
    "kombu": {Kind.CONTRACT: "ContentDisallowed", Kind.CORRUPT: "DecodeError", Kind.LOGIC: "EncodeError"},
    "celery": {
        Kind.TIMEOUT: "SoftTimeLimitExceeded TimeLimitExceeded TimeoutError",
        Kind.CANCELLED: "TaskRevokedError Terminated Ignore",
        Kind.CONFIG: "NotRegistered ImproperlyConfigured",
        Kind.LOST: "WorkerLostError",
    },
    "billiard": {
        Kind.TIMEOUT: "SoftTimeLimitExceeded TimeLimitExceeded",
        Kind.LOST: "WorkerLostError",
        Kind.CANCELLED: "Terminated",
    },
    "kafka": {
        Kind.NETWORK: "NoBrokersAvailable NodeNotReadyError KafkaConnectionError KafkaTimeoutError"
        " RequestTimedOutError NetworkExceptionError",
        Kind.SERVICE: "NotLeaderForPartitionError LeaderNotAvailableError CoordinatorNotAvailableError"
        " NotCoordinatorError GroupCoordinatorNotAvailableError NotCoordinatorForGroupError"
        " BrokerNotAvailableError ReplicaNotAvailableError NotEnoughReplicasError"
        " NotControllerError GroupLoadInProgressError CoordinatorLoadInProgressError"
        " NotEnoughReplicasAfterAppendError",
        Kind.CONFLICT: "CommitFailedError RebalanceInProgressError IllegalGenerationError"
        " UnknownMemberIdError TopicAlreadyExistsError",
        Kind.MISSING: "UnknownTopicOrPartitionError OffsetOutOfRangeError NoOffsetForPartitionError",
        Kind.AUTH: "AuthenticationFailedError TopicAuthorizationFailedError GroupAuthorizationFailedError"
        " ClusterAuthorizationFailedError SaslAuthenticationFailedError"
        " AuthenticationMethodNotSupported",
        Kind.CORRUPT: "CorruptRecordException CorruptRecordError CorruptMessageError InvalidMessageError",
        Kind.CONFIG: "KafkaConfigurationError UnrecognizedBrokerVersion IncompatibleBrokerVersion"
        " UnsupportedVersionError UnsupportedCodecError InvalidReplicationFactorError",
        Kind.CONTRACT: "MessageSizeTooLargeError RecordTooLargeError RecordListTooLargeError",
        Kind.THROTTLED: "ThrottlingQuotaExceededError QuotaViolationError",
        Kind.LOGIC: "IllegalStateError IllegalArgumentError UnsupportedOperation",
    },
    "redis": {
        Kind.SERVICE: "BusyLoadingError ClusterDownError MasterDownError TryAgainError AskError MovedError"
        " MasterNotFoundError SlaveNotFoundError",
        Kind.AUTH: "AuthenticationError AuthenticationWrongNumberOfArgsError",
        Kind.PERMISSION: "NoPermissionError",
        Kind.THROTTLED: "MaxConnectionsError",
        Kind.MEMORY: "OutOfMemoryError",
        Kind.CONFLICT: "LockError LockNotOwnedError WatchError",
        Kind.NETWORK: "TimeoutError",
        Kind.MISSING: "NoScriptError",
        Kind.LOGIC: "DataError ExecAbortError PubSubError",
    },
    "pymongo": {
        Kind.NETWORK: "ServerSelectionTimeoutError NetworkTimeout AutoReconnect ConnectionFailure",
        Kind.SERVICE: "NotPrimaryError NotMasterError",
        Kind.THROTTLED: "WaitQueueTimeoutError",
        Kind.CONFLICT: "DuplicateKeyError",
        Kind.TIMEOUT: "ExecutionTimeout WTimeoutError",
        Kind.MISSING: "CursorNotFound",
        Kind.CONFIG: "ConfigurationError InvalidURI InvalidName",
        Kind.CONTRACT: "DocumentTooLarge",
        Kind.LOGIC: "InvalidOperation",
    },
    "bson": {Kind.CORRUPT: "InvalidBSON", Kind.CONTRACT: "InvalidDocument", Kind.LOGIC: "InvalidId"},
    "elasticsearch": {
        Kind.NETWORK: "ConnectionError ConnectionTimeout SSLError TlsError",
        Kind.MISSING: "NotFoundError",
        Kind.CONFLICT: "ConflictError",
        Kind.AUTH: "AuthenticationException",
        Kind.CONFIG: "UnsupportedProductError",
    },
    "elastic_transport": {Kind.NETWORK: "ConnectionError ConnectionTimeout TlsError"},
    "opensearchpy": {Kind.NETWORK: "ConnectionError ConnectionTimeout SSLError", Kind.MISSING: "NotFoundError"},
    "cassandra": {
        Kind.NETWORK: "NoHostAvailable OperationTimedOut",
        Kind.SERVICE: "Unavailable",
        Kind.TIMEOUT: "ReadTimeout WriteTimeout",
        Kind.AUTH: "AuthenticationFailed",
        Kind.PERMISSION: "Unauthorized",
        Kind.LOGIC: "SyntaxException",
        Kind.CONFLICT: "AlreadyExists",
    },
    "botocore": {
        Kind.NETWORK: "EndpointConnectionError ConnectTimeoutError ReadTimeoutError ConnectionClosedError"
        " SSLError HTTPClientError ProxyConnectionError IncompleteReadError"
        " ResponseStreamingError ConnectionError",
        Kind.CONFIG: "ProfileNotFound NoRegionError InvalidConfigError ConfigParseError ConfigNotFound"
        " UnknownServiceError InvalidRegionError InvalidEndpointConfigurationError"
        " PartialCredentialsError UnknownRegionError InvalidDNSNameError",
        Kind.AUTH: "NoCredentialsError CredentialRetrievalError TokenRetrievalError"
        " UnauthorizedSSOTokenError SSOTokenLoadError RefreshWithMFAUnsupportedError"
        " NoAuthTokenError MetadataRetrievalError",
        Kind.LOGIC: "ParamValidationError UnknownParameterError MissingParametersError"
        " OperationNotPageableError DataNotFoundError",
        Kind.CORRUPT: "ChecksumError FlexibleChecksumError ResponseParserError",
        Kind.TIMEOUT: "WaiterError",
    },
    "s3transfer": {Kind.CANCELLED: "CancelledError"},
    "boto3": {Kind.CONFIG: "ResourceNotExistsError UnknownAPIVersionError"},
    "azure": {
        Kind.NETWORK: "ServiceRequestError ServiceRequestTimeoutError ServiceResponseError"
        " ServiceResponseTimeoutError IncompleteReadError",
        Kind.AUTH: "ClientAuthenticationError CredentialUnavailableError",
        Kind.CORRUPT: "DecodeError DeserializationError",
    },
    "google": {
        Kind.AUTH: "RefreshError DefaultCredentialsError Unauthorized Unauthenticated PermissionDenied"
        " MalformedError ReauthFailError GoogleAuthError",
        Kind.NETWORK: "TransportError",
        Kind.MISSING: "NotFound",
        Kind.CORRUPT: "DataCorruption DataLoss",
        Kind.LOGIC: "MethodNotImplemented",
        Kind.TIMEOUT: "DeadlineExceeded",
        Kind.CANCELLED: "Cancelled",
    },
    "jwt": {Kind.AUTH: "PyJWTError"},
    "jose": {Kind.AUTH: "JWTError"},
    "msal": {Kind.AUTH: "MsalServiceError"},
    "hvac": {Kind.AUTH: "Forbidden Unauthorized", Kind.SERVICE: "VaultDown", Kind.MISSING: "InvalidPath"},
    "paramiko": {
        Kind.AUTH: "AuthenticationException BadHostKeyException PasswordRequiredException",
        Kind.NETWORK: "NoValidConnectionsError",
    },
    "polars": {
        Kind.CONTRACT: "ColumnNotFoundError SchemaError SchemaFieldNotFoundError StructFieldNotFoundError",
        Kind.MISSING: "NoDataError",
        Kind.LOGIC: "OutOfBoundsError SQLSyntaxError SQLInterfaceError DuplicateError"
        " NoRowsReturnedError TooManyRowsReturnedError RowsError ModuleUpgradeRequiredError",
    },
    "pandas": {
        Kind.MISSING: "EmptyDataError",
        Kind.CONTRACT: "OutOfBoundsDatetime IntCastingNaNError OutOfBoundsTimedelta",
        Kind.LOGIC: "UndefinedVariableError InvalidIndexError UnsortedIndexError InvalidColumnName"
        " SpecificationError NumExprClobberingError",
        Kind.QUALITY: "MergeError DuplicateLabelError",
    },
    "pyarrow": {
        Kind.MEMORY: "ArrowMemoryError",
        Kind.CONTRACT: "ArrowTypeError",
        Kind.LOGIC: "ArrowIndexError ArrowCapacityError",
        Kind.CANCELLED: "ArrowCancelled",
        Kind.CORRUPT: "ArrowSerializationError",
    },
    "fastavro": {Kind.CONTRACT: "SchemaParseException UnknownType ValidationError SchemaResolutionError"},
    "duckdb": {
        Kind.LOGIC: "ParserException SyntaxException",
        Kind.CONTRACT: "ConversionException TypeMismatchException",
        Kind.MEMORY: "OutOfMemoryException",
        Kind.CONFLICT: "TransactionException",
        Kind.CANCELLED: "InterruptException",
        Kind.PERMISSION: "PermissionException",
        Kind.CORRUPT: "SerializationException",
    },
    "pydantic": {Kind.LOGIC: "PydanticUserError PydanticSchemaGenerationError"},
    "sqlalchemy": {
        Kind.CONFIG: "ArgumentError NoSuchModuleError",
        Kind.MISSING: "NoSuchTableError NoResultFound",
        Kind.CONTRACT: "NoSuchColumnError",
        Kind.CONFLICT: "StaleDataError",
        Kind.LOGIC: "CompileError PendingRollbackError ResourceClosedError UnboundExecutionError"
        " MultipleResultsFound ObjectNotExecutableError UnmappedInstanceError"
        " AmbiguousForeignKeysError DetachedInstanceError",
        Kind.THROTTLED: "TimeoutError",
    },
    "psycopg_pool": {Kind.THROTTLED: "PoolTimeout TooManyRequests", Kind.LOGIC: "PoolClosed"},
    "filelock": {Kind.CONFLICT: "Timeout"},
    "portalocker": {Kind.CONFLICT: "LockException AlreadyLocked"},
    "kazoo": {
        Kind.CONFLICT: "LockTimeout BadVersionError NodeExistsError",
        Kind.NETWORK: "ConnectionLoss SessionExpiredError",
    },
    "deltalake": {
        Kind.CONFLICT: "CommitFailedError",
        Kind.MISSING: "TableNotFoundError",
        Kind.CONTRACT: "SchemaMismatchError",
    },
    "pyiceberg": {
        Kind.CONFLICT: "CommitFailedException TableAlreadyExistsError NamespaceAlreadyExistsError",
        Kind.MISSING: "NoSuchTableError NoSuchNamespaceError NoSuchIcebergTableError",
        Kind.AUTH: "UnauthorizedError ForbiddenError OAuthError AuthorizationExpiredError",
        Kind.SERVICE: "ServerError ServiceUnavailableError",
    },
    "delta": {
        Kind.CONFLICT: "ConcurrentAppendException ConcurrentDeleteReadException ConcurrentDeleteDeleteException"
        " ConcurrentWriteException ConcurrentTransactionException MetadataChangedException ProtocolChangedException"
    },
    "pyspark": {
        Kind.LOGIC: "ParseException ArithmeticException ArrayIndexOutOfBoundsException PySparkTypeError"
        " PySparkAttributeError PySparkValueError IllegalArgumentException",
        Kind.CONTRACT: "NumberFormatException DateTimeException SparkUpgradeException",
    },
    "great_expectations": {
        Kind.CONFIG: "DataContextError InvalidConfigError StoreBackendError",
        Kind.QUALITY: "GreatExpectationsValidationError",
    },
    "distributed": {
        Kind.LOST: "KilledWorker NannyException",
        Kind.NETWORK: "CommClosedError",
        Kind.CANCELLED: "FutureCancelledError",
    },
    "ray": {
        Kind.LOST: "WorkerCrashedError NodeDiedError ObjectLostError ActorDiedError RayActorError"
        " LocalRayletDiedError ObjectReconstructionFailedError OwnerDiedError"
        " ActorUnavailableError ReferenceCountingAssertionError RaySystemError"
        " ObjectFetchTimedOutError",
        Kind.MEMORY: "OutOfMemoryError ObjectStoreFullError",
        Kind.DISK: "OutOfDiskError",
        Kind.TIMEOUT: "GetTimeoutError",
        Kind.CANCELLED: "TaskCancelledError",
        Kind.CONFIG: "RuntimeEnvSetupError",
    },
    "airflow": {
        Kind.TIMEOUT: "AirflowTaskTimeout AirflowSensorTimeout",
        Kind.CONFIG: "AirflowNotFoundException AirflowConfigException",
        Kind.CANCELLED: "AirflowTaskTerminated AirflowSkipException",
        Kind.BLOCKED: "UpstreamFailedException",
    },
    "prefect": {
        Kind.TIMEOUT: "FlowRunWaitTimeout TaskRunTimeoutError FlowTimeoutError TaskTimeoutError",
        Kind.CANCELLED: "CancelledRun TerminationSignal Abort",
        Kind.BLOCKED: "UpstreamTaskError",
        Kind.LOST: "CrashedRun",
        Kind.CONFIG: "MissingProfileError ProfileSettingsValidationError",
        Kind.LOGIC: "ParameterTypeError ParameterBindError SignatureMismatchError MissingFlowError ScriptError",
    },
    "dagster": {
        Kind.CONFIG: "DagsterInvalidConfigError",
        Kind.CANCELLED: "DagsterExecutionInterruptedError",
        Kind.QUALITY: "DagsterAssetCheckFailedError",
        Kind.CONTRACT: "DagsterTypeCheckDidNotPass",
    },
    "jinja2": {
        Kind.LOGIC: "UndefinedError TemplateSyntaxError TemplateRuntimeError",
        Kind.MISSING: "TemplateNotFound TemplatesNotFound",
    },
    "docker": {Kind.MISSING: "ImageNotFound NullResource"},
    "openpyxl": {Kind.CORRUPT: "InvalidFileException"},
    "xlrd": {Kind.CORRUPT: "XLRDError"},
    "cryptography": {Kind.CORRUPT: "InvalidTag", Kind.AUTH: "InvalidSignature InvalidToken"},
    "fsspec": {Kind.TIMEOUT: "FSTimeoutError"},
    "dbt": {
        Kind.LOGIC: "CompilationError ParsingError",
        Kind.CONFIG: "DbtProfileError DbtProjectError EnvVarMissingError",
    },
    "snowflake": {Kind.NETWORK: "RequestTimeoutError"},
    "databricks": {
        Kind.MISSING: "NotFound ResourceDoesNotExist",
        Kind.THROTTLED: "ResourceExhausted TooManyRequests RequestLimitExceeded",
        Kind.AUTH: "Unauthenticated PermissionDenied",
        Kind.SERVICE: "TemporarilyUnavailable InternalError",
        Kind.CONFLICT: "Aborted ResourceConflict AlreadyExists ResourceAlreadyExists",
        Kind.TIMEOUT: "DeadlineExceeded OperationTimeout",
        Kind.CORRUPT: "DataLoss",
        Kind.CANCELLED: "Cancelled",
        Kind.LOGIC: "InvalidParameterValue NotImplemented",
    },
    "trino": {Kind.NETWORK: "TrinoConnectionError", Kind.SERVICE: "Http503Error Http502Error Http504Error"},
}

# Classes that say which family an error is of: words go before them.
FAMILIES: Final[Mapping[str, Table]] = {
    "builtins": {
        Kind.MISSING: "FileNotFoundError",
        Kind.PERMISSION: "PermissionError",
        Kind.NETWORK: "ConnectionError",
        Kind.TIMEOUT: "TimeoutError",
        Kind.CONFIG: "ModuleNotFoundError",
        Kind.CANCELLED: "InterruptedError",
        Kind.LOST: "ChildProcessError ProcessLookupError",
        Kind.LOGIC: "IsADirectoryError NotADirectoryError BufferError StopIteration StopAsyncIteration ImportError"
        " ReferenceError SystemError SyntaxWarning DeprecationWarning PendingDeprecationWarning FutureWarning"
        " RuntimeWarning BytesWarning",
        Kind.CORRUPT: "UnicodeError EOFError",
    },
    "asyncio": {Kind.TIMEOUT: "TimeoutError"},
    "concurrent": {Kind.TIMEOUT: "TimeoutError"},
    "multiprocessing": {Kind.TIMEOUT: "TimeoutError", Kind.LOST: "ProcessError"},
    "requests": {Kind.NETWORK: "ConnectionError Timeout ProxyError RetryError"},
    "urllib3": {Kind.NETWORK: "ProtocolError MaxRetryError ProxyError TimeoutError HTTPError"},
    "httpx": {Kind.NETWORK: "TransportError"},
    "httpcore": {Kind.NETWORK: "NetworkError TimeoutException ProtocolError ProxyError"},
    "aiohttp": {Kind.NETWORK: "ClientConnectionError"},
    "urllib": {Kind.NETWORK: "URLError ContentTooShortError"},
    "http": {Kind.NETWORK: "HTTPException"},
    "websockets": {Kind.NETWORK: "ConnectionClosed InvalidHandshake"},
    "pika": {Kind.NETWORK: "AMQPConnectionError"},
    "kombu": {Kind.NETWORK: "OperationalError"},
    "amqp": {Kind.NETWORK: "OperationalError"},
    "redis": {Kind.NETWORK: "ConnectionError", Kind.LOGIC: "ResponseError"},
    "sqlalchemy": {Kind.LOGIC: "InvalidRequestError"},
    "elasticsearch": {Kind.AUTH: "AuthorizationException"},
    "paramiko": {Kind.NETWORK: "SSHException"},
    "ftplib": {Kind.SERVICE: "error_temp"},
    "azure": {Kind.MISSING: "ResourceNotFoundError", Kind.CONFLICT: "ResourceExistsError ResourceModifiedError"},
    "google": {
        Kind.SERVICE: "ServerError",
        Kind.THROTTLED: "TooManyRequests",
        Kind.CONFLICT: "Conflict PreconditionFailed",
        Kind.AUTH: "Forbidden",
        Kind.LOGIC: "BadRequest",
        Kind.TIMEOUT: "RetryError",
    },
    "cerberus": {Kind.CONTRACT: "DocumentError SchemaError"},
    "jsonschema": {Kind.CONTRACT: "ValidationError", Kind.LOGIC: "SchemaError"},
    "marshmallow": {Kind.CONTRACT: "ValidationError"},
    "pydantic": {Kind.CONTRACT: "ValidationError"},
    "pydantic_core": {Kind.CONTRACT: "ValidationError"},
    "cattrs": {Kind.CONTRACT: "BaseValidationError StructureHandlerNotFoundError"},
    "msgspec": {Kind.CONTRACT: "ValidationError", Kind.CORRUPT: "DecodeError"},
    "pandera": {Kind.CONTRACT: "SchemaError SchemaErrors SchemaDefinitionError"},
    "dataframely": {Kind.QUALITY: "RuleValidationError", Kind.CONTRACT: "ValidationError"},
    "polars": {Kind.LOGIC: "InvalidOperationError ShapeError"},
    "pandas": {Kind.CONTRACT: "ParserError"},
    "pyarrow": {Kind.CONTRACT: "ArrowKeyError", Kind.LOGIC: "ArrowNotImplementedError"},
    "csv": {Kind.CORRUPT: "Error"},
    "duckdb": {
        Kind.LOGIC: "BinderException CatalogException NotImplementedException OutOfRangeException"
        " InvalidInputException InvalidTypeException SequenceException",
        Kind.NETWORK: "HTTPException",
    },
    "sqlite3": {Kind.LOGIC: "ProgrammingError InterfaceError"},
    "psycopg": {Kind.LOGIC: "ProgrammingError"},
    "psycopg2": {Kind.LOGIC: "ProgrammingError", Kind.NETWORK: "InterfaceError"},
    "asyncpg": {Kind.LOGIC: "InterfaceError"},
    "pymysql": {Kind.LOGIC: "ProgrammingError", Kind.NETWORK: "InterfaceError"},
    "oracledb": {Kind.LOGIC: "ProgrammingError"},
    "pyspark": {Kind.LOGIC: "AnalysisException"},
    "celery": {Kind.NETWORK: "OperationalError "},
    "tarfile": {Kind.CORRUPT: "TarError"},
}

# How a bug looks. Another failure is often noticed as one, so whatever else stands in the chain goes before it.
BUGS: Final = frozenset(
    [
        "ArithmeticError",
        "ZeroDivisionError",
        "OverflowError",
        "FloatingPointError",
        "AttributeError",
        "LookupError",
        "IndexError",
        "KeyError",
        "NameError",
        "UnboundLocalError",
        "TypeError",
        "AssertionError",
    ]
)
REFUSE_VALUES: Final = ("numpy", "pandas", "scipy", "sklearn")
"""What they think of a value they say with ValueError."""
PLAIN: Final = frozenset({*BUGS, "ValueError"})
"""A bug or a bad value, whatever it says: its words may quote anything, and never prove that it may pass by itself."""


def _entries(tables: Mapping[str, Table]) -> dict[tuple[str, str], Kind]:
    return {
        (package, name): kind
        for package, table in tables.items()
        for kind, names in table.items()
        for name in names.split()
    }


SPECIFIC: Final = _entries(SPECIFIC_CLASSES)
FAMILY: Final = _entries(FAMILIES)
