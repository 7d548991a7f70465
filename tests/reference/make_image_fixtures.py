"""Makes tests/data/fixtures: small pictures of every kind, and the pixels Pillow and torchvision read from them.

    python tests/reference/make_image_fixtures.py tests/data/fixtures

Needs Pillow, torchvision, numpy and OpenCV (for the 16-bit PNG). The pictures are formulas: nothing is downloaded.

    NAME.EXT            a picture
    NAME.EXT.png        what Pillow's exif_transpose + convert("RGB") reads from it
    eval/NAME.RESIZE.SIZE.png    what torchvision's Resize(RESIZE) + CenterCrop(SIZE) make of NAME; RESIZE 0 = no Resize
    random_resized_crop.json     deciles of torchvision's RandomResizedCrop.get_params
"""
import json
import pathlib
import struct
import sys

import cv2
import numpy
import torch
from PIL import Image, ImageOps
from torchvision import transforms


def scene(width, height, seed=0):
    """Smooth colours, two hard edges and a little texture, so that both the filter and the rounding show."""
    y, x = numpy.mgrid[0:height, 0:width].astype(numpy.float64)
    red = 127 + 120 * numpy.sin(x / 9.0 + seed) * numpy.cos(y / 13.0)
    green = 255 * x / max(width - 1, 1)
    blue = 255 * y / max(height - 1, 1)
    picture = numpy.stack([red, green, blue], axis=2)
    picture[height // 4 : height // 2, width // 3 : width // 2] = (250, 20, 30)
    picture += ((x * 7 + y * 11 + seed) % 13)[..., None]
    return Image.fromarray(numpy.clip(picture, 0, 255).astype(numpy.uint8))


def with_orientation(picture, orientation, byte_order):
    exif = Image.Exif()
    exif.endian = byte_order
    exif[0x0112] = orientation
    return exif.tobytes()


def mark_associated(tiff):
    """Says that the colours are multiplied by alpha: ExtraSamples (338), one SHORT, 1 in place of the 2 that Pillow writes."""
    entry = struct.pack("<HHI", 338, 3, 1)
    old, new = entry + struct.pack("<I", 2), entry + struct.pack("<I", 1)
    data = tiff.read_bytes()
    assert data.count(old) == 1
    tiff.write_bytes(data.replace(old, new))


def make_pictures(out):
    def save(name, picture, **options):
        picture.save(out / name, **options)

    save("odd420.jpg", scene(53, 37), quality=90, subsampling="4:2:0")
    save("odd422.jpg", scene(51, 35), quality=85, subsampling="4:2:2")
    save("odd444.jpg", scene(33, 31), quality=75, subsampling="4:4:4")
    save("progressive.jpg", scene(61, 43), quality=80, subsampling="4:2:0", progressive=True)
    save("restart.jpg", scene(64, 48), quality=80, restart_marker_rows=1)
    save("grey.jpg", scene(45, 29).convert("L"), quality=85)
    save("cmyk.jpg", scene(39, 27).convert("CMYK"), quality=90)
    save("one.jpg", scene(1, 1), quality=90)
    for orientation in range(1, 9):
        picture = scene(40, 24, orientation)
        order = "<" if orientation % 2 else ">"
        save(f"exif{orientation}.jpg", picture, quality=90, exif=with_orientation(picture, orientation, order))

    rgb = scene(37, 23)
    alpha = Image.fromarray((numpy.mgrid[0:23, 0:37].sum(axis=0) * 4).astype(numpy.uint8))
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    save("rgb.png", rgb)
    save("rgba.png", rgba)
    save("grey.png", rgb.convert("L"))
    grey_alpha = rgb.convert("L").convert("LA")
    grey_alpha.putalpha(alpha)
    save("grey_alpha.png", grey_alpha)
    save("palette.png", rgb.quantize(16))
    transparent = rgb.quantize(7)
    save("palette_transparent.png", transparent, transparency=3)
    save("bilevel.png", rgb.convert("1"))
    wide = numpy.asarray(rgb).astype(numpy.uint16) * 256 + 77
    cv2.imwrite(str(out / "rgb16.png"), wide[..., ::-1])
    cv2.imwrite(str(out / "grey16.png"), numpy.asarray(rgb.convert("L")).astype(numpy.uint16) * 256 + 200)

    save("lossy.webp", rgb, quality=80)
    save("alpha.webp", rgba, lossless=True, exact=True)
    save("rgb.bmp", rgb)
    save("palette.bmp", rgb.quantize(16))
    save("grey.bmp", rgb.convert("L"))
    save("rgb.tiff", rgb, compression="tiff_lzw")
    save("grey.tiff", rgb.convert("L"), compression="tiff_deflate")
    save("rgba.tiff", rgba, compression="tiff_lzw")
    save("associated.tiff", Image.frombytes("RGBA", rgba.size, rgba.convert("RGBa").tobytes()))
    mark_associated(out / "associated.tiff")
    save("palette.gif", rgb.quantize(16), interlace=1)
    save("plain.gif", rgb.quantize(16), interlace=0)
    save("animated.gif", rgb.quantize(16), save_all=True, append_images=[scene(37, 23, 5).quantize(16)], transparency=2)


def expected_pixels(file):
    picture = Image.open(file)
    if picture.mode.startswith("I"):  # Pillow clips 16-bit grey to 255; the upper byte is what is meant
        return Image.fromarray((numpy.asarray(picture).astype(numpy.uint32) >> 8).astype(numpy.uint8)).convert("RGB")
    return ImageOps.exif_transpose(picture).convert("RGB")


EVALUATION = [
    ("photo.jpg", 256, 224),
    ("odd420.jpg", 32, 28),  # down, odd factors
    ("odd420.jpg", 71, 64),  # up
    ("odd422.jpg", 16, 13),
    ("exif6.jpg", 17, 17),
    ("grey.jpg", 11, 8),
    ("odd420.jpg", 0, 60),  # padded with black on all sides
    ("odd420.jpg", 0, 44),  # padded above and below, cut left and right
    ("tall.png", 20, 15),
    ("narrow.png", 12, 12),
]


def make_evaluation(out):
    scene(300, 233).save(out / "photo.jpg", quality=80)
    scene(21, 64).save(out / "tall.png")
    scene(131, 7).save(out / "narrow.png")
    (out / "eval").mkdir(exist_ok=True)
    for name, resize, size in EVALUATION:
        steps = [transforms.Resize(resize)] if resize else []
        pipeline = transforms.Compose(steps + [transforms.CenterCrop(size)])
        picture = ImageOps.exif_transpose(Image.open(out / name)).convert("RGB")
        pipeline(picture).save(out / "eval" / f"{name}.{resize}.{size}.png", optimize=True)


def make_distribution(out, draws=200_000):
    """Deciles of left, top, width and height, and how often the fallback is taken."""
    torch.manual_seed(1)
    result = []
    for width, height in [(120, 90), (120, 30), (30, 120)]:
        picture = Image.new("RGB", (width, height))
        rows = numpy.array([transforms.RandomResizedCrop.get_params(picture, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(draws)])
        top, left, h, w = rows.T
        entry = {"width": width, "height": height}
        for name, values in [("left", left), ("top", top), ("crop_width", w), ("crop_height", h)]:
            # Part of the draws that are <= v, at the v of every decile.
            places = sorted({int(v) for v in numpy.quantile(values, numpy.arange(0.1, 1.0, 0.1))})
            entry[name] = [[v, round(float((values <= v).mean()), 5)] for v in places]
        result.append(entry)
    (out / "random_resized_crop.json").write_text(json.dumps(result, indent=1) + "\n")


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    make_pictures(out)
    for file in sorted(out.glob("*.*")):
        if file.suffixes[-1] != ".json" and len(file.suffixes) == 1:
            expected_pixels(file).save(out / (file.name + ".png"), optimize=True)
    make_evaluation(out)
    make_distribution(out)


if __name__ == "__main__":
    main()
