"""What the benchmarks share: our commands, and a line for each side with the ratio."""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("EMOTION_BIN", ROOT / "build/release/bin"))


def ours(command, *arguments, capture=True):
    result = subprocess.run([str(BIN / command), *map(str, arguments)], check=True, text=True, stdout=subprocess.PIPE if capture else None)
    return result.stdout


def measured(command):
    """Seconds and peak memory in MB of one of our commands."""
    begin = time.time()
    process = subprocess.Popen([str(word) for word in (BIN / command[0], *command[1:], "--log-level", "warning")], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: wait status {status}")
    return time.time() - begin, usage.ru_maxrss / 1024


def training_rate(config, run):
    """Trains in our command, and returns the last line of its metrics. With log_every at half of the steps it is the second half's: the first warms up."""
    shutil.rmtree(run, ignore_errors=True)
    subprocess.run([BIN / "emotion_train", "--config", config, "--log-level", "warning"], check=True)
    return json.loads(open(run / "metrics.jsonl").readlines()[-1])


def steps_per_second(loader, step, steps):
    """Of the second `steps` training steps over a loader's batches; the first `steps` warm up."""
    done = 0
    while True:
        for batch in loader:
            step(batch)
            done += 1
            if done == steps:
                begin = time.time()
            if done == 2 * steps:
                return steps / (time.time() - begin)


def compare(unit, sides, rounds=3):
    """Runs every side `rounds` times in turn (so that a busy moment of the machine hits all of them); prints medians and ratios to the first."""
    rates = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            rates[name].append(run())
    medians = {name: statistics.median(values) for name, values in rates.items()}
    first = next(iter(sides))
    for name, values in rates.items():
        print(f"{name:<44} {medians[name]:>12.1f} {unit}   (min {min(values):.1f}, max {max(values):.1f})   {first} / this = {medians[first] / medians[name]:.2f}")
    print(json.dumps({"unit": unit, "median": medians}))
    return medians
