"""Boxes drawn at random and what pycocotools' COCOeval says of them: tests/loss/fixtures/coco.json.

    python tests/reference/make_coco_golden.py
"""
import contextlib
import io
import json
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

OUT = Path(__file__).resolve().parent.parent / "loss/fixtures/coco.json"


def main():
    rng = np.random.default_rng(3)
    images, truth, found = [], [], []
    for image in range(12):
        images.append({"id": image, "width": 400, "height": 300})
        for _ in range(rng.integers(0, 9)):
            side = float(np.round(np.exp(rng.uniform(2, 5.2)), 2))
            box = [float(np.round(v, 2)) for v in (rng.uniform(0, 250), rng.uniform(0, 150), side, side * rng.uniform(0.5, 1.6))]
            label = int(rng.integers(0, 3))  # class 3 has finds and no truth
            crowd = int(rng.uniform() < 0.12)
            truth.append({"id": len(truth) + 1, "image_id": image, "category_id": label, "bbox": box,
                          "area": round(box[2] * box[3] * rng.uniform(0.6, 1), 2), "iscrowd": crowd})
            for _ in range(rng.integers(0, 4)):  # finds near it, some of another class
                jitter = rng.normal(0, 0.09, 4) * side
                near = [round(float(v), 2) for v in (box[0] + jitter[0], box[1] + jitter[1], max(box[2] + jitter[2], 1), max(box[3] + jitter[3], 1))]
                found.append({"image_id": image, "category_id": label if rng.uniform() < 0.8 else int(rng.integers(0, 4)), "bbox": near,
                              "score": round(float(rng.uniform()), 2)})  # two digits: some are equal
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"images": images, "annotations": truth, "categories": [{"id": k} for k in range(4)]}
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(found), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    per_class = [run.eval["precision"][:, :, k, 0, 2] for k in range(4)]
    golden = {"images": len(images), "truth": truth, "found": [{k: f[k] for k in ("image_id", "category_id", "bbox", "score")} for f in found],
              "stats": run.stats.tolist(), "class_ap": [float(p[p > -1].mean()) if (p > -1).any() else -1 for p in per_class]}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(golden, separators=(",", ":")))
    print(golden["stats"], golden["class_ap"], len(truth), len(found), OUT.stat().st_size)


if __name__ == "__main__":
    main()
