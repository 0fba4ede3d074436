"""`jobtool match` on made-up files: how tests ask it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from typer.testing import CliRunner, Result

import cli
from matcher.data import ACTIONS, MatchData


class Letters:
    """In the place of a tagger: how often a text has some letters."""

    def __init__(self, folder: Path) -> None:
        self.identity = f"tagger {folder}"

    def __call__(self, texts):
        counts = [[text.count(letter) for letter in "aeiounrs"] for _, text in texts]
        return np.array(counts, np.float32)


def match(*args: object) -> Result:
    return CliRunner().invoke(cli.app, ["match", *(str(arg) for arg in args)])


def write(path: str, rows: list[dict]) -> Path:
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Path(path)


def iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat()


def as_files(data: MatchData) -> list[str]:
    """Made-up data as three files, and the options that name them."""
    events = data.events
    columns = (events.candidates, events.jobs, events.actions, events.times)
    rows = [
        {
            "candidate": data.candidates.ids[c],
            "job": data.jobs.ids[j],
            "action": str(ACTIONS[action]),
            "occurred_at": iso(time),
        }
        for c, j, action, time in zip(*columns, strict=True)
    ]
    for name, side in (("jobs", data.jobs), ("candidates", data.candidates)):
        texts = [f"work in {value}" for value in side.fields["category"]]
        found = [
            {"id": id, "text": text, **{key: values[row] for key, values in side.fields.items()}}
            for row, (id, text) in enumerate(zip(side.ids, texts, strict=True))
        ]
        write(f"{name}.jsonl", found)
    write("events.jsonl", rows)
    return [f"--{kind}={kind}.jsonl" for kind in ("events", "jobs", "candidates")]
