"""What is offered for labelling, and in which order."""

from itertools import islice

import numpy as np
from sqlalchemy import Engine

from db.engine import reading, writing
from db.schema import Job
from db.usefulness import RANDOM_EVERY, Offer, Pool, iter_offers, load_pool
from tests.db.made_up import YES, add_champion, add_jobs, add_tags, predict, say, three_jobs


def offers(engine: Engine, tag_ids: list[int], *, seed: int = 0) -> list[Offer]:
    with reading(engine) as session:
        return list(iter_offers(load_pool(session, tag_ids, seed=seed)))


def pool(proba: list[list[float]], codes: list[list[float]] | None = None) -> Pool:
    n, n_tags = np.shape(proba)
    made_up = np.ones((n, 1)) if codes is None else np.array(codes)
    return Pool(
        job_ids=np.arange(n),
        proba=np.array(proba),
        codes=made_up,
        labelled_proba=np.zeros((0, n_tags)),
        labelled_codes=np.zeros((0, made_up.shape[1])),
    )


def test_the_posting_with_the_highest_gain_comes_first(engine: Engine):
    (a, b, c), (remote, night) = three_jobs(engine)
    with writing(engine) as session:
        model = add_champion(session, {"remote": 0.02, "night": None})
        for job_id, proba in ((a, 0.1), (b, 0.4), (c, 0.0001)):
            job = session.get_one(Job, job_id)
            predict(session, model, job, {remote: proba, night: 0.5}, code=[job_id, 1])
    assert [offer.job_id for offer in offers(engine, [remote])] == [b, a, c]


def test_what_is_like_an_offered_posting_comes_later():
    codes = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    found = iter_offers(pool([[0.5], [0.45], [0.3]], codes))
    assert [offer.job_id for offer in found] == [0, 2, 1]


def test_what_is_like_a_labelled_posting_comes_later(engine: Engine):
    (a, b, c), (remote, night) = three_jobs(engine)
    with writing(engine) as session:
        model = add_champion(session, {"remote": 0.5, "night": 0.5})
        for job_id, code in ((a, [1, 0]), (b, [2, 0]), (c, [0, 1])):
            job = session.get_one(Job, job_id)
            predict(session, model, job, {remote: 0.5, night: 0.5}, code=code)
        for tag_id in (remote, night):
            say(session, a, tag_id, YES)
    assert [offer.job_id for offer in offers(engine, [remote, night])] == [c, b]


def test_every_fifth_posting_is_random():
    found = list(iter_offers(pool([[0.5]] * 100)))
    random = [place for place, offer in enumerate(found, start=1) if offer.is_random]
    assert random == [RANDOM_EVERY * (n + 1) for n in range(20)]


def test_every_posting_is_offered_once():
    many = pool([[0.5, 0.1]] * 23)
    assert sorted(offer.job_id for offer in iter_offers(many)) == list(range(23))


def test_without_a_model_the_order_is_random(engine: Engine):
    with writing(engine) as session:
        tags = add_tags(session, "remote")
        ids = [job.id for job in add_jobs(session, *map(str, range(30)))]
    found = [offers(engine, tags, seed=seed) for seed in (0, 1)]
    assert not any(offer.is_ranked for order in found for offer in order)
    first, second = ([offer.job_id for offer in order] for order in found)
    assert first != second
    assert sorted(first) == sorted(second) == ids


def test_what_the_model_has_said_nothing_of_comes_last(engine: Engine):
    (a, b, c), (remote, _) = three_jobs(engine)
    with writing(engine) as session:
        model = add_champion(session, {"remote": 0.5})
        for job_id, proba in ((a, 0.2), (c, 0.4)):
            predict(session, model, session.get_one(Job, job_id), {remote: proba}, code=[1, job_id])
    found = offers(engine, [remote])
    assert [offer.job_id for offer in found] == [c, a, b]
    assert [offer.is_ranked for offer in found] == [True, True, False]


def test_the_same_seed_gives_the_same_order():
    rng = np.random.default_rng(0)
    made_up = rng.random((30, 3)).tolist(), rng.normal(size=(30, 4)).tolist()
    first, second = (list(iter_offers(pool(*made_up))) for _ in range(2))
    assert first == second


def test_a_group_of_reposts_is_offered_once_and_not_when_one_is_labelled(engine: Engine):
    (a, b, _), (remote, night) = three_jobs(engine)
    with writing(engine) as session:
        add_jobs(session, "repost of a", canonical=session.get_one(Job, a))
        (repost,) = add_jobs(session, "repost of b", canonical=session.get_one(Job, b))
        repost_id = repost.id
    assert len(offers(engine, [remote, night])) == 3
    with writing(engine) as session:
        for tag_id in (remote, night):
            say(session, repost_id, tag_id, YES)
    assert b not in {offer.job_id for offer in offers(engine, [remote, night])}


def test_a_posting_with_an_open_tag_is_offered_for_that_tag(engine: Engine):
    (a, *_), (remote, night) = three_jobs(engine)
    with writing(engine) as session:
        say(session, a, remote, YES)
    assert a not in {offer.job_id for offer in offers(engine, [remote])}
    assert a in {offer.job_id for offer in offers(engine, [remote, night])}


def test_a_large_database_gives_a_pool_of_bounded_size(engine: Engine, monkeypatch):
    monkeypatch.setattr("db.usefulness.POOL", 7)
    with writing(engine) as session:
        tags = add_tags(session, "remote")
        add_jobs(session, *map(str, range(30)))
    assert len(list(islice(offers(engine, tags), 100))) == 7
