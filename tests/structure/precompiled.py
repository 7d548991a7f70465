#!/usr/bin/env python3
"""precompiled.py ROOT: sources and tests stand behind TENSORS and PLAIN (src/CMakeLists.txt, tests/CMakeLists.txt) only if what they include
lets them: one that reaches more of LibTorch than its precompiled header holds takes several times as long to compile. And what a file
calls of at:: it includes, or a header of the project does for it: it compiles without precompiled headers (EMOTION_PCH=OFF) too."""
import functools
import os
import re
import sys

ROOT = sys.argv[1]
INCLUDE = re.compile(r'^\s*#include\s+[<"]([^>"]+)[>"]', re.MULTILINE)
CALL = re.compile(r"\bat::(_?[a-z][a-z0-9_]*)\(")
NOT_IN_OPS = {"get_num_threads", "manual_seed", "parallel_for", "set_num_threads"}
ALLOWED = {"": ("torch", "tensors"), "TENSORS": ("tensors",), "PLAIN": ()}


@functools.cache
def includes(path):
    """Project files and other headers that a file includes itself."""
    own, foreign = [], []
    with open(path, encoding="utf-8") as file:
        for name in INCLUDE.findall(file.read()):
            places = (os.path.join(os.path.dirname(path), name), os.path.join(ROOT, "include", name))
            found = [os.path.normpath(place) for place in places if os.path.exists(place)]
            (own.append(found[0]) if found else foreign.append(name))
    return own, foreign


def all_includes(path):
    """(header that is not the project's, file that includes it) of all that a file reaches."""
    seen, todo = set(), [path]
    while todo:
        file = todo.pop()
        if file in seen:
            continue
        seen.add(file)
        own, foreign = includes(file)
        todo += own
        yield from ((name, file) for name in foreign)


def reached(path):
    """What of LibTorch a source includes, and through which file: {"torch": FILE, "tensors": FILE}."""
    kinds = {}
    for name, file in all_includes(path):
        if name.startswith("torch/") and name != "torch/version.h":
            kinds.setdefault("torch", file)
        elif name.startswith(("ATen", "c10")):
            kinds.setdefault("tensors", file)
    return kinds


def missing_operations(path):
    """The headers of what a file calls of at:: that it does not include; LibTorch's large headers hold all of them."""
    names = {name for name, _ in all_includes(path)}
    if "torch" in reached(path) or "ATen/ATen.h" in names:
        return []
    with open(path, encoding="utf-8") as file:
        called = set(CALL.findall(file.read())) - NOT_IN_OPS
    return sorted(f"ATen/ops/{name}.h" for name in {name.rstrip("_") for name in called}
                  if f"ATen/ops/{name}.h" not in names)


def own_files():
    for folder in ("include", "src", "tools", "tests"):
        for place, _, names in os.walk(os.path.join(ROOT, folder)):
            yield from (os.path.join(place, name) for name in names if name.endswith((".h", ".cpp")))


def behind(call):
    """(keyword, word) of every word of a list."""
    kind = ""
    for word in call.split():
        if word in ALLOWED:
            kind = word
        else:
            yield kind, word


def main():
    problems, looked_at = [], 0
    for folder in ("src", "tests"):
        for stage in ["", *sorted(os.listdir(os.path.join(ROOT, folder)))]:
            lists = os.path.join(ROOT, folder, stage, "CMakeLists.txt")
            if not os.path.exists(lists):
                continue
            with open(lists, encoding="utf-8") as file:
                calls = re.findall(r"emotion_(?:sources|test)\(([^)]*)\)", file.read())
            for kind, word in (entry for call in calls for entry in behind(call)):
                path = os.path.join(ROOT, folder, stage, word)
                if not os.path.isfile(path):  # the name of a test's binary, or a variable of CMake
                    continue
                looked_at += 1
                for more, through in reached(path).items():
                    if more not in ALLOWED[kind]:
                        problems.append(f"{os.path.relpath(path, ROOT)}: stands behind {kind} and reaches LibTorch's {more} by "
                                        f"{os.path.relpath(through, ROOT)}; move it in {os.path.relpath(lists, ROOT)}")
    for path in sorted(own_files()):
        problems += [f"{os.path.relpath(path, ROOT)}: include <{header}>" for header in missing_operations(path)]
    if looked_at < 200:
        problems.append(f"only {looked_at} sources were looked at; are the lists written otherwise?")
    print("\n".join(problems), file=sys.stderr, end="\n" if problems else "")
    return 1 if problems else 0


sys.exit(main())
