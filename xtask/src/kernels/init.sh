#!/busybox sh
# The first process in the machine: the host's files, read only, under a layer of memory, become the
# root, so that the very programs of the host run here at their own paths; then the job.
b=/busybox
$b mkdir -p /proc /dev /host /layer /new
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
for module in /modules/*; do
    $b insmod "$module" || echo "insmod $module failed"
done
$b mount -t virtiofs -o ro host /host
$b mount -t tmpfs layer /layer
$b mkdir /layer/upper /layer/work
$b mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work root /new
$b mount -t proc proc /new/proc
$b mount -t sysfs sysfs /new/sys
$b mount -t devtmpfs dev /new/dev
$b mkdir -p /new/dev/pts /new/dev/shm /new/run /new/tmp /new/lib/modules /new/mnt
$b mount -t devpts devpts /new/dev/pts
$b mount -t tmpfs shm /new/dev/shm
$b mount -t tmpfs run /new/run
$b mount -t bpf bpf /new/sys/fs/bpf
$b mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
$b mount -t tracefs tracefs /new/sys/kernel/tracing
$b mount -t virtiofs results /new/mnt
# Whatever asks for a module from now on (ip, tc) finds this kernel's.
$b mount -o bind "/new$($b cat /modules-directory)" /new/lib/modules
exec $b switch_root /new /bin/sh /mnt/job.sh
