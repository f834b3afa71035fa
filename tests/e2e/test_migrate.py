from tests.support import service


def test_the_schema_goes_up_and_down_and_is_checked(tmp_path):
    env = service.environment(tmp_path)

    def migrate(*arguments):
        ran = service.run("migrate", *arguments, env=env)
        return ran.returncode, ran.stdout.decode().strip()

    assert migrate("check")[0] == 1
    assert migrate("up")[0] == 0
    assert migrate("check") == (0, "the schema is as it should be")
    assert migrate("down", "base") == (0, "the schema is at base")
    assert migrate("current") == (0, "base")


def test_a_revision_that_does_not_exist_is_one_sentence(tmp_path):
    refused = service.run("migrate", "down", "nonsense", env=service.environment(tmp_path))
    assert refused.returncode == 3
    assert refused.stderr.count(b"\n") == 1
