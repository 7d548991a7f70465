"""RoIAlign, NMS and the whole detector against torchvision's CPU operators, on the same weights, in one run.

    cmake --build --preset release --target detector_bench
    python tests/benchmark/detector.py --bench build/release/bin/detector_bench

Each pair is timed in turns, so that a busy machine slows both; the ratio of the medians is what counts.
"""
import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
import torchvision
from safetensors.torch import save_file
from torchvision.ops import batched_nms, roi_align


def milliseconds(action):
    begin = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - begin)


class Ours:
    """The bench program: reads a name a line, does that once, answers with the milliseconds."""

    def __init__(self, bench, folder):
        self.process = subprocess.Popen([bench, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, name):
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", default="build/release/bin/detector_bench")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size", type=int, default=320, help="shorter side of the detector's picture")
    args = parser.parse_args()
    torch.manual_seed(0)
    features, corner = torch.randn(2, 256, 100, 136), torch.rand(1000, 2) * 300
    rois = torch.cat([torch.randint(0, 2, (1000, 1)).float(), corner, corner + torch.rand(1000, 2) * 200 + 8], 1)
    boxes, scores, groups = torch.cat([corner, corner + torch.rand(1000, 2) * 60 + 8], 1).repeat(4, 1), torch.rand(4000), torch.randint(0, 5, (4000,))
    boxes = boxes + torch.rand(4000, 1) * 50
    model = torchvision.models.detection.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, min_size=args.size, max_size=args.size * 5 // 3).eval()
    picture = torch.rand(3, args.size, args.size * 4 // 3)
    weight = features.clone().requires_grad_()

    def train_step(x):
        y = roi_align(x, rois, 7, 0.25, 2)
        y.backward(torch.ones_like(y))

    peer = {"roi_align": lambda: roi_align(features, rois, 7, 0.25, 2),
            "roi_align_gradient": lambda: train_step(weight),
            "nms": lambda: torchvision.ops.nms(boxes, scores, 0.7),
            "batched_nms": lambda: batched_nms(boxes, scores, groups, 0.7),
            "detector": lambda: model([picture])}
    with tempfile.TemporaryDirectory() as folder:
        save_file({"map": features, "rois": rois, "boxes": boxes, "scores": scores, "groups": groups, "picture": picture}, Path(folder) / "input.safetensors")
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, Path(folder) / "weights.safetensors")
        (Path(folder) / "sizes").write_text(f"{args.size} {args.size * 5 // 3}\n")
        ours = Ours(args.bench, folder)
        for name, action in peer.items():
            rounds = args.rounds if name != "detector" else max(3, args.rounds // 3)
            times = {"ours": [], "torchvision": []}
            for i in range(rounds + 1):
                with torch.set_grad_enabled(name == "roi_align_gradient"):
                    theirs = milliseconds(action)
                mine = ours.run(name)
                if i:  # the first warms up
                    times["torchvision"].append(theirs)
                    times["ours"].append(mine)
            medians = {k: round(statistics.median(v), 3) for k, v in times.items()}
            print(json.dumps({"name": name, **medians, "ratio": round(medians["torchvision"] / medians["ours"], 2), "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
