"""Miniatures of the published data sets in their exact layouts, quirks included: tests/data/fixtures/import/.

    python tests/reference/make_import_fixtures.py

The pictures are of a few pixels; many are PNG bytes under a .jpg name, as in the wild.
"""
import io
import json
import pathlib
import shutil

from PIL import Image

OUT = pathlib.Path(__file__).parent.parent / "data" / "fixtures" / "import"
MIKELS = ["amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness"]
SIX = ["anger", "disgust", "fear", "joy", "sadness", "surprise"]


def picture(path, kind="PNG", size=(4, 3), color=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    shade = sum(str(path.relative_to(OUT)).encode()) % 256
    Image.new("RGB", size, color or (shade, 255 - shade, 128)).save(buffer, kind)
    path.write_bytes(buffer.getvalue())


def text(path, content, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))


def junk(folder):
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / "._1.jpg").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")


def fi():
    root = OUT / "fi_folders" / "emotion_dataset"
    for cls in MIKELS:
        picture(root / cls / f"{cls}_0001.jpg", "JPEG" if cls == "awe" else "PNG")
    picture(root / "awe" / "awe_0002.JPG")
    junk(root / "awe")
    text(root / "fear" / "fear_0002.jpg", "<!DOCTYPE html>\n<html><body>This photo is no longer available</body></html>\n")
    (root / "fear" / "fear_0003.jpg").write_bytes(b"")
    lists = OUT / "fi_lists" / "agg"
    text(lists / "amusement_1st_1000.csv",
         "amusement,http://farm4.staticflickr.com/3776/xyz.jpg,0,5\r\n"
         "amusement,http://farm5.staticflickr.com/1111/xyz.jpg,2,3\r\n"   # the same name on another server
         "amusement,http://farm4.staticflickr.com/3776/low.jpg,3,2\r\n"   # rejected
         "amusement,http://farm4.staticflickr.com/3776/xyz.jpg,1,4\r\n")  # again
    text(lists / "anger_2nd.csv", "\ufeffanger,https://scontent.cdninstagram.com/a/b_n.jpg?se=7&x=1,1,4\ranger,http://h.example/q,0,5")


def emotionroi():
    root = OUT / "emotionroi"
    lines = {"training": [], "testing": []}
    for cls in SIX:
        for number in (1, 2, 3):
            picture(root / "images" / cls / f"{number}.jpg")
            lines["testing" if number == 3 else "training"].append(f"{cls}/{number}.jpg")
    picture(root / "images" / "joy" / "9.jpg")           # in no list
    lines["training"].append("sadness/77.jpg")           # no such file
    text(root / "training_testing_split" / "training.txt", "\r\n".join(lines["training"]) + "  \r\n")
    text(root / "training_testing_split" / "testing.txt", "\n".join(lines["testing"]))


def emotion6():
    root = OUT / "emotion6" / "Emotion6"
    rows = ["\t".join(["[image_filename]", "[valence]", "[arousal]"] + [f"[prob. {c}]" for c in SIX + ["neutral"]])]
    for cls in SIX:
        for number in (1, 2):
            picture(root / "images" / cls / f"{number}.jpg")
    rows.append("disgust/1.jpg\t2.5\t3.8\t0.133333\t0.7\t0\t0.0666667\t0.1\t0\t0")
    rows.append("disgust/2.jpg\t5\t2\t0.2\t0.1\t0\t0\t0\t0\t0.7")     # neutral leads
    rows.append("joy/1.jpg\t7\t5\t0.015\t0\t0\t0.985\t0\t0\t0")       # no 30ths
    text(root / "ground_truth.txt", "\r\n".join(rows) + "\r\n")


def machajdik():
    root = OUT / "artphoto" / "testImages_artphoto"
    for name in ["amusement_0001", "anger_0001", "awe_0001", "content_0001", "disgust_0001", "excitement_0001", "fear_0001",
                 "sad_0001", "sad_0002", "sad_0003"]:
        picture(root / f"{name}.jpg", "JPEG" if name == "sad_0001" else "PNG")
    picture(root / "readme_0001.jpg")
    junk(root)
    root = OUT / "abstract"
    for number in (1, 2, 3, 4):
        picture(root / f"abstract_000{number}.jpg")
    text(root / "ABSTRACT_groundTruth.csv",
         "'','Amusement','Anger','Awe','Content','Disgust','Excitement','Fear','Sad'\r\n"
         "'abstract_0001.jpg',2,0,3,5,0,1,2,1\r\n"
         "'abstract_0002.jpg',4,0,4,1,0,1,2,1\r\n"       # a tie
         "'abstract_0003.jpg',0,0,0,0,0,0,0,9\r\n"
         "'abstract_0004.jpg',1,0,0,0,0,7,0,0\r\n"
         "'abstract_0005.jpg',1,0,0,0,0,7,0,0\r\n")      # missing


def iapsa():
    root = OUT / "iapsa_list"
    for name in ["1050.jpg", "2055.1.jpg", "8185.JPG"]:
        picture(root / "pictures" / name)
    text(root / "mikels.csv", "id,emotion\n1050,fear\n2055.1,Sad\n8185.jpg,excitement\n9999,awe\n")
    for cls in MIKELS:
        for number in range(1 if cls == "anger" else 5):
            picture(OUT / "iapsa_folders" / cls / f"{1000 + number}.jpg")


def panda():
    root = OUT / "ube" / "images"
    for cls in ["anger", "fear", "joy", "love", "sadness", "surprise"]:
        picture(root / cls / "cat" / "1.jpg")
        picture(root / cls / "dog" / "1.jpg")
    picture(root / "joy" / "dog" / "deeper" / "2.jpg")
    root = OUT / "webemo"
    text(root / "category.txt", "# name, group, sign\nlabels=" + repr(
        [tuple(x.split("/")) for x in
         "affection/love/+ cheerfullness/joy/+ confusion/confusion/- contentment/joy/+ disappointment/sadness/- disgust/anger/- "
         "enthrallment/joy/+ envy/anger/- exasperation/anger/- gratitude/love/+ horror/fear/- irritabilty/anger/- lust/love/+ "
         "neglect/sadness/- nervousness/fear/- optimism/joy/+ pride/joy/+ rage/anger/- relief/joy/+ sadness/sadness/- "
         "shame/sadness/- suffering/sadness/- surprise/surprise/+ sympathy/sadness/- zest/joy/+".split()]) + "\n")
    text(root / "train25.txt", "https://as2.ftcdn.net/jpg/00/01/220_F_1.jpg 0\nhttps://as2.ftcdn.net/jpg/00/02/220_F_2.jpg 24\n")
    text(root / "test25.txt", "https://as2.ftcdn.net/jpg/00/03/220_F_3.jpg 2\n")
    picture(root / "images" / "train25" / "0" / "220_F_1.jpg")
    picture(root / "images" / "test25" / "2" / "220_F_3.jpg")


def emoset():
    order = ["amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness"]
    root = OUT / "emoset"
    splits = {"train": [], "val": [], "test": []}
    for number, cls in enumerate(order):
        for split in splits:
            name = f"{cls}_{len(split)}{number:04}"
            picture(root / "image" / cls / f"{name}.jpg")
            item = [cls, name, f"image/{cls}/{name}.jpg", f"annotation/{cls}/{name}.json"]
            if split == "test":
                item = [cls, item[2], item[3]]
            splits[split].append(item)
            text(root / "annotation" / cls / f"{name}.json", json.dumps({"emotion": cls, "brightness": 0.4, "object": ["Tree"]}))
    for split, items in splits.items():
        text(root / f"{split}.json", json.dumps(items))
    text(root / "info.json", json.dumps({"emotion": {"label2idx": {c: i for i, c in enumerate(order)}}}))


def fer2013():
    rows = [(0, "Training", 10), (3, "Training", 20), (6, "PublicTest", 30), (4, "PrivateTest", 0), (5, "Training", 40)]
    lines = ["emotion,pixels,Usage"]
    for emotion, usage, level in rows:
        values = [(level + x) % 256 if level else 0 for x in range(2304)]
        lines.append(f"{emotion},{' '.join(map(str, values))},{usage}")
    text(OUT / "fer2013" / "fer2013.csv", "\r\n".join(lines) + "\r\n")
    head = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    text(OUT / "fer2013" / "fer2013new.csv", "\n".join([
        head, "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0", "Training,fer0000001.png,0,10,0,0,0,0,0,0,0,0",
        "PublicTest,fer0032298.png,5,0,0,5,0,0,0,0,0,0", "PrivateTest,,0,0,0,0,0,0,0,0,0,10",
        "Training,fer0000004.png,0,0,6,0,0,0,3,1,0,0"]) + "\n")
    level = " ".join(["7"] * 2304)
    text(OUT / "fer2013_icml" / "icml_face_data.csv", f"emotion, Usage, pixels\n2,Training,{level}\n1,PublicTest,{level}\n0,PrivateTest,{level}\n")
    for split in ("train", "test"):
        for cls in ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"):
            picture(OUT / "fer2013_folders" / split / cls / "im0.png")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for make in (fi, emotionroi, emotion6, machajdik, iapsa, panda, emoset, fer2013):
        make()
    print(sum(f.stat().st_size for f in OUT.rglob("*") if f.is_file()), "bytes")


if __name__ == "__main__":
    main()
