"""Jobs labelled by workers to whom much happens: kills, lost requests, throttling, a full disk, clocks that jump.

What it must not do is change the outcome: `python -m chaos` (scripts/chaos) compares it with that of one undisturbed worker.
"""
