"""What pyspark has no function for, asked of its Java objects: stores of files, and what a plan or an executor knows of rows."""

# ruff: noqa: SLF001 - there is no other way to them

from __future__ import annotations

from typing import Any, Final

_HEAD_BYTES: Final = 64 << 10


def stored(session: Any, path: str) -> tuple[Any, Any]:
    """The store (a Hadoop FileSystem) that holds a path, and the path as it knows it. Raises what Java raises."""
    where = session._jvm.org.apache.hadoop.fs.Path(path)
    return where.getFileSystem(session._jsparkSession.sessionState().newHadoopConf()), where


def as_told(session: Any, path: str) -> str:
    """A path in the form in which rows tell their file: blanks and other marks are encoded there."""
    return str(session._jvm.org.apache.spark.paths.SparkPath.fromPathString(path).urlEncoded())


def head_of(session: Any, path: str) -> bytes:
    """The first 64 KiB of a file."""
    store, where = stored(session, path)
    stream = store.open(where)
    try:
        return bytes(stream.readNBytes(_HEAD_BYTES))
    finally:
        stream.close()


def is_empty(frame: Any) -> bool:
    """Does the plan alone show that there is no row?"""
    most = frame._jdf.queryExecution().optimizedPlan().maxRows()
    return bool(most.isDefined() and most.get() == 0)


def kept_rows(frame: Any) -> Any:
    """The rows that executors keep of a frame that was cut from what it was made of."""
    return frame._jdf.queryExecution().logical().rdd()
