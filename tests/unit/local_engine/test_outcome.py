import errno
import signal
from dataclasses import replace

import pytest

from adapters.local_engine.sandbox.outcome import Observation, classify
from adapters.local_engine.sandbox.supervisor.protocol import RunEvent, Status
from domain.execution import LimitHit, Note, Output
from domain.job_lifecycle import JobStatus, Reason
from domain.limits import STANDARD_LIMITS

_MIB = 1 << 20
_ENDED = RunEvent(status=Status.ENDED, exit_code=0, wall_ms=100, cpu_ms=50, memory_kb=10_240)
_SEEN = Observation(
    event=_ENDED,
    limits=STANDARD_LIMITS.resolve({"output_mb": 1, "memory_mb": 64}),
    stdout=Output(),
    stderr=Output(),
    output_bytes=0,
    out_of_memory=["^MemoryError"],
    refused_from_mb=48,
)


def _seen(event=None, **changes):
    return replace(_SEEN, event=replace(_ENDED, **(event or {})), **changes)


_KILLED = {"exit_code": None, "signal": signal.SIGKILL}
_BUILDING = _KILLED | {"was_ready": False, "in_build": True}

_ROWS = [
    (_seen(), JobStatus.SUCCESS, None, None),
    (_seen({"exit_code": 3}), JobStatus.FAILED, Reason.NONZERO_EXIT, None),
    (_seen(_KILLED), JobStatus.FAILED, Reason.SIGNAL, None),
    (_seen(_KILLED | {"is_shortage": True}), JobStatus.FAILED, Reason.SIGNAL, None),
    (_seen({"is_shortage": True}), JobStatus.SUCCESS, None, None),
    (
        _seen(_KILLED | {"limit": "timeout_ms", "wall_ms": 30_004}),
        JobStatus.TIMEOUT,
        Reason.WALL_TIME_LIMIT,
        LimitHit("timeout_ms", 30_004, 30_000),
    ),
    (
        _seen(_KILLED | {"limit": "cpu_time_ms", "cpu_ms": 30_010}),
        JobStatus.FAILED,
        Reason.CPU_TIME_LIMIT,
        LimitHit("cpu_time_ms", 30_010, 30_000),
    ),
    (
        _seen({"exit_code": None, "signal": signal.SIGXCPU, "cpu_ms": 30_990}),
        JobStatus.FAILED,
        Reason.CPU_TIME_LIMIT,
        LimitHit("cpu_time_ms", 30_990, 30_000),
    ),
    (
        _seen({"exit_code": None, "signal": signal.SIGXCPU, "cpu_ms": 29_999}),
        JobStatus.FAILED,
        Reason.SIGNAL,
        None,
    ),
    (
        _seen(_KILLED | {"limit": "memory_mb", "tree_memory_kb": 64 << 10}),
        JobStatus.FAILED,
        Reason.MEMORY_LIMIT,
        LimitHit("memory_mb", 64, 64),
    ),
    (
        _seen({"exit_code": 1, "memory_kb": 48 << 10}, stderr=Output.of("Traceback\nMemoryError\n")),
        JobStatus.FAILED,
        Reason.MEMORY_LIMIT,
        LimitHit("memory_mb", 48, 64),
    ),
    (
        _seen({"exit_code": 1, "tree_memory_kb": 48 << 10}, stderr=Output.of("MemoryError\n")),
        JobStatus.FAILED,
        Reason.MEMORY_LIMIT,
        LimitHit("memory_mb", 48, 64),
    ),
    (
        _seen({"exit_code": 1, "memory_kb": 47 << 10}, stderr=Output.of("MemoryError\n")),
        JobStatus.FAILED,
        Reason.NONZERO_EXIT,
        None,
    ),
    (
        _seen(
            {"exit_code": 1, "memory_kb": 63 << 10},
            stderr=Output.of("MemoryError\n"),
            refused_from_mb=None,
        ),
        JobStatus.FAILED,
        Reason.NONZERO_EXIT,
        None,
    ),
    (_seen({"exit_code": 0}, stderr=Output.of("MemoryError\n")), JobStatus.SUCCESS, None, None),
    (
        _seen({"exit_code": 1, "limit": "processes"}),
        JobStatus.FAILED,
        Reason.PROCESS_LIMIT,
        LimitHit("processes", 64, 64),
    ),
    (_seen({"limit": "processes"}), JobStatus.SUCCESS, None, None),
    (
        _seen(_KILLED, output_bytes=_MIB + 1),
        JobStatus.FAILED,
        Reason.OUTPUT_LIMIT,
        LimitHit("output_mb", 2, 1),
    ),
    (_seen(output_bytes=_MIB), JobStatus.SUCCESS, None, None),
    (
        _seen({"exit_code": None, "signal": signal.SIGXFSZ}),
        JobStatus.FAILED,
        Reason.SIGNAL,
        None,
    ),
    (
        _seen({"exit_code": 1, "was_ready": False, "in_build": True}),
        JobStatus.FAILED,
        Reason.COMPILE_ERROR,
        None,
    ),
    (
        _seen(_BUILDING | {"limit": "build_timeout_ms", "wall_ms": 20_004}, build_spent_ms=10_000),
        JobStatus.FAILED,
        Reason.BUILD_LIMIT,
        LimitHit("build_timeout_ms", 30_004, 30_000),
    ),
    (
        _seen(_BUILDING | {"limit": "build_cpu_time_ms", "cpu_ms": 60_010}),
        JobStatus.FAILED,
        Reason.BUILD_LIMIT,
        LimitHit("build_cpu_time_ms", 60_010, 60_000),
    ),
    (
        _seen(_BUILDING, build_output_bytes=_MIB + 1),
        JobStatus.FAILED,
        Reason.BUILD_LIMIT,
        LimitHit("output_mb", 2, 1),
    ),
    (
        _seen(_BUILDING | {"limit": "build_memory_mb", "tree_memory_kb": 1_048_575}),
        JobStatus.FAILED,
        Reason.BUILD_LIMIT,
        LimitHit("build_memory_mb", 1_024, 1_024),
    ),
    (
        _seen(_BUILDING | {"in_build": False, "limit": "build_timeout_ms", "wall_ms": 30_004}),
        JobStatus.FAILED,
        Reason.BUILD_LIMIT,
        LimitHit("build_timeout_ms", 30_004, 30_000),
    ),
    (
        _seen({"exit_code": 1, "was_ready": False}, stderr=Output.of("bwrap: No permissions\n")),
        JobStatus.FAILED,
        Reason.ENGINE_ERROR,
        None,
    ),
    (
        _seen({"status": Status.ENDED, "exit_code": 127, "error": "No such file"}),
        JobStatus.FAILED,
        Reason.ENGINE_ERROR,
        None,
    ),
    (
        _seen({"status": Status.ENDED, "error": "Too many open files"}),
        JobStatus.FAILED,
        Reason.ENGINE_ERROR,
        None,
    ),
    (
        _seen(_KILLED | {"limit": "timeout_ms"}, cancelled_after_ms=12),
        JobStatus.CANCELLED,
        Reason.CANCELLED,
        None,
    ),
]


_NO_PROCESS = Output.of("bwrap: Creating new namespace failed: Resource temporarily unavailable\n")
_REFUSED_BY_PLAN = Output.of("the kernel refused to create the namespaces\n")
_NOT_READY = {"exit_code": 1, "was_ready": False}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (_seen(_NOT_READY, stderr=_NO_PROCESS), True),
        (_seen(_NOT_READY, stderr=Output.of("bwrap: pipe: Too many open files in system\n")), True),
        (_seen(_NOT_READY, stderr=Output.of("bwrap: No permissions\n")), False),
        (_seen(_NOT_READY | {"exit_code": errno.EAGAIN}, stderr=_REFUSED_BY_PLAN), True),
        (_seen(_NOT_READY | {"exit_code": errno.EPERM}, stderr=_REFUSED_BY_PLAN), False),
        (_seen(_NOT_READY | {"limit": "processes"}, stderr=_NO_PROCESS), False),
        (_seen(_NOT_READY, stderr=_NO_PROCESS, cancelled_after_ms=12), False),
        (_seen({"exit_code": 1}, stderr=_NO_PROCESS), False),
        (_seen(_NOT_READY | {"in_build": True}, stderr=_NO_PROCESS), False),
        (_seen(_NOT_READY | {"error": "No such file"}, stderr=_NO_PROCESS), False),
        (_seen(_NOT_READY | {"error": "Too many open files", "is_shortage": True}), True),
        (_seen(_KILLED | {"was_ready": False, "is_shortage": True}), True),
        (_seen(_KILLED | {"is_shortage": True}), False),
        (_seen({"error": "Too many open files", "is_shortage": True}), False),
    ],
)
def test_a_program_that_the_host_had_no_room_to_start_is_told_from_others(seen, expected):
    assert seen.lacked_host is expected


@pytest.mark.parametrize(("seen", "status", "reason", "limit"), _ROWS)
def test_the_first_cause_decides(seen, status, reason, limit):
    result = classify(seen)

    assert (result.status, result.reason, result.limit) == (status, reason, limit)
    assert (result.error_message is None) == (status is JobStatus.SUCCESS)


def test_a_program_that_the_kernel_killed_for_want_of_memory_within_its_limit_says_so():
    result = classify(_seen(_KILLED | {"is_shortage": True, "tree_memory_kb": 20 << 10}))

    assert "because the machine, or the service within its own limit, had no memory left" in (
        result.error_message or ""
    )
    assert "20 of the 64 MiB" in (result.error_message or "")


def test_a_cancelled_program_says_how_quickly_it_was_gone():
    result = classify(_seen(_KILLED, cancelled_after_ms=12))

    assert result.error_message == "The job was cancelled; its last process was gone 12 ms later."


def test_the_figures_are_in_the_units_of_the_contract():
    used = classify(_seen({"wall_ms": 200, "cpu_ms": 50, "memory_kb": 1536})).resource

    assert (used.execution_time_ms, used.cpu_time_ms, used.cpu_percent, used.memory_mb) == (
        200,
        50,
        25.0,
        1.5,
    )


@pytest.mark.parametrize(("number", "name"), [(11, "SIGSEGV"), (40, "signal 40")])
def test_a_signal_is_named(number, name):
    assert (
        classify(_seen({"exit_code": None, "signal": number})).error_message
        == f"The program was ended by {name}."
    )


def test_the_signal_of_a_file_that_is_too_large_comes_with_the_limit_that_it_may_stand_for():
    message = classify(_seen({"exit_code": None, "signal": signal.SIGXFSZ})).error_message

    assert message == (
        "The program was ended by SIGXFSZ, which means that it wrote a file larger than the 32 MiB allowed."
    )


def test_a_claim_of_too_little_memory_stands_beside_the_figures():
    message = classify(_seen({"exit_code": 1}, stderr=Output.of("MemoryError\n"))).error_message

    assert message == (
        "The program ended with exit code 1. It reported that it had no more memory; "
        "its peak was 10 of the 64 MiB allowed."
    )


@pytest.mark.parametrize(
    ("seen", "notes"),
    [
        (
            _seen(is_offline=True, stderr=Output.of("OSError: [Errno 101] Network is unreachable\n")),
            (Note.NO_NETWORK,),
        ),
        (_seen(is_offline=True, stdout=Output.of("getaddrinfo EAI_AGAIN example.com\n")), (Note.NO_NETWORK,)),
        (_seen(is_offline=True, stderr=Output.of("Connection refused\n")), ()),
        (_seen(stderr=Output.of("Network is unreachable\n")), ()),
    ],
)
def test_a_network_that_is_missed_is_remarked_where_there_is_none(seen, notes):
    assert classify(seen).notes == notes


@pytest.mark.parametrize(
    ("event", "notes"),
    [
        ({"wall_ms": 400, "waited_ms": 100}, (Note.MACHINE_BUSY,)),
        ({"wall_ms": 400, "waited_ms": 99}, ()),
        ({"wall_ms": 99, "waited_ms": 99}, ()),
        ({"wall_ms": 400, "waited_ms": None}, ()),
        ({"wall_ms": 400, "waited_ms": 400, "was_ready": False, "in_build": True}, ()),
    ],
)
def test_a_busy_machine_is_remarked_if_the_kernel_accounts_for_it(event, notes):
    assert classify(_seen(event)).notes == notes


def test_a_program_that_did_not_end_in_time_has_the_pressure_of_that_time():
    event = _KILLED | {"limit": "timeout_ms", "wall_ms": 3_000, "waited_ms": 1_050}

    assert classify(_seen(event)).error_message == (
        "The program was still running after the 30000 ms allowed. "
        "The machine was busy: 35% of the time some task waited for a processor."
    )
