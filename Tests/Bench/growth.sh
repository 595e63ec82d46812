#!/bin/sh
# What pi-socket costs against the size of what it is given. usage: growth.sh BIN [growth.py's arguments]
exec "$(dirname "$0")/../Scripts/python-bench.sh" growth.py "" "$@"
