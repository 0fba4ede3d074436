"""The models by name, and their folders."""

from importlib import import_module
from pathlib import Path
from typing import Any, cast

from matcher.base import Matcher
from tagger.errors import DataError, ModelError
from tagger.quiet import quietly
from tagger.storage import jobtool_version, load_arrays, load_meta, save_folder

MODELS: dict[str, str] = {
    "popularity": "matcher.popularity:Popularity",
    "recent-popularity": "matcher.recent_popularity:RecentPopularity",
    "sequence-cnn": "matcher.sequence_models:SequenceCnn",
    "sequence-lstm": "matcher.sequence_models:SequenceLstm",
    "sequence-mlp": "matcher.sequence_models:SequenceMlp",
    "sequence-all": "matcher.sequence_models:SequenceAll",
    "sequence-soft-vote": "matcher.sequence_models:SequenceSoftVote",
    "sequence-hard-vote": "matcher.sequence_models:SequenceHardVote",
    "rules": "matcher.rules:RuleModel",
    "lr-ftrl": "matcher.linear:FtrlModel",
    "lr-sgd": "matcher.linear:SgdModel",
    "lr-lbfgs": "matcher.linear:LbfgsModel",
    "fm": "matcher.fm:FmModel",
    "xgboost": "matcher.trees:TreeModel",
    "xgboost-lr": "matcher.trees:TreeLinearModel",
    "deepfm": "matcher.deepfm:DeepFmModel",
    "ncf": "matcher.ncf:ResumeJobNcf",
    "activity-mean": "matcher.activity_models:MeanActivity",
    "activity-decay": "matcher.activity_models:DecayActivity",
    "activity-cnn": "matcher.activity_learned:CnnActivity",
    "activity-lstm": "matcher.activity_learned:LstmActivity",
    "activity-transformer": "matcher.activity_learned:TransformerActivity",
    "item-knn": "matcher.neighbours:ItemNeighbours",
    "bm25-knn": "matcher.neighbours:BM25Neighbours",
    "rp3beta": "matcher.random_walk:RandomWalk",
    "user-knn": "matcher.neighbours:UserNeighbours",
    "ease": "matcher.ease:Ease",
    "als": "matcher.als:ImplicitALS",
    "fields-als": "matcher.side_als:FieldsALS",
    "hybrid": "matcher.hybrid:Hybrid",
    "code-similarity": "matcher.content:CodeSimilarity",
}
"""One line makes a model known to every command: its name, and module:Class, which is imported when
it is asked for, so that a slow library loads only with the model that needs it."""

KIND = "matcher"


def find(name: str) -> type[Matcher]:
    """The class of a model; DataError with the known names for an unknown one."""
    if name not in MODELS:
        raise DataError(f"unknown model {name!r:.40}; known: {', '.join(MODELS)}")
    module, class_name = MODELS[name].split(":")
    with quietly():  # TensorFlow, where a model needs it
        return cast(type[Matcher], getattr(import_module(module), class_name))


def save(model: Matcher, folder: Path, meta: dict[str, Any] | None = None) -> None:
    """Write a fitted model into a folder, with what is to be remembered of its training."""
    files, own = model.to_arrays()
    about = {"kind": KIND, "jobtool": jobtool_version(), "model": model.name, "own": own}
    save_folder(folder, files, {**about, "training": meta or {}})


def load(folder: Path) -> tuple[Matcher, dict[str, Any]]:
    """A saved model, and what was remembered of its training.

    Raises
    ------
    ModelError
        If the folder is missing, changed, half written, or not of a model of `matcher`.
    """
    meta = load_meta(folder, command="jobtool match train")
    if meta.get("kind") != KIND:
        raise ModelError(f"{folder} is no matching model: train one with jobtool match train")
    files = load_arrays(folder, meta)
    return find(meta["model"]).from_arrays(files, meta["own"]), meta["training"]
