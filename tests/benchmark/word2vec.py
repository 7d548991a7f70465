#!/usr/bin/env python3
"""word2vec training: words a second and quality of the neighbours, beside gensim with 2 workers, on the same keyword lists and settings.

    python tests/benchmark/word2vec.py [--pictures 40000] [--window 5] [--epochs 3]

Quality: the embedded world knows which emotion keywords are related (they occur together more often than chance). For every
frequent word the true neighbours are the 10 words of highest positive pointwise mutual information over the lists; quality is the
mean share of them among its 10 nearest by vector.
"""
import argparse
import collections
import itertools
import json
import math
import pathlib
import time

import gensim
import numpy as np

from common import ROOT, compare, ours


def lists_of(folder):
    return [json.loads(line)["keywords"] for line in open(folder / "train.jsonl")]


def true_neighbours(lists, vocabulary):
    single, pair = collections.Counter(), collections.Counter()
    for words in lists:
        known = sorted(set(w for w in words if w in vocabulary))
        single.update(known)
        pair.update(itertools.combinations(known, 2))
    best = collections.defaultdict(list)
    for (a, b), count in pair.items():
        if count >= 20:
            pmi = math.log(count * len(lists) / (single[a] * single[b]))
            best[a].append((pmi, b))
            best[b].append((pmi, a))
    return {w: [v for _, v in sorted(c, reverse=True)[:10]] for w, c in best.items() if single[w] >= 500 and len(c) >= 10}


def quality(file, truth):
    vectors = gensim.models.KeyedVectors.load_word2vec_format(file, binary=True)
    shares = [len(set(v for v, _ in vectors.most_similar(w, topn=10)) & set(near)) / 10 for w, near in truth.items() if w in vectors]
    return float(np.mean(shares))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=40000)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "build/benchmark/word2vec")
    args = parser.parse_args()
    data = args.data / f"stock-{args.pictures}"
    if not (data / "dataset.yaml").exists():
        ours("emotion_data", "synth", "stock", "--out", data, "--count", args.pictures, "--size", 16)
    lists = lists_of(data)
    words = sum(map(len, lists)) * args.epochs
    own_file, gensim_file = args.data / "ours.bin", args.data / "gensim.bin"

    def own():
        begin = time.time()
        ours("emotion_text", "word2vec", "--data", data, "--out", own_file, "--window", args.window, "--epochs", args.epochs, "--threads", 2, "--log-level", "warning")
        return words / (time.time() - begin)

    def peer():
        begin = time.time()
        model = gensim.models.Word2Vec(lists, vector_size=300, window=args.window, sg=1, negative=5, min_count=5, sample=1e-3, alpha=0.025, min_alpha=1e-4, epochs=args.epochs, workers=2)
        rate = words / (time.time() - begin)
        model.wv.save_word2vec_format(str(gensim_file), binary=True)
        return rate

    compare("words/s", {"emotion": own, f"gensim {gensim.__version__}": peer}, rounds=2)
    truth = true_neighbours(lists, set(gensim.models.KeyedVectors.load_word2vec_format(gensim_file, binary=True).key_to_index))
    print(f"neighbours found of the 10 most related ({len(truth)} words): emotion {quality(own_file, truth):.3f}, gensim {quality(gensim_file, truth):.3f}")


if __name__ == "__main__":
    main()
