#!/usr/bin/env bash
# Trains a tiny classifier twice on drawn pictures and opens both runs' pages, and the page that compares them, in chromium:
# browser.sh BIN HERE
set -euo pipefail
bin="$1" here="$2"
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { echo "no chromium; skipped"; exit 77; }
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
"$bin/emotion_data" --log-level warning synth affect --count 120 --size 40 --out data
cat > run.yaml <<'YAML'
task: classifier
data: {train: {dataset: data, split: train}, val: {dataset: data, split: val}, resize: 36, size: 32}
model: {backbone: resnet18}
optimizer: {lr: 0.02}
train: {epochs: 2, batch: 16, log_every: 2}
YAML
for lr in 0.02 0.005; do
  "$bin/emotion_train" --config run.yaml --set optimizer.lr=$lr --output "run-$lr" --device cpu --log-level warning
done
"$bin/emotion_reproduce" --compare run-0.02 run-0.005 --output compare.html > compare.md
grep -q '| optimizer.lr | 0.02 | 0.005 |' compare.md
grep -q 'Nearest pictures' run-0.02/report.html
grep -q 't-SNE' run-0.02/report.html
bash "$here/chromium.sh" "${EMOTION_SCREENSHOTS:-pictures}" run-0.02/report.html compare.html
