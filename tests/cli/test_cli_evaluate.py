"""`facesearch evaluate` on drawn people: its figures against distances worked out from the same tower."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from support.command_line import CommandLine
from support.documents import documented_keys
from support.small_tower import write_small_tower

from facesearch.demo import write_album
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.cohort import Cohort
from facesearch.library import Library, recorded_precision
from facesearch.tuning.judging import gather_evidence, judge_library
from facesearch.vision.detector.detector import load_detector
from facesearch.vision.tower.tower import Tower, read_card, usable_precision, write_card
from facesearch_train.data.crops import prepare_crops
from facesearch_train.data.datasets import read_dataset


@pytest.fixture(scope="module")
def labelled_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four drawn people in three photos each, one folder per person."""
    return write_album(tmp_path_factory.mktemp("album"), 4, 3, groups=0, seed=5).directory / "people"


@pytest.fixture(autouse=True)
def shared_cache(monkeypatch: pytest.MonkeyPatch, labelled_people: Path) -> None:
    monkeypatch.setenv("FACESEARCH_CACHE", str(labelled_people.parents[1] / "cache"))


def test_all_pairs_of_a_folder_a_person(run: CommandLine, labelled_people: Path, tower: Path) -> None:
    ran = run("evaluate", "--data", labelled_people, "--tower", tower, "--threshold", "0.05", "--json")
    assert ran.code == 0, ran.err
    figures = json.loads(ran.out)
    crops = prepare_crops(read_dataset(labelled_people))
    embeddings = Tower.load(tower, device="cpu").embed(np.asarray(crops.crops)).astype(np.float64)
    genuine, impostor = [], []
    for row in range(len(crops)):
        for other in range(row):
            same = crops.identities[row] == crops.identities[other]
            (genuine if same else impostor).append(float(np.linalg.norm(embeddings[row] - embeddings[other])))
    assert (figures["genuine_pairs"], figures["impostor_pairs"]) == (len(genuine), len(impostor))
    assert figures["genuine_distance"] == pytest.approx(np.mean(genuine), rel=1e-3)
    right = sum(distance <= 0.05 for distance in genuine) + sum(distance > 0.05 for distance in impostor)
    assert figures["accuracy_at_threshold"] == pytest.approx(right / (len(genuine) + len(impostor)))


def test_a_list_of_pairs_fold_by_fold(run: CommandLine, labelled_people: Path, tower: Path, tmp_path: Path) -> None:
    names = sorted(folder.name for folder in labelled_people.iterdir())
    lfw = tmp_path / "lfw"
    for name in names:
        person = name.replace(" ", "_")
        (lfw / person).mkdir(parents=True)
        for number, photo in enumerate(sorted((labelled_people / name).iterdir()), start=1):
            (lfw / person / f"{person}_{number:04d}.jpg").write_bytes(photo.read_bytes())
    a, b, c, d = (name.replace(" ", "_") for name in names)
    folds = [
        f"{a}\t1\t2\n{b}\t1\t3\n{a}\t1\t{c}\t1\n{b}\t2\t{d}\t1",
        f"{c}\t1\t2\n{d}\t2\t3\n{c}\t1\t{a}\t3\n{d}\t2\t{b}\t3",
    ]
    (lfw / "pairs.txt").write_text("2\t2\n" + "\n".join(folds) + "\n")
    ran = run("evaluate", "--protocol", "lfw", "--data", lfw, "--tower", tower)
    assert ran.code == 0, ran.err
    assert "4 genuine and 4 impostor pairs of 11 photos" in ran.out
    assert "over 2 folds" in ran.out
    only = json.loads(
        run("evaluate", "--protocol", "lfw", "--data", lfw, "--tower", tower, "--fold", "2", "--json").out
    )
    assert only["genuine_pairs"] == 2
    refused = run("evaluate", "--protocol", "lfw", "--data", lfw, "--tower", tower, "--fold", "3")
    assert refused.code == 2
    assert "no fold 3" in refused.err


def test_without_photos_the_exit_code_is_6(run: CommandLine, tmp_path: Path, tower: Path) -> None:
    assert run("evaluate", "--data", tmp_path, "--tower", tower).code == 6


@pytest.fixture
def portrait_library(run: CommandLine, labelled_people: Path, tower: Path, tmp_path: Path) -> Path:
    """A library of copies of the portraits, named after their folders, and of one photo of nobody known."""
    photos = Path(shutil.copytree(labelled_people, tmp_path / "photos"))
    stranger = write_album(tmp_path / "other", 1, 1, groups=0, seed=9).directory / "people"
    shutil.copy(next(stranger.rglob("*.jpg")), tmp_path / "stranger.jpg")
    folder = tmp_path / "library"
    for arguments in ([photos, "--people-from-folders"], [tmp_path / "stranger.jpg"]):
        ran = run("index", *arguments, "--library", folder, "--tower", tower)
        assert ran.code == 0, ran.err
    return folder


def test_the_named_people_of_a_library_need_no_photo(
    run: CommandLine, portrait_library: Path, tower: Path, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "photos")
    ran = run("evaluate", "--library", portrait_library, "--tower", tower, "--threshold", "0.05", "--json")
    assert ran.code == 0, ran.err
    figures = json.loads(ran.out)
    with Library.open(portrait_library) as opened:
        ids, embeddings = opened.catalog.embeddings()
        stored = opened.catalog.faces(ids.tolist())
    named = [(stored[face].name, embedding) for face, embedding in zip(ids.tolist(), embeddings, strict=True)]
    assert any(name is None for name, _ in named)
    named = [(name, embedding) for name, embedding in named if name is not None]
    genuine, impostor = [], []
    for (name, embedding), (other, another) in combinations(named, 2):
        (genuine if name == other else impostor).append(float(np.linalg.norm(embedding - another)))
    assert (figures["protocol"], figures["photos"]) == ("library", len(named))
    assert (figures["genuine_pairs"], figures["impostor_pairs"]) == (len(genuine), len(impostor))
    assert figures["impostor_distance"] == pytest.approx(np.mean(impostor), rel=1e-3)
    right = sum(distance <= 0.05 for distance in genuine) / len(genuine)
    right += sum(distance > 0.05 for distance in impostor) / len(impostor)
    assert figures["balanced_at_threshold"] == pytest.approx(right / 2, abs=1e-3)
    report = tmp_path / "report"
    assert run("evaluate", "--library", portrait_library, "--tower", tower, "--report", report).code == 0
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "because their photos are gone" in page
    assert "jpeg;base64" not in page
    assert re.search(r"<figure><b>\d\.\d{3}</b><span class=\"missing\"", page)


def test_a_librarys_report_shows_the_crops_that_were_embedded(
    portrait_library: Path, labelled_people: Path, tower: Path, tmp_path: Path
) -> None:
    with Library.open(portrait_library) as opened:
        judged = judge_library(opened)
        (tmp_path / "photos" / judged.faces.names[0] / "0001.jpg").write_bytes(b"another photo")
        evidence = gather_evidence(opened, judged, load_detector())
    changed = f"{judged.faces.names[0]}, 0001.jpg"
    shown = {evidence.captions[row] for row in evidence.crops}
    assert changed in evidence.captions.values() and changed not in shown
    assert len(shown) == len(judged.faces.names) - 1
    assert "1 of" in evidence.notes[0]
    rows = sorted(evidence.crops)
    as_indexed = Tower.load(tower, device="cpu", precision=usable_precision(recorded_precision(portrait_library)))
    again = as_indexed.embed(np.stack([evidence.crops[row] for row in rows]))
    np.testing.assert_allclose(again, judged.faces.embeddings[rows], atol=1e-4)


def test_a_library_is_judged_only_with_its_tower_and_with_names(
    run: CommandLine, portrait_library: Path, labelled_people: Path, tower: Path, tmp_path: Path
) -> None:
    other = write_small_tower(tmp_path / "other-tower", seed=8)
    refused = run("evaluate", "--library", portrait_library, "--tower", other)
    assert refused.code == 5
    assert "--tower" in refused.err
    nameless = tmp_path / "nameless"
    assert run("index", labelled_people, "--library", nameless, "--tower", tower).code == 0
    refused = run("evaluate", "--library", nameless, "--tower", tower)
    assert refused.code == 4
    assert "name two people" in refused.err


@pytest.mark.parametrize(
    "arguments", [[], ["--data", "x", "--library", "y"], ["--library", "y", "--fold", "1"], ["--report", "z"]]
)
def test_options_that_do_not_go_together_are_refused(run: CommandLine, arguments: list[str]) -> None:
    assert run("evaluate", *arguments).code == 2


def test_the_report_of_labelled_photos(run: CommandLine, labelled_people: Path, tower: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    ran = run("evaluate", "--data", labelled_people, "--tower", tower, "--report", report)
    assert ran.code == 0, ran.err
    assert f"report            {report / 'report.html'}" in ran.out
    assert "distance 1        1.000: " in ran.out
    page = (report / "report.html").read_text(encoding="utf-8")
    for head in ("ROC", "Distances", "Calibration", "Pairs of one person", "How far a face moves from itself"):
        assert f"<h2>{head}</h2>" in page
    assert page.count("jpeg;base64") > 40
    taken = run("evaluate", "--data", labelled_people, "--tower", tower, "--report", labelled_people)
    assert taken.code == 2


@pytest.fixture
def with_cohort(tower: Path, tmp_path: Path) -> Path:
    """The tower, its card with a cohort near where faces lie."""
    folder = Path(shutil.copytree(tower, tmp_path / "with_cohort"))
    places = Tower.load(folder, device="cpu").embed(np.full((1, 112, 112, 3), 128, np.uint8))
    centres = places + np.random.default_rng(6).normal(scale=0.1, size=(12, 32)).astype(np.float32)
    cohort = Cohort(centres, 3, 0.5, 0.2)
    write_card(folder, dataclasses.replace(read_card(folder), cohort=cohort.to_card()))
    return folder


def test_a_tower_with_a_cohort_is_judged_by_judged_and_by_plain_distances(
    run: CommandLine, labelled_people: Path, tower: Path, with_cohort: Path
) -> None:
    ran = run("evaluate", "--data", labelled_people, "--tower", with_cohort, "--json")
    assert ran.code == 0, ran.err
    both = json.loads(ran.out)
    alone = json.loads(run("evaluate", "--data", labelled_people, "--tower", tower, "--json").out)
    assert alone["judged"] is None
    judged = both.pop("judged")
    assert both == {key: value for key, value in alone.items() if key != "judged"}
    crops = prepare_crops(read_dataset(labelled_people))
    loaded = Tower.load(with_cohort, device="cpu")
    places = loaded.embed(np.asarray(crops.crops))
    scales = loaded.local_scale(places).astype(np.float64)
    apart = [
        math.dist(places[row], places[other]) / ((scales[row] + scales[other]) / 2)
        for row, other in combinations(range(len(crops)), 2)
        if crops.identities[row] != crops.identities[other]
    ]
    assert judged["impostor_distance"] == pytest.approx(np.mean(apart), rel=1e-4)
    assert judged["threshold"] == 0.2
    listed = run("evaluate", "--data", labelled_people, "--tower", with_cohort).out
    assert "by judged distances (with the tower's cohort):" in listed


def test_false_matches_and_misses_by_group(
    run: CommandLine, labelled_people: Path, with_cohort: Path, tmp_path: Path
) -> None:
    names = sorted(folder.name for folder in labelled_people.iterdir())
    lines = [
        f"{name}/{photo.name},{'first' if name in names[:2] else 'second'}"
        for name in names
        for photo in sorted((labelled_people / name).iterdir())
    ]
    groups = tmp_path / "groups.csv"
    groups.write_text("photo,group\n" + "\n".join([*lines, lines[0].replace("first", "third")]) + "\n")
    ran = run(
        "evaluate",
        "--data",
        labelled_people,
        "--groups",
        groups,
        "--tower",
        with_cohort,
        "--threshold",
        "0.15",
        "--json",
    )
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert set(found) == {"judged", "plain"}
    documented = documented_keys("evaluate --groups")
    listed = {key.removeprefix("plain.").split(".")[0].removesuffix("[]") for key in documented}
    assert set(found["plain"]) == set(found["judged"]) == listed - {"judged", "plain"} | {"judged"}
    assert {f"plain.groups[].{part}" for part in ("false_matches", "misses")} <= documented
    assert [each["group"] for each in found["judged"]["groups"]] == ["first", "second", "third"]
    crops = prepare_crops(read_dataset(labelled_people))
    loaded = Tower.load(with_cohort, device="cpu")
    places = loaded.embed(np.asarray(crops.crops))
    scales = loaded.local_scale(places).astype(np.float64)
    for group, members in zip(found["judged"]["groups"], (names[:2], names[2:]), strict=False):
        passed: dict[bool, list[bool]] = {True: [], False: []}
        rows = [row for row in range(len(crops)) if crops.identities[row] in members]
        for row, other in combinations(rows, 2):
            judged = math.dist(places[row], places[other]) / ((scales[row] + scales[other]) / 2)
            passed[crops.identities[row] == crops.identities[other]].append(judged <= 0.15)
        assert group["false_matches"]["share"] == pytest.approx(np.mean(passed[False]))
        assert group["misses"]["share"] == pytest.approx(1 - np.mean(passed[True]))
    assert found["judged"]["groups"][2]["false_matches"] is None
    report = tmp_path / "report"
    shown = run("evaluate", "--data", labelled_people, "--groups", groups, "--tower", with_cohort, "--report", report)
    assert shown.code == 0, shown.err
    assert "worst to best" in shown.out or "second" in shown.out
    assert "png;base64" in (report / "report.html").read_text(encoding="utf-8")
    plain = json.loads(
        run("evaluate", "--data", labelled_people, "--groups", groups, "--tower", with_cohort, "--json").out
    )
    assert plain["plain"]["threshold"] == read_card(with_cohort).threshold


def test_a_list_of_groups_that_does_not_fit_is_exit_code_6(
    run: CommandLine, labelled_people: Path, tower: Path, tmp_path: Path
) -> None:
    for text, wrong in (("nowhere.jpg,one", "names are not in"), ("a.jpg", "line 2"), ("", "lists no photo")):
        (tmp_path / "groups.csv").write_text(f"photo,group\n{text}\n")
        ran = run("evaluate", "--data", labelled_people, "--groups", tmp_path / "groups.csv", "--tower", tower)
        assert ran.code == 6
        assert wrong in ran.err
    assert run("evaluate", "--library", tmp_path, "--groups", tmp_path / "groups.csv").code == 2


def test_json_has_the_documented_keys(run: CommandLine, labelled_people: Path, tower: Path, tmp_path: Path) -> None:
    calibrated = Path(shutil.copytree(tower, tmp_path / "calibrated"))
    calibration = Calibration((0.0, 1.0), (2.0, -2.0)).to_card()
    write_card(calibrated, dataclasses.replace(read_card(calibrated), calibration=calibration))
    figures = json.loads(run("evaluate", "--data", labelled_people, "--tower", calibrated, "--json").out)
    page = (Path(__file__).parents[2] / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    section = page.split("## `facesearch evaluate ")[1].split("\n## ")[0]
    keys = {key for row in re.findall(r"^\| (`.+?) \|", section, re.MULTILINE) for key in re.findall(r"`([^`]+)`", row)}
    assert set(figures) == keys
    assert 0 < figures["calibration_error"] < 1
    assert set(figures["identification"]) == {"people", "rank_1", "rank_5", "photos_not_found"}
    assert set(figures["balanced"]) == {"distance", "accuracy"}


def test_the_precisions_script_compares_with_the_figures_of_evaluate(
    run: CommandLine, labelled_people: Path, tower: Path
) -> None:
    script = Path(__file__).parents[2] / "scripts" / "eval_precision.py"
    command = [sys.executable, str(script), "--data", str(labelled_people), "--tower", str(tower), "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    measured = json.loads(ran.stdout)
    figures = json.loads(run("evaluate", "--data", labelled_people, "--tower", tower, "--json").out)
    assert list(measured) == ["f32", "bf16", "int8"]
    assert measured["f32"]["figures"]["AUC"] == pytest.approx(figures["auc"], abs=1e-3)
    assert measured["f32"]["convolutions"] == {"f32": 1}
    for precision in measured.values():
        assert precision["figures"].keys() == measured["f32"]["figures"].keys()
        assert precision["figures"]["AUC"] == pytest.approx(figures["auc"], abs=0.1)
