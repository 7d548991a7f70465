#!/usr/bin/env python3
"""What `emotion_data dedup` finds of altered copies planted among photographs, by radius and kind of change; and what copies on both
sides of a split do to an accuracy.

    python tests/benchmark/duplicates.py DATASET [DATASET...] [--copies 200] [--radii 0 2 4 6 8 10 12] [--config configs/classifier/facial_expressions.yaml]

Needs Pillow. Five kinds, an equal share each: recompressed (JPEG quality 30), resized (to 60 %), cropped (5 % off: 2.5 % at each side),
brightened (by 30 %), mirrored. A pair is right if one was made from the other, or both from the same; a group is found if it stands there with those
pictures and no others. With --config a network is
trained twice on the first data set: split by picture, so that copies fall on both sides, and split by group.
"""
import argparse
import json
import pathlib
import random
import shutil

from PIL import Image, ImageEnhance, ImageOps

from common import ROOT, measured, ours

KINDS = ("recompressed", "resized", "cropped", "brightened", "mirrored")


def altered(picture, kind):
    w, h = picture.size
    if kind == "resized":
        return picture.resize((max(1, round(w * 0.6)), max(1, round(h * 0.6))), Image.Resampling.BICUBIC)
    if kind == "cropped":
        x, y = round(w * 0.025), round(h * 0.025)
        return picture.crop((x, y, w - x, h - y))
    if kind == "brightened":
        return ImageEnhance.Brightness(picture).enhance(1.3)
    return ImageOps.mirror(picture) if kind == "mirrored" else picture


def plant(sources, folder, copies):
    """A data set of the sources' pictures and their copies; returns image -> (original, kind)."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "images").mkdir(parents=True)
    draw, lines, origin = random.Random(1), [], {}
    for number, source in enumerate(sources):
        text = (source / "dataset.yaml").read_text()
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith((" ", "-")))
        root = (source / fields.get("image_root", ".").strip().strip("'\"")).resolve()
        for file in sorted(source.glob("*.jsonl")):
            for line in open(file):
                sample = json.loads(line)
                name = f"images/{number}-{len(lines):05}{pathlib.Path(sample['image']).suffix}"
                shutil.copyfile(root / sample["image"], folder / name)
                label = f"{number}-{sample['labels'][0]}" if len(sources) > 1 else sample["labels"][0]
                lines.append({"image": name, "labels": [label]})
                origin[name] = (name, "original")
    for i, sample in enumerate(draw.sample(lines, copies)):
        kind = KINDS[i % len(KINDS)]
        name = f"images/copy-{i:05}-{kind}.jpg"
        with Image.open(folder / sample["image"]) as picture:
            altered(picture.convert("RGB"), kind).save(folder / name, quality=30 if kind == "recompressed" else 90)
        lines.append({"image": name, "labels": sample["labels"]})
        origin[name] = (sample["image"], kind)
    classes = sorted({str(line["labels"][0]) for line in lines})
    for line in lines:
        line["labels"] = [str(line["labels"][0])]
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "dataset.yaml").write_text(json.dumps({"name": "planted", "classes": classes, "splits": {"train": "train.jsonl"}, "image_root": "."}))
    return origin


def count(groups, origin):
    """Of the pairs of each group: right ones, wrong ones; the copies that stand with what they were made from; groups found and planted."""
    right, wrong, found = 0, [], {kind: 0 for kind in KINDS}
    for group in groups:
        names = [picture["image"] for picture in group]
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                if origin[a][0] == origin[b][0]:
                    right += 1
                else:
                    wrong.append((a, b))
        for name in names:
            if origin[name][1] != "original" and origin[name][0] in names:
                found[origin[name][1]] += 1
    members = {}
    for name, (original, _) in origin.items():
        members.setdefault(original, set()).add(name)
    planted = {frozenset(names) for names in members.values() if len(names) > 1}
    whole = sum(frozenset(picture["image"] for picture in group) in planted for group in groups)
    return right, wrong, found, whole, len(planted)


def curve(folder, origin, copies, radii):
    share = copies // len(KINDS)
    print(f"{len(origin)} pictures, {copies} of them copies, {share} of each kind\n")
    print("| Radius | mirrored | " + " | ".join(KINDS) + " | all | precision of pairs | wrong pairs | groups found | seconds | MB |\n|" + "---|" * (len(KINDS) + 8))
    for mirrored in (False, True):
        for radius in radii:
            out = folder / f"groups-{radius}{'-mirrored' if mirrored else ''}.json"
            flags = ["--mirrored"] if mirrored else []
            seconds, memory = measured(["emotion_data", "dedup", "--data", folder, "--radius", radius, "--groups", out, *flags])
            right, wrong, found, whole, planted = count(json.loads(out.read_text())["groups"], origin)
            cells = " | ".join(f"{found[kind] / share:.3f}" for kind in KINDS)
            precision = right / max(1, right + len(wrong))
            print(f"| {radius} | {'yes' if mirrored else 'no'} | {cells} | {sum(found.values()) / copies:.3f} | {precision:.3f} | {len(wrong)} | {whole} of {planted} | {seconds:.1f} | {memory:.0f} |", flush=True)


def train(folder, config, settings, radius):
    """The same recipe on the same pictures, parted in two ways."""
    groups = folder / f"groups-{radius}-mirrored.json"
    for name, flags in (("by picture", []), ("by group", ["--groups", groups])):
        data, run = folder.parent / f"split-{name[3:]}", folder.parent / f"run-{name[3:]}"
        for old in (data, run):
            shutil.rmtree(old, ignore_errors=True)
        ours("emotion_data", "split", "--data", folder, "--out", data, "--ratio", "80/20", "--seed", 1, "--log-level", "warning", *flags)
        sets = [f"data.train.dataset={data}", f"data.val.dataset={data}", *settings]
        ours("emotion_train", "--config", config, "--output", run, "--log-level", "warning", *[word for s in sets for word in ("--set", s)])
        lines = [json.loads(line) for line in open(run / "metrics.jsonl")]
        best = max((line for line in lines if line["split"] == "val"), key=lambda line: line["top1"])
        print(f"parted {name}: best top1 {best['top1']:.4f}, balanced accuracy {best['balanced_accuracy']:.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=pathlib.Path, nargs="+")
    parser.add_argument("--copies", type=int, default=200)
    parser.add_argument("--radii", type=int, nargs="+", default=[0, 2, 4, 6, 8, 10, 12])
    parser.add_argument("--config", type=pathlib.Path)
    parser.add_argument("--set", action="append", default=[])
    args = parser.parse_args()
    folder = ROOT / "build/benchmark/duplicates" / "planted"
    curve(folder, plant(args.datasets, folder, args.copies), args.copies, args.radii)
    if args.config:
        train(folder, args.config, args.set, min(args.radii, key=lambda radius: abs(radius - 8)))


if __name__ == "__main__":
    main()
