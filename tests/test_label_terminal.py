"""`jobtool label` at a real terminal: a process of its own with a pseudo-terminal before it."""

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from sqlalchemy import Engine

from db.columns import WordVerdict
from db.engine import open_engine, reading, writing
from db.migrate import upgrade
from db.schema import Job, JobCode
from db.tag_info import judged_words
from tagger.model import TagModel
from tests.db.made_up import NO, YES, add_champion, add_jobs, add_tags, held, n_lines, predict

# A terminal is a process's own only if it asks for it; then Ctrl-C comes as a signal.
RUN = (
    "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "import sys, cli; sys.argv[0] = 'jobtool'; cli.main()"
)


class Terminal:
    """A program that runs at a pseudo-terminal of 100 x 30 characters."""

    def __init__(self, *arguments: str) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.settings = termios.tcgetattr(slave)
        self._slave, self.seen = slave, b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm"},
        )

    def wait_for(self, words: str, *, timeout_s: float = 60) -> None:
        """Read until the words are there; what came before them is put away."""
        end = time.monotonic() + timeout_s
        while words.encode() not in self.seen:
            assert time.monotonic() < end, f"{words!r} did not come: {self.seen!r}"
            self.read()
        self.seen = self.seen.partition(words.encode())[2]

    def read(self) -> None:
        """Take in what has come by now, if it comes within a tenth of a second."""
        if select.select([self._master], [], [], 0.1)[0]:
            self.seen += os.read(self._master, 65536)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def settings_now(self) -> list[object]:
        return termios.tcgetattr(self._slave)

    def end(self) -> int:
        """Wait for the program to end; gives its exit code."""
        return self.process.wait(timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(timeout=60)
        self.hang_up()

    def hang_up(self) -> None:
        for end in (self._master, self._slave):
            with suppress(OSError):
                os.close(end)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[tuple[Path, Engine]]:
    """Four jobs, a tag remote, and a model without a folder that finds all of them remote."""
    path = tmp_path / "jobs.db"
    engine = open_engine(str(path))
    upgrade(engine)
    with writing(engine) as session:
        (remote,) = add_tags(session, "remote")
        model = add_champion(session, {"remote": 0.5})
        for place, job in enumerate(add_jobs(session, "job-a", "job-b", "job-c", "job-d")):
            predict(session, model, job, {remote: 0.85 - place / 10})  # the likeliest comes first
            code = np.eye(4, dtype="<f4")[place].tobytes()
            version = model.code_version_id
            session.add(JobCode(code_version_id=version, job_id=job.id, code=code))
    yield path, engine
    engine.dispose()


@pytest.fixture
def terminal(database: tuple[Path, Engine]) -> Iterator[Terminal]:
    with Terminal("label", "--db", str(database[0]), "--labeller", "anna") as terminal:
        yield terminal


def test_two_postings_are_labelled_one_is_taken_back(terminal: Terminal, database):
    _, engine = database
    terminal.wait_for("job-a")
    terminal.wait_for("q quit")
    terminal.type("\r")
    terminal.wait_for("job-b")
    terminal.wait_for("q quit")
    terminal.type("n\n")
    terminal.wait_for("job-c")
    terminal.wait_for("q quit")
    assert held(engine) == {(1, 1): YES, (2, 1): NO}
    terminal.type("z")
    terminal.wait_for("job-b")
    terminal.wait_for("taken back")
    assert held(engine) == {(1, 1): YES}
    terminal.type("q")
    terminal.wait_for("1 postings labelled (1 answers)")
    assert terminal.end() == 0
    assert n_lines(engine) == 3
    assert terminal.settings_now() == terminal.settings


def test_ctrl_c_loses_nothing_that_was_accepted(terminal: Terminal, database):
    terminal.wait_for("q quit")
    terminal.type("\r")
    terminal.wait_for("job-b")
    terminal.wait_for("q quit")
    terminal.type("n\x03")
    terminal.wait_for("1 postings labelled")
    assert terminal.end() == 130
    assert held(database[1]) == {(1, 1): YES}
    assert terminal.settings_now() == terminal.settings


def test_a_terminal_that_goes_away_ends_the_program(terminal: Terminal, database):
    terminal.wait_for("q quit")
    terminal.type("\r")
    terminal.wait_for("job-b")
    terminal.hang_up()
    terminal.end()
    assert held(database[1]) == {(1, 1): YES}


def test_keys_typed_before_a_posting_is_shown_do_not_label_it(terminal: Terminal, database):
    terminal.type("\r\r\r")
    terminal.wait_for("job-a")
    terminal.wait_for("q quit")
    time.sleep(0.3)  # long enough for keys that were not dropped to be obeyed
    assert held(database[1]) == {}


def test_arrow_keys_are_understood(terminal: Terminal, database):
    terminal.wait_for("q quit")
    terminal.type("\x1b[B\x1bOA\x1b[99~?")  # down, up, and two that mean nothing
    terminal.type("u")
    terminal.wait_for("unsure")
    terminal.type("q")
    assert terminal.end() == 0
    assert held(database[1]) == {}


def test_words_of_the_posting_are_shown_as_reasons(tmp_path: Path, tiny_model: Path):
    model = TagModel.load(tiny_model)
    thresholds = dict(zip(model.tags, model.thresholds.tolist(), strict=True))
    path = tmp_path / "jobs.db"
    engine = open_engine(str(path))
    upgrade(engine)
    with writing(engine) as session:
        known = {tag: None if t != t else t for tag, t in thresholds.items()}
        champion = add_champion(session, known, folder=tiny_model.name)
        (pay,) = add_tags(session, "pay-stated")
        (job,) = add_jobs(session, "nurse")
        job.text = "<p>Night nurse wanted, &#36;38/hr.</p>"
        predict(session, champion, session.get_one(Job, job.id), {pay: 0.9})
    engine.dispose()
    options = ("--tag", "pay-stated", "--store", str(tiny_model.parent))
    with Terminal("label", "--db", str(path), *options) as terminal:
        for words in ("Night nurse wanted, $38/hr.", "pay-stated", "0.90", "$38"):
            terminal.wait_for(words)
        terminal.type("q")
        assert terminal.end() == 0


def test_without_a_terminal_it_says_so(database):
    done = subprocess.run(
        [sys.executable, "-c", "import cli; cli.main()", "label", "--db", str(database[0])],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "done at a terminal, and this is none" in done.stderr


# ---- words


@pytest.fixture
def words_database(tmp_path: Path) -> Iterator[tuple[Path, Engine]]:
    """Postings of three kinds, each told by its first word, and a tag for each; no labels."""
    path = tmp_path / "words.db"
    engine = open_engine(str(path))
    upgrade(engine)
    texts = ("Nurse. Ward at \x1b[31mnight.", "Driver. Parcels.", "Cook. Soups.")
    with writing(engine) as session:
        add_tags(session, "nurse", "driver", "cook")
        for place, job in enumerate(add_jobs(session, *map(str, range(18)))):
            job.title, job.text = "", texts[place % 3]
    yield path, engine
    engine.dispose()


def judged(engine: Engine) -> dict[str, dict[str, WordVerdict]]:
    with reading(engine) as session:
        return {tag: judged_words(session, tag) for tag in ("nurse", "driver", "cook")}


def words_terminal(path: Path) -> Terminal:
    return Terminal("label", "--words", "--db", str(path), "--labeller", "anna")


def press(terminal: Terminal, key: str, then: str) -> None:
    terminal.wait_for("q quit")
    terminal.type(key)
    terminal.wait_for(then)


def test_words_are_judged_by_one_key_undone_and_gone_on_with_later(words_database):
    path, engine = words_database
    with words_terminal(path) as terminal:
        terminal.wait_for("nurse")
        press(terminal, "f", "driver")
        press(terminal, "a", "cook")
        press(terminal, "z", "driver")
        press(terminal, "r", "cook")
        press(terminal, "s", "No more words.")
        press(terminal, "q", "1 word accepted for 1 tag (1 rejected, 1 skipped); it counts")
        assert terminal.end() == 0
        assert terminal.settings_now() == terminal.settings
    for_nurse, for_driver, for_cook = judged(engine).values()
    assert list(for_nurse.values()) == [WordVerdict.FOR]
    assert for_driver == {"parcels": WordVerdict.REJECTED}
    assert for_cook == {}
    with words_terminal(path) as again:
        again.wait_for("soups")
        press(again, "f", "No more words.")
        press(again, "q", "1 word accepted for 1 tag; it counts")
        assert again.end() == 0
    assert judged(engine)["cook"] == {"soups": WordVerdict.FOR}


def test_ctrl_c_loses_no_word_that_was_judged(words_database):
    path, engine = words_database
    with words_terminal(path) as terminal:
        press(terminal, "f", "driver")
        press(terminal, "\x03", "1 word accepted for 1 tag")
        assert terminal.end() == 130
        assert terminal.settings_now() == terminal.settings
    assert list(judged(engine)["nurse"].values()) == [WordVerdict.FOR]


def test_a_posting_in_a_snippet_can_not_colour_the_screen(words_database):
    path, _ = words_database
    with words_terminal(path) as terminal:
        terminal.wait_for("of 12 others")  # the next line is empty, then comes the snippet
        while b"q quit" not in terminal.seen:
            terminal.read()
        seen = terminal.seen.partition(b"q quit")[0]
        terminal.type("q")
        assert terminal.end() == 0
    assert b"night" in seen
    assert b"\x1b[31m" not in seen
