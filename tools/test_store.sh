#!/bin/sh
# Run the tests of object storage against Ceph: one monitor, one store in memory, one gateway, all
# on the loopback address, below a folder of their own that is removed afterwards.
# Ceph (LGPL) is installed with apt where it is missing, and only ever spoken to over HTTP.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
port=${TEST_STORE_PORT:-17480}
folder=$(mktemp -d)
config=$folder/ceph.conf
pids=$folder/pids

for program in ceph-mon ceph-osd radosgw radosgw-admin ceph; do
    command -v "$program" >/dev/null || missing=1
done
if [ -n "${missing:-}" ]; then
    echo "Installing Ceph with apt"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        ceph-mon ceph-osd radosgw ceph-common >/dev/null
fi

stop() {
    # What we started ourselves, by the numbers that we wrote down.
    [ -f "$pids" ] && while read -r pid; do kill "$pid" 2>/dev/null || true; done <"$pids"
    sleep 1
    rm -rf "$folder"
}
trap stop EXIT INT TERM

mkdir "$folder/mon" "$folder/osd" "$folder/run"
cluster=$(cat /proc/sys/kernel/random/uuid)
cat >"$config" <<END
[global]
fsid = $cluster
mon host = [v2:127.0.0.1:$((port + 1))/0,v1:127.0.0.1:$((port + 2))/0]
mon initial members = a
public network = 127.0.0.0/8
# Nobody but this machine reaches it, and nothing in it is kept.
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
osd objectstore = memstore
memstore device bytes = 3G
osd max object name len = 256
run dir = $folder/run
admin socket = $folder/run/\$name.asok
log file = $folder/\$name.log
pid file = $folder/run/\$name.pid
keyring = $folder/keyring
mon data = $folder/mon
osd data = $folder/osd
[client]
rgw frontends = beast endpoint=127.0.0.1:$port
rgw thread pool size = 32
END

ceph-authtool "$folder/keyring" --create-keyring --gen-key -n mon. --cap mon 'allow *' >/dev/null
monmaptool --create --clobber --fsid "$cluster" \
    --addv a "[v2:127.0.0.1:$((port + 1)),v1:127.0.0.1:$((port + 2))]" "$folder/monmap" >/dev/null
ceph-mon -c "$config" --mkfs -i a --monmap "$folder/monmap" --keyring "$folder/keyring"
ceph-mon -c "$config" -i a -f >/dev/null 2>&1 &
echo $! >>"$pids"
osd=$(cat /proc/sys/kernel/random/uuid)
timeout 30 ceph -c "$config" osd new "$osd" 0 >/dev/null
ceph-osd -c "$config" -i 0 --mkfs --osd-uuid "$osd" 2>/dev/null
ceph-osd -c "$config" -i 0 -f >/dev/null 2>&1 &
echo $! >>"$pids"
timeout 30 ceph -c "$config" osd crush add 0 1.0 root=default host=here >/dev/null 2>&1
for who in owner replica production; do
    timeout 90 radosgw-admin -c "$config" user create --uid=$who --display-name=$who \
        --access-key=TEST$who --secret=secret-of-$who >/dev/null 2>&1
done
radosgw -c "$config" -n client.admin -f >/dev/null 2>&1 &
echo $! >>"$pids"
tries=0
until curl -s -o /dev/null "http://127.0.0.1:$port/"; do
    tries=$((tries + 1))
    [ $tries -lt 60 ] || { echo "The gateway does not start; see its log:" && tail "$folder"/*.log; exit 1; }
    sleep 0.5
done
cat >"$folder/store.json" <<END
{"store": "ceph", "endpoint": "http://127.0.0.1:$port", "replica_account": "replica",
 "owner": {"name": "TESTowner", "secret": "secret-of-owner"},
 "replica": {"name": "TESTreplica", "secret": "secret-of-replica"},
 "production": {"name": "TESTproduction", "secret": "secret-of-production"}}
END
echo "$(radosgw --version) answers on port $port"
cd "$root"
TEST_STORE_FILE=$folder/store.json "${@:-false}"
