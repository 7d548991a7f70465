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

# top1 LINE-OF-NUMBERS: the accuracy in a command's first line.
top1() { sed -n '1s/.*top1 \([0-9.]*\),.*/\1/p'; }
for run in textcnn emotionnet hard_label; do
  declare "eval_$run=$(emotion_eval --checkpoint "runs/demo/$run" --data data/demo/stock --split test --output "runs/demo/results/$run" --log-level warning | top1)"
done
for run in emotionnet hard_label; do
  declare "probe_$run=$(emotion_probe --checkpoint "runs/demo/$run" --data data/demo/affect --output "runs/demo/results/probe_$run" --log-level warning | top1)"
done

echo
echo "TextCNN on keywords, top-1 of 32 emotions                 $eval_textcnn"
echo "image network, top-1 of 32 emotions    EmotionNet         $eval_emotionnet"
echo "                                       hard labels alone  $eval_hard_label"
echo "linear classifier on frozen features,  EmotionNet         $probe_emotionnet"
echo "8 emotions of the clean set            hard labels alone  $probe_hard_label"
echo "training took $trained s; 15 % of the pictures carry another picture's emotion keywords, in the test split too"
