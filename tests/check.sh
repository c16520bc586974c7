# For scripts of tests/golden to read: a check is a command, its output and what the script left in $dir/out and
# $dir/serve.log stand under one that fails.
check() { # NAME CONDITION...
    name=$1
    shift
    if "$@" >"$dir/why" 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name"
        sed 's/^/# /' "$dir/why" "$dir/out" "$dir/serve.log" 2>/dev/null | head -30
    fi
}
