import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from matcher.data import ACTIONS, NUMBER, join
from matcher.files import Files, read_files
from tagger.errors import DataError
from tagger.rejects import Rejects


class Lengths:
    """A code that can be told by hand."""

    identity = "lengths"

    def __call__(self, texts):
        return np.array([[len(title), len(text), 1] for title, text in texts], np.float32)


def write(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def event(candidate: str, job: str, action: str = "apply", **more: object) -> dict:
    return {"candidate": candidate, "job": job, "action": action, **more}


def read(files: Files, *, encoder=None):
    with Rejects() as rejects:
        known = read_files(files, encoder=encoder, rejects=rejects, watch=lambda rows, _: rows)
    return known, [reject.reason for reject in rejects.first]


def test_events_alone_name_the_jobs_and_candidates(tmp_path):
    events = write(tmp_path / "e.jsonl", event("p", "b"), event("q", "a", "View"), event("p", "a"))
    known, rejected = read(Files(events=events))
    data = known.data
    assert (data.candidates.ids, data.jobs.ids, rejected) == (("p", "q"), ("b", "a"), [])
    assert data.events.actions.tolist() == [NUMBER["apply"], NUMBER["view"], NUMBER["apply"]]
    assert known.codes is None
    assert any("no event has a time" in note for note in data.notes)


def test_jobs_bring_fields_dates_reposts_and_codes(tmp_path):
    jobs = write(
        tmp_path / "j.jsonl",
        {"id": "a", "title": "Nurse", "text": "Night", "posted_at": "2026-01-02", "pay": 3},
        {"id": "b", "repost_of": "a", "fields": {"city": "Oslo", "more": {"x": 1}}, "pay": ""},
        {"id": "c"},
    )
    events = write(tmp_path / "e.jsonl", event("p", "a", occurred_at="2026-01-03T00:00:00Z"))
    known, _ = read(Files(events=events, jobs=jobs), encoder=Lengths())
    found = known.data.jobs
    assert found.fields == {"pay": [3, None, None], "city": [None, "Oslo", None]}
    assert found.codes.tolist() == [[5, 5, 1], [0, 0, 0], [0, 0, 0]]
    assert found.groups[0] == found.groups[1] != found.groups[2]
    assert np.isfinite(found.known_from).tolist() == [True, False, False]
    assert known.codes == "lengths"
    assert known.data.has_times


def test_a_repost_of_a_repost_is_one_of_the_first_job(tmp_path):
    of = {"a": "", "b": "a", "c": "b", "d": "", "e": "gone", "f": "gone", "g": "g"}
    rows = ({"id": id, "repost_of": first} for id, first in of.items())
    events = write(tmp_path / "e.jsonl", event("p", "a"))
    known, _ = read(Files(events=events, jobs=write(tmp_path / "j.jsonl", *rows)))
    a, b, c, d, e, f, g = known.data.jobs.groups.tolist()
    assert a == b == c
    assert e == f
    assert len({a, d, e, g}) == 4


def test_csv_parquet_gzip_and_other_column_names_are_read(tmp_path):
    jobs = tmp_path / "j.csv.gz"
    jobs.write_bytes(gzip.compress(b"nr;pay\n1;3\n2;4\n"))
    events = tmp_path / "e.csv"
    events.write_text("who,what,did,when\np,1,apply,2026-01-01\n")
    columns = {
        "jobs": {"id": "nr"},
        "events": {"candidate": "who", "job": "what", "action": "did", "occurred_at": "when"},
    }
    known, _ = read(Files(events=events, jobs=jobs, columns=columns))
    assert (known.data.jobs.ids, known.data.jobs.fields) == (("1", "2"), {"pay": ["3", "4"]})


def test_a_file_without_any_text_is_told_of(tmp_path):
    jobs = write(tmp_path / "j.jsonl", {"id": "a", "text": "Night"})
    people = write(tmp_path / "p.jsonl", {"id": "p", "resume": "in another column"})
    events = write(tmp_path / "e.jsonl", event("p", "a"))
    known, _ = read(Files(events=events, jobs=jobs, candidates=people), encoder=Lengths())
    assert known.data.notes[1:] == ("no candidate has a text: there was nothing to make codes of",)


def test_texts_are_encoded_in_pages(tmp_path, monkeypatch):
    monkeypatch.setattr("matcher.files.PAGE", 2)
    jobs = write(tmp_path / "j.jsonl", *({"id": n, "text": "x" * n} for n in range(5)))
    events = write(tmp_path / "e.jsonl", event("p", "1"))
    known, _ = read(Files(events=events, jobs=jobs), encoder=Lengths())
    assert known.data.jobs.codes[:, 1].tolist() == [0, 1, 2, 3, 4]


# ---- bad input: a reject, a counted note or one clear error


def test_a_repeated_id_is_rejected(tmp_path):
    jobs = write(tmp_path / "j.jsonl", {"id": "a"}, {"id": "a"}, {"id": ""}, {"id": "b"})
    events = write(tmp_path / "e.jsonl", event("p", "a"))
    known, rejected = read(Files(events=events, jobs=jobs))
    assert known.data.jobs.ids == ("a", "b")
    assert rejected == ["duplicate id 'a', first on line 1", "the row has no id"]


def test_events_that_cannot_be_used_are_counted(tmp_path):
    soon = datetime.now(UTC) + timedelta(days=2)
    jobs = write(tmp_path / "j.jsonl", {"id": "a"})
    people = write(tmp_path / "p.jsonl", {"id": "p"})
    events = write(
        tmp_path / "e.jsonl",
        event("p", "a"),
        event("p", "unknown"),
        event("unknown", "a"),
        event("p", "a", "dance"),
        event("p", "a", occurred_at=soon.isoformat()),
        event("", "a"),
    )
    known, rejected = read(Files(events=events, jobs=jobs, candidates=people))
    assert len(known.data.events) == 1
    assert known.data.notes[:4] == (
        "1 of 5 events name a candidate that is not there and were left out",
        "1 of 5 events name a job that is not there and were left out",
        "1 of 5 events have an unknown action and were left out",
        "1 of 5 events lie in the future and were left out",
    )
    assert len(rejected) == 1


def test_foreign_actions_are_what_the_team_says(tmp_path):
    rows = event("p", "a", "Favourite"), event("p", "b", "read")
    path = write(tmp_path / "e.jsonl", *rows)
    known, _ = read(Files(events=path, actions={"favourite": "save", "read": "view"}))
    assert sorted(ACTIONS[one] for one in known.data.events.actions) == ["save", "view"]
    (tmp_path / "e.csv").write_text("candidate,job\np,a\n")
    known, _ = read(Files(events=tmp_path / "e.csv", actions={"": "apply"}))
    assert [ACTIONS[one] for one in known.data.events.actions] == ["apply"]


def test_an_event_whose_time_can_not_be_read_has_none(tmp_path):
    rows = event("p", "a", occurred_at="not a time"), event("p", "b", occurred_at="2026-01-01")
    known, rejected = read(Files(events=write(tmp_path / "e.jsonl", *rows)))
    assert len(known.data.events) == 2
    assert np.isnan(known.data.events.times).sum() == 1
    assert rejected == []


def test_an_event_that_comes_again_counts_once(tmp_path):
    when = {"occurred_at": "2026-01-02"}
    rows = event("p", "a", **when), event("p", "b", **when), event("p", "a", **when)
    known, _ = read(Files(events=write(tmp_path / "e.jsonl", *rows)))
    assert len(known.data.events) == 2
    assert known.data.notes[0] == "1 events say what an earlier one says and count once"


def test_events_out_of_order_are_put_in_order(tmp_path):
    events = write(
        tmp_path / "e.jsonl",
        event("p", "b", occurred_at="2026-01-02"),
        event("p", "a", occurred_at="2026-01-01"),
    )
    known, _ = read(Files(events=events))
    assert np.diff(known.data.events.times).tolist() == [86_400.0]


def test_events_of_a_program_are_left_out_and_counted(tmp_path, monkeypatch):
    monkeypatch.setitem(join.__kwdefaults__, "max_events", 3)
    rows = [event("bot", f"j{n}", occurred_at=f"2026-01-{n:02}") for n in range(1, 11)]
    known, _ = read(Files(events=write(tmp_path / "e.jsonl", *rows, event("p", "j1"))))
    assert len(known.data.events) == 1
    assert "10 of 11 events are of candidates with more than 3 each" in known.data.notes[0]


def test_a_missing_column_is_named_as_the_option_wants_it(tmp_path):
    events = write(tmp_path / "e.jsonl", {"candidate": "p", "job": "b", "did": "apply"})
    with pytest.raises(DataError, match=r"Name yours with --column events\.action=NAME"):
        read(Files(events=events))
    (tmp_path / "j.csv").write_text("nr,pay\n1,2\n")
    with pytest.raises(DataError, match=r"Name yours with --column jobs\.id=NAME"):
        read(Files(events=events, jobs=tmp_path / "j.csv"))


def test_events_of_which_none_can_be_read_are_counted(tmp_path):
    events = write(tmp_path / "e.jsonl", event("p", ""), event("", "b"))
    with pytest.raises(
        DataError, match=r"e\.jsonl has no event that can be read: 2 came, 2 were rejected"
    ):
        read(Files(events=events))
    (tmp_path / "none.csv").write_text("candidate,job,action\n")
    with pytest.raises(DataError, match="has no event that can be read: none came"):
        read(Files(events=tmp_path / "none.csv"))


def test_nothing_usable_is_one_clear_error(tmp_path):
    jobs = write(tmp_path / "j.jsonl", {"id": "a"})
    events = write(tmp_path / "e.jsonl", event("p", "b"))
    with pytest.raises(DataError, match="no event can be used of 1: 1 of 1 events name a job"):
        read(Files(events=events, jobs=jobs))
    with pytest.raises(DataError, match="has no row that can be used"):
        read(Files(events=events, jobs=write(tmp_path / "none.jsonl", {"id": ""})))


def test_ids_with_nul_or_half_a_surrogate_are_mended_on_both_sides(tmp_path):
    jobs = write(tmp_path / "j.jsonl", {"id": "a\0"}, {"id": "b\ud800"})
    events = write(tmp_path / "e.jsonl", event("p", "a\0"), event("p", "b\ud800"))
    known, _ = read(Files(events=events, jobs=jobs))
    assert known.data.jobs.ids == ("a\ufffd", "b\ufffd")
    assert len(known.data.events) == 2


def test_an_unknown_kind_of_file_or_column_is_one_clear_error(tmp_path):
    events = write(tmp_path / "e.jsonl", event("p", "b"))
    with pytest.raises(DataError, match="unknown kind of file 'job'; known: jobs, candidates"):
        Files(events=events, columns={"job": {"id": "nr"}})
    with pytest.raises(DataError, match="unknown column 'name'"):
        read(Files(events=events, columns={"events": {"name": "nr"}}))
