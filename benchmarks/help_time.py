"""The wall time of `seqline --help`, median."""

import subprocess
import time

from measure import Figure, arguments, conclude, machine_state, median, seqline


def main():
    parser = arguments(__doc__, "help_time")
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    before, seconds = machine_state(), []
    for _ in range(given.runs + 1):
        started = time.perf_counter()
        subprocess.run([seqline(), "--help"], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    timed = seconds[1:]  # the first may compile
    rows = [
        Figure("seqline --help, median", median(timed), 0.4, "<=", " s"),
        Figure("the quickest", min(timed), unit=" s"),
    ]
    conclude("Help", rows, timed, given.out, before)


if __name__ == "__main__":
    main()
