"""The manifest against Kubernetes' own schemas, and what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from cauce.core.errors import UserError
from cauce.schedule import Plan, manifest


def documents(name: str = "sch_ool", every_s: float = 3600.0, model: str | None = None) -> list[dict[str, Any]]:
    plan = Plan(name, Path("/srv/school"), "1h", every_s, Path("/usr/bin/python3"), model)
    return list(yaml.safe_load_all(manifest(plan, "registry.example/school:1")))


@pytest.mark.parametrize("version", ["1.29.0", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("name", ["school", "sch_ool", "a" * 63, "x" + "_" * 62])
def test_kubernetes_takes_it(version: str, name: str) -> None:
    found = documents(name)
    assert [one["kind"] for one in found] == ["PersistentVolumeClaim", "CronJob"]
    for one in found:
        kubernetes_validate.validate(one, version, strict=True)
        label = one["metadata"]["name"]
        assert len(label) <= 52, "a CronJob adds eleven characters of its own"
        assert label.strip("-") == label
        assert all(letter.isascii() and (letter.isalnum() or letter == "-") for letter in label)


def test_the_schemas_do_find_a_fault_where_there_is_one() -> None:
    _, job = documents()
    job["spec"]["concurencyPolicy"] = "Forbid"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)


def test_one_turn_at_a_time_on_a_volume_that_stays() -> None:
    claim, job = documents(model="passed")
    spec = job["spec"]
    assert (spec["concurrencyPolicy"], spec["schedule"].count(" ")) == ("Forbid", 4)
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == [
        "python", "-m", "cauce", "watch", "passed", "--once", "--quiet", "--project", "/project"
    ]  # fmt: skip
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts["state"] == "/project/.cauce"
    (volume,) = [one for one in pod["volumes"] if one["name"] == "state"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    security = container["securityContext"]
    assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True)
    assert pod["securityContext"]["runAsNonRoot"]


def test_an_image_is_text_whatever_it_is_called() -> None:
    plan = Plan("school", Path("/srv/school"), "1h", 3600.0, Path("/usr/bin/python3"))
    image = 'x"\n          hostNetwork: true #'
    (_, job) = yaml.safe_load_all(manifest(plan, image))
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert "hostNetwork" not in pod
    assert pod["containers"][0]["image"] == image


def test_what_cron_cannot_say_is_refused_here_too() -> None:
    with pytest.raises(UserError, match="cannot say"):
        documents(every_s=2700.0)
