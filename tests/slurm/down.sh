#!/usr/bin/env bash
# Stop what tests/slurm/up.sh FOLDER started, by its pid files: jobs first, then nodes, controller and munge.
set -euo pipefail
D=$(realpath -m "${1:?folder}")
PATH=$PATH:/usr/sbin:/sbin
if [ -s "$D/slurmctld.pid" ]; then
    SLURM_CONF="$D/slurm.conf" timeout 10 scancel --user "$(id -un)" || true
fi
for name in slurmd.n1 slurmd.n2 slurmctld munged; do
    file="$D/$name.pid"
    [ -s "$file" ] || continue
    pid=$(cat "$file")
    kill "$pid" 2>/dev/null || continue
    for _ in $(seq 100); do # until it is gone, or dead with nobody to bury it
        state=$(sed -n 's/^State:\s*\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null || true)
        case $state in '' | Z) break ;; esac
        sleep 0.1
    done
done
