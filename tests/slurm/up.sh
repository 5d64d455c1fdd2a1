#!/usr/bin/env bash
# Start a throw-away Slurm of two nodes on this host, without systemd, cgroups or a database: tests/slurm/up.sh FOLDER
# Uses Debian's slurmctld, slurmd, slurm-client and munge; installs nothing. Everything of it lies in FOLDER, which
# tests/slurm/down.sh FOLDER stops. `source FOLDER/env` lets a shell use it. PORT, PORT+1 and PORT+2 must be free.
set -euo pipefail
D=$(realpath -m "${1:?folder}")
PORT=${PORT:-16817}
HOST=$(hostname) # NodeHostname must be what slurmd finds
PATH=$PATH:/usr/sbin:/sbin
for program in munged slurmctld slurmd sinfo; do
    command -v "$program" >/dev/null || {
        echo "$program is missing: apt-get install slurmctld slurmd slurm-client munge" >&2
        exit 1
    }
done

mkdir -p "$D"/{state,spool/n1,spool/n2,log,bin}
chmod 755 "$D"
(umask 077 && dd if=/dev/urandom of="$D/munge.key" bs=1024 count=1 status=none)
cat >"$D/slurm.conf" <<CONF
ClusterName=diffbench
SlurmctldHost=$HOST(127.0.0.1)
SlurmctldPort=$PORT
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
# Jobs of a node that went wait so many seconds more, till what they were allowed to begin with has expired
AuthInfo=socket=$D/munge.socket,cred_expire=10
StateSaveLocation=$D/state
SlurmdSpoolDir=$D/spool/%n
SlurmctldPidFile=$D/slurmctld.pid
SlurmdPidFile=$D/slurmd.%n.pid
SlurmctldLogFile=$D/log/slurmctld.log
SlurmdLogFile=$D/log/slurmd.%n.log
# No cgroups, which containers lack
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
GresTypes=gpu
ReturnToService=2
MinJobAge=600
SlurmctldTimeout=30
# Within seconds a node that went is known
SlurmdTimeout=10
SchedulerType=sched/backfill
NodeName=n1 NodeHostname=$HOST NodeAddr=127.0.0.1 Port=$((PORT + 1)) CPUs=8 RealMemory=16000 State=UNKNOWN
NodeName=n2 NodeHostname=$HOST NodeAddr=127.0.0.1 Port=$((PORT + 2)) CPUs=8 RealMemory=16000 Gres=gpu:2 State=UNKNOWN
PartitionName=cpu Nodes=n1,n2 Default=YES MaxTime=60 State=UP
PartitionName=gpu Nodes=n2 MaxTime=60 State=UP
CONF
echo 'NodeName=n2 Name=gpu File=/dev/null,/dev/zero' >"$D/gres.conf" # devices that are there everywhere

# The step of a job drops SLURM_CONF, and this Slurm is not the one of /etc/slurm: its srun knows where it is.
printf '#!/bin/sh\nSLURM_CONF=%s exec %s "$@"\n' "$D/slurm.conf" "$(command -v srun)" >"$D/bin/srun"
chmod +x "$D/bin/srun"
printf 'export SLURM_CONF=%s\nexport PATH=%s:$PATH\n' "$D/slurm.conf" "$D/bin" >"$D/env"

export SLURM_CONF="$D/slurm.conf"
munged --force --key-file="$D/munge.key" --socket="$D/munge.socket" --pid-file="$D/munged.pid" \
    --log-file="$D/log/munged.log" --seed-file="$D/munge.seed" --num-threads=2
slurmctld -c
slurmd -N n1
slurmd -N n2
for _ in $(seq 200); do
    [ "$(sinfo -h -N -p cpu -t idle -o %N 2>/dev/null | sort -u | wc -l)" = 2 ] && exit 0
    sleep 0.1
done
echo "the nodes of Slurm did not come up in 20 s; its logs lie in $D/log" >&2
exit 1
