"""The job: what Spark reads, how many tasks there are, and what comes of them. The only importer of pyspark.

Owns the data frames. DataFrames and ``mapInArrow`` only, which Spark 3.5 and 4 have alike. A message in the clear is
never shuffled or cached, so Spark writes none to a disk; secrets in Spark's own configuration are refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from sofetch.errors import ConfigError, SofetchError
from sofetch.settings import Settings
from sofetch.spark.arrow import RESULT, Checking, Loading, Masking
from sofetch.spark.lake import KEY, REASON, REFUSED_COLUMNS, lake_columns
from sofetch.spark.plan import BODY, ID, SENT, Plan, Result, raised, total

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

APP_NAME: Final = "sofetch"
_SHOWN_SECRET: Final = re.compile(
    r"(?:spark\.executorEnv|spark\.yarn\.appMasterEnv|spark\.kubernetes\.driverEnv)\."
    r"(?:SOFETCH_SINK_DSN|SOFETCH_VAULT_DSN|SOFETCH_KEYRING|SOFETCH_REVERSIBLE_KEYRING)"
)


class Names(Struct, frozen=True):
    """What the columns of a Parquet input are called."""

    id: str = ID
    sent: str = SENT
    body: str = BODY


def open_session(*, master: str | None) -> SparkSession:
    """A session; ``master`` is None under spark-submit, which names it. Raises ConfigError or SofetchError.

    No speculation: a copy of a task that is slow doubles its connection, and never its rows.
    """
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName(APP_NAME).config("spark.speculation", "false")
    try:
        spark = (builder.master(master) if master else builder).getOrCreate()
    except Exception as error:  # noqa: BLE001  # py4j's and Spark's own; the JVM has said the rest on stderr
        failure = type(error).__name__
    else:
        _refuse_shown_secrets(spark)
        return spark
    hint = "Spark needs Java 17 (JAVA_HOME, or java in the path) and a master that answers; see the lines above"
    raise SofetchError(f"Spark did not start ({failure})", hint=hint, code="spark")


def read_input(spark: SparkSession, paths: Sequence[str], plan: Plan, names: Names) -> DataFrame:
    """The input as rows of ``body``, or of ``id``, ``sent_ms`` and ``body``. Raises ConfigError."""
    from pyspark.sql import functions as f

    if plan.input != "parquet":
        return spark.read.option("lineSep", "\n").text(list(paths)).select(f.col("value").cast("binary").alias(BODY))
    frame = spark.read.parquet(*paths)
    wanted = [names.body, *([names.id, names.sent] if plan.has_ids else [])]
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise ConfigError(
            f"the input has no column {', '.join(missing)}",
            hint="name its columns with --body-column, --id-column and --sent-column; for bodies without ids, --no-ids",
        )
    body = _column(f, names.body).cast("binary").alias(BODY)
    if not plan.has_ids:
        return frame.select(body)
    sent = _column(f, names.sent)
    is_time = dict(frame.dtypes)[names.sent].startswith("timestamp")
    sent_ms = f.expr(f"unix_millis(CAST(`{names.sent}` AS timestamp))") if is_time else sent.cast("bigint")
    return frame.select(_column(f, names.id).cast("string").alias(ID), sent_ms.alias(SENT), body)


def check(spark: SparkSession, plan: Plan, *, database: bool) -> Result:
    """Have one task try keys and databases where the others will run. Raises SofetchError."""
    one = spark.range(0, 1, 1, 1).mapInArrow(Checking(plan, database=database), f"{RESULT} string")
    return _collected(one)


def load(frame: DataFrame, plan: Plan, *, connections: int) -> Result:
    """Load into Postgres by at most so many tasks at once, a connection each. Raises SofetchError.

    Partitions are put together, not shuffled: a shuffle would write bodies in the clear to the executors' disks.
    """
    return _collected(frame.coalesce(connections).mapInArrow(Loading(plan), f"{RESULT} string"))


def write(frame: DataFrame, plan: Plan, settings: Settings, *, to: str, overwrite: bool) -> Result:
    """Write masked rows to ``to``/rows and quarantine entries to ``to``/quarantine. Raises SofetchError.

    What is masked is kept on the executors' disks between the two, and shuffled by key to drop what is there twice.
    """
    from pyspark import StorageLevel
    from pyspark.sql import functions as f

    schema = {KEY: "string", **lake_columns(settings), **REFUSED_COLUMNS}
    ddl = ", ".join(f"`{name}` {kind}" for name, kind in schema.items())
    masked = frame.mapInArrow(Masking(plan), ddl).persist(StorageLevel.DISK_ONLY)
    mode = "overwrite" if overwrite else "errorifexists"
    refused = masked.where(f.col(REASON).isNotNull()).select(KEY, *REFUSED_COLUMNS)
    rows = masked.where(f.col(REASON).isNull()).drop(*REFUSED_COLUMNS)

    def work() -> Result:
        read = masked.count()
        refused.dropDuplicates([KEY]).write.mode(mode).parquet(f"{to}/quarantine")
        rows.dropDuplicates([KEY]).write.mode(mode).parquet(f"{to}/rows")
        spark = frame.sparkSession
        loaded = spark.read.parquet(f"{to}/rows").count()
        by_reason = spark.read.parquet(f"{to}/quarantine").groupBy(REASON).count().collect()
        reasons = {row[0]: row[1] for row in by_reason}
        kept = loaded + sum(reasons.values())
        return Result(
            read=read, loaded=loaded, duplicates=read - kept, quarantined=sum(reasons.values()), reasons=reasons
        )

    try:
        return _without_text(work)
    finally:
        masked.unpersist()


def _collected(frame: DataFrame) -> Result:
    return _without_text(lambda: total(msgspec.json.decode(row[RESULT], type=Result) for row in frame.collect()))


def _without_text(work: Any) -> Result:
    """Spark's errors repeat what tasks raised, plans, and sometimes data: only their type and condition are told."""
    try:
        result: Result = work()
    except Exception as error:  # noqa: BLE001  # Spark's, py4j's
        raise spark_error(error) from None
    if result.failure is not None:
        raise raised(result.failure)
    return result


def spark_error(error: Exception) -> SofetchError:
    """What a person is told of an error of Spark's."""
    condition = getattr(error, "getCondition", getattr(error, "getErrorClass", lambda: None))()
    named = f"{type(error).__name__}, {condition}" if condition else type(error).__name__
    return SofetchError(
        f"the Spark job failed ({named})",
        hint="the lines above and the executors' stderr say why. What was committed stays; run it again",
        code="spark",
    )


def _column(f: Any, name: str) -> Any:
    return f.col(f"`{name}`")


def _refuse_shown_secrets(spark: SparkSession) -> None:
    context = getattr(spark, "sparkContext", None)  # Spark Connect has none
    if context is None:
        return
    shown = sorted(key for key, _ in context.getConf().getAll() if _SHOWN_SECRET.fullmatch(key))
    if shown:
        spark.stop()
        raise ConfigError(
            f"{', '.join(shown)}: a secret in Spark's configuration is shown in its web pages and event log",
            hint="change that secret, and set it in the environment of the executors, in a file ([sink] dsn_file, "
            "SOFETCH_KEYRING_FILE), in a secret of AWS ([keys] secret) or of Kubernetes (secretKeyRef)",
        )
