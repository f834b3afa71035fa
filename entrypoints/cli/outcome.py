"""What came of a job, as an exit code and as a sentence."""

from entrypoints.cli.client import Json
from entrypoints.cli.failure import ExitCode

_BY_STATUS = {"SUCCESS": ExitCode.OK, "TIMEOUT": ExitCode.TIMEOUT, "CANCELLED": ExitCode.INTERRUPTED}
# Reasons that are the service's and not the program's.
_SERVICE = {"engine_unavailable", "engine_error", "worker_lost", "storage_error", "internal"}


def exit_code(job: Json) -> int:
    """Return what the command ends with: the program's own exit code, where it has one to give."""
    result, reason = job["data"].get("result") or {}, job["data"]["reason"]
    if job["status"] in _BY_STATUS:
        return _BY_STATUS[job["status"]]
    if reason in _SERVICE:
        return ExitCode.SERVICE
    if result.get("signal"):
        return ExitCode.SIGNAL + int(result["signal"])
    return int(result.get("exit_code") or ExitCode.FAILED)


def explanation(job: Json) -> str | None:
    """Say why a program did not end by itself; None if it did, for then it has spoken for itself."""
    result, reason = job["data"].get("result") or {}, job["data"]["reason"]
    if reason in {None, "nonzero_exit"}:
        return None
    sentence = result.get("error_message") or job["message"]
    if limit := result.get("limit"):
        sentence += f" ({limit['name']}: {limit['allowed']} allowed, {limit['measured']} measured)"
    return f"{sentence} [{reason}]"


def summary(job: Json) -> str:
    """Say in a line how a job ended and what it used."""
    resource = (job["data"].get("result") or {}).get("resource") or {}
    unknown = resource.get("unknown") or ()
    parts = [job["status"]]
    if resource.get("execution_time_ms") is not None and "execution_time_ms" not in unknown:
        parts.append(f"{resource['execution_time_ms']} ms")
    if resource.get("memory_mb") is not None and "memory_mb" not in unknown:
        parts.append(f"{resource['memory_mb']:.1f} MiB")
    return ", ".join((*parts, f"job {job['job_id']}"))
