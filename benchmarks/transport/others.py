"""Makes the environments of the optional sides, Ray and Dask; stream-d4py's is made when it is needed.

python benchmarks/transport/others.py
"""

from __future__ import annotations

from sides import DASK, RAY, make_environment


def main() -> None:
    for side in (RAY, DASK):
        if side.python is None:
            make_environment(side.needs)


if __name__ == "__main__":
    main()
