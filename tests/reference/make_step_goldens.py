"""Five training steps in plain PyTorch: what tests/train/step_test.cpp must follow. Writes tests/train/fixtures/.

    python tests/reference/make_step_goldens.py
"""
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image

from formula import fill, noise, values

ROOT = pathlib.Path(__file__).parent.parent / "train" / "fixtures"
TINY = ROOT / "tiny"
CLASSES = ["awe", "fear", "calm", "anger"]
WORDS = ["sky", "sea", "night", "fire", "tree", "lake", "ghost", "storm", "garden", "smoke"]
MEAN, STD = [torch.tensor(v).view(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
BATCH, STEPS, MAX_KEYWORDS, DIM = 8, 5, 12, 300


def make_data():
    (TINY / "img").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    samples = []
    for i in range(16):
        y, x = np.mgrid[0:64, 0:64]
        base = np.stack([128 + 90 * np.sin(x / (3 + i % 5) + i), 128 + 90 * np.cos(y / (4 + i % 3)), 100 + 6 * i + 0 * x], 2)
        Image.fromarray(np.clip(base + rng.normal(0, 4, base.shape), 0, 255).astype(np.uint8)).save(TINY / f"img/{i:02}.png")
        labels = [CLASSES[i % 4]] + ([CLASSES[(i + 1) % 4]] if i % 3 == 0 else [])
        words = [WORDS[(i * 3 + k) % 10] for k in range(3 + i % 4)]
        keywords = words[:2] + labels + words[2:] + (["unheard"] if i % 5 == 0 else []) + words[:1]
        samples.append({"image": f"img/{i:02}.png", "labels": labels, "keywords": keywords})
    (TINY / "train.jsonl").write_text("".join(json.dumps(s) + "\n" for s in samples))
    single = [{"image": s["image"], "labels": s["labels"][:1]} for s in samples]
    (TINY / "single.jsonl").write_text("".join(json.dumps(s) + "\n" for s in single))
    (TINY / "dataset.yaml").write_text("name: tiny\nclasses: [awe, fear, calm, anger]\npolarity: {positive: [awe, calm], negative: [fear, anger]}\nsplits: {train: train.jsonl, single: single.jsonl, stimuli: stimuli.jsonl}\nimage_root: .\n")
    (TINY / "vocabulary.txt").write_text("".join(w + "\n" for w in WORDS))
    known = CLASSES[:3] + WORDS[:9]  # one emotion and one word without a vector
    with open(TINY / "word2vec.txt", "w") as f:
        f.write(f"{len(known)} {DIM}\n")
        for w in known:
            f.write(w + " " + " ".join(f"{v:.4f}" for v in np.sin(np.arange(DIM) * 0.37 + len(w) * 5 + ord(w[0]))) + "\n")
    return samples, known


def images(samples):
    pixels = np.stack([np.asarray(Image.open(TINY / s["image"]).convert("RGB")) for s in samples])
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def multi_hot(samples, mean):
    q = torch.zeros(len(samples), 4)
    for i, s in enumerate(samples):
        for label in s["labels"]:
            q[i, CLASSES.index(label)] = 1 / len(s["labels"]) if mean else 1
    return q


def keyword_ids(samples):
    ids = torch.full((len(samples), MAX_KEYWORDS), len(WORDS) + 1)
    for i, s in enumerate(samples):
        distinct = [w for w in dict.fromkeys(s["keywords"]) if w not in CLASSES][:MAX_KEYWORDS]
        for j, w in enumerate(distinct):
            ids[i, j] = WORDS.index(w) if w in WORDS else len(WORDS)
    return ids


class TextCNN(torch.nn.Module):
    def __init__(self, static=False):
        super().__init__()
        self.embedding = torch.nn.Embedding(len(WORDS) + 2, DIM, padding_idx=len(WORDS) + 1)
        self.embedding.weight.requires_grad_(not static)
        self.conv = torch.nn.Conv1d(DIM, DIM, 1)
        self.norm = torch.nn.BatchNorm1d(DIM)
        self.hidden = torch.nn.Linear(DIM, DIM)
        self.classifier = torch.nn.Linear(DIM, 4)

    def forward(self, ids):
        x = self.conv(self.embedding(ids).transpose(1, 2)).relu().mean(2)
        return self.classifier(self.hidden(self.norm(x)))


class Visual(torch.nn.Module):
    def __init__(self, classes, projection):
        super().__init__()
        self.backbone = torchvision.models.resnet18()
        self.backbone.fc = torch.nn.Identity()
        self.classifier = torch.nn.Linear(512, classes)
        if projection:
            self.projection = torch.nn.Linear(512, DIM)


def soft_cross_entropy(logits, targets):
    return -(targets * F.log_softmax(logits, 1)).sum(1).mean()


def summary(module):
    out = {}
    for name, t in module.state_dict().items():
        flat = t.detach().double().flatten()
        out[name] = {"sum": flat.sum().item(), "norm": flat.norm().item(), "first": flat[:4].tolist(), "last": flat[-4:].tolist()}
    return out


def train(module, step_loss, optimizer, accumulate=1, clip=0.0, formula=values):
    fill(module, formula=formula)
    module.train()
    opt = optimizer([p for p in module.parameters() if p.requires_grad])
    losses = []
    for step in range(STEPS):
        opt.zero_grad()
        total = 0
        for a in range(accumulate):
            index = (step * accumulate + a) % 2
            loss = step_loss(module, slice(index * BATCH, index * BATCH + BATCH))
            (loss / accumulate).backward()
            total += loss.item() / accumulate
        if clip:
            torch.nn.utils.clip_grad_norm_(module.parameters(), clip)
        opt.step()
        losses.append(total)
    return {"losses": losses, "state": summary(module)}


def main():
    torch.manual_seed(0)
    torch.set_num_threads(2)
    samples, known = make_data()
    x, ids = images(samples), keyword_ids(samples)
    single = torch.tensor([CLASSES.index(s["labels"][0]) for s in samples])
    vectors = {line.split()[0]: torch.tensor([float(v) for v in line.split()[1:]]) for line in (TINY / "word2vec.txt").read_text().splitlines()[1:]}
    text, has_text = torch.zeros(16, DIM), torch.zeros(16, dtype=torch.bool)
    for i, s in enumerate(samples):
        rows = [vectors[w] for w in dict.fromkeys(s["keywords"]) if w in vectors]
        if rows:
            text[i], has_text[i] = torch.stack(rows).double().mean(0).float(), True
    teacher = TextCNN()
    fill(teacher)
    teacher.eval()
    with torch.no_grad():
        p = F.softmax(teacher(ids), 1)

    sgd = lambda ps: torch.optim.SGD(ps, lr=1e-4, momentum=0.9, weight_decay=1e-4)
    golden = {}

    def classify(m, part):
        return F.cross_entropy(m.classifier(m.backbone(x[part])), single[part])

    golden["classifier_sgd"] = train(Visual(4, False), classify, sgd, formula=noise)
    golden["classifier_accumulate"] = train(Visual(4, False), classify, sgd, accumulate=2, formula=noise)
    golden["classifier_clip"] = train(Visual(4, False), classify, sgd, clip=0.5, formula=noise)

    def emotion_net(m, part):
        f = m.backbone(x[part])
        kept = torch.where(p[part] < 0.01, torch.zeros(()), p[part])
        target = kept + multi_hot(samples[part], False)
        soft = soft_cross_entropy(m.classifier(f), target / target.sum(1, keepdim=True))
        cos = F.cosine_similarity(m.projection(f), text[part])
        return soft + torch.where(has_text[part], 1 - cos, torch.zeros(())).mean()

    golden["emotionnet_sgd"] = train(Visual(4, True), emotion_net, sgd, formula=noise)
    golden["emotionnet_hard"] = train(Visual(4, True), lambda m, part: soft_cross_entropy(m.classifier(m.backbone(x[part])), multi_hot(samples[part], True)), sgd, formula=noise)

    for name, mean, make in [("adagrad", False, lambda ps: torch.optim.Adagrad(ps, lr=0.001)),
                             ("adadelta", True, lambda ps: torch.optim.Adadelta(ps, lr=0.1)),
                             ("adam", True, lambda ps: torch.optim.Adam(ps, lr=1e-3)),
                             ("adamw", True, lambda ps: torch.optim.AdamW(ps, lr=1e-3, weight_decay=0.5)),
                             ("adam_decay", True, lambda ps: torch.optim.Adam(ps, lr=1e-3, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1)),
                             ("adagrad_decay", True, lambda ps: torch.optim.Adagrad(ps, lr=1e-3, lr_decay=0.1, weight_decay=0.1)),
                             ("nesterov", True, lambda ps: torch.optim.SGD(ps, lr=0.01, momentum=0.8, nesterov=True, weight_decay=0.1))]:
        loss = lambda m, part, mean=mean: soft_cross_entropy(m(ids[part]), multi_hot(samples[part], mean))
        golden["textcnn_" + name] = train(TextCNN(), loss, make)
    golden["textcnn_static"] = train(TextCNN(static=True), lambda m, part: soft_cross_entropy(m(ids[part]), multi_hot(samples[part], True)),
                                     lambda ps: torch.optim.SGD(ps, lr=1e-3, momentum=0.9, weight_decay=1e-4))
    (ROOT / "steps.json").write_text(json.dumps(golden, separators=(",", ":")))
    print({k: v["losses"] for k, v in golden.items()}, "torch", torch.__version__)


if __name__ == "__main__":
    main()
