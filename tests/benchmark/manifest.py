#!/usr/bin/env python3
"""Opening a manifest of 1,000,000 samples with 49 keywords each: time and memory, first (the index is built) and once indexed.

    cmake --build --preset release --target manifest_open && python tests/benchmark/manifest.py [--samples 1000000]
"""
import argparse
import json
import random
import subprocess

from common import BIN, ROOT


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=1_000_000)
    args = parser.parse_args()
    folder = ROOT / f"build/benchmark/manifest-{args.samples}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "train.jsonl").exists():
        draw = random.Random(1)
        words = [f"word{i}" for i in range(36534)]
        weights = [1 / (i + 1) for i in range(len(words))]
        pool = draw.choices(words, weights, k=2_000_000)
        with open(folder / "train.jsonl", "w") as out:
            for i in range(args.samples):
                begin = draw.randrange(len(pool) - 49)
                out.write(json.dumps({"image": f"img/{i // 1000:04}/{i}.jpg", "labels": ["awe"], "keywords": pool[begin:begin + 49]}) + "\n")
        (folder / "dataset.yaml").write_text("name: many\nclasses: [awe, fear]\nsplits: {train: train.jsonl}\nimage_root: .\n")
    for index in folder.glob("*.index"):
        index.unlink()
    for name in ("first opening, the index is built", "once indexed", "once indexed, again"):
        print(f"{name:<36} {subprocess.run([BIN / 'manifest_open', folder, 'train'], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
