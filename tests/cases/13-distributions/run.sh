#!/bin/bash
# exits 0 when Poise behaves rightly, non-zero with a message when not
cd "$(dirname "$0")"; export PATH=${POISE_BIN:+$POISE_BIN:}$PATH SDL_VIDEODRIVER=dummy PYTHONPATH="$PWD:$PWD/..:$PYTHONPATH" OMP_NUM_THREADS=1
rm -rf work; mkdir work
exec nice python case.py
