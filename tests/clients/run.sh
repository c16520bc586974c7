#!/bin/sh
# Existing OpenAI client code against rung serve. Installs the pinned client into the build folder, runs every
# *.test.mjs, and ends with one line: N passed, N failed. B is the build directory, absolute.
set -u
here=$(cd "$(dirname "$0")" && pwd)
B=${B:-$(cd "$here/../.." && pwd)/build}
export B
for tool in node npm; do
    command -v $tool >/dev/null || { echo "the client tests need $tool (Debian packages: nodejs npm)" >&2; exit 1; }
done
work=$B/tests/clients
mkdir -p "$work" || exit 1
cp "$here"/*.mjs "$here"/*.jinja "$here/package.json" "$here/.npmrc" "$work/" || exit 1
if ! cmp -s "$here/package-lock.json" "$work/package-lock.json"; then
    cp "$here/package-lock.json" "$work/" || exit 1
    (cd "$work" && npm ci --no-progress >npm.log 2>&1) || {
        cat "$work/npm.log" >&2
        rm -f "$work/package-lock.json"
        exit 1
    }
fi
cd "$work" || exit 1
node --test --test-reporter=tap ./*.test.mjs >tap.log 2>&1
status=$?
grep -E '^[[:space:]]*(not )?ok ' tap.log | grep -v '\.test\.mjs$'
[ $status -eq 0 ] || cat tap.log
passed=$(sed -n 's/^# pass //p' tap.log)
failed=$(sed -n 's/^# fail //p' tap.log)
echo "${passed:-0} passed, ${failed:-1} failed"
exit $status
