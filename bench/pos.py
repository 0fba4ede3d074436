"""Part-of-speech tags: accuracy on the treebank, and speed beside NLTK with the same weights.

python bench/pos.py [--data ../shared/data] [--quick] [--json] [--check]
"""

import argparse
import gzip
import sys
import time
from itertools import chain
from pathlib import Path

from common import Check, Result, run, unlabelled_jobs

from tagger.pos import PosTagger
from tagger.text import clean, tokenize

MIN_ACCURACY, MIN_SPEEDUP, MIN_EQUAL = 0.93, 8.0, 0.999
N_POSTINGS, N_QUICK = 5000, 200
TEST = "pos/en_ewt_test.tsv.gz"


def main() -> int:
    return run(__doc__ or "", measure, needs=(TEST, "tags/unlabelled.jsonl.gz"))


def measure(args: argparse.Namespace) -> Result:
    words, gold = read_treebank(args.data / TEST)
    accuracy = share_equal(list(chain(*PosTagger.load().tag(words))), gold)
    jobs = unlabelled_jobs(args, N_POSTINGS)[: N_QUICK if args.quick else N_POSTINGS]
    corpus = [tokens for job in jobs for tokens in sentences(job.text)]

    tagger = PosTagger.load()
    peer = tagger.to_nltk()
    began = time.perf_counter()
    ours = list(chain(*tagger.tag(corpus)))
    ours_s = time.perf_counter() - began
    began = time.perf_counter()
    theirs = [tag for tokens in corpus for _, tag in peer.tag(tokens)]
    theirs_s = time.perf_counter() - began
    speedup, equal = theirs_s / ours_s, share_equal(ours, theirs)
    table = [
        {"tagger": "tagger.pos", "words/s": len(ours) / ours_s, "times NLTK": speedup},
        {"tagger": "NLTK, same weights", "words/s": len(ours) / theirs_s, "times NLTK": 1.0},
    ]
    return Result(
        {f"{len(ours):,} words of {len(jobs):,} postings": table},
        [
            Check("accuracy on the test part of UD English EWT", accuracy, low=MIN_ACCURACY),
            Check("speed / NLTK's", speedup, low=MIN_SPEEDUP),
            Check("share of equal tags", equal, low=MIN_EQUAL),
        ],
    )


def sentences(text: str) -> list[list[str]]:
    """Tokens of a posting by sentence, as `tagger.features` takes them."""
    found: list[list[str]] = [[]]
    for token in tokenize(clean(text)):
        if token != "\n":
            found[-1].append(token)
        if token in {".", "!", "?", "\n"}:
            found.append([])
    return [tokens for tokens in found if tokens]


def read_treebank(path: Path) -> tuple[list[list[str]], list[str]]:
    """Words by sentence, and the tags of all words in a row."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        blocks = file.read().strip("\n").split("\n\n")
    pairs = [[line.split("\t") for line in block.split("\n")] for block in blocks]
    return [[word for word, _ in own] for own in pairs], [tag for own in pairs for _, tag in own]


def share_equal(left: list[str], right: list[str]) -> float:
    return sum(a == b for a, b in zip(left, right, strict=True)) / len(left)


if __name__ == "__main__":
    sys.exit(main())
