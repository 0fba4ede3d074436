"""Matching models, lists and vectors in a database."""

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, select

from db import match_models
from db.engine import reading, writing
from db.errors import StoreError
from db.forget import find_candidate, find_job, remove
from db.match_store import MatchStore
from db.match_tables import Embedding, EmbeddingVersion, MatchModel, Recommendation
from db.schema import Candidate, Job
from db.status import status
from tests.db.conftest import START
from tests.db.made_up import add_jobs


@pytest.fixture
def store(engine: Engine, tmp_path: Path) -> MatchStore:
    """Jobs a, b, c and candidates p, q, which have been read."""
    with writing(engine) as session:
        add_jobs(session, "a", "b", "c")
        for name in "pq":
            session.add(Candidate(external_id=name, text="", imported_at=START))
    store = MatchStore(engine, tmp_path / "models", lambda folder: None)
    store.read()
    return store


def add_model(store: MatchStore, name: str = "popularity") -> int:
    folder = store.new_folder(name)
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text("{}")
    return store.register(
        folder, name=name, config={"k": 3}, metrics={}, seed=0, events_until=START.timestamp()
    )


def lists(store: MatchStore) -> list[tuple]:
    columns = (Candidate.external_id, Job.external_id, Recommendation.score, Recommendation.rank)
    query = (
        select(*columns)
        .join(Candidate, Candidate.id == Recommendation.candidate_id)
        .join(Job, Job.id == Recommendation.job_id)
        .order_by(Recommendation.list_of, Candidate.id, Recommendation.rank, -Recommendation.score)
    )
    with reading(store.engine) as session:
        return [tuple(row) for row in session.execute(query)]


def test_the_newest_model_is_found_and_others_by_number_folder_or_kind(store: MatchStore):
    one, two = add_model(store), add_model(store, "ease")
    assert [store.find(name)[0] for name in (None, "popularity", "ease", str(one))] == [
        two,
        one,
        two,
        one,
    ]
    folder = store.find("popularity")[1]
    assert store.find(folder.name) == (one, folder)
    with reading(store.engine) as session:
        model = session.get_one(MatchModel, one)
        assert (model.config, model.events_until, model.last_job) == ({"k": 3}, START, 3)


def test_without_a_model_it_says_what_to_do(store: MatchStore):
    with pytest.raises(StoreError, match="no matching model yet: jobtool match train"):
        store.find(None)
    add_model(store)
    with pytest.raises(StoreError, match=r"no matching model 'x': known: 1 \(match-popularity-"):
        store.find("x")
    with pytest.raises(StoreError, match="no matching model '99999999999999999999'"):
        store.find("9" * 20)


def test_a_changed_or_missing_folder_is_refused(store: MatchStore):
    add_model(store)
    meta = store.find(None)[1] / "meta.json"
    meta.write_text('{"other": 1}')
    with pytest.raises(StoreError, match="its sha256 differs"):
        store.find(None)
    meta.unlink()
    with pytest.raises(StoreError, match=r"can't read .*--store"):
        store.find(None)


def test_lists_take_the_place_of_older_ones_of_the_model(store: MatchStore):
    one, two = add_model(store), add_model(store, "ease")
    store.put_lists(one, "candidate", [0, 1], [(0, 1, 2.5, 1), (0, 2, 1.5, 2), (1, 0, 9.0, 1)])
    store.put_lists(two, "candidate", [0], [(0, 0, 1.0, 1)])
    store.put_lists(one, "candidate", [0], [(0, 0, 7.0, 1)])
    assert lists(store) == [("p", "a", 7.0, 1), ("p", "a", 1.0, 1), ("q", "a", 9.0, 1)]


def test_lists_of_a_job_and_of_a_candidate_do_not_mix(store: MatchStore):
    model = add_model(store)
    store.put_lists(model, "candidate", [0], [(0, 1, 2.5, 1)])
    store.put_lists(model, "job", [1], [(0, 1, 0.5, 2), (1, 1, 0.9, 1)])
    assert lists(store) == [("p", "b", 2.5, 1), ("p", "b", 0.5, 2), ("q", "b", 0.9, 1)]


def test_an_empty_list_removes_the_older_one(store: MatchStore):
    model = add_model(store)
    store.put_lists(model, "candidate", [0], [(0, 1, 2.5, 1)])
    store.put_lists(model, "candidate", [0], [])
    assert lists(store) == []


def test_who_was_forgotten_meanwhile_gets_no_list_and_no_vector(store: MatchStore):
    model = add_model(store)
    with writing(store.engine) as session:
        remove(session, find_candidate(session, "p"))
    with writing(store.engine) as session:
        remove(session, find_job(session, "c"))
    n = store.put_lists(
        model, "candidate", [0, 1], [(0, 1, 2.5, 1), (1, 0, 2.0, 1), (1, 2, 1.0, 2)]
    )
    assert (n, lists(store)) == (1, [("q", "a", 2.0, 1)])
    assert store.put_vectors(model, "mean", np.arange(2), np.ones((2, 3))) == 1


def test_vectors_of_several_versions_stand_side_by_side(store: MatchStore):
    one, two = add_model(store), add_model(store)
    for model, name, value in ((one, "mean", 1), (one, "decay", 2), (two, "mean", 3)):
        store.put_vectors(model, name, np.arange(2), np.full((2, 4), value))
    store.put_vectors(one, "mean", np.array([1]), np.full((1, 4), 9))
    query = (
        select(EmbeddingVersion.name, EmbeddingVersion.model_id, Embedding.vector)
        .join(EmbeddingVersion, EmbeddingVersion.id == Embedding.version_id)
        .order_by(EmbeddingVersion.id, Embedding.candidate_id)
    )
    with reading(store.engine) as session:
        found = [(a, b, np.frombuffer(c, "<f4")[0]) for a, b, c in session.execute(query)]
    assert found == [
        *(("mean", one, 1), ("mean", one, 9)),
        *(("decay", one, 2), ("decay", one, 2)),
        *(("mean", two, 3), ("mean", two, 3)),
    ]


def test_a_run_that_goes_on_leaves_out_only_what_it_has_done_itself(store: MatchStore):
    model = add_model(store)
    assert store.begin_lists(model, resume=True).tolist() == []
    store.put_lists(model, "candidate", [0, 1], [(0, 1, 2.5, 1), (1, 1, 0.5, 1)])
    store.put_lists(model, "job", [1], [(0, 1, 0.5, 1)])
    assert store.begin_lists(model, resume=True).tolist() == [0, 1]
    assert store.begin_lists(model, resume=False).tolist() == []
    store.put_lists(model, "candidate", [1], [(1, 2, 0.5, 1)])
    assert store.begin_lists(model, resume=True).tolist() == [1]


def test_vectors_of_an_earlier_run_are_made_again(store: MatchStore):
    model = add_model(store)
    assert store.begin_vectors(model, "mean", resume=True).tolist() == []
    store.put_vectors(model, "mean", np.arange(2), np.ones((2, 3)))
    assert store.begin_vectors(model, "mean", resume=True).tolist() == [0, 1]
    assert store.begin_vectors(model, "other", resume=True).tolist() == []
    assert store.begin_vectors(model, "mean", resume=False).tolist() == []
    store.put_vectors(model, "mean", np.array([0]), np.ones((1, 3)))
    assert store.begin_vectors(model, "mean", resume=True).tolist() == [0]


def test_pruning_keeps_the_newest_of_each_kind(store: MatchStore):
    add_model(store)
    two, three = add_model(store), add_model(store, "ease")
    store.put_lists(two, "candidate", [0], [(0, 1, 2.5, 1)])
    gone, kept = store.prune(1)
    assert (len(gone), len(kept)) == (1, 2)
    assert sorted(path.name for path in store.folder.iterdir()) == sorted(kept)
    assert [store.find(None)[0], store.find("popularity")[0]] == [three, two]
    store.prune(0)
    assert (lists(store), list(store.folder.iterdir())) == ([], [])


def test_forgetting_takes_what_was_derived_and_names_the_models(store: MatchStore):
    model = add_model(store)
    store.put_lists(model, "candidate", [0, 1], [(0, 1, 2.5, 1), (1, 1, 2.5, 1)])
    store.put_vectors(model, "mean", np.arange(2), np.ones((2, 3)))
    with writing(store.engine) as session:
        session.add(Candidate(external_id="later", text="", imported_at=START))
    with writing(store.engine) as session:
        found = find_candidate(session, "p")
        assert (found.counts["recommendations"], found.counts["embeddings"]) == (1, 1)
        assert [seen.id for seen in found.match_models] == [model]
        assert find_candidate(session, "later").match_models == ()
        remove(session, found)
    vectors = store.begin_vectors(model, "mean", resume=True).tolist()
    assert (lists(store), vectors) == ([("q", "b", 2.5, 1)], [1])
    with writing(store.engine) as session:
        found = find_job(session, "b")
        assert (found.counts["recommendations"], len(found.match_models)) == (1, 1)
        remove(session, found)
    assert lists(store) == []


def test_status_tells_of_the_newest_model(store: MatchStore):
    with reading(store.engine) as session:
        assert status(session)["match_model"] is None
    model = add_model(store)
    store.put_lists(model, "candidate", [0], [(0, 1, 2.5, 1)])
    with reading(store.engine) as session:
        found = match_models.summary(session)
    assert (found["id"], found["candidates_with_list"], found["newer_events"]) == (model, 1, 0)
