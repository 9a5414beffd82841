#!/bin/sh
# The web servers of the stack: two access logs in FOLDER, RATE lines a second together, some of them late, with a burst of errors in
# every round; and that of a small shop, whose visitors come, look around and go. After a round each log is renamed, as logrotate does, and the one before that goes: no disk fills up.
#
#   scripts/stack-generator.sh FOLDER RATE
set -eu
folder=$1
half=$(($2 / 2))
tailrace=${TAILRACE:-tailrace}

end() {
  trap - TERM INT
  kill 0
}
trap end TERM INT

round=0
while :; do
  round=$((round + 1))
  for server in 1 2; do
    "$tailrace" gen --rate "$half" --duration 10m --seed "$round$server" --paths 40 --clients 200 \
      --late 2%:4s --burst error@+20s:30s --output "$folder/web-$server.log" &
  done
  "$tailrace" gen --rate 5 --duration 10m --seed "${round}3" --paths 20 --clients 40 --late 2%:4s --output "$folder/shop.log" &
  wait
  for server in web-1 web-2 shop; do mv -f "$folder/$server.log" "$folder/$server.log.1"; done
done
