"""Makes tests/data/fixtures/shards: what Python's webdataset and GNU tar write, for the reader of shards.

    python tests/reference/make_shard_fixtures.py tests/data/fixtures/shards

Needs webdataset and Pillow; the long names come from Python's own tarfile.
"""
import io
import pathlib
import sys
import tarfile

import webdataset
from PIL import Image

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)


def picture(number, kind):
    data = io.BytesIO()
    Image.new("RGB", (8 + number, 6), (number * 40, 90, 200)).save(data, kind)
    return data.getvalue()


for shard in range(2):
    with webdataset.TarWriter(str(out / f"train-{shard:06d}.tar"), mtime=0) as sink:
        for number in range(shard * 2, shard * 2 + 2):
            sink.write({"__key__": f"pictures/{number:04d}", "jpg": picture(number, "JPEG"), "cls": number % 3,
                        "json": {"keywords": ["sky", f"word{number}"], "votes": [0, 2]}, "seg.txt": "not read"})
with webdataset.TarWriter(str(out / "val-000000.tar"), mtime=0) as sink:
    sink.write({"__key__": "a", "png": picture(4, "PNG"), "json": {"label": "tree"}})
    sink.write({"__key__": "b", "txt": "no picture"})

names = {"pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT, "ustar": tarfile.USTAR_FORMAT}
for name, form in names.items():
    with tarfile.open(out / f"long-{name}.tar.sample", "w", format=form) as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        long = "deep/" * 22 + ("n" * 60 + ".jpg" if form != tarfile.USTAR_FORMAT else "n" * 90 + ".jpg")
        for member, content in [("folder/short.txt", b"one"), (long, b"two two"), ("sm\u00f8rrebr\u00f8d.txt" if form != tarfile.USTAR_FORMAT else "s.txt", b"")]:
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
