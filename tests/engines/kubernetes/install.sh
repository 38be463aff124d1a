#!/bin/sh
# Installs what `python -m tests.engines.kubernetes.cluster` needs beside Go: Debian packages, no service is started.
set -eu
packages="containerd runc containernetworking-plugins mmdebstrap iproute2 util-linux mount openssl postgresql"
missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
apt-get update -qq
# shellcheck disable=SC2086
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing
