#!/usr/bin/env python3
"""A linear probe of E epochs: the released recipe (the frozen network forwarded in every epoch) in PyTorch, against emotion_probe.

    python tests/benchmark/probe.py [--epochs 30] [--measured 2] [--count 600] [--size 224] [--backbone resnet18]

Both see the same drawn pictures (centre crop) through the same network with random weights, and take the same SGD steps: batch 256, lr, momentum,
weight decay. The recipe trains and validates in every epoch, with two loading processes. PyTorch runs `--measured` epochs, which cost the same each, and
its time is scaled to E; emotion_probe's time is the whole command's, its cache empty. The accuracy of the recipe after E epochs is reached without
forwarding again: its network is frozen. Last, the optimum: `--solver lbfgs` against scikit-learn's LogisticRegression on the same features.
"""
import argparse
import json
import shutil
import time

import numpy as np
import safetensors.torch
import torch
import torchvision
from PIL import Image
from sklearn.linear_model import LogisticRegression
from torchvision import transforms as T

from common import ROOT, ours

BATCH, LR, MOMENTUM, DECAY = 256, 0.01, 0.9, 1e-5


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


def make_network(name, file):
    torch.manual_seed(1)
    network = getattr(torchvision.models, name)()
    width = network.fc.in_features
    network.fc = torch.nn.Identity()
    safetensors.torch.save_file(network.state_dict(), file)
    return network.eval().requires_grad_(False), width


def make_layer(width, classes):
    layer = torch.nn.Linear(width, classes)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(layer.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=DECAY)
    return layer, optimizer


def recipe_epoch(network, layer, optimizer, train, test):
    for images, labels in train:
        with torch.no_grad():
            features = network(images)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(layer(features), labels).backward()
        optimizer.step()
    with torch.no_grad():
        for images, labels in test:
            layer(network(images)).argmax(1)


def features_of(network, loader):
    with torch.no_grad():
        parts = [(network(images), labels) for images, labels in loader]
    return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--measured", type=int, default=2)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--backbone", default="resnet18")
    args = parser.parse_args()
    folder = ROOT / "build/benchmark/probe"
    data = folder / f"affect-{args.count}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (data / "dataset.yaml").exists():
        ours("emotion_data", "synth", "affect", "--out", data, "--count", args.count, "--size", 256, capture=False)
    network, width = make_network(args.backbone, folder / "net.safetensors")

    def probe(*flags):
        begin = time.time()
        ours("emotion_probe", "--checkpoint", folder / "net.safetensors", "--set", f"model.backbone={args.backbone}", "--set", f"data.size={args.size}",
             "--set", f"data.resize={args.size}", "--data", data, "--cache", folder / "cache", "--output", folder / "out", "--log-level", "warning", *flags)
        return time.time() - begin, json.loads((folder / "out/metrics.json").read_text())["top1"]

    shutil.rmtree(folder / "cache", ignore_errors=True)
    mine, own = probe("--solver", "sgd", "--lr", LR, "--epochs", args.epochs)
    again, _ = probe("--solver", "sgd", "--lr", LR, "--epochs", args.epochs)

    train, test = Split(data, "train", args.size), Split(data, "test", args.size)
    loader = torch.utils.data.DataLoader(train, BATCH, shuffle=True, num_workers=2)
    held_out = torch.utils.data.DataLoader(test, BATCH, num_workers=2)
    layer, optimizer = make_layer(width, len(train.classes))
    begin = time.time()
    for _ in range(args.measured):
        recipe_epoch(network, layer, optimizer, loader, held_out)
    peer = (time.time() - begin) / args.measured * args.epochs

    x, y = features_of(network, torch.utils.data.DataLoader(train, BATCH, num_workers=2))
    tx, ty = features_of(network, held_out)
    layer, optimizer = make_layer(width, len(train.classes))
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 10, 0.1)
    for _ in range(args.epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(layer(x[rows]), y[rows]).backward()
            optimizer.step()
        schedule.step()
    theirs = (layer(tx).argmax(1) == ty).double().mean().item()
    print(f"{args.backbone}, {args.size} px, {len(train)} + {len(test)} pictures, {args.epochs} epochs, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"emotion_probe {mine:.1f} s ({again:.1f} s with kept features), top1 {own:.4f}; PyTorch {peer:.1f} s ({args.measured} epochs measured), top1 {theirs:.4f}; "
          f"ratio {peer / mine:.1f}")
    _, optimum = probe("--solver", "lbfgs", "--C", 1)
    reference = LogisticRegression(C=1.0, tol=1e-8, max_iter=100000).fit(x.double().numpy(), y.numpy())
    print(f"lbfgs: top1 {optimum:.4f}; scikit-learn's LogisticRegression on PyTorch's features {np.mean(reference.predict(tx.double().numpy()) == ty.numpy()):.4f}")


if __name__ == "__main__":
    main()
