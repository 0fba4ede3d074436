"""The benches start, and say what they need."""

import subprocess
import sys
from pathlib import Path

BENCHES = sorted(
    path for path in (Path(__file__).parents[1] / "bench").glob("*.py") if path.stem != "common"
)

ALL_IN_ONE = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
for path in sys.argv[3:]:
    sys.argv[1:] = ["--data", {data!r}, "--quick"]
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as stop:
        print(path, stop.code)
"""


def test_a_bench_without_its_data_says_so_and_is_exit_code_2(tmp_path: Path) -> None:
    code = ALL_IN_ONE.format(data=str(tmp_path))
    paths = [str(path) for path in BENCHES]
    done = subprocess.run(  # one process: each would import TensorFlow again
        [sys.executable, "-c", code, str(BENCHES[0].parent), str(tmp_path), *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [f"{path} 2" for path in paths], done.stderr
    assert done.stderr.count("name the data folder with --data") == len(paths)
