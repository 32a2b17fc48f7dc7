#!/bin/sh
# Prints the path of a Python 3.10, 3.11 or 3.12 that can make virtual environments, or says what is missing.
# Usage: find_python.sh [PYTHON]   (a name or path; default: what is on the PATH, best first)

seen=""
no_pip=""
for name in ${1:-python3.11 python3.12 python3.10 python3 python}; do
    found=$(command -v "$name" 2>/dev/null) || continue
    version=$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    case $version in
        3.10 | 3.11 | 3.12)
            if "$found" -c 'import ensurepip, venv' 2>/dev/null; then
                echo "$found"
                exit 0
            fi
            no_pip=$found
            ;;
        *) seen=$version ;;
    esac
done

found_only=${seen:+only Python $seen}
if [ -n "$no_pip" ]; then
    echo "$no_pip cannot make virtual environments: install its venv package (Debian, Ubuntu: sudo apt install python3-venv) and run again." >&2
elif [ -n "$1" ]; then
    echo "PYTHON=$1 is ${seen:+Python $seen, }not a Python 3.10, 3.11 or 3.12: name one of these." >&2
else
    echo "Found ${found_only:-no Python}: the MediaPipe that carries its own face models needs Python 3.10, 3.11 or 3.12. Install one of these and run again, or name it: PYTHON=/path/to/python3.12." >&2
fi
exit 1
