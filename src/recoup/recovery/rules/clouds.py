"""The error codes of AWS, Azure, Google, of brokers and search servers, and the statuses of gRPC and HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from recoup.model.failure import FailureKind as Kind
from recoup.recovery.rules.tables import by_number, by_word

CODE: Final[Mapping[str, Kind]] = by_word(
    {
        Kind.THROTTLED: "SlowDown Throttling ThrottlingException ThrottledException RequestLimitExceeded"
        " RequestThrottled RequestThrottledException TooManyRequests TooManyRequestsException"
        " ProvisionedThroughputExceededException PriorRequestNotComplete"
        " BandwidthLimitExceeded EC2ThrottledException TransactionInProgressException"
        " ConcurrentRunsExceededException ConcurrentModificationThrottled"
        " LimitExceededException ServerBusy OperationTimedOutThrottled rateLimitExceeded"
        " userRateLimitExceeded ResourceLimitExceeded TooManyTasks"
        " _POLICY_THROTTLING_QUOTA_EXCEEDED THROTTLING_QUOTA_EXCEEDED RATE_LIMIT_EXCEEDED"
        " RATE_LIMITED MaxConcurrentQueriesExceeded es_rejected_execution_exception"
        " REQUEST_RUNNING_TOO_LONG_ ServerIsBusy SubscriptionRequestsThrottled"
        " ConcurrentQueryLimitExceeded toomanyrequests",
        Kind.QUOTA: "ServiceQuotaExceededException quotaExceeded dailyLimitExceeded"
        " dailyLimitExceededUnreg QuotaExceeded REQUEST_LIMIT_EXCEEDED insufficient_quota"
        " billingTierLimitExceeded AccountQuotaExceeded STORAGE_LIMIT_EXCEEDED"
        " QuotaExceededException QUOTA_EXCEEDED storageQuotaExceeded DailyQuotaExceeded"
        " InsufficientAccountQuota responseTooLargeQuota",
        Kind.SERVICE: "InternalError InternalFailure InternalServerError InternalServerException"
        " ServiceUnavailable ServiceUnavailableException ServiceException ServiceFailure"
        " backendError BackendError InternalServiceError 503_SlowDown ServerError"
        " ServerErrorException DependencyFailureException KMSInternalException"
        " LEADER_NOT_AVAILABLE NOT_LEADER_FOR_PARTITION NOT_LEADER_OR_FOLLOWER"
        " COORDINATOR_NOT_AVAILABLE COORDINATOR_LOAD_IN_PROGRESS NOT_COORDINATOR"
        " BROKER_NOT_AVAILABLE REPLICA_NOT_AVAILABLE NOT_CONTROLLER NOT_ENOUGH_REPLICAS"
        " internalError SERVER_UNAVAILABLE AccountBeingCreated",
        Kind.NETWORK: "RequestTimeout RequestTimeoutException _TRANSPORT _ALL_BROKERS_DOWN _TIMED_OUT"
        " _RESOLVE _SSL NETWORK_EXCEPTION REQUEST_TIMED_OUT _MSG_TIMED_OUT _TIMED_OUT_QUEUE",
        Kind.TIMEOUT: "OperationTimedOut ExecutionTimeout _MAX_POLL_EXCEEDED QUERY_TIMEOUT EXCEEDED_TIME_LIMIT",
        Kind.MISSING: "NoSuchKey NoSuchBucket NoSuchUpload NoSuchVersion NotFound ResourceNotFoundException"
        " ResourceNotFound BlobNotFound ContainerNotFound EntityNotFoundException"
        " ContainerBeingDeleted ShareBeingDeleted PathNotFound FilesystemNotFound ShareNotFound"
        " QueueNotFound TableNotFound QueueDoesNotExist NoSuchEntity notFound FileNotFound"
        " AWS.SimpleQueueService.NonExistentQueue DBInstanceNotFound NoSuchTagSet 404"
        " SecretNotFound NoSuchLifecycleConfiguration UNKNOWN_TOPIC_OR_PART _UNKNOWN_TOPIC"
        " _UNKNOWN_PARTITION OFFSET_OUT_OF_RANGE index_not_found_exception"
        " TableNotFoundException InvalidObjectStateMissing DeltaTableNotFound OBJECT_NOT_FOUND",
        Kind.AUTH: "AccessDenied AccessDeniedException AuthFailure AuthorizationFailure"
        " AuthorizationPermissionMismatch AuthenticationFailed InvalidAccessKeyId"
        " SignatureDoesNotMatch ExpiredToken ExpiredTokenException InvalidToken RequestExpired"
        " RequestTimeTooSkewed UnrecognizedClientException InvalidClientTokenId"
        " InvalidSignatureException MissingAuthenticationToken"
        " MissingAuthenticationTokenException NotAuthorized NotAuthorizedException"
        " IncompleteSignature UnauthorizedOperation UnauthorizedAccess AllAccessDisabled"
        " AccountProblem accessDenied authError forbidden Forbidden OptInRequired"
        " UnauthorizedException InvalidAuthenticationInfo NoAuthenticationInformation"
        " InsufficientAccountPermissions AccountIsDisabled KMSAccessDenied 401 403"
        " InvalidIdentityToken IDPCommunicationAuth INVALID_SESSION_ID INVALID_LOGIN"
        " TOPIC_AUTHORIZATION_FAILED GROUP_AUTHORIZATION_FAILED CLUSTER_AUTHORIZATION_FAILED"
        " SASL_AUTHENTICATION_FAILED _AUTHENTICATION security_exception"
        " AuthorizationSourceIPMismatch PublicAccessNotPermitted"
        " KeyBasedAuthenticationNotPermitted",
        Kind.CONFLICT: "ConditionNotMet ConditionalCheckFailedException PreconditionFailed"
        " LeaseAlreadyPresent LeaseIdMissing LeaseIdMismatchWithBlobOperation"
        " LeaseIdMismatchWithLeaseOperation LeaseIdMismatchWithContainerOperation"
        " TargetConditionNotMet ConcurrentModificationException TransactionConflictException"
        " TransactionCanceledException OperationAborted ConditionalRequestConflict"
        " ResourceInUseException ConflictException VersionMismatchException EntityWasModified"
        " UpdateConditionNotSatisfied BlobBeingRehydratedConflict OptimisticLockException UNABLE_TO_LOCK_ROW"
        " version_conflict_engine_exception RestoreAlreadyInProgress ILLEGAL_GENERATION"
        " REBALANCE_IN_PROGRESS _ASSIGN_PARTITIONS_CONFLICT ConcurrentWriteException"
        " BucketAlreadyExists BucketAlreadyOwnedByYou EntityAlreadyExists"
        " AlreadyExistsException BlobAlreadyExists ContainerAlreadyExists"
        " EntityAlreadyExistsException PathAlreadyExists ResourceExistsException"
        " FilesystemAlreadyExists TableAlreadyExists duplicate ResourceAlreadyExistsException"
        " resource_already_exists_exception DUPLICATE_VALUE",
        Kind.CORRUPT: "BadDigest Md5Mismatch Crc64Mismatch InvalidDigest ContentMD5Mismatch CORRUPT_MESSAGE"
        " XAmzContentSHA256Mismatch ChecksumMismatch _BAD_MSG _BAD_COMPRESSION",
        Kind.CONTRACT: "mapper_parsing_exception strict_dynamic_mapping_exception InvalidSchema"
        " SchemaValidationException INVALID_FIELD document_parsing_exception"
        " REQUIRED_FIELD_MISSING MSG_SIZE_TOO_LARGE",
        Kind.DISK: "InsufficientStorage DiskFull InsufficientDiskSpace StorageFull cluster_block_exception",
        Kind.MEMORY: "circuit_breaking_exception OutOfMemoryError resourcesExceeded ResourcesExceeded",
        Kind.CONFIG: "InvalidBucketName PermanentRedirect AuthorizationHeaderMalformed"
        " IllegalLocationConstraintException InvalidRegion _INVALID_ARG _UNKNOWN_PROTOCOL"
        " UNSUPPORTED_VERSION InvalidResourceName UnsupportedEndpoint",
        Kind.LOGIC: "ValidationException ValidationError InvalidParameterValue InvalidParameter"
        " InvalidRequest InvalidArgument MalformedXML invalidQuery InvalidQueryParameterValue"
        " invalid parsing_exception MalformedQueryString InvalidParameterException"
        " InvalidParameterCombination UnsupportedOperation MALFORMED_QUERY InvalidInput"
        " MissingParameter InvalidInputException InvalidRange InvalidRequestException"
        " SerializationException NotImplemented search_phase_execution_exception",
        Kind.CANCELLED: "stopped ExecutionAborted JobCancelled",
    }
)
LASTING_CONFLICT: Final = frozenset(
    name for name, kind in CODE.items() if kind is Kind.CONFLICT and ("Already" in name or "duplicate" in name.lower())
)
UNTOLD_CODE: Final = frozenset(
    [
        "ValidationException",
        "ValidationError",
        "InvalidParameterValue",
        "InvalidRequest",
        "InvalidArgument",
        "invalid",
        "forbidden",
        "Forbidden",
        "accessDenied",
        "AccessDenied",
        "NotFound",
        "401",
        "403",
        "404",
        "LimitExceededException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "TooManyRequestsException",
        "QuotaExceeded",
        "InternalError",
        "internalError",
        "InvalidRequestException",
        "cluster_block_exception",
        "ClientError",
        "stopped",
        "search_phase_execution_exception",
        "BadRequest",
        "ServerError",
        "ResourceLimitExceeded",
        "TransactionCanceledException",
    ]
)
"""Codes that a service uses for several things: where its words are clear, they decide."""

GRPC: Final[Mapping[str, Kind]] = by_word(
    {
        Kind.SERVICE: "UNAVAILABLE INTERNAL Unavailable Internal",
        Kind.THROTTLED: "RESOURCE_EXHAUSTED ResourceExhausted",
        Kind.TIMEOUT: "DEADLINE_EXCEEDED DeadlineExceeded",
        Kind.MISSING: "NOT_FOUND NotFound",
        Kind.AUTH: "UNAUTHENTICATED PERMISSION_DENIED Unauthenticated PermissionDenied",
        Kind.CONFLICT: "ABORTED ALREADY_EXISTS Aborted AlreadyExists",
        Kind.CORRUPT: "DATA_LOSS DataLoss",
        Kind.CANCELLED: "CANCELLED Canceled",
        Kind.LOGIC: "INVALID_ARGUMENT UNIMPLEMENTED OUT_OF_RANGE InvalidArgument Unimplemented OutOfRange",
    }
)
HTTP: Final[Mapping[int, Kind]] = by_number(
    {
        Kind.LOGIC: "400 405 406 411 413-418 421 428 431 494 501 505",
        Kind.AUTH: "401 403 407 440 450 451 495 496 498 511 561",
        Kind.QUOTA: "402 509",
        Kind.MISSING: "404 410",
        Kind.NETWORK: "408 444 460 499 522-526",
        Kind.CONFLICT: "409 412 423",
        Kind.CONTRACT: "422",
        Kind.THROTTLED: "420 429 529",
        Kind.DISK: "507",
        Kind.CONFIG: "426 497 506 508 510",
        Kind.SERVICE: "425 449 500 502-504 520 521 527 530 598 599",
    }
)
