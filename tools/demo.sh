#!/usr/bin/env bash
# Installs, builds and shows both networks on the embedded world: bash tools/demo.sh [--cuda]
#
# Draws pictures with keyword lists, trains word vectors, a TextCNN, EmotionNet on its soft labels, and the same network on the hard
# labels alone; then measures each, and a linear classifier on both networks' frozen features. Then the stimuli-aware network: a region
# detector, faces, the branches alone and together, with and without the polarity loss. Some ten minutes of training on two cores.
# Everything goes to data/demo and runs/demo; a stopped demo goes on where it was.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in
  '' | --cuda) ;;
  --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "demo.sh: unknown flag $1; --cuda is the only one" >&2; exit 2 ;;
esac
bash tools/setup.sh "$@"
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
echo

# The second paper: stimuli of pictures with people, found by a detector trained here and by dlib, and the rows of its Table II.
begin=$SECONDS
data() {
  local kind=$1
  shift
  [ -e "data/demo/$kind/dataset.yaml" ] && return
  rm -rf "data/demo/$kind"
  emotion_data synth "$kind" --out "data/demo/$kind" "$@"
}
data scenes --count 2000 --size 96
data faces --count 1200 --size 48
data people --count 1000 --size 96
emotion_train --config configs/demo/detector.yaml --resume
emotion_data regions --data data/demo/people --checkpoint runs/demo/detector --top 5
emotion_data faces --data data/demo/people --upsample 2 --threshold -0.2
emotion_train --config configs/demo/expression.yaml --resume

# row NAME OVERRIDE...: trains a network and measures it; two branches and fewer take no values from a branch they lack.
row() {
  local name=$1 settings=() setting
  shift
  for setting in "$@"; do settings+=(--set "$setting"); done
  emotion_train --config configs/demo/stimuli.yaml "${settings[@]}" --output "runs/demo/table2/$name" --resume
  emotion_eval --checkpoint "runs/demo/table2/$name" --data data/demo/people --split test --output "runs/demo/results/$name" --log-level warning >/dev/null
}
row G 'model.branches=[global]' model.expression_init='""'
row S 'model.branches=[semantic]' model.expression_init='""'  model.init='""'
row E 'model.branches=[expression]' model.init='""'
row GS 'model.branches=[global, semantic]' model.expression_init='""'
row GE 'model.branches=[global, expression]'
row SE 'model.branches=[semantic, expression]' model.init='""'
row GSE_fc model.semantic.variant=fc
row YSE model.color=y
row GSE
row GSE_plain loss.polarity_weight=0
emotion_predict --checkpoint runs/demo/table2/GSE data/demo/people --count 12 --report runs/demo/predictions.html --log-level warning >/dev/null

# line TEXT FOLDER: accuracy, and the part of predictions that are wrong in polarity too.
line() {
  printf '%-44s %s   %.3f\n' "$1" "$(top1 "$2")" "$(sed -n 's/^  "hard_errors": \([0-9.]*\).*/\1/p' "runs/demo/results/$2/metrics.json")"
}
echo
echo "Stimuli-aware network, 8 emotions             top-1   hard errors"
line "global G" G
line "semantic S" S
line "expression E" E
line "G + S" GS
line "G + E" GE
line "S + E" SE
line "G of luminance + S + E" YSE
line "G + S by fully connected layers + E" GSE_fc
line "G + S + E" GSE
line "G + S + E without the polarity loss" GSE_plain
echo "this part took $((SECONDS - begin)) s; what the network looked at: runs/demo/predictions.html"
