"""Miniatures of the published data sets in their exact layouts, quirks included: tests/data/fixtures/import/.

    python tests/reference/make_import_fixtures.py

The pictures are of a few pixels; many are PNG bytes under a .jpg name, as in the wild.
"""
import io
import json
import pathlib
import pickle
import shutil

import numpy as np
import scipy.io
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


def affectnet():
    head = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    marks = ";".join(f"{i}.5" for i in range(136))
    root = OUT / "affectnet_lists"
    rows = [("1/a.jpg", 134, 134, 899, 899, 1), ("1/b.PNG", 10, 10, 50, 60, 0), ("2/c.jpg", 1, 2, 30, 40, 6), ("2/d.jpg", 1, 2, 30, 40, 7),
            ("2/e.jpg", 1, 2, 30, 40, 8), ("2/f.jpg", 1, 2, 30, 40, 10), ("2/gone.jpg", 1, 2, 30, 40, 3), ("3/g.jpg", 0, 0, 0, 0, 4)]

    def lines(part):
        return [f"{p},{x},{y},{w},{h},{marks},{e},-2,0.785714" for p, x, y, w, h, e in part]

    text(root / "Manually_Annotated_file_lists" / "training.csv", "\n".join([head] + lines(rows)))
    text(root / "Manually_Annotated_file_lists" / "validation.csv", "\r\n".join(lines([("4/h.jpg", 5, 5, 9, 9, 5)])) + "\r\n")
    for path in [r[0] for r in rows] + ["4/h.jpg"]:
        if "gone" not in path:
            picture(root / "Manually_Annotated_Images" / path)
    root = OUT / "affectnet_npy"
    for split, items in {"train_set": [(0, np.array("1")), (7, np.array([3])), (12, np.array("7"))], "val_set": [(3, np.array(b"6")), (5, np.float32(2))]}.items():
        (root / split / "annotations").mkdir(parents=True, exist_ok=True)
        for number, value in items:
            picture(root / split / "images" / f"{number}.jpg")
            np.save(root / split / "annotations" / f"{number}_exp.npy", value)
            np.save(root / split / "annotations" / f"{number}_val.npy", np.array("-0.25"))
    for split in ("train", "val"):
        for number in range(8):
            picture(OUT / "affectnet_folders" / split / str(number) / "x.jpg")


def emotic():
    def annotators(*lists):
        struct = np.zeros((1, len(lists)), dtype=[("categories", object)])
        for i, names in enumerate(lists):
            cell = np.empty((1, len(names)), dtype=object)
            cell[0, :] = names
            struct[0, i]["categories"] = cell
        return struct

    def cell(names):
        out = np.empty((1, len(names)), dtype=object)
        out[0, :] = names
        return out

    def persons(rows, combined):
        fields = ["body_bbox", "annotations_categories"] + (["combined_categories"] if combined else []) + ["gender", "age"]
        out = np.zeros((1, len(rows)), dtype=[(f, object) for f in fields])
        for i, (box, lists, union) in enumerate(rows):
            out[0, i]["body_bbox"] = np.array([box], dtype=float)
            out[0, i]["annotations_categories"] = annotators(*lists)
            if combined:
                out[0, i]["combined_categories"] = cell(union)
            out[0, i]["gender"] = "Male"
            out[0, i]["age"] = "Adult"
        return out

    def images(rows, combined):
        out = np.zeros((1, len(rows)), dtype=[(f, object) for f in ("filename", "folder", "image_size", "person")])
        for i, (folder, name, people) in enumerate(rows):
            out[0, i]["filename"] = name
            out[0, i]["folder"] = folder
            out[0, i]["image_size"] = {"n_col": 4.0, "n_row": 3.0}
            out[0, i]["person"] = persons(people, combined)
            if name != "missing.jpg":
                picture(OUT / "emotic" / "emotic" / folder / name)
        return out

    train = images([("mscoco/images", "COCO_1.jpg", [([0, 0, 2, 3], [["Disconnection", "Doubt/Confusion"]], None),
                                                     ([-1, 1, 3, 3], [["Peace"]], None)]),
                    ("framesdb/images", "frame_a.jpg", [([1, 1, 1, 2], [["Fear"]], None)]),   # an empty box
                    ("ade20k/images", "missing.jpg", [([0, 0, 1, 1], [["Fear"]], None)])], False)
    val = images([("emodb_small/images", "e1.jpg", [([0, 0, 4, 3], [["Happiness"], ["Happiness", "Pleasure"], ["Excitement"]],
                                                     ["Excitement", "Happiness", "Pleasure"])])], True)
    test = images([("mscoco/images", "COCO_2.jpg", [([1, 0, 3, 3], [["Anger"], ["Sadness"]], ["Anger", "Sadness"])])], True)
    (OUT / "emotic" / "Annotations").mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(OUT / "emotic" / "Annotations" / "Annotations.mat", {"train": train, "val": val, "test": test}, do_compression=True)
    root = OUT / "emotic_csv"
    head = "Index,Folder,Filename,Image Size,BBox,Categorical_Labels,Continuous_Labels,Gender,Age"
    for split, rows in {
        "train": ['0,mscoco/images,COCO_1.jpg,"[640, 640]","[86, 58, 564, 628]","[\'Disconnection\', \'Doubt/Confusion\']","[5.0, 3.0, 9.0]",Male,Adult',
                  '1,mscoco/images,COCO_1.jpg,"[640, 640]","[-3, 5, 20, 30]","[\'Peace\']","[5.0, 3.0, 9.0]",Female,Kid'],
        "val": ['0,ade20k/images,a.jpg,"[10, 10]","[0, 0, 5, 5]","[\'Yearning\', ""Sympathy""]","[5.0, 3.0, 9.0]",Male,Adult'],
        "test": ['0,framesdb/images,f.jpg,"[10, 10]","[0, 0, 5, 5]","[\'Fear\']","[nan, 3.0, 9.0]",Male,Adult']}.items():
        text(root / f"{split}.csv", "\r\n".join([head] + rows) + "\r\n")
    for path in ("mscoco/images/COCO_1.jpg", "ade20k/images/a.jpg", "framesdb/images/f.jpg"):
        picture(root / path)


def keep(path, value, protocol=4):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol=protocol))


def stockemotion():
    root = OUT / "stockemotion"
    emotions = ["abandoned", "abuse", "calm", "joy", "zest"]
    tags = ["0", "007", "St John's wort", "abandoned", "abuse", "blue sky", "calm", "caf\u00e9", "joy", "zest"]
    keep(root / "idx2name" / "etag2idx.pkl.keep", {"key2idx": {n: i for i, n in enumerate(emotions)}, "idx2key": dict(enumerate(emotions))})
    keep(root / "idx2name" / "etag2tagidx.pkl.keep", {"tag2idx": {n: tags.index(n) for n in emotions}, "idx2tag": {tags.index(n): n for n in emotions}})
    keep(root / "idx2name" / "tag2idx.pkl.keep", {"tag2idx": {n: i for i, n in enumerate(tags)}, "idx2tag": dict(enumerate(tags))})
    train = [["1/10.jpg", [3, 2], [5, 8, 6]], ["1/11.jpg", [0], [2, 7, 3]], ["2/12.jpg", [4], []]]
    keep(root / "data_v1" / "CNNsplit_key690_train.pkl", train)
    keep(root / "data_v1" / "CNNsplit_key690_val.pkl", [["1/13.jpg", 1]], 2)
    keep(root / "data_v1" / "CNNsplit_key690_test.pkl", [["1/14.jpg", [[3, 2], [2, 1]]]])
    keep(root / "dataset_image_urls_240.pkl", [[f"{d}/{n}.jpg", f"https://t4.ftcdn.net/jpg/240_F_{n}.jpg"] for d, n in
                                               [(1, 10), (1, 11), (2, 12), (1, 13), (1, 14)]])


def se30k8():
    votes = {123456: [["happiness"], ["happiness", "surprise(positive)"], ["neutral"], ["happiness"], ["sadness"]],
             7: [["anger"], ["anger"], ["fear"], ["fear"], ["disgust"]],            # nobody has three
             8: [["fear"], ["fear"], ["fear"], ["fear"], ["fear"]],
             9: [["surprise(negative)"]] * 3 + [["anger"]] * 2}
    votes.update({cid: [["fear"]] * 5 for cid in range(20, 30)})
    data = {cid: {"access_key": cid, "image_emotion": lists, "image_url": f"https://t4.ftcdn.net/jpg/240_F_{cid}.jpg",
                  "work_ids": ["A1", "A2", "A3", "A4", "A5"], "tags": ["sky", "smile", "happy"], "emotion_tags": ["happy"]}
            for cid, lists in votes.items()}
    del data[9]["tags"]
    data[10] = {"access_key": 10}
    keep(OUT / "se30k8" / "SE30K8" / "annotations" / "mturk_annotations_240.pkl.keep", data)
    keep(OUT / "se30k8_pictures" / "annotations" / "mturk_annotations_240.pkl", data, 2)
    for cid in (123456, 9):
        picture(OUT / "se30k8_pictures" / "000000" / f"{cid}.jpg")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for make in (fi, emotionroi, emotion6, machajdik, iapsa, panda, emoset, fer2013, affectnet, emotic, stockemotion, se30k8):
        make()
    print(sum(f.stat().st_size for f in OUT.rglob("*") if f.is_file()), "bytes")


if __name__ == "__main__":
    main()
