#!/usr/bin/env python3
"""Loader throughput: 500x375 JPEGs to 224x224 random resized crops, beside PyTorch DataLoaders with 2 worker processes.

    python tests/benchmark/loader.py [--count 1000] [--seconds 8] [--data build/benchmark/loader]
"""
import argparse
import io
import json
import pathlib
import time

import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision.transforms import v2

from common import ROOT, compare, ours


def make_data(folder, count):
    """Pictures with the spectrum of photographs (1/f noise), quality 90."""
    if (folder / "train.jsonl").exists():
        return
    (folder / "img").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    fy, fx = np.fft.fftfreq(375)[:, None], np.fft.fftfreq(500)[None]
    amplitude = 1 / np.maximum(np.hypot(fy, fx), 1 / 500)
    lines = []
    for i in range(count):
        planes = [np.fft.ifft2(amplitude * np.exp(2j * np.pi * rng.random((375, 500)))).real for _ in range(3)]
        grey = planes[0] / planes[0].std()
        pixels = np.stack([128 + 45 * grey + 18 * p / p.std() for p in planes], 2)
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"img/{i:05}.jpg", quality=90)
        lines.append(json.dumps({"image": f"img/{i:05}.jpg", "labels": ["a"]}))
    (folder / "dataset.yaml").write_text("name: loader\nclasses: [a, b]\nsplits: {train: train.jsonl}\nimage_root: .\n")
    (folder / "config.yaml").write_text(f"task: classifier\ndata:\n  train: {{dataset: {folder}, split: train}}\ntrain: {{batch: 64}}\n")
    (folder / "train.jsonl").write_text("\n".join(lines) + "\n")


def use_photos(folder, photos):
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(file.name for file in photos.glob("*.jpg"))
    (folder / "dataset.yaml").write_text(f"name: loader\nclasses: [a, b]\nsplits: {{train: train.jsonl}}\nimage_root: {photos}\n")
    (folder / "config.yaml").write_text(f"task: classifier\ndata:\n  train: {{dataset: {folder}, split: train}}\ntrain: {{batch: 64}}\n")
    (folder / "train.jsonl").write_text("".join(json.dumps({"image": name, "labels": ["a"]}) + "\n" for name in names))


class Pictures(torch.utils.data.Dataset):
    def __init__(self, files, load):
        self.files, self.load = files, load

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        return self.load(self.files[i])


def pillow():
    transform = torchvision.transforms.Compose([torchvision.transforms.RandomResizedCrop(224), torchvision.transforms.RandomHorizontalFlip(), torchvision.transforms.PILToTensor()])
    return lambda file: transform(Image.open(file).convert("RGB"))


def pillow_draft():
    """Pillow with JPEG DCT scaling (draft mode): what a careful user writes."""
    transform = torchvision.transforms.Compose([torchvision.transforms.RandomResizedCrop(224), torchvision.transforms.RandomHorizontalFlip(), torchvision.transforms.PILToTensor()])

    def load(file):
        image = Image.open(file)
        image.draft("RGB", (224, 224))
        return transform(image.convert("RGB"))

    return load


def torchvision_io():
    transform = v2.Compose([v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip()])
    return lambda file: transform(torchvision.io.decode_image(torchvision.io.read_file(file), mode=torchvision.io.ImageReadMode.RGB))


def opencv():
    import cv2

    cv2.setNumThreads(0)
    pick = torchvision.transforms.RandomResizedCrop.get_params

    def load(file):
        image = cv2.cvtColor(cv2.imread(file, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        top, left, height, width = pick(torch.empty(3, *image.shape[:2]), [0.08, 1.0], [3 / 4, 4 / 3])
        image = cv2.resize(image[top:top + height, left:left + width], (224, 224), interpolation=cv2.INTER_AREA)
        return torch.from_numpy(image[:, ::-1].copy() if torch.rand(()) < 0.5 else image).permute(2, 0, 1)

    return load


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--photos", type=pathlib.Path, help="folder of JPEGs of your own instead of drawn ones")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "build/benchmark/loader")
    args = parser.parse_args()
    folder = args.data.resolve()
    if args.photos:
        folder = folder.with_name(folder.name + "-photos")
        use_photos(folder, args.photos.resolve())
    else:
        make_data(folder, args.count)
    files = sorted(str(file) for file in (args.photos or folder / "img").resolve().glob("*.jpg"))
    print(f"{len(files)} files, {sum(pathlib.Path(f).stat().st_size for f in files) / len(files) / 1024:.0f} KB each; torch {torch.__version__}, torchvision {torchvision.__version__}")

    def own(cache=0):
        out = ours("emotion_data", "bench", "--data", folder, "--split", "train", "--config", folder / "config.yaml", "--set", "data.workers=2", "--set", f"data.picture_cache_mb={cache}", "--seconds", args.seconds)
        return json.loads(out)["images_per_second"]

    def peer(load):
        def run():
            loader = torch.utils.data.DataLoader(Pictures(files, load), batch_size=64, shuffle=True, num_workers=2, persistent_workers=True)
            count = sum(len(batch) for batch in loader)  # starts the workers, warms the cache
            count, begin = 0, time.time()
            while time.time() - begin < args.seconds:
                for batch in loader:
                    count += len(batch)
                    if time.time() - begin >= args.seconds:
                        break
            rate = count / (time.time() - begin)
            del loader
            return rate

        return run

    compare("images/s", {"emotion, 2 threads": own, "emotion, pictures kept in memory": lambda: own(4000), "Pillow + torchvision": peer(pillow()), "Pillow draft + torchvision": peer(pillow_draft()),
                         "torchvision.io + v2": peer(torchvision_io()), "OpenCV": peer(opencv())}, rounds=2)


if __name__ == "__main__":
    main()
