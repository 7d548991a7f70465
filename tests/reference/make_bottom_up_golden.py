"""Bottom-up attention's detector in plain NumPy and PyTorch functions, as Caffe computes it: tests/stimuli/fixtures/bottom_up.json.

    python tests/reference/make_bottom_up_golden.py

One block a stage, 5 objects, 3 attributes; weights by noise() of formula.py times SCALES under the names of our network.
"""
import json
import math
import re
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from formula import noise
from make_detector_goldens import picture

OUT = Path(__file__).resolve().parent.parent / "stimuli/fixtures/bottom_up.json"
SCALES = {r"backbone\.conv1\.weight": 0.015, r"bn3\.weight": 0.5, r"offsets\.weight": 0.1, r"objectness\.weight": 0.5, r"cls_score\.weight": 0.3}
CLASSES, ATTRIBUTES, MIN_SIZE, MAX_SIZE = 5, 3, 120, 180
MEAN = np.array([102.9801, 115.9465, 122.7717], np.float32)  # blue, green, red


def weight(name, *shape):
    factor = next((f for pattern, f in SCALES.items() if re.search(pattern, name)), 1)
    return torch.from_numpy(noise(name, shape) * factor).float()


def norm(x, name):
    c = x.shape[1]
    w, b, mean, var = (weight(f"{name}.{leaf}", c).view(1, c, 1, 1) for leaf in ("weight", "bias", "running_mean", "running_var"))
    return (x - mean) / torch.sqrt(var + 1e-5) * w + b


def block(x, name, width, stride, dilation=1):
    """Bottleneck with the stride in its first convolution, and a shortcut with it."""
    c = x.shape[1]
    y = F.relu(norm(F.conv2d(x, weight(f"{name}.conv1.weight", width, c, 1, 1), stride=stride), f"{name}.bn1"))
    y = F.relu(norm(F.conv2d(y, weight(f"{name}.conv2.weight", width, width, 3, 3), padding=dilation, dilation=dilation), f"{name}.bn2"))
    y = norm(F.conv2d(y, weight(f"{name}.conv3.weight", 4 * width, width, 1, 1)), f"{name}.bn3")
    short = norm(F.conv2d(x, weight(f"{name}.downsample.0.weight", 4 * width, c, 1, 1), stride=stride), f"{name}.downsample.1")
    return F.relu(y + short)


def anchors():
    """py-faster-rcnn: base box 0 0 15 15, ratios first, then scales."""
    boxes = []
    for ratio in (0.5, 1, 2):
        w = np.round(np.sqrt(256 / ratio))
        h = np.round(w * ratio)
        for scale in (4, 8, 16, 32):
            boxes.append([7.5 - (w * scale - 1) / 2, 7.5 - (h * scale - 1) / 2, 7.5 + (w * scale - 1) / 2, 7.5 + (h * scale - 1) / 2])
    return np.array(boxes)


def nms(boxes, scores, threshold):
    keep, order = [], np.argsort(-scores, kind="stable")
    area = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    while len(order):
        i, rest = order[0], order[1:]
        keep.append(i)
        w = np.maximum(0, np.minimum(boxes[i, 2], boxes[rest, 2]) - np.maximum(boxes[i, 0], boxes[rest, 0]) + 1)
        h = np.maximum(0, np.minimum(boxes[i, 3], boxes[rest, 3]) - np.maximum(boxes[i, 1], boxes[rest, 1]) + 1)
        order = rest[w * h / (area[i] + area[rest] - w * h) <= threshold]
    return np.array(keep, int)


def propose(x, height, width, scale):
    t = F.relu(F.conv2d(x, weight("rpn.conv.weight", 512, 1024, 3, 3), weight("rpn.conv.bias", 512), padding=1))
    scores = F.conv2d(t, weight("rpn.objectness.weight", 12, 512, 1, 1), weight("rpn.objectness.bias", 12))[0].permute(1, 2, 0).reshape(-1).double().numpy()
    d = F.conv2d(t, weight("rpn.offsets.weight", 48, 512, 1, 1), weight("rpn.offsets.bias", 48))[0].permute(1, 2, 0).reshape(-1, 4).double().numpy()
    sy, sx = np.meshgrid(np.arange(x.shape[2]) * 16, np.arange(x.shape[3]) * 16, indexing="ij")
    a = (np.stack([sx, sy, sx, sy], -1).reshape(-1, 1, 4) + anchors()).reshape(-1, 4)
    w, h = a[:, 2] - a[:, 0] + 1, a[:, 3] - a[:, 1] + 1
    cx, cy = a[:, 0] + w / 2 + d[:, 0] * w, a[:, 1] + h / 2 + d[:, 1] * h
    w, h = w * np.exp(np.minimum(d[:, 2], math.log(1000 / 16))), h * np.exp(np.minimum(d[:, 3], math.log(1000 / 16)))
    boxes = np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 1)  # bbox_transform_inv takes no pixel off
    boxes[:, 0::2] = boxes[:, 0::2].clip(0, width - 1)
    boxes[:, 1::2] = boxes[:, 1::2].clip(0, height - 1)
    large = (boxes[:, 2] - boxes[:, 0] + 1 >= 16 * scale) & (boxes[:, 3] - boxes[:, 1] + 1 >= 16 * scale)
    boxes, scores = boxes[large], scores[large]
    order = np.argsort(-scores, kind="stable")[:6000]
    boxes = boxes[order]
    return boxes[nms(boxes, scores[order], 0.7)[:300]]


def roi_pool(x, boxes):
    x = x[0].numpy()
    c, height, width = x.shape
    out = np.zeros((len(boxes), c, 14, 14), np.float32)
    whole = lambda v: int(math.floor(v + 0.5))
    for r, box in enumerate(boxes):
        x1, y1, x2, y2 = (whole(v / 16) for v in box)
        bw, bh = max(x2 - x1 + 1, 1) / 14, max(y2 - y1 + 1, 1) / 14
        for i in range(14):
            for j in range(14):
                top, bottom = np.clip([math.floor(i * bh) + y1, math.ceil((i + 1) * bh) + y1], 0, height)
                left, right = np.clip([math.floor(j * bw) + x1, math.ceil((j + 1) * bw) + x1], 0, width)
                if bottom > top and right > left:
                    out[r, :, i, j] = x[:, top:bottom, left:right].max((1, 2))
    return torch.from_numpy(out)


def detect(image):
    """image: float RGB [3, h, w], 0 .. 1"""
    h, w = image.shape[1:]
    scale = min(MIN_SIZE / min(h, w), MAX_SIZE / max(h, w))
    bgr = image.flip(0) * 255 - torch.from_numpy(MEAN).view(3, 1, 1)
    height, width = round(h * scale), round(w * scale)
    x = F.interpolate(bgr[None], (height, width), mode="bilinear", align_corners=False)
    x = F.relu(norm(F.conv2d(x, weight("backbone.conv1.weight", 64, 3, 7, 7), stride=2, padding=3), "backbone.bn1"))
    x = F.max_pool2d(x, 3, 2, 0, ceil_mode=True)
    x = block(block(block(x, "backbone.layer1.0", 64, 1), "backbone.layer2.0", 128, 2), "backbone.layer3.0", 256, 2)
    boxes = propose(x, height, width, scale)
    features = block(roi_pool(x, boxes), "roi_heads.layer4.0", 512, 1, 2).mean((2, 3))
    logits = F.linear(features, weight("roi_heads.cls_score.weight", CLASSES + 1, 2048), weight("roi_heads.cls_score.bias", CLASSES + 1))
    scores = logits.double().softmax(1).numpy()
    original = boxes / scale  # generate_tsv.py suppresses there
    best = np.zeros(len(boxes))
    for k in range(1, CLASSES + 1):
        keep = nms(original, scores[:, k], 0.3)
        best[keep] = np.maximum(best[keep], scores[keep, k])
    order = np.argsort(-best, kind="stable")
    order = order[:min(max(int((best >= 0.2).sum()), 10), 100)]
    cls = scores[order].argmax(1)
    embedded = weight("attributes.embedding.weight", CLASSES + 1, 256)[torch.from_numpy(cls)]
    hidden = F.relu(F.linear(torch.cat([features[order], embedded], 1), weight("attributes.hidden.weight", 512, 2304), weight("attributes.hidden.bias", 512)))
    attributes = F.linear(hidden, weight("attributes.score.weight", ATTRIBUTES + 1, 512), weight("attributes.score.bias", ATTRIBUTES + 1))
    found = original[order]
    found[:, 0::2] = found[:, 0::2].clip(0, w)
    found[:, 1::2] = found[:, 1::2].clip(0, h)
    short = lambda v: [float(f"%.7g" % x) for x in np.asarray(v, np.float64).ravel()]
    return {"boxes": short(found), "scores": short(best[order]), "labels": scores[order][:, 1:].argmax(1).tolist(),
            "attributes": attributes[:, 1:].argmax(1).tolist(), "feature_means": short(features[order].mean(1)),
            "first_feature": short(features[order][0, :16]), "proposals": len(boxes)}


def main():
    with torch.no_grad():
        golden = detect(picture(60, 80, 0.5))
    OUT.write_text(json.dumps(golden, separators=(",", ":")))
    print({k: (v if not isinstance(v, list) else (len(v), v[:8], v[-3:])) for k, v in golden.items()})


if __name__ == "__main__":
    main()
