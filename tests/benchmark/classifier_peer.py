#!/usr/bin/env python3
"""The recipe of configs/classifier/facial_expressions.yaml in PyTorch and torchvision, for comparison.

    python tests/benchmark/classifier_peer.py DATASET [--epochs 30] [--seed 1]

Reads a data set as `emotion_data import` writes it; prints accuracy and balanced accuracy of every epoch, and the time.
"""
import argparse
import json
import math
import os
import time

import torch
import torchvision
import yaml
from PIL import Image
from torchvision import transforms as T


class Split(torch.utils.data.Dataset):
    def __init__(self, root, split, transform):
        header = yaml.safe_load(open(os.path.join(root, "dataset.yaml")))
        self.images = os.path.join(root, header["image_root"])
        self.classes = header["classes"]
        lines = [json.loads(line) for line in open(os.path.join(root, header["splits"][split]))]
        self.samples = [(line["image"], self.classes.index(line["labels"][0])) for line in lines]
        self.transform = transform

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        name, label = self.samples[i]
        return self.transform(Image.open(os.path.join(self.images, name)).convert("RGB")), label


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(os.cpu_count())
    normalize = [T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
    train = Split(args.dataset, "train", T.Compose([T.RandomResizedCrop(64, scale=(0.6, 1.0)), T.RandomHorizontalFlip(), *normalize]))
    val = Split(args.dataset, "val", T.Compose([T.Resize(72), T.CenterCrop(64), *normalize]))
    workers = dict(num_workers=2, persistent_workers=True)
    train_loader = torch.utils.data.DataLoader(train, 64, shuffle=True, **workers)
    val_loader = torch.utils.data.DataLoader(val, 64, **workers)
    network = torchvision.models.resnet18(num_classes=len(train.classes)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    steps, warmup, step = len(train_loader) * args.epochs, len(train_loader), 0
    begin = time.time()
    for epoch in range(args.epochs):
        network.train()
        for images, labels in train_loader:
            rate = (step + 1) / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
            optimizer.param_groups[0]["lr"] = 0.05 * rate
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(network(images.to(memory_format=torch.channels_last)), labels).backward()
            optimizer.step()
            step += 1
        network.eval()
        confusion = torch.zeros(len(train.classes), len(train.classes))
        with torch.no_grad():
            for images, labels in val_loader:
                for truth, guess in zip(labels, network(images.to(memory_format=torch.channels_last)).argmax(1)):
                    confusion[truth, guess] += 1
        present = confusion.sum(1) > 0
        recall = (confusion.diag() / confusion.sum(1).clamp_min(1))[present]
        print(f"epoch {epoch + 1}  top1 {confusion.diag().sum() / confusion.sum():.4f}  balanced_accuracy {recall.mean():.4f}  {time.time() - begin:.0f} s", flush=True)
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}: {time.time() - begin:.0f} s")


if __name__ == "__main__":
    main()
