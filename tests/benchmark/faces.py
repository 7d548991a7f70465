#!/usr/bin/env python3
"""emotion_data faces (HOG detector, landmarks, alignment) with one thread and with one a core; and Python dlib, where it is installed.

    python tests/benchmark/faces.py [--photos DIR] [--count 200] [--size 384] [--rounds 3]

Drawn people, or the first --count pictures below --photos. The sides take turns; the ratio of two threads to one is what counts.
"""
import argparse
import json
import os
import pathlib
import time

from common import ROOT, compare, ours

LANDMARKS = "/usr/share/dlib/shape_predictor_68_face_landmarks.dat"


def make_data(folder, args):
    if (folder / "dataset.yaml").exists():
        return
    if not args.photos:
        ours("emotion_data", "synth", "people", "--out", folder, "--count", args.count, "--size", args.size)
        return
    files = sorted(p for p in args.photos.resolve().rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))[: args.count]
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text("".join(json.dumps({"image": str(p.relative_to(args.photos.resolve()))}) + "\n" for p in files))
    (folder / "dataset.yaml").write_text(f"name: photos\nclasses: [a, b]\nsplits: {{train: train.jsonl}}\nimage_root: {args.photos.resolve()}\n")


def python_dlib(folder, root):
    """The same work by dlib's own module: detector, landmarks and aligned chip of the largest face; one thread, nothing written."""
    import cv2
    import dlib
    detector, landmarks = dlib.get_frontal_face_detector(), dlib.shape_predictor(LANDMARKS)
    files = [root / json.loads(line)["image"] for line in open(folder / "train.jsonl")]

    def run():
        begin = time.time()
        for file in files:
            image = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
            longest = max(image.shape[:2])
            seen = image if longest <= 1024 else cv2.resize(image, None, fx=1024 / longest, fy=1024 / longest, interpolation=cv2.INTER_AREA)
            faces = detector(seen, 1)
            if faces:
                scale = max(longest / 1024, 1)
                largest = max(faces, key=lambda f: f.area())
                box = dlib.rectangle(*(round(v * scale) for v in (largest.left(), largest.top(), largest.right(), largest.bottom())))
                dlib.get_face_chip(image, landmarks(image, box), size=48)
        return len(files) / (time.time() - begin)

    return run


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=pathlib.Path, help="folder of pictures instead of drawn ones")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--size", type=int, default=384, help="side of the drawn pictures")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    name = f"photos-{args.photos.resolve().name}-{args.count}" if args.photos else f"people-{args.count}-{args.size}"
    folder = ROOT / "build/benchmark/faces" / name
    make_data(folder, args)
    root = args.photos.resolve() if args.photos else folder
    cores = len(os.sched_getaffinity(0))
    found = {}

    def own(workers):
        def run():
            ours("emotion_data", "faces", folder, "--split", "train", "--workers", workers, "--anew", "--json", folder / "rates.json")
            rates = json.loads((folder / "rates.json").read_text())["splits"]["train"]
            found.update(images=rates["images"], faces=rates["with_face"])
            return (rates["images"] - rates["broken"]) / rates["seconds"]

        return run

    sides = {f"emotion, {cores} threads": own(cores), "emotion, 1 thread": own(1)}
    try:
        sides["Python dlib, 1 thread"] = python_dlib(folder, root)
    except ImportError:
        print("Python dlib is not installed: without it")
    compare("images/s", sides, rounds=args.rounds)
    print(f"{found['images']} pictures, {found['faces']} with a face; {cores} cores")


if __name__ == "__main__":
    main()
