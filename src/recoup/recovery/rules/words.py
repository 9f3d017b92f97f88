"""What the words of a message say: phrases in order, the first that stands in the text decides.

`…` is anything up to eighty characters, `#` a number, a `*` at an end lets the word go on. Letters are small here and
match any case; what stands in quotation marks in the message is a value and is never read. Kinds that wait for a person
stand before those that may pass by themselves: a bad value may well speak of a connection.
"""

from __future__ import annotations

from typing import Final

from recoup.model.failure import FailureKind as Kind

Block = tuple[Kind, str]

# These go before all but a bug's own class: the code or status beside them is only the envelope.
OVERRIDING: Final[tuple[Block, ...]] = (
    (
        Kind.MEMORY,
        """
        out of memory | outofmemory* | java heap space | gc overhead limit exceeded | oomkilled | oom-killed |
        oom-kill* | oom killer | oom_kill* | memory limit … exceeded | memory limit … reached |
        exceeding memory limit* | exceeding physical memory limit* | memory exceeded | memory quota exceeded |
        exceeded … memory | exceeds … memory limit | cannot allocate memory | unable to allocate # | bad_alloc |
        beyond … memory limit* | resources exceeded during query execution | insufficient memory |
        not enough memory | memory allocation of … failed | failed to allocate memory | could not allocate |
        heap out of memory | memory_limit_exceeded | oom command not allowed | killed by the memory limit |
        insufficient system memory | low on resource: memory | memory pressure | data too large, data for |
        exceeded user memory | query exceeded … memory | more than … memory | metaspace | insufficient … memory |
        cuda out of memory | ran out of memory | exceeded its memory | over … memory limit | maximum memory |
        max memory | memory usage … exceed* | memory budget | memoryerror
        """,
    ),
    (
        Kind.THROTTLED,
        """
        quota … per second | quota … per minute | quota … per # seconds | per minute per user |
        per minute per project | requests per second | requests per minute | calls per minute | calls per second |
        queries per second | tokens per minute | tokens per min
        """,
    ),
    (
        Kind.QUOTA,
        """
        exceeded quota | quota exceeded | exceeded … quota | exceeded your … quota | over quota |
        quota … exhausted | quota … used up | quota … reached | quota … exceeded | out of quota | storage quota |
        disk quota | daily quota | monthly quota | weekly quota | quota … resets | quota will reset |
        quota limit | daily … limit | daily limit* | daily allowance | daily budget | daily cap |
        monthly … limit | monthly … allowance | monthly … credits | monthly … budget | monthly cap |
        weekly … limit | hourly … quota | yearly … limit | annual … limit | insufficient_quota |
        credits … used up | credits … exhausted | insufficient credits | out of credits | no credits |
        allowance … used up | allowance … exhausted | allowance … exceeded | limit … resets | limit … renews |
        resets at | resets on | reset at midnight | try again tomorrow | until tomorrow | request_limit_exceeded |
        totalrequests limit | limit for bytes billed | maximum bytes billed | resource monitor … exceeded |
        exceeded … resource monitor | per day | per-day | per month | daily query bytes | 24 hour* | 24-hour |
        24h | usage limit | spending limit | spend limit | billing … limit | billing hard limit | plan limit |
        free tier | trial … exhausted | exceeded storage allocation | account … over its limit |
        limit … for today | for the day | rows … this month | credits … renew | resets 20# | exceeded its monthly |
        exceeded its daily | exceeded its weekly
        """,
    ),
)

GENERAL: Final[tuple[Block, ...]] = (
    (
        Kind.SERVICE,  # before `upstream … failed`
        """
        upstream connect error | upstream request timeout | no healthy upstream | upstream prematurely closed
        """,
    ),
    (Kind.LOGIC, "assertion error | assertionerror"),  # whatever it compares
    (
        Kind.AUTH,  # whoever is refused is often told of a lock, or loses the connection
        """
        security processing failed | reauthentication failed | password or account is invalid |
        login failed | login denied | locked out | logon failed | authentication failed | account is locked |
        account locked |
        account has been locked | jwt expired | jwt has expired | token expired | token has expired | token is expired
        """,
    ),
    (Kind.MISSING, "read-only mode: database does not exist"),
    (Kind.PERMISSION, "nio.file.accessdenied* | accesscontrolexception"),  # of a file, not of a service
    (
        Kind.CONFLICT,  # before `blocked by`
        """
        deadlock detected | neo.transienterror.transaction.deadlockdetected | serializable isolation violation |
        deadlock victim | deadlocked on | deadlock found
        """,
    ),
    (
        Kind.BLOCKED,
        """
        gap detected | gaps detected | upstream gap* | upstream … failed | upstream … failure | upstream_failed |
        upstream … is in state | upstream … not … ready | upstream … not … complete* | upstream … not … finished |
        upstream … not … published | upstream … not … succeeded | upstream … incomplete | upstream … missing |
        upstream … stale | upstream … not … materialized | upstream … has not | upstream … did not |
        upstream … unavailable for | waiting for upstream | waiting on upstream | skipped: upstream |
        because upstream | completeness … threshold | completeness … below | completeness … under |
        completeness … only | completeness check | below … completeness | only … complete | incomplete: # of # |
        coverage … below | coverage … threshold | coverage … under | stale snapshot | snapshot … is … old |
        is # h old | is # hours old | is # days old | snapshot … older than | snapshot … is stale | stale source |
        stale data | stale input | is stale |
        too stale | too old | older than the | older than max* | older than … allowed | freshness limit |
        freshness … exceeded | freshness … violated | freshness … failed | source freshness | freshness sla |
        not fresh | refusing to | refuse to | refused to build | dependencyerror | dependency … not … met |
        dependencies … not … met | dependency … not … ready | dependency … not … complete* |
        dependencies … not … complete* | dependency … not … satisfied | dependencies … not … satisfied |
        dependency … failed | unmet dependenc* | dependencies not | missing dates in | lookback … incomplete |
        lookback … missing | lookback … gap* | lookback window | analytics blocked | is blocked | blocked: |
        blocked by | prerequisite* … not | predecessor … not | predecessor … failed | parent … failed |
        parent … not … complete* | parent … not … ready | previous … not … complete* | previous … failed |
        quarantined | not yet complete | not all … upstream | missing upstream | guard … refused |
        preflight … failed | trigger rule
        """,
    ),
    (
        Kind.DISK,
        """
        no space left | no more room | disk full | disk is full | disk … is full | disk quota is | not enough space |
        not enough disk | not enough free space | insufficient disk | insufficient space | could not extend file |
        too many open files | file size limit exceeded | file too large | filesize limit | out of disk |
        out of inodes | no free inodes | inode* … exhausted | table … is full | database or disk is full |
        tablespace … full | volume … full | filesystem … full | file system … full | insufficient storage |
        storage full | storage is full | out of space | read-only-allow-delete | disk usage exceeded flood |
        flood-stage | flood stage | unable to extend | max open files | no free space | ephemeral-storage |
        transaction log … full | unable to persist | archiver error | disk space | out of diskspace | free disk
        """,
    ),
    (
        Kind.AUTH,
        """
        invalid_auth | requested access to the resource is denied |
        invalid credential* | invalid … credential* | incorrect … credential* | bad credentials |
        wrong credentials | credential* … expired | credentials … invalid | expired … credential* |
        credential* … rejected | credentials … revoked | authentication failed | authentication failure |
        authentication error | authentication … failed | authentication required |
        authentication token … expired | failed to authenticate | could not authenticate | not authenticated |
        unauthenticated | unauthorized | unauthorised | not authorized to perform | is not authorized |
        are not authorized | not authorised | login failed | login incorrect | login authentication |
        login denied | cannot log in | logon denied | logon failed | not logged in | password authentication |
        role … does not exist | incorrect username | incorrect password | invalid username | invalid password |
        wrong password | bad password | password … expired | password … incorrect | user … password … invalid |
        invalid user* | using password | no password supplied | token … expired | token … invalid |
        token … revoked | expired token | token is expired | expiredtoken* | invalid token |
        invalid access token | invalid auth* | invalid bearer | invalid_grant | invalid_client | invalid_token |
        invalid api key | invalid_api_key | invalid api-key | api key … invalid | api key … expired |
        api key … revoked | api key not valid | incorrect api key | missing api key | api key … missing |
        access key … does not exist | signature … not match | signature mismatch | signature … invalid |
        invalid signature | signaturedoesnotmatch | signature verification failed | invalidaccesskeyid |
        accessdenied* | access denied | authorization failed | authorizationfailed |
        permission denied (publickey | permissiondenied* | host key verification failed | noauth | wrongpass |
        sasl authentication | sasl mechanism | pg_hba.conf | sso session | session … expired | session expired |
        aadsts* | refresh token | unable to locate credentials | could not load … credentials |
        credentials could not be found | default credentials | no credentials | could not read username |
        could not read password | 403 forbidden | forbidden | caller does not have permission | account … locked |
        account is disabled | account … disabled | account … suspended | security token | secret … expired |
        sas … expired | certificate unknown | bad certificate | pull access denied | identity … rejected |
        not permitted to log in | role … is not permitted to log in | client secret* | access token |
        authenticat* … rejected | login_failed | key … revoked | mfa | kerberos | gssapi | ticket expired |
        peer authentication
        """,
    ),
    (
        Kind.PERMISSION,
        """
        permission denied | operation not permitted | read-only file system | readonly database |
        read-only database | read only database | read-only mode | read-only transaction | read-only | readonly |
        must be owner | insufficient privilege* | insufficient permission* | permission was denied |
        not have permission | not have … permission* | no permission | denied to user | lacks … privilege* |
        missing privilege* | not have … privilege* | access is denied | access refused | access_refused | noperm |
        eacces | eperm | not allowed for user | not have … access | privilege* required | requires … privilege* |
        requires … permission* | denied on | not authorized on | user … cannot | dubious ownership |
        not writable | not writeable | cannot write to
        """,
    ),
    (
        Kind.CONFIG,
        """
        precondition_failed - |
        environment variable* | env var* | environ* … not set | not set in the environment | is not configured |
        not configured | misconfigur* | missing … configuration | missing configuration | invalid configuration |
        configuration … invalid | configuration … missing | configuration error | improperly configured |
        imagepullbackoff | errimagepull | unknown encoding | no endpoint configured | no connection named |
        missing setting | no configuration files |
        required setting |
        setting … missing | setting … not set | setting … required |
        is not set | must be set | not been set | unset | invalid setting | unknown setting | no such option |
        unknown option | unknown argument | unknown flag | unknown command | unknown config* |
        unrecognized argument* | unrecognized option | unrecognised option | unrecognized configuration |
        invalid option | illegal option | invalid choice | unexpected argument | arguments are required |
        required argument | missing option | missing argument | usage: | try … --help | see … --help |
        command not found | not found in path | : not found | executable file not found | no such command |
        is not a … command | connection string | invalid dsn | invalid connection option | invalid … option |
        invalid sslmode | no schema supplied | url scheme | unsupported scheme | unsupported protocol |
        unknown url type | unknown protocol | protocol … not supported | invalid url | invalid uri |
        malformed url | malformed uri | no connection adapters | no scheme supplied | missing an … protocol |
        could not parse … url | could not parse … uri | unable to parse … url | must specify a region |
        specify a region | no region | region … not set | could not find profile | profile … not found |
        profile … could not be found | conn_id | connection … isn't defined | connection … not defined |
        connection … is not defined | no module named | no module | missing optional dependency |
        can't load plugin | no driver | data source name not found | can't open lib | unknown database driver |
        could not load driver | driver … not found | class not found | classnotfoundexception | noclassdeffound* |
        jar … not found |
        no option | no section | invalid port | port must be | invalid log level | invalid time zone |
        unknown time zone | no time zone | invalid cron | invalid region | invalid value for |
        invalid boolean value | invalid integer value | invalid timeout | not a valid … setting |
        unrecognized configuration parameter | unsupported configuration | validation_error |
        no active warehouse | bad configuration | configuration property | config … missing | config … not found |
        missing config | mismatch in config | requires … to be set | no such profile |
        could not find … configuration | invalid endpoint | endpoint … is not valid | secret … not configured
        """,
    ),
    (Kind.CONTRACT, "csv parse error | csv error | cast_invalid_input"),  # before an error of a language
    (
        Kind.LOGIC,  # before data: an error of the language of a query or program
        """
        invalid parameter | release unlocked lock | un-acquired lock | no running event loop |
        a coroutine was expected |
        event loop is already running | already awaited coroutine | could not be broadcast | cannot reshape |
        mismatch in its core dimension |
        argument/count mismatch | wrong kind of value | with args beginning with | not an integer or out of range |
        bind parameter |
        called too many times | can only be started once | malformed node or string |
        must not be called | must be called before | called out of order |
        syntax error | syntaxerror | syntax_error | parse error | parser error | parseexception |
        parse_syntax_error | error in your sql syntax | division by zero | divide by zero | divide_by_zero |
        division_by_zero | zerodivision* | float division | modulo by zero | index out of range |
        index out of bounds | out of bounds | is not defined | undefined function | undefined name |
        not callable | unexpected keyword argument | missing # required positional | positional argument* |
        object has no attribute | has no attribute | is not subscriptable | not iterable | unsupported operand |
        nonetype | nullpointerexception | arithmeticexception | indexoutofbounds* | nosuchelementexception |
        unsupportedoperation* | nosuchmethod* | sqlsyntaxerror* | arrayindexoutofbounds* | classcastexception |
        illegalargument* |
        illegalstate* | task not serializable | compilation error | compilation failed | no matching signature |
        function … does not exist | no function matches | no such function | unknown function |
        undefined_function | is ambiguous | ambiguous | must appear in the group by | must be an aggregate* |
        not in group by | aggregate function | cannot pickle | can't pickle | not json serializable |
        incorrect number of bindings | parameters supplied | truth value | values to unpack | math domain error |
        maximum recursion | not implemented | notimplemented* | cannot operate on a closed | local variable |
        assertionerror | nameerror | typeerror | attributeerror | indexerror | keyerror | unboundlocalerror |
        traceback: | panicked at | unhandled exception in | undefined variable | is undefined |
        operator does not exist | subquery … more than one | more than one row returned | unsupported subquery |
        unclosed quot* | unexpected token | unexpected end of statement | mismatched input | extraneous input |
        invalid identifier syntax | event loop is closed | dictionary changed size | can only concatenate
        """,
    ),
)
