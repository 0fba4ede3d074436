"""`jobtool tag FILE` with worker processes: the same bytes, and how it ends if one is stopped."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from tagger.tagging import BATCH, N_ALONE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

RUN = [sys.executable, "-c", "import cli; cli.main()"]
N_JOBS = (N_ALONE + 3) * BATCH
"""Enough for two workers."""


def lines(n_jobs: int = N_JOBS, first: int = 0) -> bytes:
    jobs = ({"id": n, "text": f"night nurse {n}"} for n in range(first, first + n_jobs))
    return "".join(f"{json.dumps(job)}\n" for job in jobs).encode()


def wait_until(holds: Callable[[], object]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError(f"waited a minute for {holds}")


def children(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


class Tagging:
    """`jobtool tag` at work on a stream: two workers have tagged what came, and wait for more."""

    def __init__(self, model: Path, folder: Path) -> None:
        source, self.output = folder / "in.jsonl", folder / "out.jsonl"
        self.part = folder / "out.jsonl.part"
        os.mkfifo(source)
        args = ["tag", str(source), "--model", str(model), "--output", str(self.output)]
        self.process = subprocess.Popen(
            [*RUN, *args, "--workers", "2"],
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        self.pipe = source.open("wb", buffering=0)
        self.pipe.write(lines())
        wait_until(lambda: len(children(self.process.pid)) == 2 and self.part.stat().st_size)
        self.workers = children(self.process.pid)

    def ended(self) -> tuple[int, list[str]]:
        """Exit code, and the last lines of standard error; all workers have ended by then."""
        stderr = self.process.communicate(timeout=60)[1]
        assert all(map(has_ended, self.workers))
        assert not self.output.exists()
        return self.process.returncode, stderr.splitlines()

    def so_far(self) -> str:
        n_rows = len([json.loads(line) for line in self.part.read_text("utf-8").splitlines()])
        assert n_rows >= N_ALONE * BATCH
        return f"the {n_rows} jobs tagged so far are in {self.part}"


@pytest.fixture
def tagging(tiny_model: Path, tmp_path: Path) -> Iterator[Tagging]:
    started = Tagging(tiny_model, tmp_path)
    with started.pipe, started.process as process:
        yield started
        process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_is_one_line_and_keeps_what_is_done(
    tagging: Tagging, number: signal.Signals, code: int
) -> None:
    tagging.process.send_signal(number)
    assert tagging.ended() == (code, ["stopped", tagging.so_far()])


def test_ctrl_c_in_a_terminal_reaches_workers_too_and_they_say_nothing(tagging: Tagging) -> None:
    os.killpg(tagging.process.pid, signal.SIGINT)
    assert tagging.ended() == (130, ["stopped", tagging.so_far()])


def test_a_killed_worker_ends_it_with_one_line(tagging: Tagging) -> None:
    killed = min(tagging.workers)
    os.kill(killed, signal.SIGKILL)
    with suppress(BrokenPipeError):  # it has noticed already
        tagging.pipe.write(lines(first=N_JOBS))
    code, (error, so_far) = tagging.ended()
    assert (code, so_far) == (1, tagging.so_far())
    assert error.startswith(f"error: worker process {killed} was killed (signal 9), perhaps")


def test_workers_end_when_their_parent_is_killed(tagging: Tagging) -> None:
    tagging.process.kill()
    tagging.process.wait()
    wait_until(lambda: all(map(has_ended, tagging.workers)))
    assert [has_ended(worker) for worker in tagging.workers] == [True, True]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "jobs.jsonl"
    path.write_bytes(lines(10 * BATCH))
    return path


def tag(
    model: Path, source: Path, *options: str, stdout: int | IO[str] = subprocess.PIPE, **how: object
) -> subprocess.CompletedProcess[str]:
    args = [*RUN, "tag", str(source), "--model", str(model), "--workers", "2", *options]
    return subprocess.run(
        args, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=100, check=False, **how
    )


def test_one_worker_and_several_print_and_write_the_same_bytes(
    tiny_model: Path, source: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    printed = [tag(tiny_model, source, "--workers", n).stdout for n in ("1", "3")]
    done = tag(tiny_model, source, "--output", str(output))
    assert (done.returncode, done.stderr) == (0, "")
    assert printed[0] == printed[1] == output.read_text("utf-8")
    assert printed[0].count("\n") == 10 * BATCH


def test_a_full_disk_is_one_line(tiny_model: Path, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    limit = (100_000, 100_000)  # bytes of a file; that is "File too large", not "No space left"
    done = tag(
        tiny_model,
        source,
        *("--output", str(output)),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: can't write {output}: File too large\n")
    assert not output.exists()


def test_standard_output_on_a_full_disk_is_one_line(tiny_model: Path, source: Path) -> None:
    with open("/dev/full", "w") as full:
        done = tag(tiny_model, source, stdout=full)
    assert done.returncode == 1
    assert done.stderr == "error: input or output: No space left on device\n"


def test_a_reader_that_leaves_early_ends_the_workers(tiny_model: Path, source: Path) -> None:
    args = [*RUN, "tag", "--model", str(tiny_model), str(source), "--workers", "2"]
    process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    with process.stderr:
        assert (process.stderr.read(), process.wait(60)) == (b"", 141)
