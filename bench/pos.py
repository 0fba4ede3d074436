"""Part-of-speech tags: accuracy on the treebank, and speed beside NLTK with the same weights.

python bench/pos.py [--data ../shared/data] [--quick] [--json] [--check]
"""

import argparse
import gzip
import json
import re
import sys
import time
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np

from tagger.pos import PosTagger

MIN_ACCURACY, MIN_SPEEDUP, MIN_EQUAL = 0.93, 8.0, 0.999
N_POSTINGS, N_QUICK = 5000, 200

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_TOKEN = re.compile(r"\w+(?:[-'\u2019]\w+)*|[^\w\s]")


def sentences(text: str) -> list[list[str]]:
    """Tokenized sentences of a posting; the one place to change to try another tokenizer."""
    return [tokens for part in _SENTENCE_END.split(text) if (tokens := _TOKEN.findall(part))]


def read_postings(path: Path, limit: int) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in islice(file, limit):
            yield json.loads(line)["text"]


def read_treebank(path: Path) -> tuple[list[list[str]], list[str]]:
    """Words by sentence, and the tags of all words in a row."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        blocks = file.read().strip("\n").split("\n\n")
    pairs = [[line.split("\t") for line in block.split("\n")] for block in blocks]
    return [[word for word, _ in own] for own in pairs], [tag for own in pairs for _, tag in own]


def tag_in_arrays(tagger: PosTagger, corpus: list[list[str]]) -> list[str]:
    """What the features step does, from tokens to tag ids; names only for the comparison."""
    vocabulary: dict[str, int] = {}
    ids = [vocabulary.setdefault(word, len(vocabulary)) for own in corpus for word in own]
    starts = np.cumsum([0, *map(len, corpus)])[:-1]
    tag_ids = tagger.tag_ids(list(vocabulary), np.array(ids, np.int32), starts)
    return [tagger.tags[i] for i in tag_ids.tolist()]


def share_equal(left: list[str], right: list[str]) -> float:
    return sum(a == b for a, b in zip(left, right, strict=True)) / len(left)


def measure(data: Path, n_postings: int) -> dict[str, float]:
    words, gold = read_treebank(data / "pos" / "en_ewt_test.tsv.gz")
    accuracy = share_equal(list(chain(*PosTagger.load().tag(words))), gold)
    texts = read_postings(data / "tags" / "unlabelled.jsonl.gz", n_postings)
    corpus = [tokens for text in texts for tokens in sentences(text)]

    begin = time.perf_counter()
    tagger = PosTagger.load()
    load_s = time.perf_counter() - begin
    peer = tagger.to_nltk()
    begin = time.perf_counter()
    ours = tag_in_arrays(tagger, corpus)
    ours_s = time.perf_counter() - begin
    begin = time.perf_counter()
    theirs = [tag for tokens in corpus for _, tag in peer.tag(tokens)]
    theirs_s = time.perf_counter() - begin
    return {
        "postings": n_postings,
        "tokens": len(ours),
        "accuracy": accuracy,
        "load_s": load_s,
        "tokens_per_s": len(ours) / ours_s,
        "nltk_tokens_per_s": len(ours) / theirs_s,
        "speedup": theirs_s / ours_s,
        "equal": share_equal(ours, theirs),
    }


def failures(found: dict[str, float]) -> list[str]:
    limits = {"accuracy": MIN_ACCURACY, "speedup": MIN_SPEEDUP, "equal": MIN_EQUAL}
    return [
        f"{name} is {found[name]:.4f}, should be at least {limit}"
        for name, limit in limits.items()
        if found[name] < limit
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data folder")
    parser.add_argument("--quick", action="store_true", help=f"only {N_QUICK} postings")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--check", action="store_true", help="exit 1 if a claim does not hold")
    args = parser.parse_args()
    if not (args.data / "pos").is_dir() or not (args.data / "tags").is_dir():
        print(f"no pos/ and tags/ in {args.data}; name the folder with --data", file=sys.stderr)
        return 2
    found = measure(args.data, N_QUICK if args.quick else N_POSTINGS)
    if args.json:
        print(json.dumps(found))
    else:
        print(f"accuracy on the test part of UD English EWT   {found['accuracy']:.4f}")
        print(f"{found['tokens']:,} tokens of {found['postings']:,} postings, words a second:")
        print(f"  NLTK's PerceptronTagger, same weights       {found['nltk_tokens_per_s']:>10,.0f}")
        print(f"  tagger.pos                                  {found['tokens_per_s']:>10,.0f}")
        print(f"  times faster                                {found['speedup']:>10.1f}")
        print(f"  share of equal tags                         {found['equal']:>10.6f}")
        print(f"loading the weights takes {found['load_s'] * 1000:.0f} ms")
    wrong = failures(found) if args.check else []
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
