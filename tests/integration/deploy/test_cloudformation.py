"""The CloudFormation template: it is valid, a stack of it can be created, and its settings are there."""

import base64
import gzip
import json
import warnings
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from entrypoints.cli.settings_report import variables
from entrypoints.settings import LimitSettings, Settings
from tests.support.certificate import self_signed

TEMPLATE = Path(__file__).parents[3] / "deploy" / "cloudformation" / "service-server.yaml"
REGION = "eu-west-1"
# Moto (5.2) takes no parameter group of the stack's own for a database, and knows no id of its resource.
_UNKNOWN_TO_MOTO = "Tried to parse .* but it's not supported by moto"
_NOT_IN_MOTO = {
    "      DBParameterGroupName: !Ref DatabaseParameters\n": "",
    "${Database.DbiResourceId}": "db-ID",
}


def test_the_template_is_valid():
    # Every process of the tests would load it, and half a second of SymPy with it.
    from cfnlint.api import lint_file  # noqa: PLC0415 - as said above
    from cfnlint.config import ManualArgs  # noqa: PLC0415 - likewise

    assert [
        str(fault) for fault in lint_file(TEMPLATE, config=ManualArgs(regions=["us-east-1", REGION]))
    ] == []


@cache
def decoded():
    """The template as an object."""
    from cfnlint.decode import decode  # noqa: PLC0415 - likewise

    template, _faults = decode(str(TEMPLATE))
    return template


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """Sessions with an account in which the stack was created."""
    with pytest.MonkeyPatch.context() as patch, mock_aws(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", _UNKNOWN_TO_MOTO)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        session = boto3.Session(region_name=REGION)
        _create(session, self_signed(tmp_path_factory.mktemp("authority") / "certificate.pem").read_bytes())
        yield session


def _create(session, certificate, name="service", **chosen):
    ec2, text = session.client("ec2"), TEMPLATE.read_text()
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for number, zone in enumerate("abab")
    ]
    ids = [subnet["Subnet"]["SubnetId"] for subnet in subnets]
    imported = session.client("acm").import_certificate(Certificate=certificate, PrivateKey=certificate)
    for unknown, known in _NOT_IN_MOTO.items():
        assert unknown in text
        text = text.replace(unknown, known)
    parameters = {
        "ApiImage": "registry.example.com/service-server:api",
        "WorkerImage": "registry.example.com/service-server:worker",
        "DomainName": "run.example.com",
        "CertificateArn": imported["CertificateArn"],
        "AlarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:alarms",
        "VpcId": vpc,
        "PublicSubnets": ",".join(ids[:2]),
        "PrivateSubnets": ",".join(ids[2:]),
        "KeepLogsDays": "30",
        **chosen,
    }
    session.client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=text,
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )


def _container(described):
    """Return the container of a task, without the gaps of AWS::NoValue, which moto leaves in lists."""
    (container,) = described["taskDefinition"]["containerDefinitions"]
    lists = {name: [one for one in container[name] if one is not None] for name in ("environment", "secrets")}
    return container | lists


def test_the_stack_is_created_whole(stack):
    (created,) = stack.client("cloudformation").describe_stacks(StackName="service")["Stacks"]

    assert created["StackStatus"] == "CREATE_COMPLETE"
    names = {
        "LoadBalancerName",
        "ClusterName",
        "MigrationTask",
        "WorkerSecurityGroup",
        "CodeBucket",
        "LogBucket",
    }
    assert {output["OutputKey"] for output in created["Outputs"]} == names


def test_a_database_can_be_migrated_before_anything_else_is_started_or_replaced(stack, tmp_path):
    # Given a stack without tasks, as it is first deployed, and a newer image for the migration
    certificate = self_signed(tmp_path / "certificate.pem").read_bytes()
    newer = "registry.example.com/service-server:newer"
    chosen = {"ApiTasks": "0", "MinWorkers": "0", "MigrationImage": newer}
    parameters = decoded()["Parameters"]
    assert [parameters[name]["MinValue"] for name in ("ApiTasks", "MinWorkers")] == [0, 0]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _UNKNOWN_TO_MOTO)
        _create(stack, certificate, "empty", **chosen)
    images = [
        _container(stack.client("ecs").describe_task_definition(taskDefinition=f"empty-{family}"))["image"]
        for family in ("api", "migration")
    ]

    # Then the migration alone has the newer image
    assert images == ["registry.example.com/service-server:api", newer]


def test_machines_have_the_profile_of_system_calls_that_sandboxes_take():
    profile = Path(__file__).parents[3] / "deploy" / "containers" / "seccomp.json"
    template = decoded()
    data = template["Resources"]["LaunchTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]
    script = data["Fn::Base64"]["Fn::Sub"]

    _before, _marker, rest = script.partition("<<'PROFILE' | gunzip > /etc/docker/seccomp.json\n")
    packed, _marker, rest = rest.partition("PROFILE\n")
    assert json.loads(gzip.decompress(base64.b64decode(packed))) == json.loads(profile.read_text())
    assert '"seccomp-profile": "/etc/docker/seccomp.json"' in rest
    # Of which Amazon takes no more.
    assert len(script.encode()) < 16_384


@pytest.mark.parametrize("bucket", ["CodeBucket", "LogBucket"])
def test_buckets_are_encrypted_and_not_public_and_are_kept(bucket):
    template = decoded()
    resource = template["Resources"][bucket]

    assert resource["DeletionPolicy"] == "Retain"
    properties = resource["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["BucketEncryption"]
    (statement,) = template["Resources"][f"{bucket}Policy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "s3:*")


@pytest.mark.parametrize("family", ["api", "worker", "migration"])
def test_tasks_have_settings_that_there_are_and_no_rights_that_they_do_not_use(stack, family):
    definition = stack.client("ecs").describe_task_definition(taskDefinition=f"service-{family}")
    container = _container(definition)
    known = {*variables(Settings), *variables(LimitSettings)}

    set_here = [one["name"] for one in (*container["environment"], *container["secrets"])]
    assert not set(set_here) - known
    assert len(set_here) == len(set(set_here))
    assert not any("PASSWORD" in one["name"] or "KEY" in one["name"] for one in container["environment"])
    assert container["readonlyRootFilesystem"]
    assert container["dockerSecurityOptions"] == ["no-new-privileges"]
    added = container["linuxParameters"]["capabilities"].get("add", [])
    assert ("SYS_ADMIN" in added) == (family == "worker")


def test_the_address_of_a_caller_is_taken_from_the_load_balancer(stack):
    definition = stack.client("ecs").describe_task_definition(taskDefinition="service-api")
    environment = {one["name"]: one["value"] for one in _container(definition)["environment"]}
    trusted = Settings(trusted_proxies=environment["SERVICE_SERVER_TRUSTED_PROXIES"]).trusted_proxies
    subnets = stack.client("ec2").describe_subnets()["Subnets"]

    ours = [subnet["CidrBlock"] for subnet in subnets if subnet["CidrBlock"].startswith("10.0.")]
    assert len(ours) >= 2
    for cidr in ours:
        assert any(ip_network(cidr).subnet_of(ip_network(network)) for network in trusted), cidr
    assert not any(ip_address("203.0.113.7") in ip_network(network) for network in trusted)


def test_uploads_and_large_responses_of_the_api_are_spooled_to_a_disk(stack):
    definition = stack.client("ecs").describe_task_definition(taskDefinition="service-api")
    container = _container(definition)

    assert "tmpfs" not in container["linuxParameters"]
    mounts = {mount["containerPath"]: mount["sourceVolume"] for mount in container["mountPoints"]}
    assert mounts == {"/tmp": "tmp", "/var/lib/service-server": "data"}  # noqa: S108 - the container's


def test_an_outage_of_the_database_does_not_make_ecs_replace_the_tasks_of_the_api():
    assert decoded()["Resources"]["ApiTargets"]["Properties"]["HealthCheckPath"] == "/health/live"


def _actions(statement):
    return statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]


def test_no_right_is_for_all_actions_and_few_are_for_all_resources():
    template = decoded()
    policies = [
        policy
        for resource in template["Resources"].values()
        if resource["Type"] in {"AWS::IAM::Role", "AWS::IAM::ManagedPolicy"}
        for policy in (*resource["Properties"].get("Policies", ()), resource["Properties"])
        if "PolicyDocument" in policy
    ]
    statements = [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]

    assert len(statements) == 8
    actions = list(map(_actions, statements))
    assert not any("*" in action for names in actions for action in names)
    of_all = [names for names, one in zip(actions, statements, strict=True) if one["Resource"] == "*"]
    put, get = ["cloudwatch:PutMetricData"], ["cloudwatch:GetMetricData"]
    assert of_all == [[*get, "cloudwatch:ListMetrics"], put, get, put]


@pytest.mark.parametrize("role", ["ApiRole", "WorkerRole"])
def test_each_process_that_may_record_the_minute_may_read_the_metrics_of_the_machines(role):
    policies = decoded()["Resources"][role]["Properties"]["Policies"]
    statements = [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]
    actions = {name for one in statements for name in _actions(one)}
    assert actions >= {"cloudwatch:GetMetricData", "cloudwatch:PutMetricData"}


def test_a_user_of_iam_may_log_in_to_the_database_and_has_no_password(stack, tmp_path):
    # Given a stack whose user of the database is one of IAM
    certificate = self_signed(tmp_path / "certificate.pem").read_bytes()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _UNKNOWN_TO_MOTO)
        _create(stack, certificate, "with-iam", DatabaseIamUser="runner")
    iam = stack.client("iam")
    (login,) = [one for one in iam.list_policies(Scope="Local")["Policies"] if "Login" in one["PolicyName"]]
    roles = iam.list_entities_for_policy(PolicyArn=login["Arn"])["PolicyRoles"]
    version = iam.get_policy_version(PolicyArn=login["Arn"], VersionId=login["DefaultVersionId"])
    tasks = [
        stack.client("ecs").describe_task_definition(taskDefinition=f"with-iam-{family}")
        for family in ("api", "worker", "migration")
    ]

    # Then the roles of all tasks may log in as that user alone
    (statement,) = version["PolicyVersion"]["Document"]["Statement"]
    assert statement["Action"] == "rds-db:connect"
    assert statement["Resource"] == f"arn:aws:rds-db:{REGION}:123456789012:dbuser:db-ID/runner"
    assert len(roles) == 2
    # And they get no password, and sign tokens for the region
    for task in tasks:
        container = _container(task)
        environment = {one["name"]: one["value"] for one in container["environment"]}
        assert environment["AWS_RDS_USERNAME"] == "runner"
        assert environment["SERVICE_SERVER_RDS_IAM_REGION"] == REGION
        assert "AWS_RDS_PASSWORD" not in {one["name"] for one in container["secrets"]}
