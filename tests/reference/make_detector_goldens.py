"""What torchvision's Faster R-CNN and RoIAlign give: tests/stimuli/fixtures/detector.json.

    python tests/reference/make_detector_goldens.py

Weights by formula (noise() of formula.py, times SCALES), images by formula.
"""
import json
import re
from pathlib import Path

import numpy as np
import torch
import torchvision
from torchvision.models.detection.faster_rcnn import FasterRCNN, FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN, resnet_fpn_backbone
from torchvision.ops import roi_align
from torchvision.ops.misc import FrozenBatchNorm2d

from formula import fill, noise

# Residual branches and last layers are made smaller: boxes stay near their anchors, scores differ.
SCALES = {r"layer\d\.\d+\.bn[23]\.weight": 0.3, r"inner_blocks\.\d\.0\.weight": 0.4, r"head\.bbox_pred\.weight": 0.05,
          r"cls_logits\.weight": 0.5, r"fc6\.weight": 0.5, r"box_predictor\.bbox_pred\.weight": 0.2, r"cls_score\.weight": 0.6}
OUT = Path(__file__).resolve().parent.parent / "stimuli/fixtures/detector.json"


def picture(height, width, phase):
    """float [3, height, width], 0 .. 1: bright and dark patches of several sizes."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = [0.5 + 0.25 * np.sin(x / (3 + c) + phase) * np.cos(y / (4 + c)) + 0.25 * np.sign(np.sin(x / 17 + c) * np.sin(y / (13 + c) + phase))
              for c in range(3)]
    return torch.from_numpy(np.stack(planes)).float()


def network(backbone, classes, min_size, max_size, anchor, channels=256, head=1024, **options):
    body = resnet_fpn_backbone(backbone_name=backbone, weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=5)
    if channels != 256:
        body = BackboneWithFPN(body.body, {f"layer{i}": str(i - 1) for i in range(1, 5)}, [64, 128, 256, 512], channels)
        body.body = resnet_fpn_backbone(backbone_name=backbone, weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=5).body
    anchors = AnchorGenerator(tuple((anchor << i,) for i in range(5)), ((0.5, 1.0, 2.0),) * 5)
    model = FasterRCNN(body, min_size=min_size, max_size=max_size, rpn_anchor_generator=anchors, box_head=TwoMLPHead(49 * channels, head),
                       box_predictor=FastRCNNPredictor(head, classes + 1), **options)
    fill(model, formula=noise)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            tensor.mul_(next((factor for pattern, factor in SCALES.items() if re.search(pattern, name)), 1))
    return model


def rounded(tensor, digits=6):
    return [float(f"%.{digits}g" % v) for v in tensor.detach().double().flatten()]


def detect(model, images):
    model.eval()
    with torch.no_grad():
        results = model(images)
        inputs, _ = model.transform(images)
        features = model.backbone(inputs.tensors)
        boxes = [torchvision.models.detection.transform.resize_boxes(r["boxes"], image.shape[-2:], size)
                 for r, image, size in zip(results, images, inputs.image_sizes)]
        regions = model.roi_heads.box_head(model.roi_heads.box_roi_pool(features, boxes, inputs.image_sizes))
    regions = regions.split([len(b) for b in boxes])
    return [{"boxes": rounded(r["boxes"], 7), "scores": rounded(r["scores"]), "labels": (r["labels"] - 1).tolist(),
             "feature_sums": rounded(f.sum(1)), "first_feature": rounded(f[0, :16]) if len(f) else []}
            for r, f in zip(results, regions)]


def losses(model, images, targets):
    """Three steps of SGD; the samplers take every candidate, so that nothing is drawn."""
    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-4, momentum=0.9)
    steps = []
    for _ in range(3):
        parts = model(images, targets)
        loss = sum(parts.values())
        optimizer.zero_grad()
        loss.backward()
        norms = {n: p.grad.norm().item() for n, p in model.named_parameters() if p.grad is not None}
        steps.append({**{k: v.item() for k, v in parts.items()}, "gradient_norms": {
            n: norms[n] for n in ("backbone.body.conv1.weight", "backbone.fpn.inner_blocks.0.0.weight", "rpn.head.bbox_pred.weight",
                                  "roi_heads.box_head.fc6.weight", "roi_heads.box_predictor.cls_score.weight")}})
        optimizer.step()
    return steps


def roi_cases():
    rng = np.random.default_rng(5)
    cases = []
    for sampling, aligned, scale, size in [(2, False, 0.5, (3, 2)), (0, False, 1.0, (2, 2)), (0, True, 0.25, (2, 3)), (3, True, 1.0, (1, 1))]:
        x = torch.from_numpy(rng.normal(size=(2, 3, 9, 11)).astype(np.float32)).requires_grad_()
        boxes = np.concatenate([rng.integers(0, 2, (6, 1)), rng.uniform(-4, 16, (6, 2)), np.zeros((6, 2))], 1)
        boxes[:, 3:] = boxes[:, 1:3] + rng.uniform(0, 14, (6, 2))
        boxes[5, 3:] = boxes[5, 1:3] - 2  # turned inside out
        boxes = torch.from_numpy(boxes.astype(np.float32))
        y = roi_align(x, boxes, size, scale, sampling, aligned)
        weight = torch.arange(y.numel()).view_as(y).float().sin()
        (y * weight).sum().backward()
        cases.append({"sampling": sampling, "aligned": aligned, "scale": scale, "size": size, "map": rounded(x, 9),
                      "boxes": rounded(boxes, 9), "out": rounded(y, 8), "gradient": rounded(x.grad, 8)})
    return cases


def main():
    torch.manual_seed(0)
    pair = [picture(75, 100, 0.0), picture(96, 64, 1.0)]
    golden = {"torchvision": torchvision.__version__, "roi_align": roi_cases(),
              # One by one: in a batch torchvision pads the smaller one, and finds something else in it.
              "resnet18": [found for one in pair for found in detect(network("resnet18", 5, 96, 128, 8), [one])],
              "resnet50": detect(network("resnet50", 90, 160, 213, 32), [picture(90, 120, 2.25)])}
    everything = dict(channels=32, head=64, rpn_pre_nms_top_n_train=100, rpn_post_nms_top_n_train=100, rpn_batch_size_per_image=10**6,
                      box_batch_size_per_image=10**6)
    targets = [{"boxes": torch.tensor([[10., 12., 40., 50.], [55., 20., 90., 60.], [0., 0., 99., 74.]]), "labels": torch.tensor([1, 3, 5])},
               {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}]
    golden["losses"] = losses(network("resnet18", 5, 96, 128, 8, **everything), pair, targets)
    OUT.write_text(json.dumps(golden, separators=(",", ":")))
    for name in ("resnet18", "resnet50"):
        for r in golden[name]:
            print(name, len(r["scores"]), r["scores"][:4], r["scores"][-2:], sorted(set(r["labels"])))
    print(golden["losses"], OUT.stat().st_size)


if __name__ == "__main__":
    main()
