"""`facesearch train` on synthetic people: a tower for the other commands, or clear words why there is none."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.command_line import CommandLine
from support.tiny_training import without_graph

from facesearch.cli.train import PresetChoice
from facesearch.demo import write_album
from facesearch.errors import UsageError


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Networks are compiled, and crops cut, once for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACESEARCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def drawn_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five drawn people in four photos each, one folder per person. Read it only."""
    return write_album(tmp_path_factory.mktemp("album"), 5, 4, groups=0, seed=2).directory / "people"


def test_the_presets_are_those_of_the_training_package() -> None:
    from facesearch_train.presets import PRESETS

    assert [choice.value for choice in PresetChoice] == list(PRESETS)


@without_graph()
def test_train_then_index_and_query_with_the_tower(
    drawn_people: Path, run: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facesearch_train.presets import PRESETS, SMOKE

    network = dataclasses.replace(SMOKE.network, units=(1, 1))
    monkeypatch.setitem(PRESETS, "smoke", dataclasses.replace(SMOKE, photos_per_epoch=16, network=network))
    trained = run("train", "--data", drawn_people, "--epochs", "1", "--batch", "8", "--out", tmp_path / "run")
    assert trained.code == 0, trained.err
    assert re.search(r"^tower +.*smoke-28px", trained.out, re.MULTILINE)
    assert re.search(r"epoch 1 of 1: loss \d", trained.err)
    card = json.loads((tmp_path / "run" / "tower" / "tower.json").read_text(encoding="utf-8"))
    assert card["training"]["config"]["batch_size"] == 8

    refused = run("train", "--data", drawn_people, "--out", tmp_path / "run")
    assert refused.code == 2
    assert "--resume" in refused.err
    resumed = run("train", "--resume", "--out", tmp_path / "run")
    assert resumed.code == 2
    assert "finished training (1 epochs); its tower is in" in resumed.err

    chosen = ("--tower", tmp_path / "run" / "tower", "--library", tmp_path / "library")
    assert run("index", drawn_people, *chosen).code == 0
    assert run("query", min(drawn_people.rglob("*.jpg")), *chosen).code == 0


@without_graph()
def test_smoke_with_a_teacher(
    drawn_people: Path, run: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facesearch_train.presets import PRESETS, SMOKE

    network = dataclasses.replace(SMOKE.network, units=(1, 1))
    monkeypatch.setitem(PRESETS, "smoke", dataclasses.replace(SMOKE, photos_per_epoch=16, network=network))
    names = sorted(path.relative_to(drawn_people).as_posix() for path in drawn_people.rglob("*.jpg"))
    places = np.repeat(np.eye(5), 4, axis=0) * 0.6 + np.random.default_rng(0).normal(0, 0.05, (20, 5))
    np.savez(tmp_path / "teacher.npz", paths=names, embeddings=places)
    chosen = ("--data", drawn_people, "--epochs", "1", "--batch", "8", "--out", tmp_path / "run")
    missing = run("train", *chosen, "--teacher", tmp_path / "none.npz")
    assert (missing.code, missing.out) == (6, "")
    assert "none.npz cannot be read as a teacher" in missing.err
    unknown = run("train", *chosen, "--cohort-groups", tmp_path / "groups.csv")
    assert unknown.code == 2
    assert "--cohort-groups needs --cohort" in unknown.err
    blind = run("train", *chosen, "--same-view")
    assert blind.code == 2
    assert "--same-view needs --teacher" in blind.err
    trained = run("train", *chosen, "--teacher", tmp_path / "teacher.npz")
    assert trained.code == 0, trained.err
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert config["stages"][0]["lessons"]["relations"] > 0
    assert not config["stages"][0]["lessons"]["same_view"]
    if importlib.util.find_spec("face_recognition_models"):
        seen = ("--out", tmp_path / "seen", "--teacher", tmp_path / "teacher.npz", "--same-view")
        trained = run("train", *chosen[:-2], *seen)
        assert trained.code == 0, trained.err
        config = json.loads((tmp_path / "seen" / "config.json").read_text(encoding="utf-8"))
        assert config["stages"][0]["lessons"]["same_view"]
    alone = run("train", "--preset", "teach", "--data", drawn_people, "--out", tmp_path / "other")
    assert alone.code == 2
    assert "--teacher" in alone.err


def test_data_that_cannot_be_trained_on_is_exit_code_6(run: CommandLine, tmp_path: Path) -> None:
    people = write_album(tmp_path / "album", 1, 2, seed=1, groups=0).directory / "people"
    (tmp_path / "empty").mkdir()
    for folder in (people, tmp_path / "empty", tmp_path / "missing"):
        ran = run("train", "--data", folder, "--out", tmp_path / "run")
        assert (folder, ran.code, ran.out) == (folder, 6, "")
        assert "Traceback" not in ran.err
        assert not (tmp_path / "run").exists()


def test_nothing_but_the_programs_own_words_is_said(tmp_path: Path) -> None:
    """In a process of its own, because TensorFlow speaks when it is loaded."""
    program = "from facesearch.cli import main; main()"
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-c", program, "train", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (ran.returncode, ran.stdout) == (6, "")
    assert re.fullmatch(r"facesearch: .+ holds no training photos\. .+\n", ran.stderr)


def test_resume_needs_a_run_and_takes_no_other_order(run: CommandLine, tmp_path: Path) -> None:
    for arguments in (
        ["--resume"],
        ["--resume", "--out", tmp_path / "none"],
        ["--resume", "--out", tmp_path / "none", "--epochs", "3"],
        ["--resume", "--out", tmp_path / "none", "--data", tmp_path],
    ):
        ran = run("train", *arguments)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("facesearch: ")


def test_overrides_change_the_last_stage_and_nothing_else() -> None:
    from facesearch_train.overrides import Overrides
    from facesearch_train.presets import FULL, SEED

    untouched = Overrides().applied_to(FULL)
    assert [untouched.stages[-1].schedule.rate(epoch) for epoch in range(10)] == [
        FULL.stages[-1].schedule.rate(epoch) for epoch in range(10)
    ]
    last = FULL.stages[-1]
    changed = Overrides(epochs=2 * last.epochs, max_rate=1e-5, batch_size=16, seed=9).applied_to(FULL)
    assert changed.stages[0] == FULL.stages[0]
    assert changed.batch_sizes == (16,) * len(FULL.stages)
    assert changed.stages[-1].epochs == 2 * last.epochs
    share = 1e-5 / last.schedule.max_rate
    for epoch in range(last.epochs):  # the same curve, twice as long
        assert changed.stages[-1].schedule.rate(2 * epoch) == pytest.approx(share * last.schedule.rate(epoch))
    assert (changed.batch_size, changed.seed, changed.memory) == (16, 9, FULL.memory)
    assert untouched.batch_sizes == FULL.batch_sizes
    # A schedule of many cycles keeps the length of its cycles.
    assert Overrides(epochs=6).applied_to(SEED).stages[0].schedule == SEED.stages[0].schedule
    with pytest.raises(UsageError, match="max_rate"):
        Overrides(max_rate=-1.0).applied_to(SEED)


def test_only_the_last_stages_can_be_run() -> None:
    from facesearch_train.overrides import Overrides
    from facesearch_train.presets import FULL

    for count in (1, 2):
        kept = Overrides(stages=count).applied_to(FULL)
        assert [stage.input_size_px for stage in kept.stages] == [stage.input_size_px for stage in FULL.stages[-count:]]
        assert kept.epochs == sum(stage.epochs for stage in FULL.stages[-count:])
    with pytest.raises(UsageError, match=f"has {len(FULL.stages)} stages, not 99"):
        Overrides(stages=99).applied_to(FULL)


def test_check_reports_faults_changes_nothing_and_trains_nothing(run: CommandLine, tmp_path: Path) -> None:
    people = write_album(tmp_path / "album", 3, 3, groups=0, seed=2).directory / "people"
    first, second = sorted(people.iterdir())[:2]
    copy = second / "copy.jpg"
    copy.write_bytes(min(first.iterdir()).read_bytes())
    before = sorted(path for path in tmp_path.rglob("*") if "cache" not in path.parts)
    ran = run("train", "--check", people)
    assert ran.code == 0, ran.err
    assert re.search(r"^files filed under several people: 1 ", ran.out, re.MULTILINE)
    assert "copy.jpg" in ran.out
    assert sorted(path for path in tmp_path.rglob("*") if "cache" not in path.parts) == before
    found = json.loads(run("train", "--check", people, "--json").out)
    assert [photo["path"] for photo in found["equal_across_people"][0]["photos"]] == [
        str(min(first.iterdir())),
        str(copy),
    ]
    assert (found["photos"], found["people"], found["unreadable"]) == (10, 3, [])


def test_check_goes_with_nothing_else_and_refuses_what_training_refuses(run: CommandLine, tmp_path: Path) -> None:
    for arguments in (["--check", tmp_path, "--epochs", "3"], ["--check", tmp_path, "--data", tmp_path], ["--json"]):
        assert run("train", *arguments).code == 2
    for folder in (tmp_path, tmp_path / "missing"):
        ran = run("train", "--check", folder)
        assert (ran.code, ran.out) == (6, "")
