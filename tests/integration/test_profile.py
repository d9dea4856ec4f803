"""What the database counts for the privacy report: right, bounded, read-only, and unharmed by odd tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from loading import query, settings_for
from sofetch.errors import ConfigError, SinkRefused, SinkUnavailable
from sofetch.load.profile import ColumnProfile, Groups, TableProfile, profile_table
from sofetch.settings import Settings

EVENTS = settings_for([{"name": "a"}, {"name": "b"}])


class Eye:
    """Sees values, and counts them by column."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.longest = 0

    def look(self, column: str, text: str) -> None:
        self.seen[column] += 1
        self.longest = max(self.longest, len(text))


def everything(columns: Sequence[ColumnProfile]) -> list[str]:
    return [column.name for column in columns]


def profiled(dsn: str, settings: Settings = EVENTS, *, eye: Eye | None = None, **more: Any) -> TableProfile:
    known: dict[str, Any] = {"look": (eye or Eye()).look, "combine": everything, **more}
    return profile_table(settings, dsn=dsn, **known)


def counted(profile: TableProfile, name: str) -> Groups:
    [held] = [column.groups for column in profile.columns if column.name == name]
    assert held is not None
    return held


def test_groups_are_counted_without_nulls_and_combinations_with_them(database: str) -> None:
    query(database, "CREATE TABLE events (a text, b int)")
    query(database, "INSERT INTO events VALUES ('x', 1), ('x', 1), ('y', NULL), (NULL, NULL), (NULL, NULL)")
    found = profiled(database)
    assert counted(found, "a") == Groups(groups=2, rows=3, singles=1, smallest=1, largest=2, below_5=3, below_10=3)
    assert found.together == Groups(groups=3, rows=5, singles=1, smallest=1, largest=2, below_5=5, below_10=5)
    assert (found.rows, found.sampled, found.combined) == (5, False, ["a", "b"])


def test_group_sizes_are_told_apart_at_five_and_ten(database: str) -> None:
    query(database, "CREATE TABLE events (a int, b int)")
    query(database, "INSERT INTO events SELECT size, 0 FROM unnest(ARRAY[4, 5, 9, 10]) size, generate_series(1, size)")
    found = counted(profiled(database), "a")
    assert (found.rows, found.below_5, found.below_10, found.smallest, found.largest) == (28, 4, 18, 4, 10)


def test_an_empty_table_has_no_groups(database: str) -> None:
    query(database, "CREATE TABLE events (a text, b text)")
    eye = Eye()
    found = profiled(database, eye=eye)
    assert found.rows == 0
    assert counted(found, "a") == Groups(
        groups=0, rows=0, singles=0, smallest=None, largest=None, below_5=0, below_10=0
    )
    assert found.together is None
    assert not eye.seen


def test_a_missing_table_is_refused_and_a_missing_column_named(database: str) -> None:
    with pytest.raises(SinkRefused, match="does not exist"):
        profiled(database)
    query(database, "CREATE TABLE events (a text)")
    assert profiled(database).missing == ["b"]
    with pytest.raises(ConfigError, match="no column 'c'"):
        profiled(database, combine=lambda _columns: ["c"])


def test_a_table_without_columns_is_no_failure(database: str) -> None:
    query(database, "CREATE TABLE events ()")
    assert profiled(database).missing == ["a", "b"]


def test_odd_names_and_types_without_equality_are_counted(database: str) -> None:
    query(database, """CREATE TABLE events (a json, b point, "x""; DROP TABLE events --%" text, d box, e bytea)""")
    values = "('{}', '(1,2)', %s, '(0,0),(1,1)', %s)"
    query(database, f"INSERT INTO events VALUES {values}, {values}", "v", b"\0", "w", None)
    found = profiled(database)
    assert [column.groups and column.groups.groups for column in found.columns] == [1, 1, 2, 1, 1]
    assert found.together is not None
    assert found.together.groups == 2


def test_huge_values_are_cut_before_they_are_handed_over(database: str) -> None:
    query(database, "CREATE TABLE events (a text, b text)")
    query(database, "INSERT INTO events VALUES (repeat('x', 5000000), NULL)")
    eye = Eye()
    profiled(database, eye=eye)
    assert (eye.seen["a"], eye.seen["b"], eye.longest) == (1, 0, 10_000)


def test_a_large_table_is_sampled_and_says_so(database: str) -> None:
    query(database, "CREATE TABLE events (a int, b text)")
    query(database, "INSERT INTO events SELECT n, repeat('x', 50) FROM generate_series(1, 20000) n")
    query(database, "ANALYZE events")
    eye = Eye()
    found = profiled(database, eye=eye, sample_rows=5_000)
    assert found.sampled
    assert found.estimated_rows == 20_000
    assert 0 < found.rows <= 5_000
    assert 0 < eye.seen["a"] <= 2_000


def test_partitions_are_counted_as_one_table(database: str) -> None:
    query(database, "CREATE TABLE events (a int, b int) PARTITION BY LIST (b)")
    query(database, "CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1)")
    query(database, "CREATE TABLE events_2 PARTITION OF events DEFAULT")
    query(database, "INSERT INTO events SELECT n, n % 3 FROM generate_series(1, 9000) n")
    query(database, "ANALYZE events")
    assert profiled(database).rows == 9_000
    found = profiled(database, sample_rows=2_000)
    assert found.sampled
    assert found.estimated_rows == 9_000


def test_a_view_is_counted_too(database: str) -> None:
    query(database, "CREATE VIEW events AS SELECT n AS a, 1 AS b FROM generate_series(1, 100) n")
    assert profiled(database).rows == 100


def test_what_takes_too_long_is_left_uncounted(database: str) -> None:
    # Column a waits when it is grouped, and only then.
    slow = "SELECT n FROM pg_sleep(CASE WHEN current_query() LIKE ''%GROUP BY \"a\"%'' THEN 30 ELSE 0 END)"
    query(database, f"CREATE FUNCTION slow(n int) RETURNS int LANGUAGE sql VOLATILE AS '{slow}'")
    query(database, "CREATE VIEW events AS SELECT slow(n) AS a, n AS b FROM generate_series(1, 3) n")
    settings = settings_for([{"name": "a"}, {"name": "b"}], statement_timeout_seconds=1)
    found = profiled(database, settings)
    assert [column.groups is None for column in found.columns] == [True, False]
    assert found.together is None


def test_the_snapshot_is_read_only(database: str) -> None:
    query(database, "CREATE TABLE log (n int)")
    query(database, "CREATE FUNCTION sly() RETURNS int LANGUAGE sql AS 'INSERT INTO log VALUES (1) RETURNING n'")
    query(database, "CREATE VIEW events AS SELECT sly() AS a, 1 AS b")
    with pytest.raises(SinkUnavailable, match="25006"):
        profiled(database)
