"""Region files as the extractors of the bottom-up-attention family write them: tests/stimuli/fixtures/{caffe,lxmert}.tsv, *.npz.

    python tests/reference/make_region_fixtures.py
"""
import base64
from pathlib import Path

import numpy as np

OUT = Path(__file__).resolve().parent.parent / "stimuli/fixtures"


def encode(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def regions(n, width):
    features = np.arange(n * width, dtype=np.float32).reshape(n, width) / 8
    boxes = np.stack([[i, 2 * i, 10 + i, 20 + i] for i in range(n)]).astype(np.float32)
    return features, boxes


def main():
    f, b = regions(3, 5)
    empty = np.zeros((0, 5), np.float32)
    rows = [("7", 40, 30, 3, encode(b), encode(f)), ("12", 40, 30, 0, encode(empty[:, :4]), encode(empty)), ("999", 40, 30, 3, encode(b), encode(f))]
    (OUT / "caffe.tsv").write_text("".join("\t".join(map(str, r)) + "\n" for r in rows))
    # Scores out of order; height before width; CRLF.
    confidence = np.array([0.2, 0.9, 0.5], np.float32)
    row = ("7", 30, 40, encode(np.array([1, 0, 2])), encode(confidence), encode(np.array([0, 1, 1])), encode(confidence), 3, encode(b), encode(f))
    (OUT / "lxmert.tsv").write_bytes(("\t".join(map(str, row)) + "\r\n").encode())
    info = np.array({"image_id": "7", "objects_conf": confidence}, dtype=object)
    np.savez_compressed(OUT / "7.jpg.npz", x=f, bbox=b, num_bbox=3, image_h=30, image_w=40, info=info)
    np.savez_compressed(OUT / "transposed.npz", x=f.T, bbox=b, num_bbox=3)
    big_endian = np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3))
    np.savez(OUT / "kinds.npz", order=big_endian, half=np.array([1.5, -2], np.float16), truth=np.array([True, False]),
             text=np.array(["a"]), scalar=np.int64(5), empty=np.zeros((0, 4)), info=info)


if __name__ == "__main__":
    main()
