#!/usr/bin/env python3
"""How commands grow with the data: seconds and peak memory on 10,000, 100,000 and 1,000,000 samples.

    python tests/benchmark/growth.py [--lists 10000 100000 1000000] [--pictures 10000 100000] [--only NAME...]

Keyword lists are drawn (49 words of 36,534, Zipf frequencies, 32 of them emotions); pictures are `synth affect` of 48 pixels. What reads no
picture runs on the lists, what reads pictures on those.
"""
import argparse
import json
import random
import shutil

from common import ROOT, measured, ours

EMOTIONS = [f"emotion{i}" for i in range(32)]


def make_lists(folder, samples):
    if (folder / "dataset.yaml").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(1)
    words = [f"word{i}" for i in range(36534 - len(EMOTIONS))]
    words[40:40] = EMOTIONS
    pool = draw.choices(words, [1 / (i + 1) for i in range(len(words))], k=2_000_000)
    with open(folder / "train.jsonl", "w") as out:
        for i in range(samples):
            begin = draw.randrange(len(pool) - 49)
            out.write(json.dumps({"image": f"img/{i // 1000:04}/{i}.jpg", "labels": [draw.randrange(32)], "keywords": pool[begin : begin + 49]}) + "\n")
    (folder / "categories.txt").write_text("\n".join(EMOTIONS) + "\n")
    (folder / "dataset.yaml").write_text(json.dumps({"name": "lists", "classes": EMOTIONS, "splits": {"train": "train.jsonl"}, "image_root": "."}))


def make_pictures(folder, samples):
    if not (folder / "dataset.yaml").exists():
        shutil.rmtree(folder, ignore_errors=True)
        ours("emotion_data", "synth", "affect", "--out", folder, "--count", samples, "--size", 48, "--log-level", "warning")


def table(title, sizes, make, commands, only):
    print(f"\n| {title} | " + " | ".join(f"{size:,}" for size in sizes) + " |\n|" + "---|" * (len(sizes) + 1))
    for name, command in commands.items():
        if only and not any(word in name for word in only):
            continue
        cells = []
        for size in sizes:
            folder = make(size)
            out = folder.parent / f"out-{size}"
            shutil.rmtree(out, ignore_errors=True)
            seconds, memory = measured(command(folder, out))
            cells.append(f"{seconds:.1f} s, {memory:,.0f} MB")
            shutil.rmtree(out, ignore_errors=True)
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--pictures", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--only", nargs="*", default=[])
    args = parser.parse_args()
    base = ROOT / "build/benchmark/growth"

    def lists(size):
        make_lists(base / f"lists-{size}", size)
        return base / f"lists-{size}"

    def pictures(size):
        make_pictures(base / f"pictures-{size}", size)
        return base / f"pictures-{size}"

    def without_index(command):
        def run(folder, out):
            for index in folder.glob("*.index"):
                index.unlink()
            return command(folder, out)

        return run

    stats = lambda folder, out: ["emotion_data", "stats", folder]
    backbone = base / "backbone"
    table("Keyword lists", args.lists, lists, {
        "stats, the index is built": without_index(stats),
        "stats, once indexed": stats,
        "curate --candidates": lambda folder, out: ["emotion_data", "curate", folder, "--candidates", str(out) + ".txt"],
        "curate --categories": lambda folder, out: ["emotion_data", "curate", folder, "--categories", folder / "categories.txt", "--out", out],
        "split": lambda folder, out: ["emotion_data", "split", "--data", folder, "--out", out],
        "word2vec --dimension 100 --epochs 1": lambda folder, out: ["emotion_text", "word2vec", "--data", folder, "--dimension", 100, "--epochs", 1, "--out", str(out) + ".bin"],
    }, args.only)
    if args.pictures and not (backbone / "config.yaml").exists():
        config = base / "backbone.yaml"
        data = pictures(min(args.pictures))
        config.write_text(f"task: classifier\noutput: {backbone}\ndata: {{train: {{dataset: {data}, split: train}}, resize: 32, size: 32}}\nmodel: {{backbone: resnet18}}\ntrain: {{max_steps: 1}}\n")
        ours("emotion_train", "--config", config, "--log-level", "warning")
    table("Pictures of 48 pixels", args.pictures, pictures, {
        "verify": lambda folder, out: ["emotion_data", "verify", folder],
        "pack": lambda folder, out: ["emotion_data", "pack", "--data", folder, "--out", out],
        "dedup --radius 4": lambda folder, out: ["emotion_data", "dedup", "--data", folder, "--out", out],
        "extract, ResNet-18 at 32 pixels": lambda folder, out: ["emotion_extract", "--checkpoint", backbone, "--data", folder, "--out", str(out) + ".safetensors"],
    }, args.only)


if __name__ == "__main__":
    main()
