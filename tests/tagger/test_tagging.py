"""Tagging jobs in batches and writing them, without the command line around it."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagger import tagging
from tagger.errors import DataError
from tagger.jobs import Job, Rejects
from tagger.labelled_files import read_labelled
from tagger.model import Reason, TagModel
from tagger.tagged import TaggedJob, TagWriter
from tagger.tagging import (
    BATCH,
    N_ALONE,
    is_table,
    read_posting,
    tag_file,
    tag_jobs,
    tag_table,
)

REMOTE = TaggedJob("1", ("remote",), ("sales",), {"remote": 0.9, "sales": 0.25})


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> TagModel:
    return TagModel.load(tiny_model)


def numbered(n: int, text: str = "night nurse") -> Iterator[Job]:
    return (Job(str(i), text=f"{text} {i}") for i in range(n))


def write(output: Path, *rows: TaggedJob, explain: bool = False) -> Path:
    with TagWriter(output, ("remote", "sales"), explain=explain) as writer:
        for row in rows:
            writer.write(row)
    return output


def test_order_and_number_of_jobs_are_kept_over_batches(model: TagModel) -> None:
    ids = [tagged.id for tagged in tag_jobs(model, numbered(BATCH + 3))]
    assert ids == [str(i) for i in range(BATCH + 3)]


def test_the_first_tags_come_before_the_last_job_is_read(model: TagModel) -> None:
    jobs = numbered(4 * BATCH)
    next(tag_jobs(model, jobs))
    assert next(jobs).id == str(BATCH)


def test_huge_postings_make_small_batches(model: TagModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagging, "BATCH_CHARS", 100)
    jobs = numbered(10, "nurse " * 20)
    next(tag_jobs(model, jobs))
    assert next(jobs).id == "1"


def test_a_job_alone_and_in_a_batch_gets_the_same(model: TagModel) -> None:
    jobs = [Job("a", "Cook", "£12/hr"), Job("b", text="x"), Job("c", "Nurse", "BSN required")]
    together = list(tag_jobs(model, jobs))
    alone = [next(tag_jobs(model, [job])) for job in jobs]
    assert [one.tags for one in together] == [one.tags for one in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=2e-6)


def test_given_tags_are_those_at_or_above_their_threshold(model: TagModel) -> None:
    thresholds = {row["tag"]: row["threshold"] for row in tag_table(model)}
    for one in tag_jobs(model, numbered(5, "Cook, £12/hr, part-time")):
        assert one.tags == tuple(tag for tag, p in one.scores.items() if p >= thresholds[tag])


@pytest.mark.parametrize("name", ["tags.jsonl", "tags.csv", "tags.csv.gz"])
@pytest.mark.parametrize("explain", [False, True])
def test_the_output_is_the_same_with_any_number_of_workers(
    model: TagModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, explain: bool
) -> None:
    monkeypatch.setattr(tagging, "BATCH", 20)
    source, written = tmp_path / "jobs.jsonl", {}
    rows = [f'{{"id": "{n}", "text": "night nurse {n}, ${n}/hr"}}\n' for n in range(230)]
    rows[7], rows[150] = "no row\n", rows[149]
    source.write_text("".join(rows))
    for n_workers in (1, 3):
        output, rejected = tmp_path / name, tmp_path / "rejects.jsonl"
        with Rejects(rejected) as rejects:
            how = {"explain": explain, "n_workers": n_workers, "rejects": rejects}
            assert tag_file(model, source, output, **how) == 228
        written[n_workers] = (output.read_bytes(), rejected.read_bytes())
    assert written[1] == written[3]


def test_a_file_that_is_damaged_gives_the_same_part_with_any_number_of_workers(
    model: TagModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagging, "BATCH", 20)
    rows = "".join(f'{{"text": "night nurse {n}"}}\n' for n in range(400)).encode()
    zipped = gzip.compress(rows)
    source, output = tmp_path / "jobs.jsonl.gz", tmp_path / "tags.jsonl"
    source.write_bytes(zipped[:-8] + b"wrongsum")
    parts = []
    for n_workers in (1, 2):
        with Rejects() as rejects, pytest.raises(DataError, match="damaged") as caught:
            tag_file(model, source, output, rejects=rejects, n_workers=n_workers)
        parts.append((output.with_name("tags.jsonl.part").read_bytes(), caught.value.__notes__))
    assert parts[0] == parts[1]


def test_a_short_file_starts_no_workers(
    model: TagModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tagger.workers.map_ordered", None)
    source = tmp_path / "jobs.jsonl"
    source.write_text('{"text": "nurse"}\n' * N_ALONE * BATCH)
    with Rejects() as rejects:
        n_tagged = tag_file(model, source, tmp_path / "t.csv", rejects=rejects, n_workers=2)
    assert n_tagged == N_ALONE * BATCH


def test_written_csv_reads_back_as_the_same_tags(tmp_path: Path) -> None:
    odd = TaggedJob("2", ("a;b", "[c]"), (), {"remote": 0.0, "sales": 1.0})
    path = write(tmp_path / "tags.csv", REMOTE, odd)
    rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    assert rows[0] == {
        "id": "1",
        "tags": "remote",
        "review": "sales",
        "score:remote": "0.9",
        "score:sales": "0.25",
        "feed": "",
    }
    path.write_text(path.read_text("utf-8").replace("score:remote", "text"), "utf-8")
    with Rejects() as rejects:
        jobs = read_labelled([path], rejects=rejects)
    assert [job.tags for job in jobs] == [("remote",), ("[c]", "a;b")]


def test_csv_gives_reasons_of_tags_given_or_in_doubt(tmp_path: Path) -> None:
    reasons = {"remote": [Reason("home", 1.0)], "sales": [Reason("shop", -1.0)]}
    given = TaggedJob("1", ("remote",), (), {"remote": 0.9, "sales": 0.1}, reasons)
    text = write(tmp_path / "tags.csv", given, explain=True).read_text("utf-8")
    assert text.splitlines()[1] == "1,remote,,0.9,0.1,,remote: home +1.0"


def test_the_same_tags_make_the_same_gzip_file(tmp_path: Path) -> None:
    one, two = (write(tmp_path / f"{n}.jsonl.gz", REMOTE).read_bytes() for n in "ab")
    assert one == two
    assert json.loads(gzip.decompress(one)) == REMOTE.to_json()


def test_half_a_surrogate_pair_is_written_as_json_knows_it(tmp_path: Path) -> None:
    odd = TaggedJob("\ud800", (), (), {})
    assert json.loads(write(tmp_path / "tags.jsonl", odd).read_bytes())["id"] == "\ud800"


def test_an_output_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must end in \.jsonl, \.ndjson, \.csv"):
        TagWriter(tmp_path / "tags.xlsx", ())


def test_an_output_that_cannot_be_written_is_named(model: TagModel, tmp_path: Path) -> None:
    source = tmp_path / "jobs.jsonl"
    source.write_text('{"text": "nurse"}\n')
    with Rejects() as rejects, pytest.raises(DataError, match=r"can't write .*no.tags\.csv: No"):
        tag_file(model, source, tmp_path / "no" / "tags.csv", rejects=rejects)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"%PDF-1.7", "is a PDF"),
        (b"PK\x03\x04...", "Word, Excel or zip"),
        (b"\x1f\x8b\x08", "compressed with gzip"),
        ("nurse".encode("utf-16"), "pass --encoding utf-16"),
        (b"caf\xe9", "byte 4 does not fit"),
    ],
)
def test_what_is_no_text_is_refused_with_advice(data: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read_posting(io.BytesIO(data), name="cv")


def test_a_byte_order_mark_is_not_part_of_the_text() -> None:
    assert read_posting(io.BytesIO(b"\xef\xbb\xbfnurse"), name="x").text == "nurse"


@pytest.mark.parametrize("name", ["a.csv", "a.JSONL", "a.tsv.gz", "a.parquet"])
def test_files_of_jobs_are_known_by_their_names(name: str) -> None:
    assert is_table(Path(name))
    assert not is_table(Path(f"{name}.txt"))


def test_what_a_file_says_in_other_columns_is_shown_and_contradictions_go_to_review(
    model, tmp_path
):
    learned = next(tag for tag, n in model.meta["data"]["yes"].items() if n >= 20)
    job = Job("1", "", "A plain posting.")
    (alone,) = tag_jobs(model, [job])
    assert learned not in alone.tags
    source, output = tmp_path / "jobs.jsonl", tmp_path / "out.jsonl"
    rows = [
        {"id": "1", "text": job.text, "employmentType": learned},
        {"id": "2", "text": job.text, "company": learned, "note": "x" * 5000},
    ]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Rejects() as rejects:
        assert tag_file(model, source, output, rejects=rejects) == 2
    with_feed, without = map(json.loads, output.read_text().splitlines())
    assert with_feed["feed"] == {learned: f"yes: employmentType={learned}"}
    assert learned in with_feed["review"]
    assert with_feed["tags"] == without["tags"]
    assert "feed" not in without


def tagged_rows(model: TagModel, source: Path, output: Path, **how: object) -> list[dict[str, str]]:
    with Rejects() as rejects:
        tag_file(model, source, output, rejects=rejects, **how)  # type: ignore[arg-type]
    return list(csv.DictReader(output.read_text("utf-8").splitlines()))


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "jobs.csv"
    rows = "1,Nurse,https://x.example/1,night ward\n2,Cook,,busy kitchen\n3,Cook,c,small kitchen\n"
    path.write_text(f"id,title,url,text\n{rows}")
    return path


def test_columns_stand_beside_the_tags(model: TagModel, listed: Path, tmp_path: Path) -> None:
    keep = ("title", "url")
    rows = tagged_rows(model, listed, tmp_path / "tags.csv", keep=keep)
    assert list(rows[0])[:4] == ["id", "title", "url", "tags"]
    assert [(row["title"], row["url"]) for row in rows[:2]] == [
        ("Nurse", "https://x.example/1"),
        ("Cook", ""),
    ]
    with Rejects() as rejects:
        tag_file(model, listed, tmp_path / "tags.jsonl", rejects=rejects, keep=keep)
    first = json.loads((tmp_path / "tags.jsonl").read_text().splitlines()[0])
    assert (first["title"], first["url"]) == ("Nurse", "https://x.example/1")


def test_a_long_file_has_one_row_per_job_and_tag(
    model: TagModel, listed: Path, tmp_path: Path
) -> None:
    long = tagged_rows(model, listed, tmp_path / "long.csv", keep=("title",), is_long=True)
    wide = tagged_rows(model, listed, tmp_path / "wide.csv")
    assert len(long) == len(wide) * len(model.tags)
    for row in long:
        (of_job,) = (one for one in wide if one["id"] == row["id"])
        assert row["score"] == of_job[f"score:{row['tag']}"]
        assert (row["given"] == "true") == (row["tag"] in of_job["tags"].split("; "))


def test_scores_are_rounded_in_every_file(model: TagModel, listed: Path, tmp_path: Path) -> None:
    scores = [row["score"] for row in tagged_rows(model, listed, tmp_path / "a.csv", is_long=True)]
    with Rejects() as rejects:
        tag_file(model, listed, tmp_path / "a.jsonl", rejects=rejects)
    for line in (tmp_path / "a.jsonl").read_text().splitlines():
        scores += map(str, json.loads(line)["scores"].values())
    assert all(len(score.partition(".")[2]) <= 4 for score in scores)


@pytest.mark.parametrize("is_long", [False, True])
def test_no_more_jobs_are_tagged_than_asked(
    model: TagModel, listed: Path, tmp_path: Path, is_long: bool
) -> None:
    rows = tagged_rows(model, listed, tmp_path / "tags.csv", limit=2, is_long=is_long)
    assert {row["id"] for row in rows} == {"1", "2"}


@pytest.mark.parametrize(
    ("name", "said"), [("urll", "no column urll to keep; it has url"), ("tags", "of its own")]
)
def test_a_column_that_can_not_be_kept_is_named(
    model: TagModel, listed: Path, tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        tagged_rows(model, listed, tmp_path / "tags.csv", keep=(name,))
