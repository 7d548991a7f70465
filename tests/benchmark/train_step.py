#!/usr/bin/env python3
"""Training steps a second of the whole command (loader running), beside a plain PyTorch loop with eager, channels_last.

    python tests/benchmark/train_step.py [--backbone resnet18] [--size 64] [--batch 64] [--steps 30]
"""
import argparse
import json

import torch
import torchvision
from PIL import Image
from torchvision import transforms as T

from common import ROOT, compare, ours, steps_per_second, training_rate


class Split(torch.utils.data.Dataset):
    def __init__(self, folder, size):
        self.folder = folder
        self.lines = [json.loads(line) for line in open(folder / "train.jsonl")]
        self.transform = T.Compose([T.RandomResizedCrop(size), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])

    def __len__(self):
        return len(self.lines)

    def __getitem__(self, i):
        return self.transform(Image.open(self.folder / self.lines[i]["image"]).convert("RGB")), 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30)
    args = parser.parse_args()
    folder = ROOT / "build/benchmark/train"
    data = folder / "affect"
    if not (data / "dataset.yaml").exists():
        ours("emotion_data", "synth", "affect", "--out", data, "--count", 3000, "--size", 128)
    config = folder / "config.yaml"
    config.write_text(f"task: classifier\noutput: {folder / 'run'}\ndata: {{train: {{dataset: {data}, split: train}}, size: {args.size}}}\n"
                      f"model: {{backbone: {args.backbone}}}\ntrain: {{batch: {args.batch}, log_every: {args.steps}, max_steps: {2 * args.steps}}}\n")

    def own():
        return training_rate(config, folder / "run")["samples_per_second"]

    def peer():
        network = getattr(torchvision.models, args.backbone)(num_classes=8).to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-5)
        loader = torch.utils.data.DataLoader(Split(data, args.size), args.batch, shuffle=True, num_workers=2, drop_last=True)

        def step(batch):
            images, labels = batch
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(network(images.to(memory_format=torch.channels_last)), labels).backward()
            optimizer.step()

        return args.batch * steps_per_second(loader, step, args.steps)

    print(f"{args.backbone}, {args.size}x{args.size}, batch {args.batch}; torch {torch.__version__}, {torch.get_num_threads()} threads")
    compare("samples/s", {"emotion_train": own, "PyTorch eager, channels_last": peer}, rounds=2)


if __name__ == "__main__":
    main()
