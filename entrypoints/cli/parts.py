"""Parts of the service under some settings, in words for people."""

from collections.abc import Iterator

from entrypoints.settings import Settings


def parts(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yields each part's name and kind."""
    here = settings.data_dir
    is_mysql = settings.rds_host is not None
    yield "database", f"MySQL, schema {settings.rds_dbname}" if is_mysql else f"SQLite in {here}"
    yield "code", _store(settings.code_bucket, settings)
    yield "logs", _store(settings.log_bucket, settings)
    yield "queue", "in this process" if settings.redis_url is None else "Redis"
    yield "engine", _runners(settings) if settings.uses_runners else _local_engine(settings)
    cluster = settings.ecs_cluster_name
    yield "metrics", "this machine" if cluster is None else f"CloudWatch, ECS cluster {cluster}"
    is_sealing = bool(settings.sealing_keys)
    yield "secrets", "sealed" if is_sealing else "refused (SERVICE_SERVER_SEALING_KEYS has no key)"


def admitted(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yields the admitted callers, hosts and origins of pages, with the settings for them."""
    callers = "with an API key" if settings.asks_for_keys else "all who reach the address, without a key"
    yield "callers", f"{callers} (SERVICE_SERVER_AUTH)"
    hosts = settings.served_hosts
    named = "any" if hosts is None else ", ".join(sorted(hosts))
    yield "hosts", f"{named} (SERVICE_SERVER_ALLOWED_HOSTS; others are refused with 421)"
    of_development = "any on localhost" if settings.cors_origin_pattern else "none"
    origins = ", ".join(settings.cors_origins) or of_development
    yield "origins", f"{origins} (SERVICE_SERVER_CORS_ORIGINS; pages of others are not let in)"


def _store(bucket: str | None, settings: Settings) -> str:
    return f"directory in {settings.data_dir}" if bucket is None else f"S3 bucket {bucket}"


def _runners(settings: Settings) -> str:
    own = list(settings.run_urls)
    shared = [] if settings.engine_url is None else [n for n in settings.engine_languages if n not in own]
    at_own = [f"{language} at an address of its own" for language in own]
    at_shared = [f"{', '.join(shared)} at the base address"] if shared else []
    return f"HTTP runners: {'; '.join(at_own + at_shared)}"


def _local_engine(settings: Settings) -> str:
    if settings.sandbox == "off":
        return "local, programs NOT isolated"
    return f"local, programs isolated with {settings.sandbox}"
