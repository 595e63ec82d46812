#!/bin/sh
# Runs Debian's cron with one crontab of root's and nothing else of this machine, until it is ended.
# usage: unshare -m private-cron.sh CRONTAB
set -eu
mount --make-rprivate /
for folder in /var/spool/cron/crontabs /etc/cron.d /run; do mount -t tmpfs none "$folder"; done
mount --bind /dev/null /etc/crontab
chown root:crontab /var/spool/cron/crontabs
chmod 1730 /var/spool/cron/crontabs
crontab -u root "$1"
exec cron -f
