"""The parts of the service, and whom it admits, in words."""

import pytest

from entrypoints.cli.errors import in_language
from entrypoints.cli.parts import admitted, parts
from tests.support.settings import settings_of


def words(**settings):
    found = settings_of(**settings)
    return {str(name): in_language(what) for name, what in (*parts(found), *admitted(found))}


@pytest.mark.parametrize(
    ("settings", "part", "english", "korean"),
    [
        ({"rds_host": "db"}, "database", "MySQL, schema service_server", "MySQL, 스키마 service_server"),
        ({"code_bucket": "b"}, "code", "S3 bucket b", "S3 버킷 b"),
        ({"redis_url": "redis://cache"}, "queue", "Redis", "Redis"),
        ({}, "queue", "in this process", "이 프로세스"),
        ({}, "engine", "local, each program in a sandbox", "로컬, 프로그램마다 샌드박스"),
        ({"sandbox": "off"}, "engine", "local, programs NOT isolated", "로컬, 프로그램이 격리되지 않음"),
        (
            {
                "engine_url": "http://e",
                "engine_languages": ("python", "node"),
                "node_run_url": "http://n/run",
            },
            "engine",
            "HTTP runners: node at addresses of their own; python at the base address",
            "HTTP 러너: node(개별 주소), python(공통 주소)",
        ),
        (
            {"node_run_url": "http://n/run"},
            "engine",
            "HTTP runners: node at addresses of their own",
            "HTTP 러너: node(개별 주소)",
        ),
        (
            {"engine_url": "http://e", "engine_languages": ("python",)},
            "engine",
            "HTTP runners: python at the base address",
            "HTTP 러너: python(공통 주소)",
        ),
        ({"ecs_cluster_name": "c"}, "metrics", "CloudWatch, ECS cluster c", "CloudWatch, ECS 클러스터 c"),
        (
            {"auth": "keys"},
            "callers",
            "with an API key (SERVICE_SERVER_AUTH)",
            "API 키 필요(SERVICE_SERVER_AUTH)",
        ),
        ({"allowed_hosts": ("*",)}, "hosts", "any (SERVICE_", "모두(SERVICE_"),
        ({"allowed_hosts": ("a.example",)}, "hosts", "others are refused with 421)", "나머지는 421로 거부)"),
        ({"cors_origins": ("https://a",)}, "origins", "https://a (SERVICE_", "https://a(SERVICE_"),
        ({"environment": "production"}, "origins", "none (SERVICE_", "없음(SERVICE_"),
        ({"environment": "development"}, "origins", "any on localhost (", "localhost의 모든 오리진("),
    ],
)
def test_a_part_is_told_in_the_language_of_the_terminal(monkeypatch, settings, part, english, korean):
    for locale, expected in (("C", english), ("ko_KR.UTF-8", korean)):
        monkeypatch.setenv("LC_ALL", locale)
        assert expected in words(**settings)[part]
