import pytest

from application.errors import Conflict, DependencyUnavailable, NotFound
from entrypoints.cli import main as program


@pytest.fixture
def ends_with(monkeypatch, tmp_path):
    """Let a command end with an error, where there is no setting but the given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEBUG", raising=False)

    def end(error):
        def main(**_):
            raise error

        monkeypatch.setattr(program.service_server, "main", main)
        with pytest.raises(SystemExit) as ended:
            program.main()
        return ended.value.code

    return end


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (NotFound("job", "x"), 1),
        (Conflict("it is archived"), 1),
        (DependencyUnavailable("database", "no answer"), 3),
        (RuntimeError("oh"), 3),
    ],
)
def test_only_what_the_service_could_not_do_is_its_failure(ends_with, error, exit_code):
    assert ends_with(error) == exit_code


@pytest.mark.parametrize("value", ["false", "0", ""])
def test_an_error_that_nobody_expected_is_a_sentence_unless_debugging(ends_with, monkeypatch, capsys, value):
    monkeypatch.setenv("DEBUG", value)
    assert ends_with(RuntimeError("oh")) == 3
    assert capsys.readouterr().err.startswith("service-server: RuntimeError: oh")


def test_debugging_shows_where_an_error_comes_from(ends_with, tmp_path):
    (tmp_path / ".env").write_text("DEBUG=true\n")
    with pytest.raises(RuntimeError, match="oh"):
        ends_with(RuntimeError("oh"))


def test_what_the_host_refuses_is_a_sentence_with_the_setting_that_helps(ends_with, monkeypatch, capsys):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert ends_with(RuntimeError("can't start new thread")) == 3
    assert capsys.readouterr().err == (
        "service-server: no further process or thread may be started; raise podPidsLimit of the kubelet\n"
    )


def test_what_the_host_refuses_is_in_the_language_of_the_terminal(ends_with, monkeypatch, capsys):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    assert ends_with(RuntimeError("can't start new thread")) == 3
    assert capsys.readouterr().err == (
        "service-server: 프로세스나 스레드를 더 시작할 수 없습니다. kubelet의 podPidsLimit 값을 늘리십시오\n"
    )
