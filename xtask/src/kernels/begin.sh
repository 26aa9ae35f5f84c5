# What a job begins with, in the machine.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LC_ALL=C.UTF-8 RUST_BACKTRACE=0
# Without hardware's help a machine is this much slower than its host, at most.
export KRTP_TEST_SLOWNESS=10
ip link set lo up

# step NAME SECONDS COMMAND...: its output is NAME.log, then its exit code and its seconds NAME.ended.
step() {
    name=$1 limit=$2 began=$(cut -d. -f1 /proc/uptime)
    shift 2
    timeout -k 10 "$limit" "$@" > "/mnt/$name.log" 2>&1
    code=$?
    echo "$code $(($(cut -d. -f1 /proc/uptime) - began))" > "/mnt/$name.part"
    mv "/mnt/$name.part" "/mnt/$name.ended"
}
