#!/usr/bin/env bash
# Run a Python script once for every file of a folder, in name order. Stops at the first file that fails, and names it.
#
#   bash folder_runner.sh SCRIPT FOLDER [PATTERN]     PATTERN is '*.json' unless given
#
# Exit status: 0 all done, 2 wrong use, otherwise that of the script for the file named.
set -u

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    echo "usage: bash folder_runner.sh SCRIPT FOLDER [PATTERN]" >&2
    exit 2
fi
script=$1
folder=$2
pattern=${3:-*.json}

if [ ! -f "$script" ]; then
    echo "folder_runner.sh: there is no script '$script'" >&2
    exit 2
fi
if [ ! -d "$folder" ]; then
    echo "folder_runner.sh: there is no folder '$folder'" >&2
    exit 2
fi

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=python3
[ -x "$here/.venv/bin/python" ] && python=$here/.venv/bin/python

count=0
while IFS= read -r -d '' file; do
    count=$((count + 1))
    # The script must not read the list of files as its own input.
    "$python" "$script" "$file" </dev/null
    status=$?
    if [ $status -ne 0 ]; then
        echo "folder_runner.sh: '$file' failed with exit status $status; $((count - 1)) before it succeeded" >&2
        exit $status
    fi
done < <(find "$folder/" -maxdepth 1 -type f -name "$pattern" -print0 | LC_ALL=C sort -z)

if [ $count -eq 0 ]; then
    echo "folder_runner.sh: no file in '$folder' matches '$pattern'" >&2
    exit 2
fi
echo "folder_runner.sh: $count done"
