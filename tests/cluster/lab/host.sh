# Pid 1 of a pretended machine: builds a root file system of its own, takes its addresses, runs sshd.
# Arguments: NAME DIR ADDRESSES(comma-separated) ENV ENDPOINT REGION [READ-ONLY-MOUNT SRC:DST]...
set -eu
NAME=$1 B=$2 IPS=$3 ENV=$4 ENDPOINT=$5 REGION=$6
shift 6
hostname "$NAME"
for _ in $(seq 100); do ip link show eth0 >/dev/null 2>&1 && break; sleep .05; done
ip link set lo up
ip link set eth0 up
for a in ${IPS//,/ }; do ip addr add "$a/32" dev eth0; done
ip route add default dev eth0 src "${IPS%%,*}" # without a default route Ray believes it is 127.0.0.1

# The machine's programs, and nothing else of the machine.
R=$B/root
mkdir -p "$R" "$B/tmp" "$B/home" "$B/run/sshd"
mount -t tmpfs -o mode=755,size=64m tmpfs "$R"
cd "$R"
for d in bin sbin lib lib32 lib64 libx32 usr var dev sys; do
  if [ -L "/$d" ]; then cp -P "/$d" .; elif [ -d "/$d" ]; then mkdir "$d"; mount --rbind "/$d" "$d"; fi
done
mkdir -p proc tmp root home/ubuntu run mnt etc
[ -d "$B/etc" ] || cp -a /etc "$B/etc"
mount --bind "$B/etc" etc
mount --bind "$B/run" run
mount --bind "$B/home" home/ubuntu
chmod 1777 "$B/tmp"
mount --bind "$B/tmp" tmp
mount --bind "$B/tmp" var/tmp
mount -t proc proc proc
mount -t tmpfs -o mode=1777,size=2g tmpfs dev/shm
for m in "$@"; do
  s=${m%%:*} d=$R${m#*:}
  if [ -d "$s" ]; then mkdir -p "$d"; else mkdir -p "${d%/*}"; touch "$d"; fi
  mount --bind "$s" "$d"
  mount -o remount,bind,ro "$d"
done
pivot_root . mnt
cd /
umount -l /mnt

# User ubuntu; AWS calls go to the lab.
sed -i '/^ubuntu:/d; /^[^:]*:[^:]*:1000:/d' /etc/passwd /etc/group
sed -i '/^ubuntu:/d' /etc/shadow
echo 'ubuntu:x:1000:1000::/home/ubuntu:/bin/bash' >>/etc/passwd
echo 'ubuntu:x:1000:' >>/etc/group
echo 'ubuntu:*:19000:0:99999:7:::' >>/etc/shadow
printf '127.0.0.1 localhost\n%s %s\n' "${IPS%%,*}" "$NAME" >/etc/hosts
rm -f /etc/resolv.conf
echo 'nameserver 127.0.0.1' >/etc/resolv.conf # look-ups fail at once
cat >/home/ubuntu/.bashrc <<RC
export LAB_ENV='$ENV' AWS_ENDPOINT_URL=$ENDPOINT AWS_DEFAULT_REGION=$REGION
export AWS_ACCESS_KEY_ID=lab AWS_SECRET_ACCESS_KEY=lab
export RAY_worker_niceness=0 # many machines share few cores: trials that give way to all else would starve
RC
install -d -m 700 /home/ubuntu/.ssh
touch /run/authorized_keys
cp /run/authorized_keys /home/ubuntu/.ssh/
if [ -d /ami ]; then cp -r /ami/. /home/ubuntu/; fi # what the machine image brings along
chown -R 1000:1000 /home/ubuntu
setpriv --reuid=1000 --regid=1000 --clear-groups bash -c '"$0" -c "import ssl"' "$ENV/bin/python" ||
  { echo "user ubuntu cannot run $ENV/bin/python: is every directory above it readable?" >&2; exit 1; }
ssh-keygen -q -t ed25519 -N '' -f /run/hostkey
printf '%s\n' 'HostKey /run/hostkey' 'PasswordAuthentication no' 'UsePAM no' 'UseDNS no' 'MaxStartups 100' \
  'PidFile /run/sshd.pid' 'Subsystem sftp internal-sftp' >/run/sshd_config
/usr/sbin/sshd -D -f /run/sshd_config -E /run/sshd.log &
echo ok >/run/ready
while :; do wait -n 2>/dev/null || sleep 1; done # bash reaps whatever is left to pid 1
