# Looks at a machine and changes nothing. Its words are the commands, then `--`, then the kernel
# modules to look for; each line that it prints is a fact.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
fact() { printf '%s=%s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }

fact system "$(uname -s)"
fact machine "$(uname -m)"
fact kernel "$(uname -r)"
[ "$(uname -s)" = Linux ] || exit 0

if [ "$(id -u)" = 0 ]; then root=; fact root is
elif ! has sudo; then root=false; fact root no-sudo
elif sudo -n true 2>/dev/null; then root="sudo -n"; fact root sudo
else root=false; fact root password; fi

(. /etc/os-release 2>/dev/null && fact distribution "$ID $ID_LIKE")
grep -q ' - cgroup2 ' /proc/self/mountinfo && fact cgroup2 yes

while [ $# -gt 0 ] && [ "$1" != -- ]; do
  has "$1" || fact lacks-command "$1"
  shift
done
shift
# Some have a `hostname` that does not know it.
has hostname && ! hostname -I >/dev/null 2>&1 && fact lacks-command "hostname -I"
for module; do
  [ -e "/sys/module/$module" ] || modprobe -n -q "$module" 2>/dev/null || fact lacks-module "$module"
done

for comm in /proc/[0-9]*/comm; do
  read -r name 2>/dev/null <"$comm" || continue
  [ "$name" = ovs-vswitchd ] || continue
  fact switch runs
  # Without root the switch can't be asked.
  fact switch-memory "$($root ovs-appctl --timeout=5 memory/show 2>/dev/null)"
  break
done
