"""Makes tests/data/fixtures/picture_hashes.json: what Python's imagehash.phash gives for pictures made of a formula.

    python tests/reference/make_hash_goldens.py tests/data/fixtures/picture_hashes.json

Needs ImageHash, Pillow 13 (earlier ones resize tall pictures rows first), SciPy and numpy. The pictures are tests/data/curation_test.cpp's formula_picture(kind, width, height):
integers only, so that both languages make the same pixels. Each entry: [kind, width, height, hash, hash of the mirror image].
"""
import json
import sys

import imagehash
import numpy
from PIL import Image, ImageOps

SIZES = [(1, 1), (2, 3), (7, 5), (31, 33), (32, 32), (32, 57), (100, 32), (64, 64), (97, 61), (61, 97), (200, 150), (333, 500),
         (1000, 40), (3, 700)]
KINDS = 7


def formula_picture(kind, width, height):
    y, x, c = numpy.mgrid[0:height, 0:width, 0:3].astype(numpy.int64)
    if kind == 0:  # texture
        value = (x * 7919 + y * 104729 + c * 1299709) % 65537 * 31 % 256
    elif kind == 1:  # slopes
        value = (x * 255 // width * (c + 1) + y * 255 // height * (3 - c)) // 4
    elif kind == 2:  # rings: curved, smooth
        value = ((x - width // 3) ** 2 + (y - height // 2) ** 2) * 4 // (width + height) % 256
    elif kind == 3:  # flat: every coefficient but the first is exactly 0
        value = 0 * x + 40 * (c + 1)
    elif kind == 4:  # bars: nothing changes from row to row
        value = x * 13 // (1 + width // 40) % 256 + 0 * c
    elif kind == 5:  # symmetric
        value = (numpy.abs(2 * x + 1 - width) * 17 + y * 29 + c * 5) % 256
    else:  # halves
        value = numpy.where(x * 2 < width, 30, 220) + 0 * c
    return Image.fromarray(value.astype(numpy.uint8))


entries = []
for kind in range(KINDS):
    for width, height in SIZES:
        picture = formula_picture(kind, width, height)
        entries.append([kind, width, height, str(imagehash.phash(picture)), str(imagehash.phash(ImageOps.mirror(picture)))])
with open(sys.argv[1], "w") as out:
    out.write("[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n")
