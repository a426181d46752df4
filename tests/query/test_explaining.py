"""Why a face is near to a person: the heat map, the pairs around a distance, and the sentences about them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from support.command_line import CommandLine
from support.documents import documented_keys, keys_of
from support.tiles import MODELS, THRESHOLD, ColourTower, TileDetector, draw

from facesearch.demo import write_album
from facesearch.errors import LibraryError, UsageError
from facesearch.evaluation.calibration import Calibration
from facesearch.evaluation.places import Places
from facesearch.indexing import IndexOptions, index_photos
from facesearch.library import Library
from facesearch.library.space import Space
from facesearch.library.spaces import Spaces
from facesearch.pages.explanation import render_explanation
from facesearch.query import QueryOptions, ask, probe_photo
from facesearch.query.why import Explanation, Patches, WhyOptions, asked_about, explain, rivalry, standing, verdict
from facesearch.query.why.heat import AWAY, NEARER, PICTURE_PX, REGIONS, by_region, draw_heat
from facesearch.query.why.named_pairs import pairs_around
from facesearch.query.why.occlusion import MOST_COVERED, occlude
from facesearch.records import Floats, Pixels
from facesearch.text import percent

RED, DARK_RED, GREEN, BLUE = (200, 0, 0), (180, 0, 0), (0, 200, 0), (0, 0, 150)


def looks_at(left: int, top: int, right: int, bottom: int, sign: float = 1.0) -> object:
    """A tower that sees one region of a crop and nothing else: how bright it is."""

    def embed(crops: Pixels) -> Places:
        found = np.zeros((len(crops), 32), np.float32)
        found[:, 0] = sign * crops[:, top:bottom, left:right].mean(axis=(1, 2, 3)) / 255
        return Places.plain(found)

    return embed


@pytest.fixture(scope="module")
def crop() -> Pixels:
    """A dark picture with a bright left eye."""
    pixels = np.full((112, 112, 3), 60, np.uint8)
    left, top, right, bottom = REGIONS["left eye"]
    pixels[top:bottom, left:right] = 250
    return pixels


@pytest.mark.parametrize("fill", ["mean", "blur"])
def test_the_map_lights_up_where_the_tower_looks_and_nowhere_else(crop: Pixels, fill: str) -> None:
    region = REGIONS["left eye"]
    embed = looks_at(*region)
    patches = Patches(16, 4, fill)  # type: ignore[arg-type]
    found = occlude(crop, embed, embed(crop[None]), patches)  # type: ignore[arg-type, operator]
    assert found.distances.tolist() == [0.0]
    left, top, right, bottom = region
    for row, y in enumerate(patches.starts_px):
        for column, x in enumerate(patches.starts_px):
            touches = x < right and x + 16 > left and y < bottom and y + 16 > top
            assert touches or found.changes[0, row, column] == 0
    heat = found.by_pixel(0)
    hottest = np.unravel_index(heat.argmax(), heat.shape)
    assert top <= hottest[0] < bottom
    assert left <= hottest[1] < right
    parts = by_region(heat)
    assert max(parts, key=lambda part: parts[part]) == "left eye"
    assert parts["right side"] == parts["mouth"] == 0


def test_what_speaks_against_is_told_from_what_speaks_for(crop: Pixels) -> None:
    embed = looks_at(*REGIONS["left eye"])
    dark = np.zeros((1, 32), np.float32)  # somebody whose eye is dark: covering the bright one moves nearer
    references = Places.plain(np.concatenate([dark, embed(crop[None]).points]))  # type: ignore[operator]
    found = occlude(crop, embed, references, Patches(16, 8, "mean"))  # type: ignore[arg-type]
    assert found.changes[0].min() < -0.05
    assert found.changes[0].max() == pytest.approx(0, abs=1e-6)
    assert found.changes[1].max() > 0.05
    assert found.changes[1].min() == 0


def test_a_map_is_what_a_naive_loop_finds() -> None:
    rng = np.random.default_rng(3)
    crop = rng.integers(0, 256, (112, 112, 3), dtype=np.uint8)
    weights = rng.normal(size=(112 * 112 * 3, 32)) / 1e4

    def embed(crops: Pixels) -> Floats:
        assert len(crops) <= 64
        return np.asarray(crops.reshape(len(crops), -1) @ weights, np.float32)

    reference = np.asarray(rng.normal(size=(2, 32)), np.float32)
    patches = Patches(30, 20, "mean")
    assert patches.starts_px == [0, 20, 40, 60, 80, 82]
    found = occlude(crop, lambda crops: Places.plain(embed(crops)), Places.plain(reference), patches)
    total, count = np.zeros((112, 112)), np.zeros((112, 112))
    for row, top in enumerate(patches.starts_px):
        for column, left in enumerate(patches.starts_px):
            covered = crop.copy()
            covered[top : top + 30, left : left + 30] = np.rint(crop.mean(axis=(0, 1)))
            far = [np.linalg.norm(embed(one[None])[0] - reference[1]) for one in (covered, crop)]
            assert found.changes[1, row, column] == pytest.approx(far[0] - far[1], abs=1e-5)
            total[top : top + 30, left : left + 30] += far[0] - far[1]
            count[top : top + 30, left : left + 30] += 1
    np.testing.assert_allclose(found.by_pixel(1), total / count, atol=1e-5)


@pytest.mark.parametrize(
    ("side", "stride", "said"),
    [(0, 1, "does not fit"), (113, 1, "fit"), (10, 11, "gaps"), (10, 0, "never"), (8, 1, "limit")],
)
def test_patches_that_make_no_sense_are_refused(side: int, stride: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Patches(side, stride)
    assert len(Patches().starts_px) ** 2 <= MOST_COVERED


def test_the_colours_say_which_way(crop: Pixels) -> None:
    heat = np.zeros((112, 112))
    heat[:30, :30], heat[-30:, -30:] = 0.2, -0.2
    drawn = draw_heat(crop, heat, 0.2).astype(int)
    assert drawn.shape == (PICTURE_PX, PICTURE_PX, 3)
    assert np.abs(drawn[30, 30] - AWAY).max() < 50
    assert np.abs(drawn[-30, -30] - NEARER).max() < 50
    plain = drawn[PICTURE_PX - 60, 60]
    assert plain.max() - plain.min() <= 2  # grey


def why(
    library: Library,
    photo: Path,
    person: str | None = None,
    face: int = 1,
    *,
    tower: ColourTower | None = None,
    query: QueryOptions | None = None,
) -> Explanation:
    tower = tower or ColourTower()
    options = WhyOptions(person, face, query or QueryOptions())
    return explain(library, probe_photo(photo, TileDetector(), tower), tower, options)


@pytest.fixture
def two_people_library(tmp_path: Path) -> Iterator[Library]:
    """Ann (two reds), Bea (two greens), and a blue nobody."""
    for folder, colours in {"Ann": (RED, DARK_RED), "Bea": (GREEN, (0, 180, 0))}.items():
        for number, colour in enumerate(colours):
            draw(tmp_path / "photos" / folder / f"{number}.png", colour)
    draw(tmp_path / "loose" / "<blue>.png", BLUE)
    with Library.create(tmp_path / "library", MODELS) as library:
        index_photos(
            library, [tmp_path / "photos"], TileDetector(), ColourTower(), IndexOptions(people_from_folders=True)
        )
        index_photos(library, [tmp_path / "loose"], TileDetector(), ColourTower())
    with Library.open(tmp_path / "library", MODELS) as library:
        yield library


def test_the_nearest_person_the_runner_up_and_the_margin(two_people_library: Library, tmp_path: Path) -> None:
    probe = draw(tmp_path / "probe.png", GREEN, (205, 0, 0))
    found = why(two_people_library, probe, face=2)
    assert (found.person.name, found.person.face_id, found.person.rank) == ("Ann", 1, 1)
    assert found.person.distance == pytest.approx(5 / 255, abs=1e-4)
    assert found.runner_up is not None
    assert (found.runner_up.person_id, found.runner_up.face_id) == (None, 5)  # the blue one is a little nearer than Bea
    assert found.margin == pytest.approx(found.runner_up.distance - found.person.distance)
    assert [near.face_id for near in found.nearest[:2]] == [1, 2]
    assert found.occlusion.distances[0] == pytest.approx(found.person.distance, abs=1e-5)
    assert found.occlusion.distances[1] == pytest.approx(found.runner_up.distance, abs=1e-5)
    assert verdict(found) == "face 2: Ann (distance 0.020)"
    assert asked_about(found) == "Ann: distance 0.020 to the nearest face, rank 1."
    assert "farther away" in rivalry(found)
    assert "Too few faces have a name" in standing(found)


def test_it_says_how_likely_that_is_in_the_numbers_of_the_query(two_people_library: Library, tmp_path: Path) -> None:
    tower = ColourTower(Calibration((0.0, 0.4), (6.0, -6.0)).to_card())
    probe = draw(tmp_path / "probe.png", GREEN, (205, 0, 0))
    for prior in (0.5, 0.9):
        face = ask(two_people_library, probe_photo(probe, TileDetector(), tower), QueryOptions(prior=prior)).faces[1]
        for asked in (None, "Ann", "Bea"):
            found = why(two_people_library, probe, asked, face=2, query=QueryOptions(prior=prior), tower=tower)
            match = next(each for each in face.people if each.name == (asked or "Ann"))
            same = (match.rank, match.posterior, match.person_distance, match.probability)
            person = found.person
            assert (person.rank, person.posterior, person.person_distance, person.probability) == same
            assert f"probability {percent(match.posterior or 0.0, 1)}, rank {match.rank}." in asked_about(found)
            assert face.verdict is not None
            assert verdict(found) == f"face 2: {face.verdict.text}"
    told = found.to_json()
    assert (told["nobody"], told["is_nobody"]) == (face.nobody, face.is_nobody)
    assert (told["posterior_margin"], told["set_apart"]) == (face.margin, False)
    page = render_explanation(found, two_people_library)
    assert verdict(found) in page
    assert told["verdict"] == face.verdict
    stranger = draw(tmp_path / "stranger.png", (60, 60, 60))
    assert verdict(why(two_people_library, stranger, tower=tower)).startswith("face 1: not in this library (")
    assert "probability" not in asked_about(why(two_people_library, probe))


def test_a_face_that_is_itself_in_the_library_is_said_to_be(two_people_library: Library, tmp_path: Path) -> None:
    own = why(two_people_library, tmp_path / "photos" / "Ann" / "0.png")
    assert own.same_photo
    assert "on this very photo" in render_explanation(own, two_people_library)
    copy = draw(tmp_path / "copy.bmp", RED)  # the same face from another file
    other = why(two_people_library, copy)
    assert not other.same_photo
    assert "on this very photo" not in render_explanation(other, two_people_library)


def test_somebody_else_can_be_asked_about(two_people_library: Library, tmp_path: Path) -> None:
    probe = draw(tmp_path / "probe.png", RED)
    found = why(two_people_library, probe, "Bea")
    assert (found.person.name, found.person.same_person) == ("Bea", False)
    assert found.runner_up is not None
    assert found.runner_up.name == "Ann"
    assert found.margin is not None
    assert found.margin < 0
    assert "Ann at 0.000 is nearer" in rivalry(found)
    assert why(two_people_library, probe, "#2").person == found.person
    with pytest.raises(UsageError, match="Zoe"):
        why(two_people_library, probe, "Zoe")
    with pytest.raises(UsageError, match=r"has no face 2: it has 1"):
        why(two_people_library, probe, face=2)


def test_somebody_who_is_far_behind_all_others_is_explained_too(
    two_people_library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    from facesearch.query.why import explanation

    monkeypatch.setattr(explanation, "_PEOPLE_TO_LOOK_THROUGH", 2)
    found = why(two_people_library, draw(tmp_path / "probe.png", RED), "Bea", query=QueryOptions(k=1))
    assert (found.person.rank, found.person.probability) == (None, None)
    expected = min(np.linalg.norm(np.subtract(RED, green)) / 255 for green in (GREEN, (0, 180, 0)))
    assert found.person.distance == pytest.approx(expected, abs=1e-4)
    assert "not among the nearest people" in asked_about(found)


def test_an_empty_library_has_nobody_to_be_near_to(tmp_path: Path) -> None:
    with (
        Library.create(tmp_path / "empty", MODELS) as library,
        pytest.raises(LibraryError, match="no faces to compare with"),
    ):
        why(library, draw(tmp_path / "probe.png", RED))


def test_a_taught_space_is_the_one_that_is_explained(
    two_people_library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = Space(np.eye(32, dtype=np.float32) * 3)
    monkeypatch.setattr(Spaces, "current", lambda self: space)
    probe = draw(tmp_path / "probe.png", (210, 0, 0))
    with two_people_library.snapshot():
        around = pairs_around(two_people_library, 0.1)
    found = why(two_people_library, probe, "Ann")
    assert around is None
    assert found.occlusion.distances[0] == pytest.approx(3 * 10 / 255, abs=1e-3)


def test_pairs_around_a_distance_are_counted_as_by_a_naive_loop(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    photos, colours = tmp_path / "photos", []
    for person in range(8):
        base = rng.integers(20, 200, 3)
        for number in range(5):
            colour = tuple(int(value) for value in np.clip(base + rng.integers(-20, 20, 3), 0, 254))
            colours.append((person, colour))
            draw(photos / f"P{person}" / f"{number}.png", colour)  # type: ignore[arg-type]
    with Library.create(tmp_path / "library", MODELS) as library:
        index_photos(library, [photos], TileDetector(), ColourTower(), IndexOptions(people_from_folders=True))
        draw(tmp_path / "loose" / "x.png", RED)
        index_photos(library, [tmp_path / "loose"], TileDetector(), ColourTower())  # without a person: in no pair
        with library.snapshot():
            found = pairs_around(library, 0.15)
    assert found is not None
    pairs = [
        (one[0] == other[0], float(np.linalg.norm(np.subtract(one[1], other[1]) / 255)))
        for one, other in combinations(colours, 2)
    ]
    genuine, impostor = ([distance for kind, distance in pairs if kind is wanted] for wanted in (True, False))
    assert (found.people, found.faces) == (8, 40)
    assert (found.genuine_pairs, found.impostor_pairs) == (len(genuine), len(impostor)) == (80, 700)
    assert found.genuine_farther == pytest.approx(np.mean(np.array(genuine) > 0.15), abs=0.02)
    assert found.impostor_nearer == pytest.approx(np.mean(np.array(impostor) <= 0.15), abs=0.002)
    assert (sum(found.genuine), sum(found.impostor)) == (80, 700)
    middle = np.average((np.array(found.edges)[1:] + np.array(found.edges)[:-1]) / 2, weights=found.genuine)
    assert middle == pytest.approx(np.mean(genuine), abs=0.02)


def test_the_page_shows_what_was_found(two_people_library: Library, tmp_path: Path) -> None:
    probe = draw(tmp_path / "probe <x>.png", (205, 0, 0))
    found = why(two_people_library, probe)
    page = render_explanation(found, two_people_library)
    for said in (
        "Why Ann?",
        "distance to <b>Ann</b>",
        "distance to <b>face #5</b>",
        "&lt;blue&gt;.png",
        "probe &lt;x&gt;.png",
    ):
        assert said in page
    assert "<blue>" not in page
    assert page.count("heat map of the distance to") == 2
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)


def test_the_command_says_it_in_words_in_numbers_and_on_a_page(
    run: CommandLine, tmp_path: Path, tower: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    album = write_album(tmp_path / "album", 5, 6, seed=4, groups=1).directory
    own = ("--library", tmp_path / "library", "--tower", tower)
    assert run("index", album / "people", "--people-from-folders", *own).code == 0
    group = album / "groups" / "0001.jpg"
    ran = run("why", group, *own)
    assert (ran.code, ran.err) == (0, "")
    assert re.match(r"\d faces in .+\nface 1: ", ran.out)
    assert "The runner-up is " in ran.out
    assert re.search(r"Of \d+ pairs of one person in this library, .* are farther apart", ran.out)
    assert re.search(r"^Covering a part moves the face .*nose [+-]0\.\d{3}", ran.out, re.MULTILINE)
    assert ran.out.endswith("\npage: why-0001.html\n")
    page = tmp_path / "why-0001.html"
    assert page.stat().st_mode & 0o777 == 0o600
    assert "Histograms of the distances" in page.read_text(encoding="utf-8")
    page.unlink()
    asked = json.loads(run("why", group, "--patch", "56", "--stride", "28", "--cover", "mean", "--json", *own).out)
    assert keys_of(asked) == documented_keys("why")
    assert np.shape(asked["occlusion"]["changes"]) == (3, 3)
    assert asked["page"] is None
    assert not page.exists()
    page.write_text("a letter")
    refused = run("why", group, *own)
    assert (refused.code, refused.out, page.read_text()) == (2, "", "a letter")
    assert run("why", group, "--out", tmp_path / "x.html", "--json", *own).code == 0
    assert run("why", group, "--face", "40", *own, "--force").code == 2


def test_the_threshold_is_the_towers(two_people_library: Library, tmp_path: Path) -> None:
    found = why(two_people_library, draw(tmp_path / "p.png", RED))
    assert found.threshold == THRESHOLD
    assert set(asdict(found.occlusion.patches)) == {"side_px", "stride_px", "fill"}
