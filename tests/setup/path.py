#!/usr/bin/env python3
"""path.py [--calls] [--runs N] PROGRAM: the path of one task, and of one actor call, through the core by direction.

PROGRAM is bench's tasks_only. The main threads of its driver and its worker run instruction by instruction (ptrace),
which gives every call in order:

submit   in the driver, from the call of remote<f>() until it returns; in the worker, from where it wakes to the entry
         of the user's function.
return   in the worker, from the end of the user's function until it wakes the driver; in the driver, from where it
         wakes until get() returns.

Printed are, for each direction and process, the instructions, the calls of functions of the core (also by jumps), and
their rooms in order; `*` marks a room that the path has left before. A function that the compiler inlines is no call.
--calls prints each. The aim is at most 14 calls for each direction, and no `*`.
"""
import argparse
import ctypes
import os
import re
import signal
import subprocess
import sys
import time

AIM = 14
USER = 'pause_here()'  # the user's function of tasks_only
CONT, POKE, STEP, GETREGS, SETREGS, ATTACH, DETACH = 7, 4, 9, 12, 13, 16, 17
RIP, RSP = 16, 19
CORE = re.compile(r'.*/core/([a-z_]+)/')  # whatever folder the compiler cache has seen
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes, libc.ptrace.restype = [ctypes.c_ulong] * 4, ctypes.c_long


class Thread:
    """The main thread of a process, run step by step."""

    def __init__(self, pid):
        self.pid, self.regs, self.signal = pid, (ctypes.c_ulong * 27)(), 0
        self.call(ATTACH)
        self.wait()
        self.signal = 0  # the SIGSTOP of attaching
        self.memory = open(f'/proc/{pid}/mem', 'rb', buffering=0)
        self.syscalls = {}

    def call(self, request, address=0, data=0):
        if libc.ptrace(request, self.pid, address, data) < 0:
            raise OSError(ctypes.get_errno(), f'ptrace of process {self.pid}: ' + os.strerror(ctypes.get_errno()))

    def wait(self):
        _, status = os.waitpid(self.pid, 0x40000000)  # __WALL
        if not os.WIFSTOPPED(status):
            sys.exit(f'path.py: process {self.pid} has ended')
        stopped = os.WSTOPSIG(status)
        self.signal = 0 if stopped == signal.SIGTRAP else stopped
        self.call(GETREGS, 0, ctypes.addressof(self.regs))

    def go(self, request):
        self.call(request, 0, self.signal)
        self.wait()

    def read(self, address, size):
        return os.pread(self.memory.fileno(), size, address)

    def run_to(self, address):
        """Runs freely until the instruction at the address is next."""
        word = int.from_bytes(self.read(address, 8), 'little')
        self.call(POKE, address, word & ~0xff | 0xcc)
        self.go(CONT)
        while self.regs[RIP] != address + 1:
            self.go(CONT)
        self.call(POKE, address, word)
        self.regs[RIP] = address
        self.call(SETREGS, 0, ctypes.addressof(self.regs))

    def at_syscall(self):
        at = self.regs[RIP]
        if at not in self.syscalls:
            self.syscalls[at] = self.read(at, 2) == b'\x0f\x05'
        return self.syscalls[at]

    def record(self, steps, end=None):
        """Adds the steps before the address `end`: (address, stack pointer, microseconds of a system call or 0)."""
        while self.regs[RIP] != end:
            step = self.regs[RIP], self.regs[RSP]
            begin = time.monotonic() if self.at_syscall() else None
            self.go(STEP)
            steps.append((*step, 0 if begin is None else 1 + int((time.monotonic() - begin) * 1e6)))


class Functions:
    """The functions of the program by address, and the room of each."""

    def __init__(self, program, pid):
        self.program, self.rooms = program, {}
        with open(f'/proc/{pid}/maps', encoding='utf-8') as maps:
            self.base = next(int(line.split('-')[0], 16) for line in maps if line.rstrip().endswith(program))
        self.at = {}
        symbols = subprocess.run(['nm', '-C', program], capture_output=True, text=True, check=True).stdout
        for line in symbols.splitlines():
            found = re.match(r'([0-9a-f]+) [tTwW] (.*)$', line)
            if found and '[clone .cold]' not in found.group(2):
                self.at[self.base + int(found.group(1), 16)] = found.group(2)

    def address(self, name):
        """Of the function of that name in any namespace."""
        return next(address for address, each in self.at.items() if each.split('(anonymous namespace)::')[-1] == name)

    def find_rooms(self, addresses):
        """Other files than the core's have none."""
        new = sorted(set(addresses) - set(self.rooms))
        lines = subprocess.run(['addr2line', '-e', self.program] + [hex(each - self.base) for each in new],
                               capture_output=True, text=True, check=True).stdout.splitlines()
        for address, line in zip(new, lines):
            found = CORE.match(os.path.normpath(line))
            self.rooms[address] = found.group(1) if found else None


def trace(program, kind):
    """The functions, and the steps of the driver and of the worker while one task runs."""
    run = subprocess.Popen([program, 'trace', kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    driver, worker = map(int, run.stdout.readline().split())
    functions = Functions(program, driver)
    begin, submitted, end = (functions.address(each) for each in ('path_begin', 'path_submitted', 'path_end'))
    steps_read, steps_write = os.pipe()
    tracer = os.fork()
    if tracer == 0:
        record_worker(worker, steps_read, steps_write)
    os.close(steps_write)
    steps = os.fdopen(steps_read)
    steps.readline()  # the worker is attached
    thread = Thread(driver)
    run.stdin.write('\n')
    run.stdin.flush()
    thread.run_to(begin)
    others = [Thread(int(each)) for each in os.listdir(f'/proc/{driver}/task') if int(each) != driver]
    wait_asleep(worker)  # the lease stays meanwhile: no thread of the driver runs
    of_driver = []
    thread.record(of_driver, submitted)
    for each in others:
        each.call(DETACH)
    thread.record(of_driver, end)
    os.kill(tracer, signal.SIGTERM)
    of_worker = [tuple(map(int, line.split())) for line in steps]
    os.waitpid(tracer, 0)
    thread.call(DETACH)
    run.stdin.close()
    if run.wait() != 0:
        sys.exit(f'path.py: {program} failed')
    return functions, of_driver, of_worker


def wait_asleep(pid):
    """Until the process has slept for 0.2 s. Between two steps its state is t, not S."""
    quiet = 0
    while quiet < 20:
        with open(f'/proc/{pid}/stat', encoding='utf-8') as stat:
            quiet = quiet + 1 if stat.read().rpartition(')')[2].split()[0] == 'S' else 0
        time.sleep(0.01)


def record_worker(worker, read, write):
    """Steps the worker until SIGTERM, then writes the steps. A process of its own, which waits for the worker."""
    os.close(read)
    out = os.fdopen(write, 'w')
    recorded = []

    def finish(*_):
        out.writelines(f'{address} {stack} {asleep}\n' for address, stack, asleep in recorded)
        out.flush()
        os._exit(0)  # which detaches

    signal.signal(signal.SIGTERM, finish)
    thread = Thread(worker)
    out.write('attached\n')
    out.flush()
    thread.record(recorded)


def longest_sleep(steps, begin, end):
    return max(range(begin, end), key=lambda i: steps[i][2])


def cut(functions, of_driver, of_worker):
    """{(direction, process): steps}"""
    submitted = functions.address('path_submitted')
    at = next(i for i, step in enumerate(of_driver) if step[0] == submitted)
    woken = longest_sleep(of_driver, at, len(of_driver))
    user = functions.address(USER)
    enter = max(i for i, step in enumerate(of_worker) if step[0] == user)
    leave = next(i for i in range(enter, len(of_worker)) if of_worker[i][1] > of_worker[enter][1])
    awake = longest_sleep(of_worker, 0, enter)
    rung = next((i for i in range(leave, len(of_worker)) if of_worker[i][2]), len(of_worker) - 1)
    return {('submit', 'driver'): of_driver[1:at], ('submit', 'worker'): of_worker[awake + 1:enter],
            ('return', 'worker'): of_worker[leave:rung + 1], ('return', 'driver'): of_driver[woken + 1:]}


def calls(functions, steps):
    """[(depth, room, function)] of the core, in order."""
    entries = [(address, stack) for address, stack, _ in steps if address in functions.at]
    functions.find_rooms(address for address, _ in entries)
    found, above = [], []
    for address, stack in entries:
        while above and above[-1] <= stack:
            above.pop()
        if functions.rooms[address]:
            found.append((len(above), functions.rooms[address], functions.at[address]))
            above.append(stack)
    return found


def in_order(found):
    """The rooms that the calls enter, one after the other; those that were left before are marked."""
    order = []
    for _, room, _ in found:
        if not order or order[-1].rstrip('*') != room:
            order.append(room + ('*' if room in [each.rstrip('*') for each in order] else ''))
    return order


def most_frequent(runs):
    """Of (calls, instructions) of several runs: a run disturbed by another process takes a path of its own."""
    same = [found for found, _ in runs]
    return min(runs, key=lambda run: (-same.count(run[0]), run[1]))


def short(name):
    name = name.replace(' [clone .localalias]', '')
    return name if len(name) <= 90 else re.sub(r'[(<].*', '', name).split()[-1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--calls', action='store_true', help='print each call')
    parser.add_argument('--runs', type=int, default=5, help='of these the most frequent path is printed')
    parser.add_argument('program')
    given = parser.parse_args()
    for kind, what in (('tasks-sync', 'task'), ('calls-sync', 'actor call')):
        parts = {}  # {(direction, process): [(calls, instructions)]}
        for _ in range(given.runs):
            functions, of_driver, of_worker = trace(os.path.realpath(given.program), kind)
            for part, steps in cut(functions, of_driver, of_worker).items():
                parts.setdefault(part, []).append((calls(functions, steps), len(steps)))
        for direction in ('submit', 'return'):
            usual = {process: most_frequent(each) for (of, process), each in parts.items() if of == direction}
            print(f'{what}, {direction}: {sum(len(found) for found, _ in usual.values())} calls; the aim is {AIM}')
            for process, (found, instructions) in usual.items():
                print(f'  {process}: {instructions} instructions, {len(found)} calls: {" ".join(in_order(found))}')
                for depth, room, name in found if given.calls else ():
                    print(f'    {room:10} {"  " * depth}{short(name)}')


main()
