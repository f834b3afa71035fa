from entrypoints.cli.failure import ExitCode, Failure
from entrypoints.settings import Settings


def refuse_unless_embedded(settings: Settings, action: str) -> None:
    """Refuse to work on the data directory where a part of the data is not in it.

    Raises:
        Failure: It says which part is where.
    """
    elsewhere = {
        "the database is in MySQL (AWS_RDS_HOST)": settings.rds_host,
        "the code is in S3 (AWS_CODE_BUCKET)": settings.code_bucket,
        "the logs are in S3 (AWS_LOG_BUCKET)": settings.log_bucket,
    }
    found = [sentence for sentence, name in elsewhere.items() if name is not None]
    if found:
        raise Failure(
            f"cannot {action} what is not in the data directory: {', '.join(found)}. Use the tools of the "
            "database and of the object store; docs/production.md says how",
            ExitCode.FAILED,
        )
