# What a board is and has, a fact a line; runs in any POSIX shell, before anything is set up. $1: edgefer's folder.
folder=$1
say() { [ -n "$2" ] && printf '%s %s\n' "$1" "$2"; }
echo edgefer:facts
say architecture "$(uname -m)"
for name in python3 python3.14 python3.13 python3.12 python3.11; do
    bits=$("$name" -c 'import struct; print(8 * struct.calcsize("P"))' 2>/dev/null) && break
done
say bits "${bits:-$(getconf LONG_BIT 2>/dev/null)}"
say kernel "$(uname -r)"
say cores "$(getconf _NPROCESSORS_ONLN 2>/dev/null)"
for file in /proc/device-tree/model /sys/firmware/devicetree/base/model; do
    [ -r "$file" ] && say model "$(tr -d '\000' <"$file")" && break
done
say glibc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
for name in python3 python3.14 python3.13 python3.12 python3.11; do
    path=$(command -v "$name") || continue
    say python "$("$path" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) $path"
done
say governor "$(cat /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor 2>/dev/null | sort -u | tr '\n' ' ')"
for file in /sys/class/thermal/thermal_zone*/temp; do
    [ -r "$file" ] && say temperature "$(cat "$file" 2>/dev/null)"
done
say throttled "$(vcgencmd get_throttled 2>/dev/null)"
say memory "$(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
say available "$(sed -n 's/^MemAvailable: *//p' /proc/meminfo)"
measured=$folder
[ -d "$measured" ] || measured=.
say disk "$(df -Pk "$measured" | tail -n 1)"
for venv in "$folder"/venv "$folder"/venv-*; do
    [ -x "$venv/bin/python" ] && say venv "${venv##*/} $("$venv/bin/python" -I -c '
from importlib.metadata import distributions
print(*sorted("%s==%s" % (d.metadata["Name"].lower(), d.version) for d in distributions()))' 2>/dev/null)"
done
for run in "$folder"/runs/*/begun; do
    [ -r "$run" ] && say run "$(cat "$run")"
done
exit 0
