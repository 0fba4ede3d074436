"""The tagger as the commands of the database and of matching ask it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db import commands as db_commands
from jobtool.trainer import Trainer, labelled_jobs
from tagger import commands, promise_commands

if TYPE_CHECKING:
    from db.cards import Explain
    from db.live import Predictor
    from db.queue import Posting
    from db.snapshot import LabelledJob
    from jobtool.files import Files
    from matcher.sources import Encoder, Store
    from tagger.model import FloatArray
    from tagger.promises import Promise
    from tagger.rejects import Rejects
    from tagger.tag_info import TagInfo
    from tagger.telling_words import TellingWord


def load_predictor(folder: Path) -> "Predictor":
    """A saved model as `db.labelling` asks it."""
    from tagger.jobs import Job
    from tagger.model import Predictions, TagModel

    class Served:
        def __init__(self, model: TagModel) -> None:
            self.model, self.tags = model, model.tags

        def predict(self, postings: "Sequence[Posting]", /) -> Predictions:
            return self.model.predict_all([Job(str(p.id), p.title, p.text) for p in postings])

        def promises(self, *, wrong_at_most: float, confidence: float) -> "Sequence[Promise]":
            return self.model.promises(wrong_at_most=wrong_at_most, confidence=confidence).tags

    return Served(TagModel.load(folder))


class Tagging:
    """What the commands find as the context's object."""

    @property
    def files(self) -> "Files":
        from jobtool.files import Files

        return Files()

    def trainer(self, seed: int) -> "Trainer":
        return Trainer(seed)

    def clean(self, text: str) -> str:
        from tagger.text import clean

        return clean(text)

    def show_promises(
        self, folder: Path, *, wrong_at_most: float, confidence: float, as_json: bool
    ) -> None:
        promise_commands.show_promises(folder, wrong_at_most, confidence, as_json=as_json)

    def explainer(self, folder: Path) -> "Explain":
        from tagger.jobs import Job
        from tagger.model import TagModel

        model = TagModel.load(folder)
        return lambda title, text: model.explain(Job("", title, text))

    def telling_words(
        self,
        jobs: "Iterable[LabelledJob]",
        infos: "Sequence[TagInfo]",
        *,
        asked: Sequence[str],
        judged: Mapping[str, Sequence[str]],
        limit: int,
    ) -> "list[TellingWord]":
        from tagger.telling_words import telling_words

        return telling_words(labelled_jobs(jobs), infos, asked=asked, judged=judged, limit=limit)

    def cross_fit(
        self,
        jobs: "Iterable[LabelledJob]",
        tags: Sequence[str],
        *,
        model: Path | None,
        seed: int,
    ) -> "FloatArray":
        commands.load_keras()
        from tagger.crossfit import cross_fitted_proba

        return cross_fitted_proba(
            labelled_jobs(jobs), tags, model=model, seed=seed, show_progress=True
        )

    # ---- what `jobtool match` asks for

    def encoder(self, folder: Path) -> "Encoder":
        from tagger.coding import Coder

        return Coder(folder)

    @contextmanager
    def match_store(self, url: str, folder: Path | None) -> "Iterator[Store]":
        from db.match_store import MatchStore

        store = folder or Path(db_commands.default_store(url))
        with db_commands.opened(url) as engine:
            yield MatchStore(engine, store, self.encoder)

    @contextmanager
    def study_storage(self, url: str) -> Iterator[Any]:
        from db.tuning import study_storage

        with (
            db_commands.opened(url, create=True, checked=False) as engine,
            study_storage(engine) as storage,
        ):
            yield storage

    def collected(self, path: Path | None, *inputs: Path) -> "AbstractContextManager[Rejects]":
        return commands.collected(path, *inputs)
