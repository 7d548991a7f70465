#!/usr/bin/env python3
"""Training steps a second of the three-branch network: emotion_train, beside a plain PyTorch loop with a DataLoader.

    python tests/benchmark/stimuli_step.py [--backbone resnet18] [--size 128] [--batch 32] [--regions 10] [--steps 10]

Both train the same network from the same weights with Adam on the same pictures, regions and faces in the same order (nothing is drawn),
eager and channels_last in PyTorch. Their mean losses over the measured steps are printed: they agree where both did the same work.
"""
import argparse
import json

import torch
import torchvision
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F
from torchvision.transforms.functional import to_tensor

from common import ROOT, compare, ours, steps_per_second, training_rate

WIDTH, HIDDEN, ATTENTION = 2048, 512, 512
POLARITY_WEIGHT, LR = 1.0, 5e-5


def make_data(folder, size, regions):
    """Drawn pictures, each with a region file; two of three have a face."""
    if not (folder / "dataset.yaml").exists():
        ours("emotion_data", "synth", "affect", "--out", folder, "--count", 640, "--size", size)
    generator = torch.Generator().manual_seed(1)
    lines = [json.loads(line) for line in open(folder / "train.jsonl")]
    if "regions" in lines[0]:
        return lines
    for name in ("regions", "faces"):
        (folder / name).mkdir(exist_ok=True)
    for i, line in enumerate(lines):
        corner = torch.rand(regions, 2, generator=generator) * size / 2
        line["regions"] = f"regions/{i}.safetensors"
        save_file({"features": torch.rand(regions, WIDTH, generator=generator), "boxes": torch.cat([corner, corner + size / 2], 1),
                   "scores": torch.linspace(1, 0.5, regions)}, folder / line["regions"])
        if i % 3:
            line["face"] = f"faces/{i}.png"
            Image.fromarray(torch.randint(0, 256, (48, 48), generator=generator, dtype=torch.uint8).numpy()).save(folder / line["face"])
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return lines


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.feature, self.hidden, self.score = nn.Linear(WIDTH, ATTENTION, bias=False), nn.Linear(HIDDEN, ATTENTION, bias=False), nn.Linear(ATTENTION, 1, bias=False)


class Semantic(nn.Module):
    """Eq 3-10, all images at once: here each has all of its regions."""

    def __init__(self, steps=10):
        super().__init__()
        self.attention_lstm, self.correlation_lstm, self.attention, self.steps = nn.LSTMCell(HIDDEN + WIDTH, HIDDEN), nn.LSTMCell(HIDDEN + WIDTH, HIDDEN), Attention(), steps

    def forward(self, f):  # [B, N, WIDTH]
        mean, projected = f.mean(1), self.attention.feature(f)
        h_att = c_att = h_cor = c_cor = f.new_zeros(len(f), HIDDEN)
        for _ in range(self.steps):
            before = h_att
            h_att, c_att = self.attention_lstm(torch.cat([h_cor, mean], 1), (h_att, c_att))
            alpha = self.attention.score(torch.tanh(projected + self.attention.hidden(h_att)[:, None])).softmax(1)
            h_cor, c_cor = self.correlation_lstm(torch.cat([before, (alpha * f).sum(1)], 1), (h_cor, c_cor))
        return h_cor


class Stimuli(nn.Module):
    def __init__(self, backbone, classes):
        super().__init__()
        for name, network in (("global", getattr(torchvision.models, backbone)()), ("expression", torchvision.models.resnet18())):
            width = network.fc.in_features
            network.fc = nn.Identity()
            self.add_module(name, network)
            if name == "global":
                self.semantic, self.width = Semantic(), width
        self.classifier = nn.Linear(self.width + HIDDEN + 512, classes)

    def forward(self, images, regions, faces, rows):
        v_e = images.new_zeros(len(images), 512).index_copy(0, rows, self.expression(faces))
        return self.classifier(torch.cat([getattr(self, "global")(images), self.semantic(regions), v_e], 1))


class Samples(torch.utils.data.Dataset):
    def __init__(self, folder, lines, classes):
        self.folder, self.lines, self.classes = folder, lines, classes
        self.normalize = torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])

    def __len__(self):
        return len(self.lines)

    def picture(self, name):
        return self.normalize(to_tensor(Image.open(self.folder / name).convert("RGB")))

    def __getitem__(self, i):
        line = self.lines[i]
        return (self.picture(line["image"]), load_file(self.folder / line["regions"])["features"],
                self.picture(line["face"]) if "face" in line else None, self.classes.index(line["labels"][0]))


def collate(samples):
    images, regions, faces, labels = zip(*samples)
    rows = [i for i, face in enumerate(faces) if face is not None]
    return torch.stack(images), torch.stack(regions), torch.stack([faces[i] for i in rows]), torch.tensor(rows), torch.tensor(labels)


def hierarchical_loss(logits, labels, positive):
    log_p = F.log_softmax(logits, 1)
    same = positive[None] == positive[labels][:, None]
    polarity = -torch.logsumexp(log_p.masked_fill(~same, float("-inf")), 1).mean()
    return F.nll_loss(log_p, labels) + POLARITY_WEIGHT * polarity


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--regions", type=int, default=10)
    parser.add_argument("--steps", type=int, default=10, help="measured; as many before them warm up")
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    folder = ROOT / "build/benchmark/stimuli"
    data = folder / f"affect-{args.size}-{args.regions}"
    lines = make_data(data, args.size, args.regions)
    description = yaml.safe_load(open(data / "dataset.yaml"))
    classes = description["classes"]
    positive = torch.tensor([name in description["polarity"]["positive"] for name in classes])
    torch.manual_seed(0)
    initial = {k: v.clone() for k, v in Stimuli(args.backbone, len(classes)).state_dict().items()}
    save_file(initial, folder / "init.safetensors")
    (folder / "config.yaml").write_text(
        f"task: stimuli\noutput: {folder / 'run'}\ndevice: cpu\ndata: {{train: {{dataset: {data}, split: train}}, resize: 0, augment: none, flip: false, shuffle: false, workers: 2}}\n"
        f"model: {{backbone: {args.backbone}, init: {folder / 'init.safetensors'}, semantic: {{regions: {args.regions}}}}}\nloss: {{polarity_weight: {POLARITY_WEIGHT}}}\n"
        f"optimizer: {{name: adam, lr: {LR}, weight_decay: {LR}}}\ntrain: {{batch: {args.batch}, log_every: {args.steps}, max_steps: {2 * args.steps}}}\n")
    losses = {}

    def own():
        last = training_rate(folder / "config.yaml", folder / "run")
        losses["emotion"] = last["loss"]
        return last["samples_per_second"]

    def peer():
        network = Stimuli(args.backbone, len(classes))
        network.load_state_dict(initial)
        network = network.to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=LR, weight_decay=LR)
        loader = torch.utils.data.DataLoader(Samples(data, lines, classes), args.batch, num_workers=2, collate_fn=collate, drop_last=True)
        kept = []

        def step(batch):
            images, regions, faces, rows, labels = batch
            optimizer.zero_grad(set_to_none=True)
            images, faces = (x.to(memory_format=torch.channels_last) for x in (images, faces))
            loss = hierarchical_loss(network(images, regions, faces, rows), labels, positive)
            loss.backward()
            optimizer.step()
            kept.append(loss.detach())

        rate = steps_per_second(loader, step, args.steps)
        losses["PyTorch"] = torch.stack(kept[args.steps:]).mean().item()
        return args.batch * rate

    print(f"{args.backbone}, {args.size}x{args.size}, batch {args.batch}, {args.regions} regions; torch {torch.__version__}, {torch.get_num_threads()} threads")
    compare("samples/s", {"emotion_train": own, "PyTorch eager, channels_last": peer}, rounds=args.rounds)
    print(f"mean loss of the measured steps: {losses['emotion']:.6f} and {losses['PyTorch']:.6f}")


if __name__ == "__main__":
    main()
