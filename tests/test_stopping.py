"""How commands end that are stopped: by Ctrl-C, or by a reader that leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUN = [sys.executable, "-c", "import cli; cli.main()"]


def test_ctrl_c_keeps_what_is_done_as_a_part(tiny_model: Path, tmp_path: Path) -> None:
    source, output, part = (tmp_path / n for n in ("in.jsonl", "out.jsonl", "out.jsonl.part"))
    os.mkfifo(source)
    args = [*RUN, "tag", "--model", str(tiny_model), str(source), "--output", str(output)]
    process = subprocess.Popen(args, stderr=subprocess.PIPE, text=True)
    with source.open("w") as pipe:
        for n in range(1200):  # more than two batches; then the reader waits for us
            pipe.write(json.dumps({"id": n, "text": f"night nurse {n}"}) + "\n")
        pipe.flush()
        for _ in range(600):
            if process.poll() is not None or (part.exists() and part.stat().st_size):
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        stderr = process.communicate(timeout=60)[1]
    assert (process.returncode, output.exists()) == (130, False)
    n_rows = len([json.loads(line) for line in part.read_text("utf-8").splitlines()])
    assert n_rows >= 1
    assert stderr.endswith(f"stopped\nthe {n_rows} jobs tagged so far are in {part}\n")


def run_stub(*lines: str) -> tuple[int, str]:
    """Exit code and standard error of a process with one more command, which runs these lines."""
    body = "\n    ".join(lines)
    code = (
        "import os, signal, sys, time, cli\nfrom tagger.errors import JobtoolError\n"
        f"@cli.app.command()\ndef stub():\n    {body}\n"
        "sys.argv = ['jobtool', 'stub']\ncli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


CTRL_C = "os.kill(os.getpid(), signal.SIGINT)"


@pytest.mark.parametrize("error", ["ValueError", "AssertionError", "JobtoolError"])
def test_ctrl_c_that_became_another_error_is_still_a_stop(error: str) -> None:
    lines = (
        f"try: {CTRL_C}; time.sleep(30)",
        "except KeyboardInterrupt as stopped:",
        f"    error = {error}('could not pack sequence')",
        "    error.add_note('half is done')",
        "    raise error from stopped",
    )
    assert run_stub(*lines) == (130, "stopped\nhalf is done\n")


def test_an_error_without_ctrl_c_stays_one() -> None:
    code, told = run_stub("raise ValueError('a fault of ours')")
    assert code == 1
    assert told.startswith("error: a fault of jobtool: ValueError in ")


def test_who_ignores_ctrl_c_goes_on_and_a_finished_command_keeps_its_exit_code() -> None:
    lines = ("signal.signal(signal.SIGINT, signal.SIG_IGN)", "cli.interrupts.remember()", CTRL_C)
    assert run_stub(*lines, "raise cli.typer.Exit(3)") == (3, "")
    lines = (f"try: {CTRL_C}; time.sleep(30)", "except KeyboardInterrupt: pass")
    assert run_stub(*lines, "raise cli.typer.Exit(3)") == (3, "")


def test_importing_the_command_line_leaves_ctrl_c_alone() -> None:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_reader_that_leaves_early_is_no_error(tiny_model: Path, tmp_path: Path) -> None:
    source = tmp_path / "many.jsonl"
    source.write_text("".join(f'{{"id": {n}, "text": "night nurse {n}"}}\n' for n in range(2000)))
    args = [*RUN, "tag", "--model", str(tiny_model), str(source)]
    process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert (process.stderr.read(), process.wait(60)) == (b"", 141)
    process.stderr.close()


def test_ctrl_c_while_modules_are_imported_is_a_clean_stop(tmp_path: Path) -> None:
    (tmp_path / "cli.py").write_text(f"import os, signal, time\n{CTRL_C}\ntime.sleep(30)\n")
    done = subprocess.run(
        [sys.executable, "-c", "from jobtool.__main__ import main; main()"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped\n")


def test_sigterm_ends_any_command_in_order() -> None:
    lines = (
        "try:",
        "    os.kill(os.getpid(), signal.SIGTERM)",
        "    time.sleep(30)",
        "finally:",
        "    print('tidied up', file=sys.stderr)",
    )
    assert run_stub(*lines) == (143, "tidied up\nstopped\n")


def test_sigterm_that_became_another_error_is_still_a_stop() -> None:
    lines = (
        "try: os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)",
        "except KeyboardInterrupt as stopped:",
        "    raise ValueError('could not pack sequence') from stopped",
    )
    assert run_stub(*lines) == (143, "stopped\n")


@pytest.mark.parametrize(("mask", "mode"), [(None, "600"), ("022", "644")])
def test_what_is_written_is_for_its_user_alone_unless_told(
    tmp_path: Path, mask: str | None, mode: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "JOBTOOL_UMASK"}
    environment |= {"JOBTOOL_UMASK": mask} if mask else {}
    done = subprocess.run(
        [sys.executable, "-m", "jobtool", "db", "upgrade", "--db", str(tmp_path / "jobs.db")],
        capture_output=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert f"{(tmp_path / 'jobs.db').stat().st_mode:o}"[-3:] == mode


def test_a_mask_that_is_no_number_is_one_error() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobtool", "--version"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "JOBTOOL_UMASK": "rw"},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: JOBTOOL_UMASK is 'rw', not an octal number such as 022\n"
