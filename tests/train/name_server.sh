#!/usr/bin/env bash
# name_server.sh EMOTION_TRAIN FIXTURE: two ranks on a host whose name server never answers. They must meet all the same, and well
# within the time one unanswered question takes. Needs root and ip; skipped (77) without.
set -u
train=$1 data=$2
skip() { echo "skipped: $1"; exit 77; }
if [ "${3:-}" != inside ]; then
  [ "$(id -u)" = 0 ] || skip "network namespaces need root"
  command -v ip > /dev/null || skip "there is no ip (Debian's iproute2)"
  unshare -n -m true 2> /dev/null || skip "this host allows no namespaces"
  exec unshare -n -m bash "$0" "$train" "$data" inside
fi
here=$(mktemp -d)
trap 'umount /etc/resolv.conf 2> /dev/null; rm -rf "$here"' EXIT
# What is sent to the name server's address leaves through one end of a pair of interfaces, and nobody is at the other.
ip link set lo up && ip link add quiet type veth peer name nobody 2> /dev/null || skip "no pair of linked interfaces can be made"
ip address add 10.77.0.1/24 dev quiet && ip link set quiet up && ip link set nobody up &&
  ip neighbour add 10.77.0.2 lladdr 02:00:00:00:00:01 dev quiet || skip "an interface takes no address"
echo "nameserver 10.77.0.2" > "$here/resolv.conf"
mount --bind "$here/resolv.conf" /etc/resolv.conf 2> /dev/null || skip "the name server cannot be changed"
cat > "$here/run.yaml" << YAML
task: textcnn
device: cpu
data: {train: {dataset: $data, split: train}}
train: {batch: 4, max_steps: 1, distributed_timeout: 4}
output: $here/run
YAML
OMP_NUM_THREADS=1 "$train" --config "$here/run.yaml" --log-level warning --nproc 2
