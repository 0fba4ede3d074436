"""What is kept of the gate's verdict on a model."""

from dataclasses import dataclass, field

from sqlalchemy import Engine

from db.engine import reading, writing
from db.forget import find_job, remove
from db.gate import Judgement
from db.judging import Comparisons, Rivals
from db.registering import record_verdict
from db.registry import CHAMPION, aliased
from db.schema import Verdict
from tests.db.made_up import add_champion, add_jobs, add_tags, retrained


@dataclass
class Changed:
    job_id: str
    title: str


@dataclass
class Compared:
    examples: list[Changed] = field(default_factory=list)


def test_example_postings_have_the_ids_that_people_know_and_are_forgotten_with_them(
    engine: Engine,
) -> None:
    with writing(engine) as session:
        add_tags(session, "remote")
        kept, gone = (job.id for job in add_jobs(session, "kept", "gone"))
        add_champion(session, {"remote": 0.5})
        model = aliased(session, CHAMPION)
        retrained(session, model)
        found = Compared([Changed(str(kept), "Title kept"), Changed(str(gone), "Title gone")])
        verdict = record_verdict(
            session,
            1,
            model,
            model,
            Judgement(False, "a test"),
            Comparisons(found, None),
            Rivals(None, None, {}),
        )
        session.flush()
        assert [one["job_id"] for one in verdict.details["examples"]] == ["kept", "gone"]
        number = verdict.id
    with writing(engine) as session:
        remove(session, find_job(session, "gone"))
    with reading(engine) as session:
        details = session.get_one(Verdict, number).details
        assert [one["job_id"] for one in details["examples"]] == ["kept"]
