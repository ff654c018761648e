# Sourced by the other scripts: `environment` makes .venv with all that commands need, `environment dev` adds what tests need.
environment() {
    local extra="${1:-all}" python wanted stamp
    if ! usable_environment; then
        python=$(suitable_python) || return 1
        [ -e .venv ] && echo "Remaking .venv: it is incomplete, or its Python is gone"
        echo "Making .venv with $("$python" --version)"
        if ! "$python" -m venv --clear .venv; then
            echo "error: $python could not make .venv. On Debian and Ubuntu, install python3-venv, then run this again." >&2
            return 1
        fi
    fi
    # The folder too: an environment that was moved or copied runs the package of its old place.
    wanted=$({ pwd; cat setup.cfg pyproject.toml constraints.txt; } | cksum)
    for stamp in .venv/installed-dev ".venv/installed-$extra"; do
        if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
            echo "Reusing .venv: setup.cfg and constraints.txt are as they were installed"
            return 0
        fi
    done
    echo "Installing into .venv from setup.cfg with the versions of constraints.txt (1.7 GB, a few minutes)"
    if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
        --editable ".[$extra]"; then
        echo "error: the packages could not be installed; pip says above why. It needs the network or a package index that holds" \
            "the versions of constraints.txt, and 3 GB of disk. Run this again: what is installed already is kept." >&2
        return 1
    fi
    echo "$wanted" >".venv/installed-$extra"
}

# A link to Python alone is no environment: what it installs would go elsewhere.
usable_environment() {
    [ -x .venv/bin/python ] && .venv/bin/python -c 'import pip, sys; sys.exit(sys.prefix == sys.base_prefix)' 2>/dev/null
}

suitable_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.13 python3 python; do
        if command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    echo "error: Python 3.11 or later is needed and none was found on PATH. Install it, then run this again." >&2
    return 1
}
