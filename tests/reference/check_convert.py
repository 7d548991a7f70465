"""emotion_convert against the programs its files are for: torch.load, torchvision, safetensors, gensim, onnxruntime.

    python tests/reference/check_convert.py build/release/bin [NAME ...]

Every ONNX file is compared with the same network in PyTorch, on two batch sizes; the largest difference is printed and must stay
below 1e-4 of the largest value. Exit 1 if anything differs, 77 where a package is missing.
"""
import json
import pathlib
import pickle
import re
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
    import torch
    import torchvision
    from safetensors.torch import load_file, save_file
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

BIN = None
FAILED = []


def convert(*arguments):
    subprocess.run([BIN / "emotion_convert", *map(str, arguments), "--log-level", "warning"], check=True)


def report(name, difference):
    good = difference <= 1e-4
    print(f"{name}: {difference:.2e}{'' if good else '  DIFFERS'}")
    if not good:
        FAILED.append(name)


def stirred(module):
    """Norms with statistics of their own, so that a mistake in them shows."""
    torch.manual_seed(3)
    for m in module.modules():
        if isinstance(m, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            m.running_mean.normal_(0, 0.1)
            m.running_var.uniform_(0.5, 1.5)
            m.weight.data.uniform_(0.5, 1.5)
    return module.eval()


def save(path, state, task, config, classes, **more):
    metadata = {"task": task, "config": config, "classes": json.dumps(classes)}
    metadata.update({k: json.dumps(v) for k, v in more.items()})
    save_file({k: v.contiguous() for k, v in state.items()}, path, metadata)


def run_onnx(name, folder, inputs, expected):
    """inputs, expected: functions of the batch size."""
    convert(folder / "model.safetensors", folder / f"{name}.onnx")
    if (folder / f"{name}.onnx").stat().st_size < 200 << 20:
        onnx.checker.check_model(onnx.load(folder / f"{name}.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])
    worst = 0.0
    for batch in (1, 3):
        given = inputs(batch)
        with torch.no_grad():
            wanted = expected(given)
        made = session.run(list(wanted), {k: v.numpy() for k, v in given.items()})
        for output, (key, value) in zip(made, wanted.items()):
            worst = max(worst, float(np.abs(output - value.numpy()).max() / max(1.0, value.abs().max().item())))
    report(f"onnx {name}", worst)


def strip(network, name):
    if name.startswith("resnet"):
        network.fc = torch.nn.Identity()
    else:
        network.classifier = torch.nn.Sequential(*list(network.classifier)[:-1])
    return network


def dimension(name):
    return 4096 if name in ("vgg16", "alexnet") else 512 if name in ("resnet18", "resnet34") else 2048


def check_classifier(folder, name):
    network = stirred(strip(getattr(torchvision.models, name)(), name))
    head = torch.nn.Linear(dimension(name), 5)
    state = {f"backbone.{k}": v for k, v in network.state_dict().items()}
    state.update({f"classifier.{k}": v for k, v in head.state_dict().items()})
    save(folder / "model.safetensors", state, "classifier", f"{{task: classifier, model: {{backbone: {name}}}}}", list("abcde"))
    size = 96 if name.startswith("resnet") else 224
    run_onnx(name, folder, lambda b: {"images": torch.randn(b, 3, size, size)}, lambda x: {"logits": head(network(x["images"]))})


def check_emotion_net(folder, head):
    network = stirred(strip(torchvision.models.resnet18(), "resnet18"))
    projection = torch.nn.Linear(512, 300)
    classifier = torch.nn.Linear(300 if head == "joint" else 512, 4)
    extra = torch.nn.Linear(512, 3)
    state = {f"backbone.{k}": v for k, v in network.state_dict().items()}
    parts = {"classifier": classifier, "projection": projection}
    if head == "three_branch":
        parts["extra_classifier"] = extra
    for part, layer in parts.items():
        state.update({f"{part}.{k}": v for k, v in layer.state_dict().items()})
    more = {"extra_classes": list("xyz")} if head == "three_branch" else {}
    save(folder / "model.safetensors", state, "emotionnet", f"{{task: emotionnet, model: {{backbone: resnet18, head: {head}}}}}", list("abcd"), **more)

    def expected(x):
        v = network(x["images"])
        p = projection(v)
        out = {"logits": classifier(p if head == "joint" else v), "projection": p}
        if head == "three_branch":
            out["extra_logits"] = extra(v)
        return out

    run_onnx(f"emotionnet_{head}", folder, lambda b: {"images": torch.randn(b, 3, 64, 80)}, expected)


def check_textcnn(folder):
    words, d = list("abcdefg"), 300
    embedding, conv = torch.nn.Embedding(len(words) + 2, d, padding_idx=len(words) + 1), torch.nn.Conv1d(d, d, 1)
    norm, hidden, classifier = stirred(torch.nn.BatchNorm1d(d)), torch.nn.Linear(d, d), torch.nn.Linear(d, 3)
    state = {f"{n}.{k}": v for n, m in dict(embedding=embedding, conv=conv, norm=norm, hidden=hidden, classifier=classifier).items()
             for k, v in m.state_dict().items()}
    save(folder / "model.safetensors", state, "textcnn", "{task: textcnn}", list("xyz"), vocabulary=words)

    def expected(x):
        h = conv(embedding(x["ids"]).transpose(1, 2)).relu().mean(2)
        return {"logits": classifier(hidden(norm(h)))}

    run_onnx("textcnn", folder, lambda b: {"ids": torch.randint(0, len(words) + 2, (b, 100))}, expected)


class Semantic(torch.nn.Module):
    """Eq 3-10, with the names of docs/formats.md."""

    def __init__(self, width, hidden, size, steps, lag):
        super().__init__()
        self.attention_lstm = torch.nn.LSTMCell(hidden + width, hidden)
        self.correlation_lstm = torch.nn.LSTMCell(hidden + width, hidden)
        self.attention = torch.nn.ModuleDict(dict(feature=torch.nn.Linear(width, size, bias=False), hidden=torch.nn.Linear(hidden, size, bias=False),
                                                  score=torch.nn.Linear(size, 1, bias=False)))
        self.hidden, self.steps, self.lag = hidden, steps, lag

    def forward(self, features, counts):
        outputs, weights = [], []
        for f, n in zip(features, counts.tolist()):
            if n == 0:
                outputs.append(torch.zeros(self.hidden))
                weights.append(torch.full((self.steps, features.shape[1]), 1 / features.shape[1]))  # of nothing: even
                continue
            f = f[:n]
            zero = torch.zeros(1, self.hidden)
            h_att = c_att = h_cor = c_cor = zero
            alphas = []
            for _ in range(self.steps):
                before = h_att
                h_att, c_att = self.attention_lstm(torch.cat([h_cor, f.mean(0, keepdim=True)], 1), (h_att, c_att))
                alpha = self.attention["score"](torch.tanh(self.attention["feature"](f) + self.attention["hidden"](h_att))).softmax(0)
                h_cor, c_cor = self.correlation_lstm(torch.cat([before if self.lag else h_att, (alpha * f).sum(0, keepdim=True)], 1), (h_cor, c_cor))
                alphas.append(torch.nn.functional.pad(alpha[:, 0], (0, features.shape[1] - n)))
            outputs.append(h_cor[0])
            weights.append(torch.stack(alphas))
        return torch.stack(outputs), torch.stack(weights)


class FullyConnected(torch.nn.Module):
    """Table II's FC layers in place of the LSTMs: their mean over an image's regions."""

    def __init__(self, width, hidden):
        super().__init__()
        self.fc = torch.nn.Sequential(torch.nn.Linear(width, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, hidden))

    def forward(self, features, counts):
        return torch.stack([self.fc(f[:n]).relu().mean(0) if n else torch.zeros(self.fc[0].out_features) for f, n in zip(features, counts.tolist())]), None


def check_stimuli(folder, branches, lag=True, color="rgb", variant="lstm"):
    width, regions, steps = 24, 6, 4
    net, face = stirred(strip(torchvision.models.resnet50(), "resnet50")), stirred(strip(torchvision.models.resnet18(), "resnet18"))
    semantic = Semantic(width, 512, 32, steps, lag) if variant == "lstm" else FullyConnected(width, 512)
    total = 2048 * ("global" in branches) + 512 * ("semantic" in branches) + 512 * ("expression" in branches)
    classifier = torch.nn.Linear(total, 8, bias=False)
    state = {"classifier.weight": classifier.weight.detach()}
    for branch, module in (("global", net), ("semantic", semantic), ("expression", face)):
        if branch in branches:
            state.update({f"{branch}.{k}": v for k, v in module.state_dict().items()})
    config = (f"{{task: stimuli, model: {{branches: [{', '.join(branches)}], backbone: resnet50, color: {color}, classifier_bias: false, semantic: {{regions: "
              f"{regions}, steps: {steps}, attention: 32, variant: {variant}, lag: {str(lag).lower()}}}}}}}")
    save(folder / "model.safetensors", state, "stimuli", config, [f"c{i}" for i in range(8)])
    mean, std = torch.tensor([.485, .456, .406]).view(3, 1, 1), torch.tensor([.229, .224, .225]).view(3, 1, 1)

    def inputs(b):
        given = {}
        if "global" in branches:
            given["images"] = torch.randn(b, 3, 64, 64)
        if "semantic" in branches:
            given["region_features"] = torch.randn(b, regions, width)
            given["region_counts"] = torch.tensor([regions, 0, 2][:b])
            for i, n in enumerate(given["region_counts"].tolist()):
                given["region_features"][i, n:] = 0
        if "expression" in branches:
            given["faces"] = torch.randn(b, 3, 48, 48)
            given["has_face"] = torch.tensor([1.0, 0.0, 1.0][:b])
        return given

    def expected(x):
        parts = []
        if "global" in branches:
            images = x["images"]
            if color == "y":
                y = ((images * std + mean) * torch.tensor([.299, .587, .114]).view(3, 1, 1)).sum(1, keepdim=True)
                images = (y - mean) / std
            parts.append(net(images))
        more = {}
        if "semantic" in branches:
            seen, attention = semantic(x["region_features"], x["region_counts"])
            parts.append(seen)
            more = {} if attention is None else {"attention": attention}
        if "expression" in branches:
            parts.append(face(x["faces"]) * x["has_face"][:, None])
        return {"logits": classifier(torch.cat(parts, 1)), **more}

    run_onnx(f"stimuli_{'_'.join(branches)}_{color}{'' if lag else '_updown'}{'_fc' if variant == 'fc' else ''}", folder, inputs, expected)


def compare_regions(name, made, expected):
    """Lists of regions: as many, the same labels, numbers as near as everywhere."""
    worst = 0.0
    for key, value in expected.items():
        if made[key].shape != tuple(value.shape):
            print(f"{name}: {key} is {made[key].shape}, expected {tuple(value.shape)}")
            worst = float("inf")
        elif value.numel():
            worst = max(worst, float(np.abs(made[key] - value.numpy()).max() / max(1.0, value.abs().max().item())))
    report(f"onnx {name}", worst)


def onnx_session(folder, name, *settings):
    convert(folder / "model.safetensors", folder / f"{name}.onnx", *(f"--set={setting}" for setting in settings))
    onnx.checker.check_model(onnx.load(folder / f"{name}.onnx"), full_check=True)
    return onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])


def run_session(session, given):
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {k: v.numpy() for k, v in given.items()})))


def check_detector(folder):
    """torchvision's Faster R-CNN, its resizing left out: pictures of two sizes in one batch, one alone, one with nothing found."""
    import make_detector_goldens as goldens
    from torchvision.models.detection.image_list import ImageList

    network = goldens.network("resnet18", 5, 96, 128, 32).eval()
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / "model.safetensors")
    usual, picky = onnx_session(folder, "detector"), onnx_session(folder, "picky", "model.detector.score_threshold=0.999")
    for name, sizes, brightness, session in (("two", [(256, 320), (200, 288)], 4, usual), ("one", [(224, 224)], 4, usual),
                                             ("grey", [(64, 64)], 0, usual), ("nothing", [(96, 64), (64, 64)], 4, picky)):
        network.roi_heads.score_thresh = 0.05 if session is usual else 0.999
        images = torch.zeros(len(sizes), 3, *(-(-max(side) // 32) * 32 for side in zip(*sizes)))
        for i, (h, w) in enumerate(sizes):
            images[i, :, :h, :w] = (goldens.picture(h, w, i) - 0.5) * brightness
        with torch.no_grad():
            levels = network.backbone(images)
            proposals, _ = network.rpn(ImageList(images, sizes), levels)
            found, _ = network.roi_heads(levels, proposals, sizes)
            features = network.roi_heads.box_head(network.roi_heads.box_roi_pool(levels, [f["boxes"] for f in found], sizes))
        expected = {key: torch.cat([f[key] for f in found]) for key in ("boxes", "scores")}
        expected["labels"] = torch.cat([f["labels"] for f in found]) - 1  # background is no class of ours
        expected["pictures"] = torch.cat([torch.full_like(f["labels"], i) for i, f in enumerate(found)])
        expected["features"] = features
        compare_regions(f"detector_{name} ({len(features)} regions)", run_session(session, {"images": images, "sizes": torch.tensor(sizes)}), expected)


# Names of the reference -> those of the public conversions to detectron2
DETECTRON = [(r"^backbone\.conv1", "backbone.stem.conv1"), (r"^backbone\.bn1", "backbone.stem.conv1.norm"), (r"^roi_heads\.layer4", "roi_heads.res5"),
             (r"layer(\d)", lambda m: f"res{int(m[1]) + 1}"), (r"downsample\.0", "shortcut"), (r"downsample\.1", "shortcut.norm"), (r"\.bn(\d)", r".conv\1.norm"),
             (r"^rpn\.conv", "proposal_generator.rpn_head.conv"), (r"^rpn\.objectness", "proposal_generator.rpn_head.objectness_logits"),
             (r"^rpn\.offsets", "proposal_generator.rpn_head.anchor_deltas"), (r"^roi_heads\.cls_score", "roi_heads.box_predictor.cls_score"),
             (r"^attributes\.embedding", "roi_heads.box_predictor.cls_embedding"), (r"^attributes\.hidden", "roi_heads.box_predictor.fc_attr"),
             (r"^attributes\.score", "roi_heads.box_predictor.attr_score")]


def check_bottom_up(folder):
    """The second writing of its arithmetic in make_bottom_up_golden.py, with the same weights."""
    import make_bottom_up_golden as reference

    state, made_up = {}, reference.weight

    def recorded(name, *shape):
        own = name
        for pattern, to in DETECTRON:
            own = re.sub(pattern, to, own)
        state[own] = made_up(name, *shape)
        return state[own]

    reference.weight = recorded
    with torch.no_grad():
        image = reference.picture(60, 80, 0.5)
        golden = reference.detect(image)
        scale = min(reference.MIN_SIZE / 60, reference.MAX_SIZE / 80)
        pixels = image.flip(0) * 255 - torch.from_numpy(reference.MEAN).view(3, 1, 1)
        given = torch.nn.functional.interpolate(pixels[None], (round(60 * scale), round(80 * scale)), mode="bilinear", align_corners=False)
    state["roi_heads.box_predictor.bbox_pred.weight"] = torch.zeros(4 * (reference.CLASSES + 1), 2048)  # unused; says that none comes first
    save_file({k: v.contiguous() for k, v in state.items()}, folder / "model.safetensors")
    made = run_session(onnx_session(folder, "bottom_up"), {"images": given, "scale": torch.tensor([scale], dtype=torch.float32)})
    made["boxes"] = made["boxes"] / scale
    made["feature_means"] = made.pop("features").mean(1)
    expected = {key: torch.tensor(golden[key]) for key in ("scores", "labels", "attributes", "feature_means")}
    compare_regions(f"bottom_up ({len(golden['scores'])} regions)", made, {"boxes": torch.tensor(golden["boxes"]).view(-1, 4), **expected})


def check_weights(folder):
    network = torchvision.models.resnet18()
    state = network.state_dict()
    save_file(state, folder / "in.safetensors")
    convert(folder / "in.safetensors", folder / "out.pth")
    loaded = torch.load(folder / "out.pth", weights_only=True)
    torchvision.models.resnet18().load_state_dict(loaded, strict=True)
    same = all(torch.equal(loaded[k], v) and loaded[k].dtype == v.dtype for k, v in state.items()) and list(loaded) == list(load_file(folder / "in.safetensors"))
    report("safetensors to pth, torchvision strict", 0.0 if same else 1.0)
    for name, options in {"zip": {}, "legacy": {"_use_new_zipfile_serialization": False}}.items():
        torch.save({"epoch": 1, "state_dict": {f"module.{k}": v for k, v in state.items()}, "optimizer": {"state": {0: {"m": torch.ones(3)}}}},
                   folder / "in.pth", **options)
        convert(folder / "in.pth", folder / "out.safetensors")
        loaded = load_file(folder / "out.safetensors")
        torchvision.models.resnet18().load_state_dict(loaded, strict=True)
        report(f"pth ({name}, module., optimizer) to safetensors", 0.0 if all(torch.equal(loaded[k], v) for k, v in state.items()) else 1.0)


def check_words(folder):
    try:
        import gensim
    except ImportError:
        print("word dictionaries: not looked at without gensim")
        return
    words = {w: np.random.default_rng(0).standard_normal(300).astype(np.float32) for w in ("sky", "blue_sea", "caf\u00e9")}
    for protocol in (2, 4):
        (folder / "w2v_dict.pl").write_bytes(pickle.dumps(words, protocol=protocol))
        convert(folder / "w2v_dict.pl", folder / "w.bin")
        read = gensim.models.KeyedVectors.load_word2vec_format(folder / "w.bin", binary=True)
        report(f"word dictionary (protocol {protocol})", max(float(np.abs(read[w] - v).max()) for w, v in words.items()))


def main():
    global BIN
    BIN = pathlib.Path(sys.argv[1])
    checks = {"weights": check_weights, "words": check_words, "textcnn": check_textcnn,
              "stimuli": lambda f: check_stimuli(f, ["global", "semantic", "expression"]),
              "stimuli_fc": lambda f: check_stimuli(f, ["global", "semantic", "expression"], variant="fc"),
              "stimuli_updown": lambda f: check_stimuli(f, ["semantic"], lag=False),
              "stimuli_y": lambda f: check_stimuli(f, ["global"], color="y")}
    checks["detector"], checks["bottom_up"] = check_detector, check_bottom_up
    for head in ("two_branch", "joint", "three_branch"):
        checks[head] = lambda f, head=head: check_emotion_net(f, head)
    for name in ("resnet18", "resnet34", "resnet50", "resnet101", "vgg16", "alexnet"):
        checks[name] = lambda f, name=name: check_classifier(f, name)
    torch.manual_seed(1)
    for name in sys.argv[2:] or checks:
        with tempfile.TemporaryDirectory() as folder:
            checks[name](pathlib.Path(folder))
    sys.exit(1 if FAILED else 0)


if __name__ == "__main__":
    main()
