"""Training steps of the three-branch network in plain PyTorch: what tests/train/stimuli_step_test.cpp must follow.

    python tests/reference/make_stimuli_goldens.py

Adds region files, faces and stimuli.jsonl to tests/train/fixtures/tiny, and writes tests/train/fixtures/stimuli_steps.json.
"""
import json

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from safetensors.torch import save_file

from formula import noise
from make_step_goldens import BATCH, CLASSES, MEAN, ROOT, STD, TINY, images, make_data, train

WIDTH, REGIONS, STEPS, ATTENTION, HIDDEN = 24, 4, 3, 16, 512
POSITIVE = torch.tensor([True, False, True, False])  # awe, fear, calm, anger


def make_stimuli(samples):
    rng = np.random.default_rng(11)
    lines, regions, faces = [], [], []
    (TINY / "regions").mkdir(exist_ok=True)
    (TINY / "faces").mkdir(exist_ok=True)
    for i, sample in enumerate(samples):
        line = {"image": sample["image"], "labels": sample["labels"][:1]}
        found = None
        if i % 5 != 3:  # some images have no region file, one has an empty one, one more than are used
            n = [0, 2, 4, 6, 3][i % 5] if i else 5
            features = torch.from_numpy(rng.normal(size=(n, WIDTH)).astype(np.float32))
            corner = torch.from_numpy(rng.uniform(0, 30, size=(n, 2)).astype(np.float32))
            boxes = torch.cat([corner, corner + 20], 1)
            scores = torch.linspace(0.9, 0.3, n)
            save_file({"features": features, "boxes": boxes, "scores": scores}, TINY / f"regions/{i:02}.safetensors")
            line["regions"] = f"regions/{i:02}.safetensors"
            found = features[:REGIONS]
        regions.append(found if found is not None else torch.zeros(0, WIDTH))
        face = None
        if i % 3 != 1:
            y, x = np.mgrid[0:48, 0:48]
            face = np.clip(128 + 60 * np.sin(x / (4 + i % 4)) + 50 * np.cos(y / 5 + i), 0, 255).astype(np.uint8)
            Image.fromarray(face).save(TINY / f"faces/{i:02}.png")
            line["face"] = f"faces/{i:02}.png"
            face = (torch.from_numpy(face).float().expand(3, 48, 48) / 255 - MEAN[0]) / STD[0]
        faces.append(face)
        lines.append(line)
    (TINY / "stimuli.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return regions, faces


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.feature = torch.nn.Linear(WIDTH, ATTENTION, bias=False)
        self.hidden = torch.nn.Linear(HIDDEN, ATTENTION, bias=False)
        self.score = torch.nn.Linear(ATTENTION, 1, bias=False)


class Semantic(torch.nn.Module):
    """One image at a time, as the equations are printed."""

    def __init__(self, lag, fc):
        super().__init__()
        self.lag, self.is_fc = lag, fc
        if fc:
            self.fc = torch.nn.Sequential(torch.nn.Linear(WIDTH, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, HIDDEN))
        else:
            self.attention_lstm = torch.nn.LSTMCell(HIDDEN + WIDTH, HIDDEN)
            self.correlation_lstm = torch.nn.LSTMCell(HIDDEN + WIDTH, HIDDEN)
            self.attention = Attention()

    def forward(self, f):  # [n, WIDTH]
        if len(f) == 0:
            return torch.zeros(HIDDEN)
        if self.is_fc:
            return self.fc(f).relu().mean(0)
        mean = f.mean(0)
        h_att = c_att = h_cor = c_cor = torch.zeros(1, HIDDEN)
        for _ in range(STEPS):
            before = h_att
            h_att, c_att = self.attention_lstm(torch.cat([h_cor, mean[None]], 1), (h_att, c_att))
            a = self.attention.score(torch.tanh(self.attention.feature(f) + self.attention.hidden(h_att)))
            f_att = (torch.softmax(a, 0) * f).sum(0, keepdim=True)
            h_cor, c_cor = self.correlation_lstm(torch.cat([before if self.lag else h_att, f_att], 1), (h_cor, c_cor))
        return h_cor[0]


def headless_resnet18():
    network = torchvision.models.resnet18()
    network.fc = torch.nn.Identity()
    return network


class Stimuli(torch.nn.Module):
    def __init__(self, lag=True, fc=False, bias=True, luminance=False):
        super().__init__()
        self.luminance = luminance
        # Registered under a name that is a keyword: "global".
        self.add_module("global", headless_resnet18())
        self.semantic = Semantic(lag, fc)
        self.expression = headless_resnet18()
        self.classifier = torch.nn.Linear(512 + HIDDEN + 512, 4, bias=bias)

    def forward(self, x, regions, faces):
        if self.luminance:
            y = ((x * STD + MEAN) * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
            x = (y - MEAN) / STD
        v_g = getattr(self, "global")(x)
        v_s = torch.stack([self.semantic(f) for f in regions])
        v_e = torch.zeros(len(x), 512)
        rows = [i for i, face in enumerate(faces) if face is not None]
        found = self.expression(torch.stack([faces[i] for i in rows]))
        v_e = v_e.index_put((torch.tensor(rows),), found)
        return self.classifier(torch.cat([v_g, v_s, v_e], 1))


def main():
    torch.manual_seed(0)
    samples, _ = make_data()
    regions, faces = make_stimuli(samples)
    x = images(samples)
    labels = torch.tensor([CLASSES.index(s["labels"][0]) for s in samples])

    def loss(weight):
        def step(m, part):
            p = F.softmax(m(x[part], regions[part], faces[part]), 1)
            emotion = -torch.log(p.gather(1, labels[part, None])).mean()
            same = POSITIVE[None, :] == POSITIVE[labels[part]][:, None]
            return emotion + weight * -torch.log((p * same).sum(1)).mean()
        return step

    sgd = lambda ps: torch.optim.SGD(ps, lr=2e-5, momentum=0.9, weight_decay=1e-4)
    golden = {
        "printed": train(Stimuli(), loss(1.0), sgd, formula=noise),
        "up_down": train(Stimuli(lag=False, bias=False), loss(0.5), sgd, formula=noise),
        "fc_luminance": train(Stimuli(fc=True, luminance=True), loss(0.0), sgd, formula=noise),
    }
    (ROOT / "stimuli_steps.json").write_text(json.dumps(golden, separators=(",", ":")))
    print({k: v["losses"] for k, v in golden.items()}, "torch", torch.__version__, "batch", BATCH)


if __name__ == "__main__":
    main()
