"""Phrases of failures that may pass by themselves, or that somebody ended; what waits for a person goes before them."""

from __future__ import annotations

from typing import Final

from recoup.model.failure import FailureKind as Kind
from recoup.recovery.rules.words import Block

PASSING: Final[tuple[Block, ...]] = (
    (
        Kind.CONFLICT,
        """
        resource_locked |
        lock wait timeout | lock timeout | lock request time out | lock_timeout | could not obtain lock |
        could not acquire lock | couldn't acquire lock | failed to acquire … lock | unable to acquire … lock |
        cannot acquire … lock | acquiring … lock | could not lock | could not set lock | waiting for … lock |
        database is locked | table is locked | database schema is locked | is locked | locked by |
        has locked | already locked | held by | holds the lock | holds the lease | busy running a | lock … held |
        lock … is taken | lock is still |
        could not serialize access | serialization failure | serialize access | retry transaction |
        restart transaction | concurrent modification | concurrent update | concurrent transaction |
        concurrent append* | concurrent write* | concurrent delete* | concurrent operation |
        concurrentmodification* | concurrentappend* | concurrentdelete* | concurrentwrite* | concurrently modified |
        modified concurrently | concurrently updated |
        updated concurrently | concurrently modif* | concurrently delet* | concurrently chang* | modified by another |
        changed by another | write conflict |
        write-write conflict | version conflict* | conflicting | conflict on | conflict detected | conflict with |
        conflicts with | transaction conflict | merge conflict | conflict ( | commit conflict | commitfailed* |
        optimistic … lock* | etag mismatch | etag does not match | precondition failed | precondition given |
        conditionnotmet | condition specified … not met | conditional request failed | non-fast-forward |
        fetch first | another … running | another … in progress | another process | another instance |
        another git process | another job | address already in use | already in use | already allocated |
        port is already | already running | in use by | is being used by | being accessed by other users |
        resource busy | device or resource busy | text file busy | resource temporarily unavailable | state lock |
        lease … held | lease … active | there is currently a lease | unable_to_lock_row |
        already in progress | stale file handle
        """,
    ),
    (
        Kind.CANCELLED,
        "due to user request | on user's request | cancelled on user | cancelled by user | canceled by user",
    ),
    (
        Kind.TIMEOUT,  # before what is cancelled because of it
        """
        airflowtasktimeout | airflowsensortimeout |
        due to statement timeout | due to … timeout | cancel* … timeout | cancel* … timed out |
        cancel* … time limit | statement timeout | query timeout* | query timed out |
        maximum statement execution time | max_statement_time | max runtime | maximum runtime | max run time |
        maximum execution time | max execution time | execution time … exceed* | execution timeout |
        execution_timeout | execution timed out | execution time limit | exceeded … time limit |
        time limit … exceed* | due to time limit | time limit | query execution time | exceeded … deadline |
        deadline … exceeded | past its deadline | missed its deadline | time budget | wall-clock | wall clock |
        wall time | walltime | ran longer than | running longer than | ran for more than | running for more than |
        took longer than | took more than | did not finish within | did not finish in | not finish in |
        did not complete within | did not complete in | not completed within | exceeded # seconds | exceeded # s |
        exceeded # minutes | exceeded # min | exceeded timeout | exceeded the timeout | exceeded its timeout |
        exceeded … runtime | exceeded maximum time | job timed out | job … timed out after | task timed out |
        task … timed out | step timed out | step … timed out | run timed out | run … timed out |
        query … timed out | futures timed out | flow run exceeded | statement … timed out |
        reached its statement | statement or warehouse timeout | max_execution_time | activedeadlineseconds |
        longer than specified deadline | process timed out | command timed out | command … timed out |
        timed out waiting for … to finish | exceeded the maximum time | soft time limit | hard time limit
        """,
    ),
    (
        Kind.CANCELLED,
        """
        by user request | by the user | by user | user requested | at user's request |
        cancelled by | canceled by | cancelled from | canceled from | cancelled via | canceled via |
        was cancelled | was canceled | been cancelled | been canceled | job cancelled | job canceled |
        query cancelled | query canceled | query was killed | query execution was interrupted | task cancelled |
        task canceled | run cancelled | run canceled | operation cancelled | operation canceled |
        execution canceled | execution cancelled | cancelled: | canceled: | cancelled because |
        cancellation requested | cancellation by | cancel requested | request was canceled | marked as cancelled |
        set to cancelled | state cancelled | keyboardinterrupt | keyboard interrupt | received sigterm |
        received signal 15 | received signal term* | sigterm | sigint | sighup | terminated by signal 15 |
        stopped by operator | stopped from | stopped by | aborted by | killed by operator | killed by admin* |
        manually stopped | manually cancelled | manually killed | externally set | marked failed by |
        has been revoked by | task revoked | interrupted by signal | received terminate | interrupted!
        """,
    ),
    (
        Kind.THROTTLED,
        """
        too many requests | rate limit exceeded | rate limit reached | rate limited | rate-limited | rate exceeded |
        api rate | throttlingexception* | was throttled | were throttled | been throttled | is throttled |
        being throttled | request throttled | requests throttled | slow down | too many connections |
        too many connected users | too many clients |
        too many simultaneous | connection slots are reserved | remaining connection slots |
        max number of clients | maximum number of clients | connection limit exceeded | connection limit |
        request rate is large | request rate is too | request rate too large | reduce your request rate |
        request units | server is too busy | server busy | serverbusy | server is busy | concurrency limit |
        concurrency exceeded | limit … run concurrently | number of … run concurrently | concurrent … limit |
        limit … concurrent | concurrent runs exceeded |
        max* … concurrent | too many concurrent | exceeded … concurrent | max_user_connections |
        maximum number of … connections | queuepool limit | pool limit … reached | pool exhausted |
        connection pool … full |
        connection pool … exhausted | backpressure | back pressure |
        resource exhausted | provisioned throughput | provisionedthroughput* | read capacity | resource_exhausted |
        rejected execution | es_rejected_execution* | queue is full | queue full | too many queries |
        too many active | too many running | too many jobs | pull rate limit | toomanyrequests | pending … limit
        """,
    ),
    (
        Kind.MEMORY,
        """
        exit code 137 | exit code is 137 | exit status 137 | exitcode: 137 | code 137 | status code 137 |
        container … exited with … 137
        """,
    ),
    (
        Kind.LOST,
        """
        segmentation fault | segfault | core dumped | sigsegv | sigkill | sigabrt | sigbus | signal 9 |
        signal: killed | signal kill | fatal python error | worker died | workers died | worker … died |
        worker lost | worker … was lost | worker … is lost | lost worker | workerlost* | worker … vanished |
        worker … disappeared | worker … exited unexpectedly | worker … terminated | worker … crashed |
        worker process … exit* | executor lost | executorlost* | executor … lost | lost executor |
        executor heartbeat | slave lost | slavelost | lost node | node … lost | node … died | node … down |
        node … gone | node … preempted | node … not ready | nodelost | preempted | spot instance* |
        spot interruption | spot … reclaimed | spot … terminated | instance … terminated | instance … reclaimed |
        no heartbeat | heartbeat … timed out | heartbeat … timeout | heartbeat … lost | missed … heartbeat* |
        missed heartbeat* | heartbeat … missing | missing heartbeat* | lost heartbeat | heartbeat stopped |
        did not send a heartbeat |
        process pool was terminated | terminated abruptly | brokenprocesspool | broken process pool |
        died unexpectedly | exited unexpectedly | unexpectedly exited | process … died | process … vanished |
        process … disappeared | actor died | actor … dead | container … lost |
        container killed on request | released on a … node | code 139 | exit code 134 | exit code 139 | evicted |
        pod … deleted |
        pod … disappeared | pod … not found | pod … terminated | driver … terminated | application master … lost |
        kernel died | vm … terminated | machine … terminated | host … terminated | crashed without |
        infrastructure crashed | script crash* | fetchfailed* | lost connection to worker | without reporting |
        agent … lost | agent … stopped responding | driver died | killed (
        """,
    ),
)

MAY_BE_A_NAME: Final[tuple[Block, ...]] = (
    (Kind.CONFLICT, "deadlock"),
    (
        Kind.THROTTLED,
        """
        throttled | throttling | slowdown: | slowdown ( | (slowdown) | rate limit* | ratelimit* | rate-limit* |
        retry after # | retry-after | maximum … connections
        """,
    ),
    (Kind.LOST, "preempted | preemption | preempting | zombie | lost task"),
    (Kind.SERVICE, "unavailable | outage | failover | fail-over | degraded | overloaded"),
    (Kind.NETWORK, "dns | ssl: | tls: | handshake | vpn | firewall | banner"),
)
"""Words that may as well be the name of a table, a column or a function: only where nothing else tells."""

ELSEWHERE: Final[tuple[Block, ...]] = (
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
        temporary failure in name | getaddrinfo | nxdomain | no route to host | network is unreachable |
        network unreachable | host is unreachable | host unreachable | host is down | destination unreachable |
        not reachable | is unreachable | ssl handshake | tls handshake | handshake failed | handshake failure |
        handshake timed out | certificate verify failed |
        certificate verification | certificate has expired | self-signed certificate | self signed certificate |
        unable to get local issuer | pkix path | sslhandshake* | nohttpresponse* | certificate problem |
        wrong version number | ssl error | sslerror |
        ssl connect error | ssl connection | ssl_* | x509 | eof occurred in violation |
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
        tsocket read 0 bytes |
        incompleteread | incomplete read | empty reply | transfer closed | stream error | http/2 stream |
        proxy error | tunnel no response from | server selection timeout | serverselectiontimeout* |
        timed out: connect | api timeout* | source timeout* | endpoint … timed out |
        could not read from remote | remote: end | protocol banner
        """,
    ),
    (
        Kind.SERVICE,
        """
        internal server error | internalservererror | service unavailable | serviceunavailable |
        service is unavailable | service temporarily | bad gateway | gateway timeout | gateway time-out |
        temporarily unavailable | temporarily down | temporarily overloaded | is starting up | starting up |
        not yet accepting connections | shutting down | shutdown in progress | server shutdown | is shut down |
        recovery mode | in recovery | is recovering | failing over | leader election |
        electing | not the leader | not leader | no leader | not a leader | not leader or follower |
        leader not available | not primary | notwritableprimary | not master | no primary | no master |
        primary … stepped down | master is down | administrator command | server is not ready |
        not ready to serve | in state standby | in safe mode | under maintenance | maintenance mode | in maintenance |
        down for maintenance |
        scheduled maintenance | connection_forced | backend error | backenderror | internal error |
        internal failure | currently unavailable | currently not available | is not currently available |
        service not available | service … not available | not available at this time | please try again later |
        try again later | please retry later | retry your request | retry later | server error | is overloaded |
        over capacity | at capacity | is unavailable | are unavailable | loading the dataset |
        clusterdown | cluster is down | masterdown | cluster … unavailable | no nodes available | error on the server |
        encountered an error processing | broker not available | coordinator … not available |
        not enough replicas | insufficient … replicas | no quorum | quorum lost | lost quorum | server closed for
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
    *MAY_BE_A_NAME,
    (
        Kind.LOGIC,
        """
        null value | null values | invalid data type | invalid data | assertion failed | assertion error |
        runtime exception in
        """,
    ),
)
