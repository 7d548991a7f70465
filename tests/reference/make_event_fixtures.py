"""An event file as TensorBoard's own writer makes it, for tests/io and fuzz/seeds: tests/io/fixtures/events.out.tfevents.python.

    pip install tensorboard numpy
    python tests/reference/make_event_fixtures.py

The values below are those that tests/io/tensorboard_test.cpp expects.
"""
import pathlib
import shutil
import tempfile

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto

ROOT = pathlib.Path(__file__).parent.parent.parent


def value(tag, number=None, tensor=None):
    if tensor is None:
        return Summary.Value(tag=tag, simple_value=number)
    return Summary.Value(tag=tag, tensor=make_tensor_proto(tensor))


def main():
    with tempfile.TemporaryDirectory() as folder:
        writer = EventFileWriter(folder)
        for step, values in [
            (1, [value("Loss/train", 2.5), value("lr", 0.125)]),
            (2, [value("Loss/train", tensor=np.float32(1.25)), value("text", tensor="words")]),
            (2, [value("val/accuracy", tensor=np.float64(0.1)), value("a matrix", tensor=np.ones((2, 2), np.float32))]),
            (300, [value("Loss/train", 0.75)]),
        ]:
            writer.add_event(Event(wall_time=1.5, step=step, summary=Summary(value=values)))
        writer.close()
        (written,) = pathlib.Path(folder).iterdir()
        for target in ("tests/io/fixtures/events.out.tfevents.python", "fuzz/seeds/tfevents/python"):
            (ROOT / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(written, ROOT / target)


if __name__ == "__main__":
    main()
