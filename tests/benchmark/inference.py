#!/usr/bin/env python3
"""Forward passes without gradient: ours, PyTorch eager channels_last, torch.compile, and torch.compile with freezing, in one run.

    cmake --build --preset release --target inference_bench
    python tests/benchmark/inference.py [--backbone resnet50] [--batch 16] [--size 224] [--rounds 9]

All have the same weights and images; the sides take turns batch by batch, so that a busy machine slows each alike. The largest
difference of our features to the eager ones, relative to the largest feature, is printed too.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import torch
import torchvision
from safetensors.torch import load_file, save_file

from common import BIN


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    torch.manual_seed(1)
    network = getattr(torchvision.models, args.backbone)(weights=None)
    if hasattr(network, "fc"):
        network.fc = torch.nn.Identity()
    else:  # VGG-16, AlexNet: without the last linear layer
        network.classifier = network.classifier[:-1]
    network = network.eval()
    images = torch.randn(args.batch, 3, args.size, args.size)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        folder = pathlib.Path(folder)
        save_file(network.state_dict(), folder / "weights.safetensors")
        save_file({"images": images}, folder / "images.safetensors")
        process = subprocess.Popen([BIN / "inference_bench", args.backbone, folder / "weights.safetensors", folder / "images.safetensors", folder / "features.safetensors"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threads = int(process.stdout.readline())
        torch.set_num_threads(threads)
        network = network.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
        wanted = network(images)
        difference = (load_file(folder / "features.safetensors")["features"] - wanted).abs().max() / wanted.abs().max()
        compiled = torch.compile(network)
        compiled(images)
        torch._inductor.config.freezing = True
        frozen = torch.compile(network, options={"freezing": True})
        frozen(images)

        def ours():
            process.stdin.write("\n")
            process.stdin.flush()
            return float(process.stdout.readline()) / 1000

        def peer(net):
            def run():
                begin = time.perf_counter()
                net(images)
                return time.perf_counter() - begin

            return run

        sides = {"emotion": ours, "eager, channels_last": peer(network), "torch.compile": peer(compiled), "torch.compile, freezing": peer(frozen)}
        times = {name: [] for name in sides}
        for i in range(args.rounds + 1):
            for name, run in sides.items():
                seconds = run()
                if i:  # the first warms up
                    times[name].append(seconds)
        process.stdin.close()
    print(f"{args.backbone}, batch {args.batch}, {args.size} px, {threads} threads; torch {torch.__version__}, torchvision {torchvision.__version__}; relative difference {difference:.1e}")
    rates = {name: args.batch / statistics.median(values) for name, values in times.items()}
    for name, rate in rates.items():
        print(f"{name:<26} {rate:8.1f} images/s   emotion / this = {rates['emotion'] / rate:.2f}")
    print(json.dumps({"unit": "images/s", "median": rates}))


if __name__ == "__main__":
    main()
