"""All figures, as a table: `make bench`.

Each figure but the ledger's is measured several times, both sides on the same
machine in the same run; the table shows medians. Some need
nginx, pycurl, cronsim, croniter or APScheduler; what is missing is said, not
guessed.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
ROUNDS = int(os.environ.get('BENCH_ROUNDS', '3'))


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise SystemExit(f'{" ".join(command)} failed:\n{done.stdout}{done.stderr}')
    return done.stdout


def figures(script: str, *arguments: str) -> list[float]:
    return [float(word) for word in run(sys.executable, script, *arguments).split()]


def medians(rounds: list[list[float]]) -> list[float]:
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def in_turn(script: str, *arguments: str) -> tuple[list[float], list[float]]:
    """The medians of both sides' figures, measured A B A B."""
    sides: tuple[list[list[float]], list[list[float]]] = ([], [])
    for _ in range(ROUNDS):
        for side, name in zip(sides, ('original', 'cronsched'), strict=True):
            side.append(figures(script, name, *arguments))
    return medians(sides[0]), medians(sides[1])


def row(what: str, other: str, ours: str, reach: str) -> None:
    print(f'| {what} | {other} | {ours} | {reach} |', flush=True)


def start() -> None:
    bare, imported, command = figures('start.py')
    row('start: `import cronsched` / `cronsched next`', f'{bare:.0f} ms (bare Python)',
        f'{imported:.0f} / {command:.0f} ms', 'bare + 40 ms')


def lateness() -> None:
    (busy50, busy99, *_), (our50, our99, bare50, bare99) = in_turn('lateness.py', '16')
    row('lateness, 16 busy threads, p50 / p99', f'{busy50:,.0f} / {busy99:,.0f} ms',
        f'{our50:.2f} / {our99:.2f} ms; a bare thread beside it that only waits '
        f'{bare50:.2f} / {bare99:.2f} ms', '0.2 / 2 ms')
    (_, idle99, *_), (our50, our99, *_) = in_turn('lateness.py', '0')
    row('lateness, idle process, p99', f'{idle99:.2f} ms',
        f'{our99:.2f} ms (p50 {our50:.2f})', '0.5 ms')


def throughput() -> None:
    if not shutil.which('nginx', path=f'{os.environ["PATH"]}:/usr/sbin'):
        row('calls due at one instant', 'nginx is not installed', '', '')
        return
    beside = ['./nginx.sh', sys.executable, 'throughput.py']
    other, ours, bare, ratios = float(run(*beside, 'original')), [], [], []
    for _ in range(3 * ROUNDS):
        ours.append(float(run(*beside, 'cronsched')))
        bare.append(float(run('./nginx.sh', '../build/bench/cc/bench_http', 'signing')))
        ratios.append(ours[-1] / bare[-1])
    row('20,000 calls due at one instant, calls/s', f'{other:,.0f}',
        f'{statistics.median(ours):,.0f}; a bare curl_multi loop that signs '
        f'{statistics.median(bare):,.0f}; ratio {statistics.median(ratios):.2f}', '0.95')


def registration() -> None:
    (took, memory, threads), (ours, our_memory, our_threads) = in_turn('registration.py')
    row('1,000 ids x 20 jobs: register and start', f'{took:.2f} s', f'{ours:.3f} s', '0.2 s')
    row('the same: memory per application id', f'{memory / 1e3:.1f} KB',
        f'{our_memory / 1e3:.1f} KB', '6 KB')
    row('the same: threads, with the main one', f'{threads:.0f}', f'{our_threads:.0f}', '3')


def million() -> None:
    rounds = [figures('million.py') for _ in range(ROUNDS)]
    memory, took, idle = medians(rounds)
    row('1,000,000 calls: memory / time to add / idle CPU', '-',
        f'{memory:.0f} MB / {took:.2f} s / {idle:.2f} %', '256 MB / 8 s / 1 %')


def moments() -> None:
    seen: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for line in run(sys.executable, 'moments.py').splitlines():
            name, value = line.split('\t')
            seen.setdefault(name, []).append(float(value))
    us = {name: statistics.median(values) for name, values in seen.items()}
    row('next run of `*` / `*/15`, Europe/Zurich, from Python', f'{us["original next"]:.0f} µs',
        f'{us["cronsched next"]:.3f} µs', '0.5 µs')
    row('seeded offset', f'{us["original offset"]:.1f} µs', f'{us["cronsched offset"]:.1f} µs',
        '4.5 µs')
    row('`next_epoch` from Python', '-', f'{us["cronsched next_epoch"]:.3f} µs', '0.15 µs')
    for name in ('cronsim parse + next', 'apscheduler parse + next', 'croniter parse + next'):
        if name in us:
            ratio = us[name] / us['cronsched parse + next_epoch']
            row(f'parse + next, Europe/Zurich, beside {name}', f'{us[name]:.1f} µs',
                f'{us["cronsched parse + next_epoch"]:.3f} µs ({ratio:.0f} x; as a datetime '
                f'{us["cronsched parse + next"]:.3f} µs)', '100 x the best')
    row('worst case: 28 years away / never', '-',
        f'{us["cronsched 28 years"]:.2f} / {us["cronsched never"]:.2f} µs', '20 µs')


def visitor() -> None:
    for line in run(sys.executable, 'visitor.py').splitlines():
        name, bare, more = line.split()
        row(f"a visitor's request, {name.replace('_', ' ')}: bare / with jobs that have started",
            f'{bare} µs', f'{more} µs', '+1 µs')


def virtual_year() -> None:
    for name in ('flask', 'fastapi', 'pyramid', 'django'):
        took, requests = medians([figures('virtual_year.py', name) for _ in range(ROUNDS)])
        row(f'a year of a daily job on the virtual clock, {name}',
            f'{requests:.2f} s CPU (365 bare requests)', f'{took:.2f} s CPU', '1 s')


def ledger() -> None:
    for script in ('bench_ledger.py', 'bench_takeover.py', 'bench_postgres.py'):
        for line in run(sys.executable, script).splitlines():
            print(line, flush=True)


def dashboard() -> None:
    print(run(sys.executable, 'bench_dashboard.py'), flush=True)


def main() -> None:
    print(f'{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}; '
          f'medians of {ROUNDS} rounds\n')
    row('what', 'the original / the best known', 'cronsched', 'asked for')
    row('---', '---', '---', '---')
    for measure in (
        start, lateness, throughput, registration, million, moments, visitor, virtual_year,
        ledger, dashboard,
    ):
        measure()


if __name__ == '__main__':
    main()
