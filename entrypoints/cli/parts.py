"""Descriptions of the service's parts with given settings, for people."""

from collections.abc import Iterator

from domain.catalogue.text import Text, text
from entrypoints.settings import Settings, variable


def parts(settings: Settings) -> Iterator[tuple[Text, Text]]:
    """Yield the name and the kind of each part."""
    cluster = settings.ecs_cluster_name
    yield text("parts.database"), _database(settings)
    yield text("parts.code"), _store(settings.code_bucket, settings)
    yield text("parts.logs"), _store(settings.log_bucket, settings)
    yield (
        text("parts.queue"),
        text("parts.queue_here") if settings.redis_url is None else text("parts.queue_redis"),
    )
    yield text("parts.engine"), _runners(settings) if settings.uses_runners else _local_engine(settings)
    yield (
        text("parts.metrics"),
        (
            text("parts.metrics_here")
            if cluster is None
            else text("parts.metrics_cloudwatch", cluster=cluster)
        ),
    )
    yield text("parts.secrets"), _secrets(settings)


def admitted(settings: Settings) -> Iterator[tuple[Text, Text]]:
    """Yield the admitted callers, hosts and origins, with the settings that determine them."""
    yield text("parts.callers"), _callers(settings)
    yield text("parts.hosts"), _hosts(settings)
    yield text("parts.origins"), _origins(settings)


def _database(settings: Settings) -> Text:
    if settings.rds_host is None:
        return text("parts.database_sqlite", directory=settings.data_dir)
    return text("parts.database_mysql", schema=settings.rds_dbname)


def _store(bucket: str | None, settings: Settings) -> Text:
    if bucket is None:
        return text("parts.store_directory", directory=settings.data_dir)
    return text("parts.store_s3", bucket=bucket)


def _runners(settings: Settings) -> Text:
    own = ", ".join(settings.run_urls)
    others = [name for name in settings.engine_languages if name not in settings.run_urls]
    shared = "" if settings.engine_url is None else ", ".join(others)
    if own and shared:
        return text("parts.runners_both", own=own, shared=shared)
    return text("parts.runners_own", own=own) if own else text("parts.runners_shared", shared=shared)


def _local_engine(settings: Settings) -> Text:
    if settings.sandbox == "off":
        return text("parts.programs_not_isolated")
    return text("parts.programs_in_sandboxes")


def _secrets(settings: Settings) -> Text:
    if settings.sealing_keys:
        return text("parts.secrets_sealed")
    return text("parts.secrets_refused", setting=variable(Settings, "sealing_keys"))


def _callers(settings: Settings) -> Text:
    setting = variable(Settings, "auth")
    if settings.asks_for_keys:
        return text("parts.callers_with_key", setting=setting)
    return text("parts.callers_all", setting=setting)


def _hosts(settings: Settings) -> Text:
    hosts, setting = settings.served_hosts, variable(Settings, "allowed_hosts")
    if hosts is None:
        return text("parts.hosts_any", setting=setting)
    return text("parts.hosts_named", hosts=", ".join(sorted(hosts)), setting=setting)


def _origins(settings: Settings) -> Text:
    setting = variable(Settings, "cors_origins")
    if settings.cors_origins:
        return text("parts.origins_named", origins=", ".join(settings.cors_origins), setting=setting)
    if settings.cors_origin_pattern:
        return text("parts.origins_localhost", setting=setting)
    return text("parts.origins_none", setting=setting)
