#!/usr/bin/env bash
# Installs what the tests on real servers need on a Debian machine, and nothing when it is all there.
set -euo pipefail

packages=()
need() { PATH=$PATH:/usr/sbin command -v "$1" > /dev/null || packages+=("$2"); }
need kcat kcat
need promtool prometheus
need amtool prometheus-alertmanager
need mvn maven
need openssl openssl
need logrotate logrotate
need unzip unzip
need java default-jdk-headless
need python3 python3
python3 -m pip --version > /dev/null 2>&1 || packages+=(python3-pip)

if ((${#packages[@]} > 0)); then
  echo "installing ${packages[*]}"
  as_root=()
  ((EUID == 0)) || as_root=(sudo)
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get update -qq
  # The tests start servers of their own; the ones of the packages need not run.
  "${as_root[@]}" env RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${packages[@]}" > /dev/null
fi
