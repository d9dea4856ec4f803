"""The list of faults to survive, and the tests that show each survived. A test sees to it that every one exists."""

from __future__ import annotations

from dataclasses import dataclass

_MAIN = "tests/acceptance/test_main_job.py"
_DATABASE = "tests/acceptance/test_database_faults.py"
_SINK = "tests/integration/test_sink_outages.py"
_QUEUE = "tests/integration/test_sqs_faults.py"
_START = "tests/acceptance/test_outage_and_start.py"
_SCENARIO = "tests/faults/test_scenarios.py::test_survives"


@dataclass(frozen=True, slots=True)
class Row:
    """One fault, or several of a kind: ``numbers`` as the list of faults counts them."""

    numbers: str
    fault: str
    tests: tuple[str, ...]


ROWS = (
    Row(
        "1–5",
        "kill -9 after receive, after mask, in the middle of the write, after commit, after half of the deletes",
        (f"{_MAIN}::test_killed_at_a_step_boundary_nothing_is_lost_or_doubled", f"{_SCENARIO}[deaths at every step]"),
    ),
    Row(
        "6",
        "the database restarts at once in the middle of a COPY; a backend is killed",
        (
            f"{_DATABASE}::test_postgres_restarted_in_the_middle_of_a_write_loses_and_doubles_nothing",
            f"{_DATABASE}::test_a_killed_backend_is_replaced_and_the_batch_loads",
            f"{_SINK}::test_a_backend_killed_in_the_middle_of_the_write_leaves_nothing_behind",
            f"{_SCENARIO}[a database that restarts]",
        ),
    ),
    Row(
        "7",
        "the old primary is read-only after a failover (25006)",
        (
            f"{_DATABASE}::test_a_read_only_database_is_an_outage_and_quarantines_nothing",
            f"{_SINK}::test_a_database_that_became_read_only_is_an_outage",
            f"{_SCENARIO}[a database that is read-only]",
        ),
    ),
    Row("8", "the disk is full (53100)", ("tests/integration/test_sink_full.py", f"{_SCENARIO}[a full disk]")),
    Row(
        "9",
        "TCP reset, black hole, half-open link, the reply to COMMIT lost",
        (
            f"{_SINK}::test_a_lost_reply_to_commit_ends_in_duplicates_not_in_double_rows",
            f"{_SINK}::test_a_link_cut_in_the_middle_of_a_transaction_leaves_nothing_behind",
            f"{_SCENARIO}[a network that cuts]",
            f"{_SCENARIO}[a network that swallows]",
        ),
    ),
    Row(
        "10",
        "SQS answers 500, 503, throttling, nothing in time, half an answer, another type; clocks differ",
        (
            f"{_QUEUE}::test_receives_survive",
            f"{_QUEUE}::test_deletes_survive",
            f"{_QUEUE}::test_messages_of_an_answer_that_was_lost_come_again_and_nothing_is_deleted",
            f"{_SCENARIO}[a queue on its bad days]",
        ),
    ),
    Row(
        "11",
        "batch calls with failed entries; an extension is refused",
        (
            f"{_QUEUE}::test_deletes_survive",
            f"{_QUEUE}::test_a_held_message_stays_invisible_past_its_timeout_though_an_extension_fails",
            f"{_SCENARIO}[a queue that fails entries]",
        ),
    ),
    Row(
        "12",
        "visibility runs out in the middle of a batch; the heartbeat is lost",
        (
            f"{_DATABASE}::test_two_workers_held_at_the_same_messages_load_each_once",
            f"{_SCENARIO}[a worker that freezes]",
        ),
    ),
    Row(
        "13",
        "duplicates in a batch, between batches, between two workers, after a redrive",
        (
            f"{_MAIN}::test_duplicates_within_and_between_batches_load_once_with_dedupe_by_content",
            f"{_MAIN}::test_messages_delivered_again_are_not_loaded_again",
            f"{_MAIN}::test_two_workers_on_one_queue_load_each_message_once",
            "tests/acceptance/test_dlq.py",
            f"{_SCENARIO}[a queue that repeats itself]",
        ),
    ),
    Row(
        "14",
        "SIGTERM and SIGINT drain, SIGHUP reloads; a second signal loses nothing",
        (f"{_MAIN}::test_a_signal_drains_and_exits_well", f"{_SCENARIO}[every signal]"),
    ),
    Row(
        "15",
        "one poison row in 1,000; 1,000 of 1,000",
        (
            f"{_MAIN}::test_a_poison_row_in_a_thousand_is_quarantined_and_the_rest_load",
            "tests/integration/test_sink_poison.py",
            "tests/integration/test_sink_poison_cost.py",
            f"{_SCENARIO}[poison]",
        ),
    ),
    Row("16", "hostile bodies", ("tests/acceptance/test_hostile_bodies.py", "tests/unit/test_decode_json_cases.py")),
    Row(
        "17",
        "keys that are missing, wrong, unreadable, denied",
        (
            f"{_MAIN}::test_without_keys_nothing_starts_and_the_refusal_says_what_to_do",
            f"{_MAIN}::test_another_key_under_the_same_name_is_refused_at_start",
            "tests/integration/test_keys_aws.py",
        ),
    ),
    Row(
        "18",
        "table, column, partition or privilege missing; a lock not to be had; too many connections",
        (
            f"{_SINK}::test_a_table_that_vanished_needs_a_person_and_loads_once_it_is_back",
            f"{_SINK}::test_a_column_altered_while_running_never_gets_garbage",
            f"{_SINK}::test_a_missing_partition_of_the_table_needs_a_person_and_quarantines_nothing",
            f"{_SINK}::test_a_lock_that_is_not_to_be_had_is_an_outage_and_ends_in_time",
            "tests/integration/test_roles.py",
            f"{_SCENARIO}[a database that is busy]",
            f"{_SCENARIO}[a table that changes]",
        ),
    ),
    Row(
        "19",
        "a clock two days off",
        (f"{_START}::test_a_clock_two_days_off_loads_the_same_rows_and_knows_what_a_right_one_loaded",),
    ),
    Row(
        "23",
        "ten minutes without a database under a full queue",
        ("tests/unit/test_long_outage.py::test_ten_minutes_without_a_database_cost_a_full_queue_no_receive_at_all",),
    ),
)
