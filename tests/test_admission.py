"""Admission: order, limits, deadlines and, above all, that no ending of a job keeps its place."""

import gc
import random
import sys
import threading
import time
from contextlib import ExitStack, closing

import pytest

from ganji import admission as admission_module
from ganji import memory
from ganji.admission import Admission, Limits, Load, Waiting
from ganji.errors import BusyError
from ganji.memory import is_out_of_memory, with_less_memory

IDLE = Load(0, 0, 0, 0)


REAL_HEARTBEAT = admission_module.HEARTBEAT


@pytest.fixture(autouse=True)
def _quick_heartbeat(monkeypatch):
    monkeypatch.setattr(admission_module, "HEARTBEAT", 0.05)


class Clock:
    """Time that passes when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Boom(Exception):
    pass


class OutOfMemoryError(RuntimeError):
    """As torch's, by name."""


def steps(count, log=None, seconds=0.0):
    """A job of so many steps, which notes that it was closed."""
    try:
        for k in range(count):
            if seconds:
                time.sleep(seconds)
            yield k
    finally:
        if log is not None:
            log.append("closed")


def finished(job):
    """The steps of a job, without the waiting."""
    return [item for item in job if not isinstance(item, Waiting)]


def run(*calls):
    """Start each call in a thread."""
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    return threads


def until(condition, seconds=5.0):
    """Wait for something that other threads do."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.001)


def test_one_job_after_the_other():
    admission, log = Admission(), []
    assert finished(admission.long_job(steps(5, log))) == [0, 1, 2, 3, 4]
    assert log == ["closed"]
    with admission.short_job():
        assert admission.load == Load(1, 0, 0, 0)
    assert admission.load == IDLE


def test_nothing_is_taken_before_the_first_item_is_asked_for():
    admission = Admission(Limits(long_running=1, long_waiting=0))
    jobs = [admission.long_job(steps(2)) for _ in range(10)]
    assert admission.load == IDLE
    for job in jobs:
        assert finished(job) == [0, 1]


def test_jobs_may_be_lists():
    assert finished(Admission().long_job([1, 2])) == [1, 2]


def test_only_one_is_on_the_device():
    """16 threads of both kinds on one slot: never two at once, and all get their steps in order."""
    admission = Admission(Limits(long_running=3, long_waiting=100))
    lock, now, most, results = threading.Lock(), [0], [0], []

    def work():
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.0005)
        with lock:
            now[0] -= 1

    def job():
        for k in range(5):
            work()
            yield k

    def short():
        for _ in range(10):
            with admission.short_job():
                work()

    for thread in run(*[short] * 8, *[lambda: results.append(finished(admission.long_job(job())))] * 8):
        thread.join(20)
    assert most[0] == 1
    assert results == [[0, 1, 2, 3, 4]] * 8
    assert admission.load == IDLE


def test_short_jobs_go_first_between_steps():
    """While a step runs, a second projection's step and then two short jobs ask: the short ones are next, by age."""
    admission, order = Admission(Limits(long_running=2)), []
    gate, inside = threading.Event(), threading.Event()

    def first():
        order.append("step a")
        inside.set()
        gate.wait(5)
        yield 1

    def second():
        order.append("step b")
        yield 1

    def short(name):
        with admission.short_job():
            order.append(name)

    threads = run(lambda: finished(admission.long_job(first())))
    inside.wait(5)
    threads += run(lambda: finished(admission.long_job(second())))
    until(lambda: len(admission._device._waiting) == 1)
    for name in ("short 1", "short 2"):
        threads += run(lambda name=name: short(name))
        until(lambda name=name: len(admission._device._waiting) == 1 + int(name[-1]))
    gate.set()
    for thread in threads:
        thread.join(5)
    assert order == ["step a", "short 1", "short 2", "step b"]


def test_steps_do_not_starve():
    """Short jobs without a break: a step that has waited for Limits.patience goes before them."""
    clock = Clock()
    admission = Admission(Limits(patience=2.0), clock)
    order, gates = [], [threading.Event() for _ in range(3)]

    def short(k):
        with admission.short_job():
            order.append(f"short {k}")
            gates[k].wait(5)

    def step():
        order.append("step")
        yield 1

    threads = run(lambda: short(0))
    until(lambda: order == ["short 0"])
    threads += run(lambda: finished(admission.long_job(step())), lambda: short(1))
    until(lambda: len(admission._device._waiting) == 2)
    clock.now += 1.0
    gates[0].set()
    until(lambda: order == ["short 0", "short 1"])
    threads += run(lambda: short(2))
    until(lambda: len(admission._device._waiting) == 2)
    clock.now += 1.5
    gates[1].set()
    gates[2].set()
    for thread in threads:
        thread.join(5)
    assert order == ["short 0", "short 1", "step", "short 2"]


def test_a_slot_is_kept_for_short_jobs_on_a_gpu():
    """With two slots a short job does not even wait for the running step."""
    admission = Admission(Limits(slots=2, long_running=2))
    gate, inside = threading.Event(), threading.Event()

    def blocked():
        inside.set()
        gate.wait(5)
        yield 1

    threads = run(*[lambda: finished(admission.long_job(blocked()))] * 2)
    inside.wait(5)
    until(lambda: len(admission._device._waiting) == 1)
    start = time.monotonic()
    with admission.short_job():
        assert time.monotonic() - start < 0.5
    gate.set()
    for thread in threads:
        thread.join(5)


def test_limits_may_change_while_jobs_wait():
    """The device is known only when the models are loaded: a second slot then serves who waits already."""
    admission = Admission(Limits(slots=1, short_waiting=1))
    gate, inside, done = threading.Event(), threading.Event(), []

    def blocked():
        inside.set()
        gate.wait(5)
        yield 1

    def short():
        with admission.short_job():
            done.append(1)

    threads = run(lambda: finished(admission.long_job(blocked())))
    inside.wait(5)
    threads += run(short)
    until(lambda: admission.load.short_waiting == 1)
    admission.limits = Limits(slots=2, short_waiting=1, long_running=1, long_waiting=0)
    until(lambda: done == [1])
    with pytest.raises(BusyError):
        next(admission.long_job(steps(1)))
    gate.set()
    for thread in threads:
        thread.join(5)
    assert admission.load == IDLE


def test_too_many_projections_are_refused_at_once():
    admission = Admission(Limits(long_running=1, long_waiting=2))
    with ExitStack() as stack:
        running = stack.enter_context(closing(admission.long_job(steps(9))))
        assert next(running) == 0
        waiting = [stack.enter_context(closing(admission.long_job(steps(9)))) for _ in range(2)]
        firsts = [next(job) for job in waiting]
        assert [first.position for first in firsts] == [1, 2]
        assert admission.load == Load(0, 0, 1, 2)
        start = time.monotonic()
        for _ in range(20):
            with pytest.raises(BusyError, match=r"again in about \d+ seconds") as caught:
                next(admission.long_job(steps(9)))
            assert 5 <= caught.value.retry_after <= 600
            assert len(str(caught.value)) <= 200
        assert time.monotonic() - start < 1
        with admission.short_job():
            pass
    assert admission.load == IDLE


def test_too_many_short_jobs_are_refused_at_once():
    admission = Admission(Limits(short_waiting=2))
    gate, done = threading.Event(), []

    def short():
        with admission.short_job():
            gate.wait(5)
            done.append(1)

    threads = run(short, short, short)
    until(lambda: admission.load == Load(1, 2, 0, 0))
    start = time.monotonic()
    with pytest.raises(BusyError, match="again in"), admission.short_job():
        pytest.fail("not refused")
    assert time.monotonic() - start < 0.5
    gate.set()
    for thread in threads:
        thread.join(5)
    assert len(done) == 3
    assert admission.load == IDLE


def test_a_short_job_does_not_wait_for_ever():
    admission = Admission()
    gate, inside = threading.Event(), threading.Event()

    def stuck():
        inside.set()
        gate.wait(5)
        yield 1

    threads = run(lambda: finished(admission.long_job(stuck())))
    inside.wait(5)
    with pytest.raises(BusyError, match="too long"), admission.short_job(seconds=0.05):
        pytest.fail("not refused")
    assert admission.load.short_waiting == 0
    gate.set()
    threads[0].join(5)
    assert admission.load == IDLE


def test_waiting_jobs_give_signs_of_life_and_start_in_order():
    admission = Admission(Limits(long_running=1, long_waiting=5))
    order, seen = [], []

    def job(name):
        def work():
            order.append(name)
            yield name

        for item in admission.long_job(work()):
            seen.append((name, item))

    first = admission.long_job(steps(9))
    next(first)
    threads = []
    for k in range(3):
        threads += run(lambda k=k: job(k))
        until(lambda k=k: admission.load.long_waiting == k + 1)
    until(lambda: sum(isinstance(item, Waiting) for _, item in seen) >= 3)
    assert {item.position for name, item in seen if name == 2} == {3}
    first.close()
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2]
    assert admission.load == IDLE


def test_the_heart_beats_once_a_second():
    """Gradio notices that a visitor left only between two items."""
    assert REAL_HEARTBEAT == 1.0


def test_the_turn_of_an_absent_job_is_kept_for_a_moment_only():
    """A waiting job whose caller is busy keeps its turn for GRACE seconds; then the next one goes."""
    clock = Clock()
    admission = Admission(Limits(long_running=1, long_waiting=5, idle_seconds=30), clock)
    running, absent = admission.long_job(steps(1)), admission.long_job(steps(1))
    next(running)
    assert isinstance(next(absent), Waiting)
    third = admission.long_job(steps(1))
    assert next(third) == Waiting(2, 40)
    running.close()
    assert next(third) == Waiting(2, pytest.approx(32, abs=10))
    clock.now += 3
    assert next(third) == 0
    assert isinstance(next(absent), Waiting)
    third.close()
    assert next(absent) == 0
    absent.close()
    assert admission.load == IDLE


@pytest.mark.parametrize("where", ["waiting", "first step", "later"])
@pytest.mark.parametrize("how", ["close", "drop", "throw", "never started"])
def test_leaving_frees_the_place(where, how):
    admission, log = Admission(Limits(long_running=1, long_waiting=1)), []
    holder = None
    if where == "waiting":
        holder = admission.long_job(steps(9))
        next(holder)
    job = admission.long_job(steps(9, log))
    if how != "never started":
        for _ in range(3 if where == "later" else 1):
            next(job)
    start = time.monotonic()
    if how == "throw":
        with pytest.raises(Boom):
            job.throw(Boom())
    elif how == "close":
        job.close()
    del job
    took = time.monotonic() - start
    gc.collect()  # of a large process this alone may take a second
    assert took < 1
    if holder is not None:
        assert admission.load == Load(0, 0, 1, 0)
        holder.close()
    assert admission.load == IDLE
    assert log == ([] if how == "never started" or where == "waiting" else ["closed"])
    assert finished(admission.long_job(steps(2))) == [0, 1]


def test_a_silent_caller_loses_its_place():
    """Neither closed nor dropped, only never asked again: the place goes to the next after Limits.idle_seconds."""
    clock = Clock()
    admission = Admission(Limits(long_running=1, long_waiting=0, idle_seconds=30), clock)
    silent = admission.long_job(steps(9))
    next(silent)
    clock.now += 29
    with pytest.raises(BusyError):
        next(admission.long_job(steps(1)))
    clock.now += 2
    assert finished(admission.long_job(steps(2))) == [0, 1]
    with pytest.raises(BusyError, match="left alone"):
        next(silent)
    with pytest.raises(StopIteration):
        next(silent)
    assert admission.load == IDLE


@pytest.mark.parametrize("error", [Boom, BusyError("x"), KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration])
def test_a_job_that_raises_never_blocks_the_next(error):
    admission = Admission(Limits(long_running=1, long_waiting=0))

    def failing():
        yield 0
        raise error

    for _ in range(3):
        got = []
        with pytest.raises(BaseException) as caught:  # noqa: PT011, PT012
            for item in admission.long_job(failing()):
                got.append(item)
            raise Boom
        assert got == [0]
        assert not isinstance(caught.value, StopIteration)
        if not isinstance(error, type) or error not in (GeneratorExit, StopIteration):
            assert isinstance(caught.value, error if isinstance(error, type) else type(error))
        assert admission.load == IDLE
        if error is not StopIteration:
            with pytest.raises(BaseException), admission.short_job():  # noqa: B017, PT011
                raise error
        assert admission.load == IDLE
    with admission.short_job():
        pass


def test_bad_steps_and_bad_closing_keep_no_place():
    class Rude:
        def __iter__(self):
            return self

        def __next__(self):
            return 1

        def close(self):
            raise Boom

    admission = Admission(Limits(long_running=1, long_waiting=0))
    with pytest.raises(TypeError):
        next(admission.long_job(7))
    job = admission.long_job(Rude())
    assert next(job) == 1
    with pytest.raises(Boom):
        job.close()
    assert admission.load == IDLE


def test_jobs_inside_jobs_share_the_device():
    admission = Admission(Limits(short_seconds=0.2))

    def nested():
        with admission.short_job(), admission.short_job():
            yield from ()
        yield 1

    assert finished(admission.long_job(nested())) == [1]
    with admission.short_job():
        assert finished(admission.long_job(steps(2))) == [0, 1]
    assert admission.load == IDLE


def test_every_step_may_run_in_another_thread():
    """As Gradio does it."""
    admission, got = Admission(), []
    job = admission.long_job(steps(6))
    for _ in range(6):
        run(lambda: got.append(next(job)))[0].join(5)
    assert got == list(range(6))
    job.close()
    assert admission.load == IDLE


# deadlines


def test_a_long_job_ends_at_its_deadline():
    clock = Clock()
    admission = Admission(Limits(long_seconds=10), clock)

    def slow():
        for k in range(100):
            clock.now += 3
            yield k

    assert finished(admission.long_job(slow())) == [0, 1, 2, 3]
    assert finished(admission.long_job(slow(), seconds=1)) == [0]  # one step at least
    assert len(finished(admission.long_job(slow(), seconds=200))) == 67
    assert len(finished(Admission(Limits(long_seconds=None), clock).long_job(slow()))) == 100


def test_waiting_ends_too():
    clock = Clock()
    admission = Admission(Limits(long_running=1, long_waiting=1, waiting_seconds=60, idle_seconds=1000), clock)
    holder = admission.long_job(steps(9))
    next(holder)
    job = admission.long_job(steps(9))
    assert isinstance(next(job), Waiting)
    clock.now += 61
    with pytest.raises(BusyError, match="did not come in time"):
        next(job)
    assert admission.load == Load(0, 0, 1, 0)
    holder.close()


def test_the_time_to_come_back_follows_what_jobs_take():
    clock = Clock()
    admission = Admission(Limits(long_running=1, long_waiting=0), clock)

    def taking(seconds):
        clock.now += seconds
        yield 1

    def estimate():
        with closing(admission.long_job(steps(2))) as holder:
            next(holder)
            with pytest.raises(BusyError) as caught:
                next(admission.long_job(steps(1)))
        return caught.value.retry_after

    for _ in range(30):
        finished(admission.long_job(taking(100)))
    assert 60 < estimate() <= 100
    for _ in range(30):
        finished(admission.long_job(taking(1)))
    assert estimate() == 5


def test_draining():
    """SIGTERM: running projections end after their step with what they have, waiting and new ones are told, sliders go on."""
    admission, ends = Admission(Limits(long_running=1)), []

    def projection():
        try:
            ends.append(finished(admission.long_job(steps(10_000, seconds=0.002))))
        except BusyError as error:
            ends.append(str(error))

    threads = run(projection, projection)
    until(lambda: admission.load == Load(0, 0, 1, 1))
    start = time.monotonic()
    assert admission.drain()
    assert time.monotonic() - start < 2
    for thread in threads:
        thread.join(5)
    assert {type(end) for end in ends} == {list, str}
    assert all("restarted" in end if isinstance(end, str) else 1 <= len(end) < 10_000 for end in ends)
    with pytest.raises(BusyError, match="restarted"):
        next(admission.long_job(steps(1)))
    with admission.short_job():
        assert not admission.drain(0.05)
    assert admission.drain(0.05)


# memory


@pytest.mark.parametrize("error", [OutOfMemoryError("CUDA out of memory."), MemoryError(), RuntimeError("CUDA error: out of memory"),
                                   RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
                                   RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate")])  # fmt: skip
def test_a_projection_without_memory_goes_on_smaller(error):
    """One retry; what the first try held is given back before the second."""
    admission = Admission()
    freed = []

    class Tensor:
        def __del__(self):
            freed.append(1)

    def large():
        _held = Tensor()
        yield 0
        raise type(error)(*error.args) from None

    def small():
        assert freed == [1]
        yield from (10, 11)

    assert is_out_of_memory(error)
    assert finished(admission.long_job(large(), smaller=small)) == [0, 10, 11]
    assert admission.load == IDLE


def test_no_memory_even_when_smaller_is_said():
    admission, calls = Admission(), []

    def failing():
        calls.append(1)
        raise OutOfMemoryError
        yield

    with pytest.raises(BusyError, match="not enough memory") as caught:
        finished(admission.long_job(failing(), smaller=failing))
    assert len(calls) == 2
    assert caught.value.retry_after == 30
    with pytest.raises(BusyError, match="not enough memory"):
        finished(admission.long_job(failing()))
    assert admission.load == IDLE


def test_other_errors_are_not_retried():
    def failing():
        raise RuntimeError("the size of tensor a must match")
        yield

    with pytest.raises(RuntimeError, match="must match"):
        finished(Admission().long_job(failing(), smaller=lambda: steps(1)))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_calls_without_memory():
    calls = []

    def work(size):
        calls.append(size)
        if size > 1:
            raise OutOfMemoryError
        return size

    assert with_less_memory(lambda: work(2), lambda: work(1)) == 1
    with pytest.raises(BusyError):
        with_less_memory(lambda: work(2), lambda: work(3))
    with pytest.raises(BusyError):
        with_less_memory(lambda: work(2))
    assert with_less_memory(lambda: work(0)) == 0
    assert calls == [2, 1, 2, 3, 2, 0]
    with pytest.raises(Boom):
        with_less_memory(lambda: (_ for _ in ()).throw(Boom()), lambda: 1)


def test_the_cache_of_the_device_is_emptied(monkeypatch):
    calls = []

    class Torch:
        class cuda:
            is_initialized = staticmethod(lambda: True)
            empty_cache = staticmethod(lambda: calls.append(1))

    monkeypatch.setitem(sys.modules, "torch", Torch)
    memory.free_memory()
    assert calls == [1]


def test_admission_does_not_import_torch():
    import subprocess

    program = "import sys, ganji.admission, ganji.privacy, ganji.observe; sys.exit('torch' in sys.modules or 'gradio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# everything at once


def test_stress():
    """200 projections asked for while sliders are pulled; 50 of those admitted leave at random moments."""
    admission = Admission(Limits(long_running=4, long_waiting=400))
    rng = random.Random(0)
    leaving = set(rng.sample(range(200), 50))
    lengths = [rng.randint(1, 8) for _ in range(200)]
    results, slow, sliders, errors, over = {}, [], [], [], threading.Event()

    def projection(k):
        try:
            stop = rng.randint(0, 4) if k in leaving else None
            got = []
            for item in admission.long_job(steps(lengths[k], seconds=0.001)):
                if stop is not None and len(got) >= stop:
                    break  # the generator is dropped, not closed
                if not isinstance(item, Waiting):
                    got.append(item)
            results[k] = got
        except BaseException as error:
            errors.append(error)

    def slider():
        while not over.is_set():
            start = time.perf_counter()
            with admission.short_job():
                time.sleep(0.0005)
            slow.append(time.perf_counter() - start)
            sliders.append(1)
            time.sleep(0.002)

    start = time.monotonic()
    sliding = run(*[slider] * 4)
    threads = run(*[lambda k=k: projection(k) for k in range(200)])
    for thread in threads:
        thread.join(10)
    over.set()
    for thread in sliding:
        thread.join(5)
    seconds = time.monotonic() - start
    slow.sort()
    print(f"{seconds:.2f} s, {len(slow)} slider calls, p95 {slow[int(0.95 * len(slow))] * 1000:.1f} ms")
    assert not errors
    assert seconds < 10
    assert all(results[k] == list(range(lengths[k])) for k in range(200) if k not in leaving)
    assert set(results) == set(range(200))
    gc.collect()
    assert admission.load == IDLE
    assert finished(admission.long_job(steps(2))) == [0, 1]


def test_a_place_is_kept_while_a_job_is_prepared():
    """Of 200 photos at once, five are looked at; the others are refused before anybody has decoded them."""
    admission = Admission(Limits(long_running=1, long_waiting=4))
    start, looked_at, refused, served = threading.Barrier(200), [], [], []
    gate = threading.Event()

    def photo():
        start.wait(10)
        begin = time.monotonic()
        try:
            with admission.reserved_place():
                looked_at.append(1)
                gate.wait(10)
        except BusyError:
            refused.append(time.monotonic() - begin)
            return
        served.append(finished(admission.long_job(steps(2))))

    threads = run(*[photo] * 200)
    until(lambda: len(refused) == 195, 10)
    with pytest.raises(BusyError):
        finished(admission.long_job(steps(1)))
    gate.set()
    for thread in threads:
        thread.join(10)
    assert len(looked_at) == 5
    assert served == [[0, 1]] * 5
    assert sorted(refused)[int(0.99 * len(refused))] < 1
    with admission.reserved_place():
        pass
    with pytest.raises(ZeroDivisionError), admission.reserved_place():
        raise ZeroDivisionError
    assert admission._reserved == 0
    admission.drain(0)
    with pytest.raises(BusyError), admission.reserved_place():
        pass


def test_overload():
    """200 projections at once with room for 5: each of the others hears so within a second, and the 5 are served."""
    admission = Admission(Limits(long_running=1, long_waiting=4))
    gate, served, refused, waits = threading.Event(), [], [], []
    start = threading.Barrier(200)

    def blocked():
        gate.wait(10)
        yield 1

    def projection():
        start.wait(10)
        begin = time.monotonic()
        try:
            served.append(finished(admission.long_job(blocked())))
        except BusyError as error:
            waits.append(time.monotonic() - begin)
            refused.append(error.retry_after)

    threads = run(*[projection] * 200)
    until(lambda: len(refused) == 195, 10)
    gate.set()
    for thread in threads:
        thread.join(10)
    assert served == [[1]] * 5
    assert sorted(waits)[int(0.99 * len(waits))] < 1
    assert all(5 <= seconds <= 600 for seconds in refused)
    assert admission.load == IDLE
