"""Resumes and jobs by text: neighbours of a resume, and resume-job NCF beside search.

python bench/resumes.py [--data ../shared/data] [--events N] [--quick] [--json] [--check]

precision@10    share of a resume's ten nearest others, by cosine of codes, in its category; with
                95 % bootstrap intervals. Codes by the tagger's stack, TruncatedSVD-100 of TF-IDF
                and idf-weighted means of GloVe vectors; none of them sees a category
NCF, dacon      one held-out apply of each resume among the jobs that have a text, a tenth of all;
                search: BM25 of the job's keywords with the resume's as the query
NCF, SIMULATED  pages of the simulated board after the first 80 % of the events: the order of its
                search against the same jobs in the order of a model. Logged clicks favour the order
                they were made in, whatever its worth (true interest does no better), so the claims
                are on the clicks that would come if every place were looked at
precision, MRR  when the first so many percent of the jobs are shown, as Talroo shows them: there
                NCF has 6 % more precision than search, and 10 % more MRR
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from common import Check, Result, Row, run, say
from match_data import DACON, RESUMES, codes_of, dacon, resumes
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from matcher.base import blocks
from matcher.data import Events, FloatArray, MatchData
from matcher.examples import ExampleConfig, Examples, Stage, make_examples
from matcher.metrics import bootstrap, ranks
from matcher.ncf import NcfConfig, ResumeJobNcf
from matcher.popularity import Popularity
from matcher.simulated_actions import opening
from matcher.simulation import Simulation, SimulationConfig, run_simulation
from matcher.splits import as_of, split
from matcher.word_vectors import document_vectors, read_word_vectors
from tagger.rejects import Rejects

K = 10
OURS, SVD, GLOVE = "jobtool", "TruncatedSVD-100", "GloVe means"
NCF, SEARCH, POPULAR, TRUTH = "jobtool ncf", "search", "popularity", "true interest"
PERCENTS = (1, 2, 5, 10, 20, 50)
PAGE_PERCENTS = (10, 20, 30, 50, 100)
MIN_PAGE = 5
"""Jobs on a page that is judged."""

Values = dict[int, tuple[FloatArray, FloatArray]]
"""Percent -> precision and reciprocal rank of each question, or page."""


def main() -> int:
    def options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--events", type=int, default=400_000, help="simulated events")

    return run(__doc__ or "", measure, needs=RESUMES, options=options)


def measure(args: argparse.Namespace) -> Result:
    tables, checks = {}, []
    title, rows, found = neighbours(args)
    tables[title] = rows
    checks += found
    if all((args.data / name).is_file() for name in DACON):
        title, values = on_dacon(args)
        tables[title], found = by_percentile("dacon", values, args)
        checks += found
    else:
        say(f"{args.data} has no match/dacon: no real pairs of resumes and jobs")
    for title, values in on_pages(args).items():
        tables[title], found = by_percentile("SIMULATED", values, args)
    return Result(tables, [*checks, *found])  # of the last: every place looked at


# ---- neighbours of resumes


def neighbours(args: argparse.Namespace) -> tuple[str, list[Row], list[Check]]:
    texts, categories = resumes(args)
    _, category = np.unique(categories, return_inverse=True)
    with Rejects() as rejects:
        vectors = read_word_vectors(args.data / RESUMES[1], rejects=rejects)
    tfidf = TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words="english").fit_transform(texts)
    n = min(100, min(tfidf.shape) - 1)
    methods = {
        OURS: codes_of(args, texts),
        SVD: TruncatedSVD(n, random_state=0).fit_transform(tfidf),
        GLOVE: document_vectors(texts, vectors),
    }
    found = {name: same_category(codes, category) for name, codes in methods.items()}
    rows = [_with_interval(name, values) for name, values in found.items()]
    chance = (np.bincount(category)[category] - 1) / max(len(category) - 1, 1)
    rows.append(_with_interval("by chance", chance))
    title = f"resumes: {len(texts):,}, {category.max() + 1} categories, precision@{K}"
    ours = float(found[OURS].mean())
    peers = {name: float(found[name].mean()) for name in (SVD, GLOVE)}
    checks = [
        Check(f"resumes: precision@{K} / {name}'s", ours / value, low=1.0)
        for name, value in peers.items()
    ]
    return title, rows, checks


def same_category(codes: FloatArray, category: npt.NDArray[np.intp]) -> FloatArray:
    """Share of each row's nearest others that have its category, shape (N,)."""
    unit = codes / np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-12)
    near = unit @ unit.T
    np.fill_diagonal(near, -np.inf)
    nearest = np.argsort(-near, axis=1, kind="stable")[:, :K]
    return np.asarray((category[nearest] == category[:, None]).mean(axis=1))


def _with_interval(name: str, values: FloatArray) -> Row:
    low, high = bootstrap(values)
    return {"codes": name, "precision@10": float(values.mean()), "low": low, "high": high}


# ---- NCF on real applies


def on_dacon(args: argparse.Namespace) -> tuple[str, dict[str, Values]]:
    asked = split(dacon(args))
    has_text = _codes(asked.train).any(axis=1)
    answered = np.flatnonzero(has_text[asked.jobs])
    known = asked.known.matrix().tocsr()
    queries, keywords = _keywords(asked.train)
    search = bm25(queries, keywords)
    ncf = ResumeJobNcf(_config(args)).fit(asked.train)
    popular = Popularity().fit(asked.train)
    scorers: dict[str, Callable[[npt.NDArray[np.intp]], FloatArray]] = {
        NCF: lambda people: ncf.score_jobs(asked.known, people),
        SEARCH: lambda people: np.asarray(search[people].toarray()),
        POPULAR: lambda people: popular.score_jobs(asked.known, people),
    }
    values = {}
    for name, score in scorers.items():
        found = []
        for part in blocks(answered, 256):
            people, jobs = asked.candidates[part], asked.jobs[part]
            allowed = (known[people].toarray() == 0) & has_text
            found.append(ranks(score(people), jobs, allowed))
        values[name] = of_ranks(np.concatenate(found), int(has_text.sum()))
    title = f"dacon: {len(answered):,} held-out applies among the {has_text.sum():,} jobs with text"
    return title, values


def _codes(data: MatchData) -> FloatArray:
    codes = data.jobs.codes
    return np.zeros((len(data.jobs), 1)) if codes is None else codes


def _keywords(data: MatchData) -> tuple[list[str], list[str]]:
    """Words of resumes and of jobs."""
    people, jobs = data.candidates.fields, data.jobs.fields
    queries = [
        " ".join(filter(None, words))
        for words in zip(people["text_keyword"], people["career_job_code"], strict=True)
    ]
    return queries, [text or "" for text in jobs["text_keyword"]]


def bm25(
    queries: list[str], texts: list[str], k1: float = 1.2, b: float = 0.75
) -> sparse.csr_array:
    """BM25 scores of texts for queries, shape (queries, texts).

    Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009.
    """
    counter = CountVectorizer(token_pattern=r"(?u)[^\W_]+")
    counts = sparse.csr_array(counter.fit_transform(texts), dtype=np.float64)
    length = np.asarray(counts.sum(axis=1)).ravel()
    document_counts = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.log1p((len(texts) - document_counts + 0.5) / (document_counts + 0.5))
    rows = np.repeat(np.arange(len(texts)), np.diff(counts.indptr))
    norm = k1 * (1 - b + b * length[rows] / max(length.mean(), 1e-12))
    counts.data = counts.data * (k1 + 1) / (counts.data + norm) * idf[counts.indices]
    asked = sparse.csr_array(counter.transform(queries))
    return sparse.csr_array(asked.sign() @ counts.T)


def of_ranks(found: FloatArray, n_jobs: int) -> Values:
    shown = {percent: max(int(np.ceil(percent / 100 * n_jobs)), 1) for percent in PERCENTS}
    return {p: ((found <= n) / n, np.where(found <= n, 1 / found, 0)) for p, n in shown.items()}


# ---- NCF on simulated pages


def on_pages(args: argparse.Namespace) -> dict[str, dict[str, Values]]:
    """The same pages by the clicks there were, and by those if every place were looked at."""
    size = SimulationConfig.sized(5000 if args.quick else args.events)
    board = run_simulation(size, seed=0)
    start = float(np.quantile(board.data.events.times, 0.8))
    past = as_of(board.data, start)
    known = board.data.with_events(past.events)
    clicks = ExampleConfig(stage=Stage.CLICK, n_drawn=0)
    later = make_examples(board.data, clicks)
    later = later.take(later.pairs.times >= start)
    page, later = pages(later)
    pairs = later.pairs
    ncf = ResumeJobNcf(replace(_config(args), examples=clicks)).fit(past)
    interest = board.world.interest(pairs.candidates, pairs.jobs, pairs.times)
    scores = {
        NCF: ncf.score_pairs(known, pairs),
        SEARCH: -places(board, later),
        POPULAR: Popularity().fit(past).score_jobs(known, np.array([0]))[0][pairs.jobs],
        TRUTH: interest,
    }
    rng = np.random.default_rng(0)
    wanted = interest + rng.normal(0, size.whim, len(interest))
    clicks_by = {
        "logged clicks": later.is_yes,
        "clicks if every place were looked at": rng.random(len(wanted)) < opening(wanted),
    }
    title = f"SIMULATED: {page.max() + 1:,} pages after {len(past.events):,} events"
    return {
        f"{title}, {what}": {name: of_pages(page, clicked, score) for name, score in scores.items()}
        for what, clicked in clicks_by.items()
    }


def pages(found: Examples) -> tuple[npt.NDArray[np.intp], Examples]:
    """Page of each pair that was shown on a page with enough new ones, and these pairs."""
    keys = np.c_[found.pairs.candidates, found.pairs.times]
    _, page, n_pairs = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    kept = n_pairs[page] >= MIN_PAGE
    return np.unique(page[kept], return_inverse=True)[1], found.take(kept)


def places(board: Simulation, found: Examples) -> FloatArray:
    """Place on the page where each pair was shown."""
    shown = board.positions >= 0
    events: Events = board.data.events.take(shown)
    by_pair = {
        key: place
        for *key_parts, place in zip(
            events.candidates.tolist(),
            events.jobs.tolist(),
            events.times.tolist(),
            board.positions[shown].tolist(),
            strict=True,
        )
        for key in [tuple(key_parts)]
    }
    pairs = found.pairs
    keys = zip(pairs.candidates.tolist(), pairs.jobs.tolist(), pairs.times.tolist(), strict=True)
    return np.array([by_pair[key] for key in keys], np.float64)


def of_pages(
    page: npt.NDArray[np.intp], is_yes: npt.NDArray[np.bool_], scores: FloatArray
) -> Values:
    """Each page in the order of the scores, cut off after so many percent; ties at random."""
    ties = np.random.default_rng(0).random(len(page))
    order = np.lexsort((ties, -scores, page))
    starts = np.flatnonzero(np.r_[True, np.diff(page[order]) != 0])
    size = np.diff(np.r_[starts, len(page)])
    rank = np.arange(len(page)) - np.repeat(starts, size) + 1
    yes = is_yes[order]
    values = {}
    for percent in PAGE_PERCENTS:
        n_shown = np.maximum(np.ceil(percent / 100 * size), 1)
        hits = yes & (rank <= np.repeat(n_shown, size))
        precision = np.add.reduceat(hits.astype(np.float64), starts) / n_shown
        values[percent] = precision, np.maximum.reduceat(np.where(hits, 1 / rank, 0), starts)
    return values


# ---- tables


def by_percentile(
    title: str, values: dict[str, Values], args: argparse.Namespace
) -> tuple[list[Row], list[Check]]:
    rows: list[Row] = []
    for name, found in values.items():
        for percent, (precision, reciprocal) in found.items():
            low, high = bootstrap(reciprocal, n_resamples=100 if args.quick else 1000)
            rows.append(
                {
                    "order": name,
                    "first %": percent,
                    "precision": float(precision.mean()),
                    "MRR": float(reciprocal.mean()),
                    "MRR low": low,
                    "MRR high": high,
                }
            )
    first, last = next(iter(values[NCF])), list(values[NCF])[-1]
    ours, search = values[NCF], values[SEARCH]
    tiny = 1e-9  # a search may find nothing
    return rows, [
        Check(
            f"{title}: precision / search's, first {first} %",
            float(ours[first][0].mean() / max(search[first][0].mean(), tiny)),
            low=1.0,
        ),
        Check(
            f"{title}: MRR / search's, first {last} %",
            float(ours[last][1].mean() / max(search[last][1].mean(), tiny)),
            low=1.0,
        ),
    ]


def _config(args: argparse.Namespace) -> NcfConfig:
    if not args.quick:
        return NcfConfig()
    return NcfConfig(n_clusters=2, n_networks=2, epochs=1, min_examples=10)


if __name__ == "__main__":
    sys.exit(main())
