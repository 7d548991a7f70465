#!/usr/bin/env python3
"""A linear probe of E epochs: the released recipe (the frozen network forwarded in every epoch) in PyTorch, against emotion_probe.

    python tests/benchmark/probe.py [--epochs 30] [--count 600] [--size 64]

Both see the same pictures (centre crop), random ResNet-18 weights from one file, SGD with momentum, batch and learning rate alike. PyTorch
runs `--measured` epochs (default 2) and is scaled to E: its epochs cost the same. Accuracies come from the same features.
"""
import argparse
import json
import shutil
import subprocess
import time

import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from torchvision import transforms as T

from common import BIN, ROOT, ours


class Split(torch.utils.data.Dataset):
    def __init__(self, folder, split, size):
        self.folder = folder
        self.lines = [json.loads(line) for line in open(folder / f"{split}.jsonl")]
        self.classes = sorted({line["labels"][0] for line in self.lines})
        self.transform = T.Compose([T.Resize(size), T.CenterCrop(size), T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])

    def __len__(self):
        return len(self.lines)

    def __getitem__(self, i):
        line = self.lines[i]
        return self.transform(Image.open(self.folder / line["image"]).convert("RGB")), self.classes.index(line["labels"][0])


def accuracy(network, layer, loader):
    right = count = 0
    with torch.no_grad():
        for images, labels in loader:
            right += (layer(network(images)).argmax(1) == labels).sum().item()
            count += len(labels)
    return right / count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--measured", type=int, default=2)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--size", type=int, default=64)
    args = parser.parse_args()
    folder = ROOT / "build/benchmark/probe"
    data = folder / f"affect-{args.count}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (data / "dataset.yaml").exists():
        ours("emotion_data", "synth", "affect", "--out", data, "--count", args.count, "--size", 96)
    torch.manual_seed(1)
    network = torchvision.models.resnet18()
    network.fc = torch.nn.Identity()
    network.eval().requires_grad_(False)
    save_file(network.state_dict(), folder / "net.safetensors")

    shutil.rmtree(folder / "cache", ignore_errors=True)  # the first run: features are computed within it
    begin = time.time()
    subprocess.run([BIN / "emotion_probe", "--checkpoint", folder / "net.safetensors", "--set", "model.backbone=resnet18", "--set", f"data.size={args.size}",
                    "--set", f"data.resize={args.size}", "--data", data, "--solver", "sgd", "--lr", "0.01", "--epochs", str(args.epochs), "--cache", folder / "cache",
                    "--output", folder / "out", "--log-level", "warning"], check=True, stdout=subprocess.DEVNULL)
    mine = time.time() - begin
    own = json.loads((folder / "out/metrics.json").read_text())["top1"]

    train, test = Split(data, "train", args.size), Split(data, "test", args.size)
    loader = torch.utils.data.DataLoader(train, 256, shuffle=True, num_workers=2)
    held_out = torch.utils.data.DataLoader(test, 256, num_workers=2)
    layer = torch.nn.Linear(512, len(train.classes))
    begin = time.time()
    for _ in range(args.measured):  # the recipe: train, then validate, every epoch through the whole network
        for images, labels in loader:
            with torch.no_grad():
                features = network(images)
            torch.nn.functional.cross_entropy(layer(features), labels).backward()
            layer.zero_grad()
        accuracy(network, layer, held_out)
    peer = (time.time() - begin) / args.measured * args.epochs

    # The peer's accuracy after all epochs, from its features: its network is frozen, so that forwarding again gives the same.
    def features_of(split):
        parts = [(network(images), labels) for images, labels in torch.utils.data.DataLoader(split, 256, num_workers=2)]
        return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])

    x, y = features_of(train)
    tx, ty = features_of(test)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 10, 0.1)
    for _ in range(args.epochs):
        for rows in torch.randperm(len(x)).split(256):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(layer(x[rows]), y[rows]).backward()
            optimizer.step()
        schedule.step()
    theirs = (layer(tx).argmax(1) == ty).double().mean().item()
    print(f"{args.epochs} epochs on {len(train)} pictures: emotion_probe {mine:.1f} s (whole command), top1 {own:.3f}; PyTorch {peer:.1f} s, top1 {theirs:.3f}; "
          f"ratio {peer / mine:.1f}")


if __name__ == "__main__":
    main()
