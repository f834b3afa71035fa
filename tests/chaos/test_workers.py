import os
import signal
from threading import Event

from tests.chaos.delayed_runners import after, takes
from tests.chaos.jobs import ask, attempts, outcomes, running_at, soon, status, submit, worker_pid
from tests.support.runner import hang, in_turn, runs


def test_a_worker_frozen_past_its_lease_cannot_write(cluster, audit_log):
    # Given a program that a worker waits for, and that worker frozen
    answer = Event()
    cluster.servers.runner.behaviour = in_turn(after(answer, runs(stdout="first")), runs(stdout="second"))
    job_id = submit(cluster.urls[0], max_attempts=2)
    pid = soon(lambda: running_at(cluster, job_id))
    frozen = next(worker for worker in cluster.workers if worker.pid == pid)
    frozen.freeze()
    # When another has run the program meanwhile, and the frozen one goes on and has its answer
    assert outcomes(cluster, [job_id])[job_id] == ("SUCCESS", None)
    before = attempts(cluster, job_id)
    answer.set()
    frozen.thaw()
    soon(lambda: f"{before[0]['execution_id']} ended as" in frozen.output)
    # Then nothing that it wrote was accepted
    assert attempts(cluster, job_id) == before
    assert [attempt["stdout"] for attempt in before] == [None, "second"]
    assert audit_log.violations([job_id]) == []


def test_a_worker_that_lost_its_lease_leaves_its_successor_s_program_alone(cluster, audit_log):
    # Given a program that a frozen worker has lost to another, whose runner knows jobs and not executions
    answer = Event()
    runner = cluster.servers.runner
    runner.behaviour = in_turn(after(answer, runs(stdout="first")), after(answer, runs(stdout="second")))
    job_id = submit(cluster.urls[0], max_attempts=2)
    pid = soon(lambda: running_at(cluster, job_id))
    frozen = next(worker for worker in cluster.workers if worker.pid == pid)
    frozen.freeze()
    soon(lambda: worker_pid(cluster, job_id) not in {None, pid})
    # When the frozen one goes on, and learns that
    frozen.thaw()
    lost = attempts(cluster, job_id)[0]["execution_id"]
    soon(lambda: f"{lost} ended as" in frozen.output)
    # Then the runner is not told to stop the job
    answer.set()
    assert outcomes(cluster, [job_id])[job_id] == ("SUCCESS", None)
    assert [attempt["stdout"] for attempt in attempts(cluster, job_id)] == [None, "second"]
    assert runner.asked(f"/cancel/{job_id}") == []
    assert audit_log.violations([job_id]) == []


def test_a_program_that_kills_its_worker_is_claimed_three_times_at_most(cluster, audit_log):
    # Given workers that are started again when they die, and a program that kills the one that runs it
    for worker in cluster.workers:
        worker.terminate()
    supervisor = cluster.command("worker", "--processes", "2", is_ready="Working on")
    supervisor.start()
    killed = []

    async def kill_the_worker(exchange):
        pid = worker_pid(cluster, exchange.params["job_id"])
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)
        await hang(exchange)

    cluster.servers.runner.behaviour = kill_the_worker
    # When it may be started as often as is allowed
    job_id = submit(cluster.urls[0], max_attempts=3)
    outcome = outcomes(cluster, [job_id])[job_id]
    # Then it is given up, and the workers are well
    assert outcome == ("FAILED", "worker_lost")
    assert audit_log.claims(job_id) == len(killed) == 3
    cluster.servers.runner.behaviour = runs()
    assert outcomes(cluster, [job := submit(cluster.urls[0])])[job] == ("SUCCESS", None)
    # And those who started the workers can end them all
    supervisor.terminate()
    assert supervisor.wait() == 0


def test_nothing_is_lost_and_no_attempt_burned_when_processes_are_told_to_stop_under_load(cluster, audit_log):
    # Given programs that take a moment, and two that take longer than a worker may
    release = Event()
    cluster.servers.runner.behaviour = after(release, runs())
    long = [submit(cluster.urls[0], priority=9) for _ in range(16)]
    soon(lambda: all(running_at(cluster, job_id) for job_id in long))
    cluster.servers.runner.behaviour = takes(0.3, runs())
    short = [submit(url) for url in cluster.urls for _ in range(20)]
    # When an API and a worker are told to stop
    stopping = (cluster.apis[0], cluster.workers[0])
    for process in stopping:
        process.terminate()
    codes = [process.wait() for process in stopping]
    # Then they do so, and what they had is done by those that are left, at the first attempt
    release.set()
    assert set(outcomes(cluster, [*long, *short]).values()) == {("SUCCESS", None)}
    assert all({attempt["number"] for attempt in attempts(cluster, job_id)} == {1} for job_id in long)
    assert audit_log.violations([*long, *short]) == []
    assert codes == [0, 0]


def test_a_cancelled_job_is_stopped_in_the_worker_that_has_it(cluster):
    # Given a program that does not end
    cluster.servers.runner.behaviour = hang
    job_id = submit(cluster.urls[0])
    soon(lambda: running_at(cluster, job_id))
    # When it is cancelled at the other API
    assert ask("POST", f"{cluster.urls[1]}/api/cancel/{job_id}").status_code == 200
    # Then the runner is told
    soon(lambda: cluster.servers.runner.asked(f"/cancel/{job_id}"))
    assert status(cluster, job_id) == "CANCELLED"
