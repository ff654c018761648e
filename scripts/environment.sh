# Sourced by the other scripts: `environment` makes .venv with the core, `environment dev` adds what tests need.
environment() {
    local extra="${1:-}" python stamp wanted
    if [ ! -x .venv/bin/python ]; then
        python=""
        for candidate in python3.11 python3.12 python3.13 python3; do
            if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
                python=$candidate
                break
            fi
        done
        if [ -z "$python" ]; then
            echo "error: Python 3.11 or later is needed and none was found on PATH. Install it, then run this again." >&2
            return 1
        fi
        echo "Making .venv with $("$python" --version)"
        "$python" -m venv .venv
    fi
    stamp=.venv/installed${extra:+-$extra}
    wanted=$(cat setup.cfg pyproject.toml constraints.txt | sha256sum)
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        echo "Reusing .venv: setup.cfg and constraints.txt are as they were installed"
        return 0
    fi
    echo "Installing into .venv from setup.cfg with the versions of constraints.txt (1.7 GB, a few minutes)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".${extra:+[$extra]}"
    echo "$wanted" >"$stamp"
}
