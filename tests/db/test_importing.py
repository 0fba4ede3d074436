"""Jobs that are new, changed and unchanged; their labels; what waits for the live model."""

import tracemalloc
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, func, select

from db.columns import Answer
from db.engine import now, reading, writing
from db.errors import StoreError
from db.importing import content_id, import_jobs
from db.labels import iter_held
from db.registry import TrainedModel, promote, register
from db.rows import JobRow, Seen
from db.schema import CodeVersion, Job, JobBand, JobCode, Label, PredictionSet, QueuedJob, Tag

NURSE = JobRow(line=1, id="n", title="Nurse", text="Three nights a week on a busy ward.")
COOK = JobRow(line=2, id="c", title="Cook", text="Weekends off in a small kitchen by the sea.")


def rejecting() -> tuple[list[tuple], object]:
    rejected: list[tuple] = []
    return rejected, lambda *told: rejected.append(told)


def run(engine: Engine, *rows: JobRow, **options: object):
    rejected, reject = rejecting()
    return import_jobs(engine, rows, reject=reject, **options), rejected


def changed(row: JobRow, **values: object) -> JobRow:
    from dataclasses import replace

    return replace(row, **values)


def jobs(engine: Engine) -> dict[str, Job]:
    with reading(engine) as session:
        return {job.external_id: job for job in session.scalars(select(Job))}


def live_model(engine: Engine) -> int:
    """A registered champion without a folder."""
    with writing(engine) as session:
        version = CodeVersion(n_numbers=2, created_at=now(session))
        session.add(version)
        session.flush()
        trained = TrainedModel(
            folder="m",
            sha256="0" * 64,
            thresholds={},
            snapshot="",
            seed=0,
            versions={},
            metrics={},
            labelled_ids=[],
            unlabelled_ids=[],
        )
        model = register(session, trained, parent=None, code_version=version)
        promote(session, model, reason="first")
        return model.id


# ---- jobs


def test_importing_again_writes_nothing(engine: Engine):
    first, _ = run(engine, NURSE, COOK)
    before = jobs(engine)
    again, rejected = run(engine, NURSE, COOK)
    assert (first.new, first.unchanged) == (2, 0)
    assert (again.new, again.changed, again.unchanged, rejected) == (0, 0, 2, [])
    assert {k: v.imported_at for k, v in jobs(engine).items()} == {
        k: v.imported_at for k, v in before.items()
    }


def test_a_job_without_an_id_is_known_by_its_words(engine: Engine):
    anonymous = changed(NURSE, id="")
    run(engine, anonymous)
    again, _ = run(engine, changed(anonymous, line=7))
    assert (again.new, again.unchanged) == (0, 1)
    assert set(jobs(engine)) == {content_id(NURSE.title, NURSE.text)}


def test_a_changed_text_is_tagged_anew_and_keeps_its_labels(engine: Engine):
    run(engine, changed(NURSE, tags=("care",), not_tags=("sea",)), COOK)
    model = live_model(engine)
    nurse = jobs(engine)["n"].id
    with writing(engine) as session:
        at = now(session)
        session.add(
            PredictionSet(model_id=model, job_id=nurse, needs_review=False, predicted_at=at)
        )
        session.add(JobCode(code_version_id=1, job_id=nurse, code=b"12345678"))
    done, _ = run(engine, changed(NURSE, text="Two days a week in a quiet clinic."), COOK)
    assert (done.changed, done.unchanged) == (1, 1)
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(PredictionSet)) == 0
        assert session.scalar(select(func.count()).select_from(JobCode)) == 0
        assert session.scalars(select(QueuedJob.job_id)).all() == [nurse]
        assert session.scalar(select(func.count()).select_from(Label)) == 2
    assert jobs(engine)["n"].text == "Two days a week in a quiet clinic."


def test_new_jobs_wait_for_the_live_model_once(engine: Engine):
    model = live_model(engine)
    run(engine, NURSE)
    run(engine, NURSE, COOK)
    with reading(engine) as session:
        waiting = session.execute(select(QueuedJob.model_id, QueuedJob.batch_id)).all()
    assert waiting == [(model, None)] * 2


def test_those_who_listen_hear_of_new_jobs_only(url: str, engine: Engine):
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite tells nobody")
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as listener:
        listener.execute("LISTEN jobtool_jobs")
        run(engine, NURSE)
        assert len(list(listener.notifies(timeout=10, stop_after=1))) == 1
        run(engine, NURSE)
        assert not list(listener.notifies(timeout=0.2))


def test_other_columns_are_kept_and_added_to(engine: Engine):
    day = datetime(2026, 3, 1, tzinfo=UTC)
    fields = {"salary": 3, "city": "Lund", "raw": b"x", "empty": None, "ratio": float("nan")}
    run(engine, changed(NURSE, fields=fields, posted_at=day))
    done, _ = run(engine, changed(NURSE, fields={"city": "Ystad", "fields": '{"level": [1]}'}))
    nurse = jobs(engine)["n"]
    assert done.changed == 1
    assert nurse.fields == {"salary": 3, "city": "Ystad", "level": [1]}
    assert nurse.posted_at == day


def test_nul_bytes_and_halves_of_surrogate_pairs_are_replaced(engine: Engine):
    bad = changed(
        NURSE, id="a\0b", title="\ud800", text="x\0y z", fields={"k\0": ["\0", {"\0": 1}]}
    )
    run(engine, bad)
    again, rejected = run(engine, bad)
    job = jobs(engine)["a\ufffdb"]
    assert (job.title, job.text) == ("\ufffd", "x\ufffdy z")
    assert job.fields == {"k\ufffd": ["\ufffd", {"\ufffd": 1}]}
    assert (again.unchanged, rejected) == (1, [])


def test_a_text_of_ten_megabytes_is_a_text(engine: Engine):
    long = changed(NURSE, text="busy ward, " * 950_000)
    run(engine, long, COOK)
    again, _ = run(engine, long, COOK)
    assert again.unchanged == 2
    assert jobs(engine)["n"].text == long.text


def test_an_id_that_stands_for_two_postings_is_rejected_each_time(engine: Engine):
    other = changed(COOK, id="n", line=9)
    for _ in range(2):
        _, rejected = run(engine, NURSE, other)
        assert [(line, id) for line, id, _ in rejected] == [(9, "n")]
    assert jobs(engine)["n"].title == "Nurse"


def test_an_id_that_is_too_long_is_rejected_and_the_rest_goes_on(engine: Engine):
    done, rejected = run(engine, changed(NURSE, id="x" * 256), COOK)
    assert (done.new, rejected[0][0]) == (1, 1)
    assert "longer than 255" in rejected[0][2]


def test_what_stops_an_import_says_how_far_it_came(engine: Engine):
    def rows():
        yield from (changed(NURSE, id=str(n), text=f"ward {n} " * 9) for n in range(1500))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        import_jobs(engine, rows(), reject=print)
    assert caught.value.__notes__ == ["1,000 rows are stored; import again to go on after them"]
    assert len(jobs(engine)) == 1000


def test_memory_does_not_grow_with_the_rows(engine: Engine):
    def peak(start: int, n_rows: int) -> int:
        rows = (
            changed(NURSE, id=str(n), text=f"{n} {n * 7} {n * 11} " + "long posting " * 150)
            for n in range(start, start + n_rows)
        )
        tracemalloc.start()
        import_jobs(engine, rows, reject=print)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(0, 2000)  # caches fill
    assert peak(2000, 8000) < 1.3 * peak(10_000, 2000)


# ---- their labels


def held(engine: Engine) -> dict[tuple[str, str], Answer | None]:
    with reading(engine) as session:
        tags = dict(session.execute(select(Tag.id, Tag.name)).all())
        names = dict(session.execute(select(Job.id, Job.external_id)).all())
        return {(names[one.job_id], tags[one.tag_id]): one.answer for one in iter_held(session)}


def test_tags_alone_answer_every_tag_of_the_file(engine: Engine):
    rows = changed(NURSE, tags=("care",)), changed(COOK, tags=())
    done, _ = run(engine, *rows, all_tags=["care", "sea"])
    again, _ = run(engine, *rows, all_tags=["care", "sea"])
    no = dict.fromkeys([("n", "sea"), ("c", "care"), ("c", "sea")], Answer.NO)
    assert held(engine) == {("n", "care"): Answer.YES} | no
    assert (done.labels, again.labels) == (4, 0)


def test_with_not_tags_only_what_is_said_is_known(engine: Engine):
    run(engine, changed(NURSE, tags=("care",), not_tags=("sea",)), COOK, all_tags=["x"])
    assert held(engine) == {("n", "care"): Answer.YES, ("n", "sea"): Answer.NO}


def test_a_tag_that_is_both_yes_and_no_is_reported(engine: Engine):
    told: list[tuple] = []
    row = changed(NURSE, tags=("care", "sea"), not_tags=("sea",))
    _, rejected = run(engine, row, unknown=lambda *one: told.append(one))
    assert held(engine) == {("n", "care"): Answer.YES}
    assert ([one[2] for one in told], rejected) == (["a tag is both yes and no"], [])


def test_a_tag_that_is_too_long_costs_no_other_label(engine: Engine):
    told: list[tuple] = []
    row = changed(NURSE, tags=("care", "x" * 201), not_tags=())
    _, rejected = run(engine, row, unknown=lambda *one: told.append(one))
    assert held(engine) == {("n", "care"): Answer.YES}
    assert "a tag is longer than 200" in told[0][2]
    assert rejected == []


def test_rows_that_come_again_are_repeated_whatever_their_fields(engine: Engine):
    rome, oslo = (changed(COOK, fields={"city": city}) for city in ("Rome", "Oslo"))
    tagged = changed(NURSE, tags=("care",))
    rows = rome, tagged, oslo, tagged
    first, rejected = run(engine, *rows, all_tags=["care", "sea"])
    again, _ = run(engine, *rows, all_tags=["care", "sea"])
    assert (first.rows, first.new, first.repeated, rejected) == (4, 2, 2, [])
    assert (again.changed, again.unchanged, again.repeated, again.labels) == (0, 2, 2, 0)
    _, rejected = run(engine, tagged, COOK, changed(NURSE, tags=("sea",)))
    assert "had tags in a row before" in rejected[0][2]


def test_labels_name_the_labeller(engine: Engine):
    run(engine, changed(NURSE, tags=("care",), not_tags=()), labeller="Ada")
    with reading(engine) as session:
        assert session.scalars(select(Label.labeller)).all() == ["Ada"]
    with pytest.raises(StoreError, match="a labeller has 1 to 200"):
        run(engine, NURSE, labeller=" ")


def test_bands_are_those_of_canonical_jobs(engine: Engine):
    text = " ".join(f"word{n}" for n in range(60))
    run(engine, changed(NURSE, text=text), changed(COOK, title="Nurse", text=text))
    found = jobs(engine)
    with reading(engine) as session:
        assert set(session.scalars(select(JobBand.job_id))) == {found["n"].id}
    assert found["c"].canonical_id == found["n"].id


def test_ids_that_came_before_are_remembered():
    seen = Seen()
    assert seen.add(["a", "b", "a"]) == [False, False, True]
    for start in range(0, 3000, 100):
        assert not any(seen.add([str(n) for n in range(start, start + 100)]))
    assert seen.add(["b", "2999", "0", "new"]) == [True, True, True, False]
