#!/usr/bin/env bash
# Installs, builds and shows the whole of EmotionNet on the embedded world: bash tools/demo.sh
#
# Draws pictures with keyword lists, trains word vectors, a TextCNN, EmotionNet on its soft labels, and the same network on the hard
# labels alone; then measures each, and a linear classifier on both networks' frozen features. A few minutes of training on two cores.
# Everything goes to data/demo and runs/demo; a stopped demo goes on where it was.
set -euo pipefail
cd "$(dirname "$0")/.."
bash tools/setup.sh
export PATH="$PWD/build/release/bin:$PATH"

mkdir -p data/demo runs/demo
for kind in stock affect; do
  [ -e "data/demo/$kind/dataset.yaml" ] && continue
  rm -rf "data/demo/$kind"
  emotion_data synth "$kind" --out "data/demo/$kind" --count 2500 --size 96
done
begin=$SECONDS
[ -e data/demo/word2vec.bin ] || emotion_text word2vec --data data/demo/stock --out data/demo/word2vec.bin --epochs 3
for run in textcnn emotionnet hard_label; do
  emotion_train --config "configs/demo/$run.yaml" --resume
done
trained=$((SECONDS - begin))

# top1 FOLDER: the accuracy that a command wrote there, three digits.
top1() { printf '%.3f' "$(sed -n 's/^  "top1": \([0-9.]*\).*/\1/p' "runs/demo/results/$1/metrics.json")"; }
for run in textcnn emotionnet hard_label; do
  emotion_eval --checkpoint "runs/demo/$run" --data data/demo/stock --split test --output "runs/demo/results/$run" --log-level warning >/dev/null
done
for run in emotionnet hard_label; do
  emotion_probe --checkpoint "runs/demo/$run" --data data/demo/affect --output "runs/demo/results/probe_$run" --log-level warning >/dev/null
done

echo
echo "TextCNN on keywords, top-1 of 32 emotions                 $(top1 textcnn)"
echo "image network, top-1 of 32 emotions    EmotionNet         $(top1 emotionnet)"
echo "                                       hard labels alone  $(top1 hard_label)"
echo "linear classifier on frozen features,  EmotionNet         $(top1 probe_emotionnet)"
echo "8 emotions of the clean set            hard labels alone  $(top1 probe_hard_label)"
echo "training took $trained s; 15 % of the pictures carry another picture's emotion keywords, in the test split too"
