"""A function over batches in several processes. Here `eval` is the function, and each is new."""

import os
import time
from collections.abc import Iterator

import pytest

from tagger.errors import DataError, WorkerError
from tagger.workers import N_UNORDERED, map_ordered

SLEEP, KILL = "__import__('time').sleep(0.2)", "__import__('os').kill(__import__('os').getpid(), 9)"


def run(*batches: str, n_workers: int = 2) -> list[object]:
    return list(map_ordered(eval, batches, n_workers=n_workers))


def children() -> set[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return set(map(int, file.read().split()))


def test_results_come_in_order_however_long_each_takes() -> None:
    assert run(f"{SLEEP} or 0", *map(str, range(1, 40))) == list(range(40))


def test_there_are_no_more_workers_than_batches() -> None:
    pids = run(*["__import__('os').getpid()"] * 2, n_workers=8)
    assert len(set(pids)) <= 2
    assert os.getpid() not in pids


def test_only_a_few_batches_are_read_ahead() -> None:
    n_read = 0

    def batches() -> Iterator[str]:
        nonlocal n_read
        for n_read in range(1, 101):
            yield SLEEP if n_read == 1 else "1"

    results = map_ordered(eval, batches(), n_workers=2)
    next(results)
    assert n_read <= N_UNORDERED * 2 + 1
    results.close()


def test_a_worker_loads_only_what_its_work_needs() -> None:
    code = "sorted({'typer', 'sqlalchemy', 'sklearn', 'cli'} & {*__import__('sys').modules})"
    assert run(f"[__import__('tagger.tagging'), {code}][1]") == [[]]


def test_a_worker_multiplies_in_one_thread() -> None:
    asked = "__import__('os').environ['OPENBLAS_NUM_THREADS']"
    assert run(asked) == ["1"]


def test_results_before_an_error_in_reading_come_first() -> None:
    def batches() -> Iterator[str]:
        yield from ("1", "2", "3")
        raise DataError("the file is damaged")

    results, seen = map_ordered(eval, batches(), n_workers=2), []
    with pytest.raises(DataError, match="damaged"):
        seen.extend(results)
    assert seen == [1, 2, 3]


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        ("1 / 0", r"failed: ZeroDivisionError: division by zero; --workers 1 shows where"),
        ("b'x' * 10**18", "ran out of memory: run it with fewer --workers"),
        (KILL, r"worker process \d+ was killed \(signal 9\), perhaps because memory ran out"),
        ("__import__('os')._exit(7)", r"worker process \d+ ended with exit code 7: run it again"),
    ],
)
def test_what_ends_a_worker_is_told_in_its_turn_and_all_workers_end(batch: str, told: str) -> None:
    before = children()
    results, seen = map_ordered(eval, ("1", f"{SLEEP} or 2", batch, "4"), n_workers=3), []
    with pytest.raises(WorkerError, match=told):
        seen.extend(results)
    assert seen == [1, 2]
    assert children() == before


def test_an_error_that_a_user_can_act_on_comes_as_it_is() -> None:
    raised = "(_ for _ in ()).throw(__import__('tagger.errors').errors.DataError('no such tag'))"
    with pytest.raises(DataError, match=r"^no such tag$"):
        run(raised)


def test_closing_ends_workers_at_once() -> None:
    before, began = children(), time.monotonic()
    results = map_ordered(eval, ("1", "__import__('time').sleep(60)"), n_workers=2)
    next(results)
    assert children() > before
    results.close()
    assert children() == before
    assert time.monotonic() - began < 30
