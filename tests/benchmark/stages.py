#!/usr/bin/env python3
"""What each stage costs an image, in milliseconds of the whole machine, and the loader's rate by its number of threads.

    python tests/benchmark/stages.py PHOTOS [--count 200] [--steps 6]

PHOTOS is a folder of pictures, of which the first --count are used. Networks are ResNet-50 with values as training starts from; the
detector is torchvision's Faster R-CNN (ResNet-50-FPN, 800 pixels) likewise. Start-up is left out: each command runs on a tenth of
the pictures too, and the difference counts.
"""
import argparse
import json
import os
import pathlib
import shutil
import time

from common import ROOT, ours, training_rate


def dataset(folder, photos, names):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = "".join(json.dumps({"image": name, "labels": [i % 2]}) + "\n" for i, name in enumerate(names))
    (folder / "train.jsonl").write_text(lines)
    (folder / "dataset.yaml").write_text(f"name: stages\nclasses: [a, b]\nsplits: {{train: train.jsonl}}\nimage_root: {photos}\n")
    return folder


def classifier(folder, data, settings=""):
    config = folder / "classifier.yaml"
    config.write_text(f"task: classifier\noutput: {folder / 'run'}\ndata: {{train: {{dataset: {data}, split: train}}}}\nmodel: {{backbone: resnet50}}\ntrain: {{batch: 16, {settings}}}\n")
    return config


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--steps", type=int, default=6)
    args = parser.parse_args()
    photos, base = args.photos.resolve(), ROOT / "build/benchmark/stages"
    names = sorted(p.name for p in photos.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))[: args.count]
    few = max(1, len(names) // 10)

    def seconds(name, command):
        """Of `len(names) - few` pictures."""
        taken = []
        for count in (few, len(names)):
            data = dataset(base / f"{name}-{count}", photos, names[:count])
            begin = time.time()
            ours(*command(data), "--log-level", "warning")
            taken.append(time.time() - begin)
        return taken[1] - taken[0]

    print(f"{len(names)} pictures, {sum((photos / n).stat().st_size for n in names) / len(names) / 1024:.0f} KB each, {os.cpu_count()} cores\n")
    print("| Loader threads | images/s |\n|---|---|")
    data = dataset(base / "all", photos, names)
    config = classifier(base, data)
    for workers in range(1, 2 * os.cpu_count() + 1):
        out = ours("emotion_data", "bench", "--data", data, "--split", "train", "--config", config, "--set", f"data.workers={workers}", "--seconds", 6)
        print(f"| {workers} | {json.loads(out)['images_per_second']:.0f} |", flush=True)
    rate = training_rate(classifier(base, data, f"max_steps: {2 * args.steps}, log_every: {args.steps}, epochs: 1000"), base / "run")["samples_per_second"]
    detector = base / "detector.yaml"
    scenes = base / "scenes"
    if not scenes.exists():
        ours("emotion_data", "synth", "scenes", "--out", scenes, "--count", 20, "--size", 96, "--log-level", "warning")
    detector.write_text(f"task: detector\noutput: {base / 'detector'}\ndata: {{train: {{dataset: {scenes}, split: train}}}}\nmodel: {{backbone: resnet50, detector: {{min_size: 800, max_size: 1333, norm: batch}}}}\ntrain: {{batch: 1, max_steps: 1}}\n")
    shutil.rmtree(base / "detector", ignore_errors=True)
    ours("emotion_train", "--config", detector, "--log-level", "warning")
    print("\n| Stage | ms an image |\n|---|---|")
    for name, command in {
        "perceptual hash (dedup)": lambda d: ("emotion_data", "dedup", "--data", d, "--groups", d / "groups.json"),
        "features, ResNet-50 at 224 (extract)": lambda d: ("emotion_extract", "--checkpoint", base / "run", "--data", d, "--batch", 16, "--out", d / "features.safetensors"),
        "faces (HOG, one doubling)": lambda d: ("emotion_data", "faces", d),
        "regions (Faster R-CNN at 800)": lambda d: ("emotion_data", "regions", d, "--checkpoint", base / "detector"),
    }.items():
        print(f"| {name} | {1000 * seconds(name.split()[0], command) / (len(names) - few):.1f} |", flush=True)
    print(f"| training, ResNet-50 at 224, batch 16, loader running | {1000 / rate:.1f} |")


if __name__ == "__main__":
    main()
