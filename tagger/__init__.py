"""Job postings to tags: train on your own tags, tag new postings, see why.

The names below are loaded when they are first used: `import tagger` and `tagger.TagModel` must
not wait for Keras and scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tagger.errors import DataError, JobtoolError, ModelError
    from tagger.jobs import Job
    from tagger.model import TagModel
    from tagger.tagger import JobTagger, TaggerConfig
    from tagger.vectorizer import JobVectorizer

__all__ = [
    "DataError",
    "Job",
    "JobTagger",
    "JobVectorizer",
    "JobtoolError",
    "ModelError",
    "TagModel",
    "TaggerConfig",
]

_HOME = {
    "DataError": "errors",
    "Job": "jobs",
    "JobTagger": "tagger",
    "JobVectorizer": "vectorizer",
    "JobtoolError": "errors",
    "ModelError": "errors",
    "TagModel": "model",
    "TaggerConfig": "tagger",
}


def __getattr__(name: str) -> Any:
    """Load a public name (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
