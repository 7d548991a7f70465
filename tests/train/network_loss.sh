#!/usr/bin/env bash
# network_loss.sh EMOTION_TRAIN FIXTURE: two ranks in two network namespaces; the link between them goes down while they train. Both
# must stop, each with one line that names the other. Needs root and ip; skipped (77) without.
set -u
train=$1 data=$2
skip() { echo "skipped: $1"; exit 77; }
[ "$(id -u)" = 0 ] || skip "network namespaces need root"
command -v ip > /dev/null || skip "there is no ip (Debian's iproute2)"
unshare -n true 2> /dev/null || skip "this host allows no network namespace"
here=$(mktemp -d) a=emotion-a-$$ b=emotion-b-$$
cleanup() {
  kill -9 "${first:-}" "${second:-}" 2> /dev/null
  ip netns del "$a" 2> /dev/null
  ip netns del "$b" 2> /dev/null
  rm -rf "$here"
}
trap cleanup EXIT
ip netns add "$a" 2> /dev/null && ip netns add "$b" && ip link add ve-a-$$ netns "$a" type veth peer name ve-b-$$ netns "$b" || skip "no pair of linked interfaces can be made"
ip -n "$a" address add 10.77.0.1/24 dev ve-a-$$ && ip -n "$b" address add 10.77.0.2/24 dev ve-b-$$ || skip "an interface takes no address"
for side in a b; do
  name=emotion-$side-$$
  ip -n "$name" link set lo up && ip -n "$name" link set ve-$side-$$ up || skip "an interface cannot be switched on"
done
cat > "$here/run.yaml" << YAML
task: textcnn
device: cpu
data: {train: {dataset: $data, split: train}}
train: {batch: 4, epochs: 1000000, distributed_timeout: 4}
checkpoint: {every_minutes: 0.00001, keep: 1}
output: $here/run
YAML
start() {  # namespace rank
  OMP_NUM_THREADS=1 RANK=$2 WORLD_SIZE=2 MASTER_ADDR=10.77.0.1 MASTER_PORT=29500 \
    ip netns exec "$1" "$train" --config "$here/run.yaml" --log-level warning 2> "$here/rank$2" &
}
start "$a" 0; first=$!
start "$b" 1; second=$!
for _ in $(seq 600); do [ -e "$here/run/checkpoints/last" ] && break; sleep 0.1; done
[ -e "$here/run/checkpoints/last" ] || { echo "no checkpoint"; cat "$here"/rank?; exit 1; }
ip -n "$b" link set ve-b-$$ down
for _ in $(seq 900); do kill -0 $first 2> /dev/null || kill -0 $second 2> /dev/null || break; sleep 0.1; done
wait $first; code0=$?
wait $second; code1=$?
cat "$here/rank0" "$here/rank1"
[ $code0 = 1 ] && [ $code1 = 1 ] || { echo "exit codes $code0 and $code1, 1 is wanted"; exit 1; }
grep -q '^rank 1 (.*emotion_train --resume goes on' "$here/rank0" && [ "$(grep -vc "^warning: " "$here/rank0")" = 1 ] || exit 1
grep -q '^rank 0 (.*emotion_train --resume goes on' "$here/rank1" && [ "$(grep -vc "^warning: " "$here/rank1")" = 1 ] || exit 1
