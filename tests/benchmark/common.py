"""What the benchmarks share: our commands, and a line for each side with the ratio."""
import json
import os
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("EMOTION_BIN", ROOT / "build/release/bin"))


def ours(command, *arguments, capture=True):
    result = subprocess.run([str(BIN / command), *map(str, arguments)], check=True, text=True, stdout=subprocess.PIPE if capture else None)
    return result.stdout


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
